"""Keeps one role's lease: when to renew it, and when it may still sign.

Theory of operation. A lease is renewed before it ends, in the background, one request at a time; while that goes on,
and while it fails, the old lease keeps signing until shortly before its true end. Every policy, `never` excepted,
asks for a new lease when there is none that may sign, and at once after a rejection: two early deaths within a minute
are survived. Only leases that die without ever having landed anything are renewed with a backoff.

    ABSENT    no lease, none refused: at the start, or after a rejection
    FRESH     signs; its time for renewal has not come
    DUE       signs; a new one is wanted
    EXPIRING  may no longer sign, because a request could outlive it
    REFUSED   may not sign, and the last request for a lease was refused

The moves between them are the table TRANSITIONS; the diagram in docs/ is drawn from it.
Nothing here reads a wall clock: a wrong host clock changes no decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from doka.domain.backoff import Jitter, backoff
from doka.domain.errors import invariant
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.facts import LeaseRejected, LeaseRenewalFailed, LeaseRenewed
from doka.domain.lease import Lease
from doka.domain.limits import BACKOFF_FIRST_NS, BACKOFF_LAST_NS
from doka.domain.rules import RoleRules, RotationPolicy
from doka.domain.status import LeaseStatus
from doka.domain.turn import Turn


class LeaseState(Enum):
    """How a role stands."""

    ABSENT = "absent"
    FRESH = "fresh"
    DUE = "due"
    EXPIRING = "expiring"
    REFUSED = "refused"


class LeaseInput(Enum):
    """What can happen to a role's lease."""

    ISSUED = "issued"
    REFUSED = "refused"
    RENEWAL_TIME = "renewal time came"
    RESERVE_REACHED = "reserve reached"
    REJECTED = "rejected by the service"


_S, _I = LeaseState, LeaseInput
TRANSITIONS: Mapping[tuple[LeaseState, LeaseInput], LeaseState] = MappingProxyType(
    {
        (_S.ABSENT, _I.ISSUED): _S.FRESH,
        (_S.ABSENT, _I.REFUSED): _S.REFUSED,
        (_S.FRESH, _I.ISSUED): _S.FRESH,
        (_S.FRESH, _I.REFUSED): _S.FRESH,
        (_S.FRESH, _I.RENEWAL_TIME): _S.DUE,
        (_S.FRESH, _I.RESERVE_REACHED): _S.EXPIRING,
        (_S.FRESH, _I.REJECTED): _S.ABSENT,
        (_S.DUE, _I.ISSUED): _S.FRESH,
        (_S.DUE, _I.REFUSED): _S.DUE,
        (_S.DUE, _I.RESERVE_REACHED): _S.EXPIRING,
        (_S.DUE, _I.REJECTED): _S.ABSENT,
        (_S.EXPIRING, _I.ISSUED): _S.FRESH,
        (_S.EXPIRING, _I.REFUSED): _S.REFUSED,
        (_S.EXPIRING, _I.REJECTED): _S.ABSENT,
        (_S.REFUSED, _I.ISSUED): _S.FRESH,
        (_S.REFUSED, _I.REFUSED): _S.REFUSED,
        (_S.REFUSED, _I.REJECTED): _S.REFUSED,
    }
)
"""Every move that there is; what is not here leaves the state as it was."""

SIGNING = (LeaseState.FRESH, LeaseState.DUE)  # a tuple: found by identity, each turn asks several times
_DOUBTED_AFTER_NS = BACKOFF_LAST_NS  # of a lease's life; as often as a blocked route is probed
_EARLY_DEATHS_FORGIVEN = 2  # renewed at once; a third lease in a row that never landed anything waits
_NEVER = 1 << 63  # later than any clock will show


class LeaseKeeper:
    """At most one request for a lease in flight, and no signature with a lease that could end under way."""

    def __init__(self, rules: RoleRules, request_timeout: int, jitter: Jitter) -> None:
        """Keep leases by `rules` for requests that may take `request_timeout` ns."""
        self.rules = rules
        self.state = LeaseState.ABSENT
        self.refusal: LeaseRefused | None = None
        self._timeout = request_timeout
        self._jitter = jitter
        self._lease: Lease | None = None
        self._due_at = _NEVER
        self._sign_until = 0  # the reserve of the lease begins here
        self._moves_at = _NEVER  # when time alone moves the state next: most turns end at one comparison
        self._asking = False
        self._retry_at = 0
        self._refusals = 0
        self._deaths = 0
        self._asked_once = False
        self._asked_at = 0

    # --- what happens --------------------------------------------------------------------------------------------

    def issued(self, event: LeaseIssued, now: int, turn: Turn) -> None:
        """Take a new lease; one that is already past its use is taken too, and asks for its successor."""
        lease = event.lease
        invariant(
            self._lease is None or lease.serial > self._lease.serial, f"lease {lease.serial} of {lease.role} came twice"
        )
        took = self._answered(now)
        self._lease = lease
        self._sign_until = self._reserve_starts(lease)
        self._refusals = 0
        self.refusal = None
        self._due_at = self._renewal_time(lease)
        self._retry_at = now + BACKOFF_FIRST_NS  # a lease that is due at birth must not make a storm
        self._move(LeaseInput.ISSUED)
        if now >= self._sign_until:
            self._deaths += 1
            self._hold_off(now)
        turn.commands.append(LeaseRenewed(lease.role, lease.serial, lease.life, took))

    def refused(self, event: LeaseRefused, now: int, turn: Turn) -> None:
        """Note that no lease was to be had; the next try comes after a backoff."""
        took = self._answered(now)
        self._refusals += 1
        self.refusal = event
        self.tick(now)
        self._move(LeaseInput.REFUSED)
        wait = backoff(self._refusals, self._jitter)
        self._retry_at = now + wait
        left = None if self._lease is None or self._lease.ends_at is None else self._lease.ends_at - now
        turn.commands.append(
            LeaseRenewalFailed(event.role, event.code, event.message, wait, left, cure=event.cure, took=took)
        )

    def rejected(self, serial: int, code: str, now: int, turn: Turn) -> None:
        """Drop the lease that the service refused; another one that is held by now stays."""
        lease = self._lease
        if lease is None or lease.serial != serial:
            return
        self._lease = None
        self._deaths += 1
        self._move(LeaseInput.REJECTED)
        self._hold_off(now)
        turn.commands.append(LeaseRejected(lease.role, serial, code, now - lease.issued_at))

    def doubted(self, serial: int, now: int) -> None:
        """Renew a lease, at most once a minute, because a blocked route is denied under it; it keeps signing meanwhile.

        A session that was revoked answers like a permission that is missing, and only another lease can tell.
        """
        lease = self._lease
        if lease is not None and lease.serial == serial and now - lease.issued_at >= _DOUBTED_AFTER_NS:
            self._due_at = now
            self._set_alarm()

    def landed(self, serial: int) -> None:
        """Note that a request signed with this lease was accepted: the lease is good."""
        if self._deaths and self._lease is not None and self._lease.serial == serial:
            self._deaths = 0

    # --- what follows --------------------------------------------------------------------------------------------

    def tick(self, now: int) -> None:
        """Move to the state that the time asks for."""
        if now < self._moves_at:
            return
        if self.state is LeaseState.FRESH and now >= self._due_at:
            self._move(LeaseInput.RENEWAL_TIME)
        if self.state in SIGNING and now >= self._sign_until:
            self._move(LeaseInput.RESERVE_REACHED)

    def wants_lease(self, now: int, *, needed: bool) -> bool:
        """Say whether to ask for a lease now, and note that it was asked for; `needed`: something waits to be signed."""
        self.tick(now)
        if self._asking or now < self._retry_at or not self._is_due(needed=needed):
            return False
        if self.rules.policy is RotationPolicy.NEVER and self._asked_once and self._lease is not None:
            return False
        if self.rules.policy is RotationPolicy.NEVER and self._deaths:
            return False
        self._asking = self._asked_once = True
        self._asked_at = now
        return True

    def _answered(self, now: int) -> int:
        """Note that there is an answer, and give how long it took."""
        asking, self._asking = self._asking, False
        return now - self._asked_at if asking else 0

    def _is_due(self, *, needed: bool) -> bool:
        """Say whether another lease should be here, be it asked for or not."""
        idle = self.rules.policy is RotationPolicy.ON_DEMAND and self._asked_once and not needed
        return self.state is not LeaseState.FRESH and not idle

    def for_signing(self, now: int) -> tuple[Lease, int] | None:
        """Give the lease that may sign now and the time in ns that a request may take under it; None to wait."""
        self.tick(now)
        if self.state not in SIGNING or self._lease is None:
            return None
        ends_at, timeout = self._lease.ends_at, self._timeout
        return self._lease, timeout if ends_at is None or ends_at - now > timeout else ends_at - now

    def trouble(self, now: int) -> tuple[str, str] | None:
        """Say why nothing can be signed and nothing better is at hand, as a reason and a sentence; None when all is well."""
        self.tick(now)
        if self.state in SIGNING:
            return None
        if self.refusal is not None:
            skew = self.refusal.skew_seconds
            if skew is not None:
                return "clock_skew", f"this host's clock is {skew:+.0f} s off and STS refuses its signatures"
            return f"lease_refused:{self.refusal.code}", self.refusal.message
        if self.rules.policy is RotationPolicy.NEVER and self._asked_once and not self._asking:
            return "lease_ended", "the lease has ended and rotation.policy is never"
        if self._deaths > _EARLY_DEATHS_FORGIVEN:
            return "lease_rejected", f"{self._deaths} leases in a row were rejected before anything landed"
        return None

    def next_change(self, now: int) -> int | None:
        """Give the next moment at which time alone changes something here."""
        self.tick(now)
        soonest = min(self._moves_at, self._retry_at if self._retry_at > now else _NEVER)
        return None if soonest == _NEVER else soonest

    def status(self, now: int, *, needed: bool) -> LeaseStatus:
        """Give the present state in figures; `needed`: something waits to be signed."""
        self.tick(now)
        lease = self._lease
        left = None if lease is None or lease.ends_at is None else lease.ends_at - now
        has_end = lease is None or lease.ends_at is not None
        serial, wanted = 0 if lease is None else lease.serial, self._is_due(needed=needed)
        return LeaseStatus(self.rules.name, self.state.value, serial, left, has_end, wanted)

    # --- how -----------------------------------------------------------------------------------------------------

    def _move(self, what: LeaseInput) -> None:
        self.state = TRANSITIONS.get((self.state, what), self.state)
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Note when time alone moves the state next."""
        if self.state is LeaseState.FRESH:
            self._moves_at = min(self._due_at, self._sign_until)
        else:
            self._moves_at = self._sign_until if self.state is LeaseState.DUE else _NEVER

    def _reserve_starts(self, lease: Lease) -> int:
        """Reserve before the end: a request's timeout, but at most a fifth of a short life."""
        if lease.ends_at is None:
            return _NEVER
        life = max(lease.ends_at - lease.issued_at, 0)
        return lease.ends_at - min(self._timeout, life // 5)

    def _renewal_time(self, lease: Lease) -> int:
        rules, jitter = self.rules, self._jitter()
        if rules.policy is RotationPolicy.INTERVAL:
            return lease.issued_at + rules.interval
        if rules.policy is RotationPolicy.BEFORE_EXPIRY and lease.ends_at is not None:
            margin = min(rules.margin, max(lease.ends_at - lease.issued_at, 0) // 3)
            return lease.ends_at - margin - int(jitter * margin / 5)  # spread, so that a fleet does not ask at once
        return _NEVER

    def _hold_off(self, now: int) -> None:
        """Renew at once after an early death, unless leases keep dying without ever landing anything."""
        extra = self._deaths - _EARLY_DEATHS_FORGIVEN
        self._retry_at = now + backoff(extra, self._jitter, first=10 * BACKOFF_FIRST_NS) if extra > 0 else 0
