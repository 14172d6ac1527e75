"""Whether a route may send: what is known of its stream, and what stands in the way.

Theory of operation.

    UNKNOWN  the stream has not been described: nothing is fetched, nothing is sent
    OPEN     sends
    BLOCKED  fetches nothing; every now and then (backoff up to 60 s) one question or one request probes it

A blocked route is loud (readiness, metric, one log line for each reason) and needs no restart:
the first probe that succeeds opens it, and so does one of which records were throttled.

A stream that is known is looked at again now and then (`stream_watch.py`). Such a look opens nothing: it tells what has
changed, and blocks the route where its description would have kept it from opening.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from doka.domain.backoff import Jitter, backoff
from doka.domain.events import StreamDescribed, StreamRefused
from doka.domain.facts import (
    LanesBelowShards,
    RouteBlocked,
    RouteOpened,
    StreamChanged,
    StreamFactsAssumed,
    StreamLookFailed,
)
from doka.domain.limits import (
    BACKOFF_LAST_NS,
    PACED_BACKOFF_LAST_NS,
    RECORD_BYTES_DEFAULT,
    RETRY_BACKOFF_LAST_NS,
    THROTTLE_BACKOFF_LAST_NS,
)
from doka.domain.routes.stream_watch import StreamWatch
from doka.domain.rules import RouteRules
from doka.domain.status import AUTO, BY_KEY, StreamStatus
from doka.domain.turn import Turn
from doka.domain.verdicts import Verdict, of_entry

AUTO_DISTRIBUTION = "auto_distribution"
NOT_FOUND = "ResourceNotFoundException"
USABLE = frozenset({"ACTIVE", "UPDATING"})
_NOT_DESCRIBED = "its stream is not described yet"
_FIRST_PROBE_NS = RETRY_BACKOFF_LAST_NS // 20
_FAILURES_BEFORE_BLOCK = 5  # requests in a row of which nobody knows, or that never left
_LAST_BACKOFF = {
    Verdict.THROTTLED: THROTTLE_BACKOFF_LAST_NS,
    Verdict.RETRY: RETRY_BACKOFF_LAST_NS,
    Verdict.AMBIGUOUS: RETRY_BACKOFF_LAST_NS,
    Verdict.LANE: BACKOFF_LAST_NS,
}


class RouteState(Enum):
    """Whether requests may leave."""

    UNKNOWN = "unknown"
    OPEN = "open"
    BLOCKED = "blocked"


class Standing:
    """One stream as far as it is known, and the reason why nothing may be sent there, if there is one."""

    def __init__(self, rules: RouteRules, jitter: Jitter) -> None:
        self.state = RouteState.UNKNOWN
        self.reason: str | None = None
        self.blocked: str | None = _NOT_DESCRIBED  # why nothing may be sent; None when it may
        self.stream_arn: str | None = None
        self.record_bytes_max = RECORD_BYTES_DEFAULT
        self.knows_limits = False  # nothing is mapped before the stream's own record limit is known
        self.usable = False  # described, or not to be described, and nothing forbids to send
        self.seeks_control = False  # blocked by a record that may be poison: fetches on, another one may show it
        self.forbidden = False  # blocked by what its stream says of itself: no answer of a put opens it
        self.looks = False  # asked again about a stream that is known, and not answered yet
        self.probe_at = 0
        self.watch = StreamWatch(jitter)
        self._rules = rules
        self._jitter = jitter
        self._asking = False
        self._told: StreamDescribed | None = None  # as it was described last
        self._told_at = 0
        self._shards_reached = 0  # of how many open ones it was looked whether every one is reached
        self._look_failed_by: str | None = None  # the code with which looks fail, as it was told; None: they do not
        self._blocks = 0  # probes that failed in a row
        self._blocked_since = 0

    def probes(self, now: int) -> bool:
        """Say whether the route is blocked and its next probe may leave."""
        return self.state is RouteState.BLOCKED and now >= self.probe_at

    # --- the stream ----------------------------------------------------------------------------------------------

    def wants_description(self, now: int, *, nothing_to_send: bool) -> bool:
        """Say whether to ask for the stream's facts now, and note that it was asked for.

        A blocked route that has nothing to probe with probes by asking.
        """
        needed = not self.usable or (self.state is RouteState.BLOCKED and nothing_to_send)
        if self._asking or now < self.probe_at or not needed:
            return False
        self._asking = True
        return True

    def wants_look(self) -> bool:
        """Say whether a stream may be asked about again now that it is time, and note that it was asked for."""
        if self._asking or not self.usable:
            return False
        self._asking = self.looks = True
        return True

    def described(self, event: StreamDescribed, now: int, turn: Turn, *, waited_for: bool = False) -> None:
        """Take the stream's facts, and tell what has changed; open the route unless they forbid it.

        `waited_for`: a record waits for a higher record limit.
        """
        looked, self._asking, self.looks = self.looks, False, False
        news = self._tell_changes(event, turn)
        self._told, self._told_at, self._look_failed_by = event, now, None
        self.stream_arn = event.arn or self.stream_arn
        self.record_bytes_max = event.record_bytes_max
        self.knows_limits = True
        self.usable = event.status in USABLE and not self._breaks_order
        self.forbidden = not self.usable
        self.watch.answered(now, news=news, waited_for=waited_for)
        if self.usable:
            if self.state is not RouteState.OPEN and not looked:
                self.open(now, turn)
            self._tell_idle_shards(event.open_shards or 0, turn)
        elif self._breaks_order:
            self.block(
                AUTO_DISTRIBUTION,
                "the stream's record distribution strategy is AUTO, which ignores partition keys and so breaks order; "
                "set it to USER_PARTITION_KEY, or give the route `ordering: none` and no aggregation",
                now,
                turn,
            )
        else:
            self.block(f"stream_{event.status.lower()}", f"the stream is {event.status}", now, turn)

    def undescribed(self, event: StreamRefused, verdict: Verdict, now: int, turn: Turn) -> None:
        """Act on a stream that could not be described, and was not known to be usable."""
        self._asking = False
        if verdict is Verdict.LEASE and event.lease is not None:
            return  # the lease's fault: asked again under the next one
        if verdict is Verdict.DENIED and self.state is not RouteState.OPEN and not self._breaks_order:
            # Describing is not needed for putting: go on, and let the next request tell whether that is allowed.
            if not self.knows_limits:
                turn.commands.append(StreamFactsAssumed(self._rules.name, event.code))
            self.usable = self.knows_limits = True
            self.forbidden = False
            self.watch.failed(now)
            self._look_failed_by = event.code  # which was told, as what is assumed
            self.open(now, turn)
        else:
            self.block(event.code, event.message, now, turn)

    def look_failed(self, event: StreamRefused, now: int, turn: Turn, *, idle: bool) -> None:
        """Go on with what is known of a stream that could not be described again; tell it once for each code in a row.

        That there is no such stream is an answer, and blocks the route where no put would say so (`idle`).
        """
        self._asking = self.looks = False
        self.watch.failed(now)
        if event.code == NOT_FOUND and idle and self.state is RouteState.OPEN:
            self.block(event.code, event.message, now, turn)
        elif event.code != self._look_failed_by:
            turn.commands.append(StreamLookFailed(self._rules.name, event.code, event.message))
        self._look_failed_by = event.code

    def status(self) -> StreamStatus:
        """Give what is known of the stream."""
        told = self._told
        return StreamStatus(
            record_bytes_max=self.record_bytes_max,
            open_shards=None if told is None else told.open_shards,
            distribution=None if told is None else _distribution(told),
            kms_key=None if told is None else told.kms_key,
            described_at=None if told is None else self._told_at,
        )

    def _tell_changes(self, event: StreamDescribed, turn: Turn) -> bool:
        """Tell what is not as it was known; say whether anything is."""
        known = self._told
        changed: list[tuple[str, int | str | None, int | str | None]] = []
        if self.knows_limits:
            changed.append(("record_limit", self.record_bytes_max, event.record_bytes_max))
        if known is not None:
            changed.append(("distribution", _distribution(known), _distribution(event)))
            changed.append(("encryption", known.kms_key, event.kms_key))
            changed.append(("shards", known.open_shards, event.open_shards))
        changed = [change for change in changed if change[1] != change[2]]
        turn.commands += [StreamChanged(self._rules.name, *change) for change in changed]
        return bool(changed)

    @property
    def _breaks_order(self) -> bool:
        """Whether the stream is known to ignore the keys by which this route keeps order, or its aggregates whole."""
        return self._told is not None and not self._told.honours_keys and self._rules.needs_keys

    def _tell_idle_shards(self, open_shards: int, turn: Turn) -> None:
        """Tell when lanes of aggregates are too few to reach every shard; a lane has one place in the hash space."""
        aggregation = self._rules.aggregation
        if open_shards == self._shards_reached:
            return
        self._shards_reached = open_shards
        if aggregation is not None and aggregation.lanes < open_shards:
            turn.commands.append(LanesBelowShards(self._rules.name, aggregation.lanes, open_shards))

    # --- the state -----------------------------------------------------------------------------------------------

    def block(self, reason: str, message: str, now: int, turn: Turn, *, seeks_control: bool = False) -> None:
        """Stop sending; probe again after a backoff. Told when the reason is news, or that it seeks a control.

        What was in flight when the route was blocked is answered in the same way, and does not lengthen the backoff:
        only probes do, and they leave when the backoff has ended.
        """
        was_blocked = self.state is RouteState.BLOCKED
        news = not was_blocked or self.reason != reason or (seeks_control and not self.seeks_control)
        if not was_blocked:
            self._blocked_since = now
            self._blocks = 0
        probed = not was_blocked or now >= self.probe_at
        self.seeks_control = seeks_control or (self.seeks_control and reason == self.reason)
        self._enter(RouteState.BLOCKED, reason)
        if probed:
            self._blocks += 1
            self.probe_at = now + backoff(self._blocks, self._jitter, first=_FIRST_PROBE_NS)
        if news:
            turn.commands.append(RouteBlocked(self._rules.name, reason, message))
            turn.look = True

    def refused(self, codes: Iterable[str], now: int, turn: Turn) -> None:
        """Act on an answer to a blocked route that refused every record of its request, with these codes.

        One that was only throttled shows that the stream takes requests with this lease: its shard is hot, which is no
        reason to hold the records of the others; and a probe of the same records would meet the same shard for ever.
        """
        if any(of_entry(code) is Verdict.THROTTLED for code in codes):
            self.open(now, turn)
        else:
            self.block(self.blocked or "", "every record of the probe was refused", now, turn)

    def lease_is_back(self, now: int, turn: Turn) -> None:
        """Go on where the want of a lease had stopped the route; a stream that is not described yet is, next."""
        if self.state is not RouteState.BLOCKED:
            return
        if self.usable:
            self.open(now, turn)
            return
        self._enter(RouteState.UNKNOWN, None)
        self.probe_at = 0

    def open(self, now: int, turn: Turn) -> None:
        """Send again."""
        after = now - self._blocked_since if self.state is RouteState.BLOCKED else 0
        self._enter(RouteState.OPEN, None)
        self.probe_at = self._blocks = 0
        turn.commands.append(RouteOpened(self._rules.name, after))
        turn.look = True

    def _enter(self, state: RouteState, reason: str | None) -> None:
        self.state, self.reason = state, reason
        self.blocked = _NOT_DESCRIBED if state is RouteState.UNKNOWN else reason


def _distribution(event: StreamDescribed) -> str:
    return BY_KEY if event.honours_keys else AUTO


class Failures:
    """What a route remembers of requests that failed: how many in a row, how long to wait, which lease has landed something."""

    def __init__(self, jitter: Jitter) -> None:
        self.landed_with: int | None = None  # serial of the lease that landed the last request
        self._jitter = jitter
        self.in_a_row = 0  # whole requests that failed, and nothing landed since
        self._unknowns = 0  # of these, those of which nobody knows, or that never left

    def failed(self, verdict: Verdict) -> bool:
        """Note a whole request that failed; say whether so many did that the route should block."""
        self.in_a_row += 1
        self._unknowns += verdict is not Verdict.THROTTLED
        return self._unknowns >= _FAILURES_BEFORE_BLOCK

    def forget(self) -> None:
        """Begin anew: the stream was described."""
        self.in_a_row = self._unknowns = 0

    def succeeded(self, lease: int) -> None:
        """Note that a request landed something."""
        self.in_a_row = self._unknowns = 0
        self.landed_with = lease

    def may_be_revoked(self, lease: int) -> bool:
        """Say whether a denial may be the lease's fault: a revoked session answers like a missing permission.

        Only the lease that landed the last request is suspected; a denial of the next one is the policy's.
        """
        return lease == self.landed_with

    def wait(self, attempts: int, verdict: Verdict, *, paced: bool) -> int:
        """Say how long to wait before another try, in ns; `paced`: the stream's shards have their paces."""
        last = _LAST_BACKOFF.get(verdict, BACKOFF_LAST_NS)
        if verdict is Verdict.THROTTLED and paced:
            last = PACED_BACKOFF_LAST_NS
        return backoff(attempts, self._jitter, last=last)
