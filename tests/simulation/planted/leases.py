"""Bugs of leases: what signs, until when, and how often a new one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from doka.adapters.simulated.tokens import TokenService
from doka.domain.backoff import Jitter, backoff
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.lease import Lease, Secrets
from doka.domain.leases import keeper as lease_keeper
from doka.domain.leases.keeper import LeaseKeeper
from doka.domain.limits import BACKOFF_FIRST_NS, BACKOFF_LAST_NS, NS_PER_SECOND
from doka.domain.routes import standing
from doka.domain.routes.route import Role
from doka.domain.routes.standing import Failures
from doka.domain.turn import Turn
from tests.simulation.planted.bug import Patch, bug
from tests.simulation.planted.plans import (
    denied_for_long,
    leases_that_come_too_late,
    leases_that_nobody_knows,
    one_stream_denied,
    renewed_before_the_end,
    revoked_while_slow,
    slow_and_sts_down,
    sts_down_for_long,
)

WITH_BACKOFF = (lease_keeper, standing)


def sign_to_the_last_moment(patch: Patch) -> None:
    """Give a request its full timeout under a lease that ends before."""

    def planted(self: LeaseKeeper, now: int) -> tuple[Lease, int] | None:
        self.tick(now)
        return None if self._lease is None else (self._lease, self._timeout)

    patch.replace(LeaseKeeper, "for_signing", planted)


def _remember(patch: Patch, signs: Callable[[Lease, Lease], Lease]) -> None:
    """Let `signs` choose what signs out of the lease before and the present one."""
    issued, for_signing = LeaseKeeper.issued, LeaseKeeper.for_signing
    former: dict[LeaseKeeper, Lease] = {}

    def planted(self: LeaseKeeper, event: LeaseIssued, now: int, turn: Turn) -> None:
        if self._lease is not None:
            former[self] = self._lease
        issued(self, event, now, turn)

    def planted_signing(self: LeaseKeeper, now: int) -> tuple[Lease, int] | None:
        found = for_signing(self, now)
        if found is None or self not in former:
            return found
        return signs(former[self], found[0]), found[1]

    patch.replace(LeaseKeeper, "issued", planted)
    patch.replace(LeaseKeeper, "for_signing", planted_signing)


def sign_with_the_old_lease(patch: Patch) -> None:
    """Go on signing with the lease before the present one."""
    _remember(patch, lambda old, _: old)


def mix_two_leases(patch: Patch) -> None:
    """Sign with the key of one issue and the token of the next."""
    _remember(
        patch,
        lambda old, new: replace(
            new, secrets=Secrets(old.secrets.access_key, old.secrets.secret_key, new.secrets.token)
        ),
    )


def take_the_end_from_the_wall_clock(patch: Patch) -> None:
    """Count the life of a lease by the host's wall clock, which may be wrong."""
    honest = TokenService.answer

    def planted(self: TokenService, role: str, asked_at: int) -> LeaseIssued | LeaseRefused:
        event = honest(self, role, asked_at)
        if isinstance(event, LeaseRefused) or event.lease.ends_at is None:
            return event
        off = int(self._clock.skew_seconds * NS_PER_SECOND)
        return LeaseIssued(replace(event.lease, ends_at=event.lease.ends_at - off))

    patch.replace(TokenService, "answer", planted)


def keep_a_rejected_lease(patch: Patch) -> None:
    """Send again with the lease that was just refused."""

    def planted(self: LeaseKeeper, serial: int, code: str, now: int, turn: Turn) -> None:
        """Keep it."""

    patch.replace(LeaseKeeper, "rejected", planted)


def forget_that_a_lease_was_asked_for(patch: Patch) -> None:
    """Ask STS again before it has answered."""
    honest = LeaseKeeper.wants_lease

    def planted(self: LeaseKeeper, now: int, *, needed: bool) -> bool:
        self._asking = False
        return honest(self, now, needed=needed)

    patch.replace(LeaseKeeper, "wants_lease", planted)


def ask_at_once_when_sts_refuses(patch: Patch) -> None:
    """Ask for a lease again as soon as STS has refused one."""
    honest = LeaseKeeper.refused

    def planted(self: LeaseKeeper, event: LeaseRefused, now: int, turn: Turn) -> None:
        honest(self, event, now, turn)
        self._retry_at = 0

    patch.replace(LeaseKeeper, "refused", planted)


def reject_a_shared_lease_for_one_stream(patch: Patch) -> None:
    """Throw the role's lease away whenever one of its streams denies access."""

    def planted(self: Failures, lease: int) -> bool:
        return True

    patch.replace(Failures, "may_be_revoked", planted)


def renew_at_each_denial(patch: Patch) -> None:
    """Renew a lease whenever a stream denies access under it, however new it is."""

    def planted(self: LeaseKeeper, serial: int, now: int) -> None:
        if self._lease is not None and self._lease.serial == serial:
            self._due_at = now
            self._set_alarm()

    patch.replace(LeaseKeeper, "doubted", planted)


def reject_whatever_lease_is_held(patch: Patch) -> None:
    """Throw the present lease away for the refusal of an older one."""
    honest = LeaseKeeper.rejected

    def planted(self: LeaseKeeper, serial: int, code: str, now: int, turn: Turn) -> None:
        honest(self, serial if self._lease is None else self._lease.serial, code, now, turn)

    patch.replace(LeaseKeeper, "rejected", planted)


def forget_early_deaths(patch: Patch) -> None:
    """Take every lease that dies for the first one: ask for the next at once."""
    honest = LeaseKeeper.rejected

    def planted(self: LeaseKeeper, serial: int, code: str, now: int, turn: Turn) -> None:
        self._deaths = 0
        honest(self, serial, code, now, turn)

    patch.replace(LeaseKeeper, "rejected", planted)


def renew_after_the_margin(patch: Patch) -> None:
    """Spread renewals over the time after the margin has begun, not over that before it."""

    def planted(self: LeaseKeeper, lease: Lease) -> int:
        end = NS_PER_SECOND << 40 if lease.ends_at is None else lease.ends_at
        margin = min(self.rules.margin, (end - lease.issued_at) // 3)
        return end - margin + int(self._jitter() * margin / 5)

    patch.replace(LeaseKeeper, "_renewal_time", planted)


def wait_after_the_first_death(patch: Patch) -> None:
    """Forgive no lease that dies early: ask for the next after a backoff, each time."""

    def planted(self: LeaseKeeper, now: int) -> None:
        self._retry_at = now + backoff(self._deaths, self._jitter, first=10 * BACKOFF_FIRST_NS)

    patch.replace(LeaseKeeper, "_hold_off", planted)


def take_late_leases_for_good_ones(patch: Patch) -> None:
    """Ask for the next lease without waiting, however many in a row have ended before they came."""
    honest = LeaseKeeper.issued

    def planted(self: LeaseKeeper, event: LeaseIssued, now: int, turn: Turn) -> None:
        self._deaths = 0
        honest(self, event, now, turn)

    patch.replace(LeaseKeeper, "issued", planted)


def open_one_route_only(patch: Patch) -> None:
    """Let the first of a role's routes go on when its lease is back, and forget the others."""
    honest = Role.issued

    def planted(self: Role, event: LeaseIssued, now: int, turn: Turn) -> None:
        with pytest.MonkeyPatch.context() as monkey:
            monkey.setattr(self, "_routes", self._routes[:1])
            honest(self, event, now, turn)

    patch.replace(Role, "issued", planted)


def never_wait(patch: Patch) -> None:
    """Try again at once, always."""

    def planted(attempt: int, jitter: Jitter, *, first: int = 0, last: int = 0) -> int:
        return 0

    for module in WITH_BACKOFF:
        patch.replace(module, "backoff", planted)


def forget_the_jitter(patch: Patch) -> None:
    """Wait exactly as long as everybody else does."""

    def planted(attempt: int, jitter: Jitter, *, first: int = BACKOFF_FIRST_NS, last: int = BACKOFF_LAST_NS) -> int:
        return backoff(attempt, lambda: 1.0, first=first, last=last)

    for module in WITH_BACKOFF:
        patch.replace(module, "backoff", planted)


BUGS = (
    bug(sign_to_the_last_moment, "I5"),
    bug(sign_with_the_old_lease, "I5", "I6", plan=renewed_before_the_end),
    bug(mix_two_leases, "I6"),
    bug(take_the_end_from_the_wall_clock, "I5"),
    bug(keep_a_rejected_lease, "I5", "I9", "I10"),
    bug(forget_that_a_lease_was_asked_for, "I10"),
    bug(ask_at_once_when_sts_refuses, "I10", plan=sts_down_for_long),
    bug(reject_a_shared_lease_for_one_stream, "I10", plan=one_stream_denied),
    bug(renew_at_each_denial, "I10", plan=denied_for_long),
    bug(reject_whatever_lease_is_held, "I10", plan=revoked_while_slow),
    bug(forget_early_deaths, "I10", plan=leases_that_nobody_knows),
    bug(renew_after_the_margin, "I9", plan=renewed_before_the_end),
    bug(wait_after_the_first_death, "I9"),
    bug(take_late_leases_for_good_ones, "I10", plan=leases_that_come_too_late),
    bug(open_one_route_only, "I9", plan=slow_and_sts_down),
    bug(never_wait, "I10"),
    bug(forget_the_jitter, "I10"),
)
