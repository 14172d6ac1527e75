from __future__ import annotations

from collections.abc import Sequence

import pytest

from doka.adapters.aws.held_lease import PATIENCE_NS, HeldLease
from doka.domain.audit.landed import StreamUnreadableError
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.lease import Lease, Secrets
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import RoleRules, RotationPolicy
from tests.manual_clock import ManualClock

REFUSED = LeaseRefused("reader", "AccessDenied", "not authorized")


class ScriptedAuthority:
    """`domain.ports.Authority` that issues leases of fifteen minutes, but for what is said of the next questions."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.next: list[LeaseRefused] = []
        self.down = False
        self.issued = 0

    def issue(self, role: str) -> LeaseIssued | LeaseRefused:
        """Answer as told."""
        if self.next:
            return self.next.pop()
        if self.down:
            return REFUSED
        self.issued += 1
        now = self._clock.now()
        return LeaseIssued(Lease(self.issued, role, Secrets("key", "secret", None), now, now + 900 * NS_PER_SECOND))


class Setting:
    """A role's leases on a clock that waits move."""

    def __init__(self, policy: RotationPolicy = RotationPolicy.BEFORE_EXPIRY) -> None:
        self.clock = ManualClock()
        self.authority = ScriptedAuthority(self.clock)
        self.leases = HeldLease(
            RoleRules("reader", policy),
            self.authority,
            self.clock,
            lambda: 0.5,
            pause=lambda wait: self.clock.pass_seconds(wait / NS_PER_SECOND),
            request_timeout=10 * NS_PER_SECOND,
        )

    def serials(self, seconds: Sequence[int]) -> list[int]:
        """Give the serials of the leases that sign after each of these waits."""
        found = []
        for each in seconds:
            self.clock.pass_seconds(each)
            found.append(self.leases.get().serial)
        return found


def test_a_lease_is_renewed_before_its_end() -> None:
    """The same lease signs until its renewal is due, and none signs that is over."""
    assert [1, 1, 2, 2, 3, 4] == Setting().serials([0, 500, 200, 100, 800, 3_600])


def test_a_rejected_lease_is_replaced_at_once() -> None:
    """The next question is signed with another; a rejection of one that is held no more changes nothing."""
    setting = Setting()
    first = setting.leases.get()
    setting.leases.rejected(first, "ExpiredTokenException")
    assert 2 == setting.leases.get().serial
    setting.leases.rejected(first, "ExpiredTokenException")
    setting.leases.served(setting.leases.get())
    assert 2 == setting.leases.get().serial


def test_a_first_refusal_is_told_at_once() -> None:
    """A person waits for it, and it would be the same again."""
    setting = Setting()
    setting.authority.down = True
    began = setting.clock.now()
    with pytest.raises(StreamUnreadableError) as raised:
        setting.leases.get()
    assert (REFUSED, began) == (raised.value.refusal, setting.clock.now())


def test_a_refused_renewal_is_waited_for() -> None:
    """While the old lease lives it signs, behind its end the role is asked again, and given up after five minutes."""
    setting = Setting()
    setting.leases.get()
    setting.clock.pass_seconds(1_000)
    setting.authority.next = [REFUSED] * 3
    assert 2 == setting.leases.get().serial
    setting.authority.down = True
    setting.clock.pass_seconds(1_000)
    began = setting.clock.now()
    with pytest.raises(StreamUnreadableError):
        setting.leases.get()
    assert PATIENCE_NS <= setting.clock.now() - began < 2 * PATIENCE_NS


def test_a_role_that_is_never_renewed_ends() -> None:
    """Its end is told as what it is, instead of being waited for without end."""
    setting = Setting(RotationPolicy.NEVER)
    setting.leases.get()
    setting.clock.pass_seconds(1_000)
    with pytest.raises(StreamUnreadableError, match="lease_ended"):
        setting.leases.get()
