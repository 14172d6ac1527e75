from __future__ import annotations

import pytest

from doka.adapters.aws.held_lease import PATIENCE_NS, HeldLease
from doka.adapters.aws.kinesis.asking import Asking
from doka.adapters.aws.kinesis.questions import Refusal
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.domain.audit.landed import StreamUnreadableError
from doka.domain.events import LeaseIssued
from doka.domain.lease import Lease, Secrets
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import RoleRules
from tests.manual_clock import ManualClock


class EasyAuthority:
    """`domain.ports.Authority` whose leases do not end."""

    def __init__(self) -> None:
        self.issued = 0

    def issue(self, role: str) -> LeaseIssued:
        """Give one more."""
        self.issued += 1
        return LeaseIssued(Lease(self.issued, role, Secrets("key", "secret", None), 0, None))


class Setting:
    """One stream, of which nothing is really asked: only what follows from refusals."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.authority = EasyAuthority()
        self.leases = HeldLease(
            RoleRules("reader"),
            self.authority,
            self.clock,
            lambda: 0.5,
            pause=lambda _: None,
            request_timeout=NS_PER_SECOND,
        )
        target = StreamTarget("orders", "orders", None, "eu-west-1", "http://127.0.0.1:1")
        self.asking = Asking(target, self.leases, self.clock, lambda: 0.5, pause=lambda _: None)

    def waits(self, code: str, refusals: int = 1, after: int = 0) -> int | None:
        """Give how long is waited behind so many refusals; None where it is given up."""
        try:
            since = self.clock.now() - after
            return self.asking.wait_behind(Refusal(code, ""), self.leases.get(), refusals, since=since)
        except StreamUnreadableError as error:
            return None if error.refusal.code == code else -1


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "ThrottlingException"])
def test_a_throttle_is_always_waited_for(code: str) -> None:
    """Others read there too: it is asked again, later each time, up to five seconds, whenever it began."""
    setting = Setting()
    waits = [setting.waits(code, refusals, 2 * PATIENCE_NS) or 0 for refusals in range(1, 20)]
    assert waits == sorted(waits)
    assert 0 < waits[0] < NS_PER_SECOND
    assert waits[-1] <= 5 * NS_PER_SECOND


@pytest.mark.parametrize("code", ["InternalFailure", "http_502", "timeout", "unreadable_answer", "not_connected"])
def test_what_passes_is_waited_for_a_while(code: str) -> None:
    """Once at the beginning, where it may be a wrong address; for five minutes where answers came before."""
    setting = Setting()
    assert setting.waits(code)
    assert setting.waits(code, 2) is None
    setting.asking.served(setting.leases.get())
    assert setting.waits(code, 9)
    assert setting.waits(code, 9, PATIENCE_NS) is None


@pytest.mark.parametrize(
    "code",
    ["ResourceNotFoundException", "KMSAccessDeniedException", "InvalidArgumentException", "http_403", "NewerThanThis"],
)
def test_what_would_be_the_same_again_is_told(code: str) -> None:
    """Whatever was answered before."""
    setting = Setting()
    setting.asking.served(setting.leases.get())
    assert setting.waits(code) is None


def test_a_lease_that_is_refused_is_replaced() -> None:
    """Another is asked for at once; a stream that takes none is told."""
    setting = Setting()
    assert 0 == setting.waits("ExpiredTokenException")
    assert 2 == setting.leases.get().serial
    assert setting.waits("ExpiredTokenException", 2) is None


def test_a_denial_is_doubted_once() -> None:
    """A session that served may have been revoked; one that never served is denied, and so is the one behind it."""
    setting = Setting()
    assert setting.waits("AccessDeniedException") is None
    setting.asking.served(setting.leases.get())
    assert 0 == setting.waits("AccessDeniedException")
    assert 2 == setting.leases.get().serial
    assert setting.waits("AccessDeniedException", 2) is None
