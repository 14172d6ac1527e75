"""One owned partition: its ledger, its lanes, and what keeps it from going on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from doka.domain.held.lanes import KeyLanes, Lanes, NoLanes
from doka.domain.held.ledger import OffsetLedger
from doka.domain.held.shared_lanes import SharedLanes
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import RouteRules
from doka.domain.status import PartitionStatus, Stuck

if TYPE_CHECKING:
    from doka.domain.routes.route import Route


class Partition:
    """From assign to revoke or lost; afterwards `gone`, and whatever still refers to it is ignored.

    `backlog` holds what was fetched and is in no lane yet: chunks that would reach more than `ahead_records` above the
    committed offset, so that a crash can never repeat more than that; chunks that came before the stream's limits were known;
    and, as a bare offset, the end of the log behind them.
    """

    __slots__ = (
        "backlog",
        "committed",
        "committed_passed",
        "draining",
        "expected",
        "gap",
        "gone",
        "held_bytes",
        "lanes",
        "ledger",
        "paused",
        "route",
        "sent_to",
        "stuck_at",
        "stuck_since",
        "stuck_told",
        "tp",
    )

    def __init__(self, tp: TopicPartition, start: int, route: Route) -> None:
        self.tp = tp
        self.route = route
        self.ledger = OffsetLedger(start)
        self.lanes = _lanes(route.rules)
        self.backlog: deque[Chunk | int] = deque()
        self.expected = start  # the lowest offset that the next chunk may begin with
        self.committed = start
        self.committed_passed = 0  # `ledger.passed` when what Kafka is known to hold was sent
        self.sent_to = start  # one above the highest offset that was ever sent
        self.held_bytes = 0
        self.paused = False
        self.draining = False
        self.gone = False
        self.gap: str | None = None
        self.stuck_since: int | None = None
        self.stuck_at = (start, start, 0)  # watermark, committed offset and open records then
        self.stuck_told = False

    def __repr__(self) -> str:
        return f"Partition({self.tp} at {self.ledger.watermark}, {self.ledger.open} open)"

    @property
    def uncommitted(self) -> int:
        """Records below the watermark that Kafka is not known to have taken the offset of: a crash repeats them."""
        return self.ledger.passed - self.committed_passed

    @property
    def unsettled(self) -> int:
        """Records that were fetched and are not settled."""
        return self.ledger.open + sum(len(item) for item in self.backlog if isinstance(item, Chunk))

    @property
    def waits_for_kafka(self) -> bool:
        """Whether all that was taken in has settled, and only its commit is missing."""
        return self.uncommitted > 0 and not self.ledger.open

    @property
    def drained(self) -> bool:
        """Whether nothing that was sent of it is on its way; a record that can never land is not waited for."""
        return not self.ledger.open or not self.route.holds(self)

    def begin_drain(self) -> int:
        """Forget what was fetched and not sent; give the bytes that became free."""
        self.draining = True
        self.backlog.clear()
        self.lanes.forget_from(self.sent_to)
        self.ledger.truncate(self.sent_to)
        held = self.ledger.held_bytes()
        freed, self.held_bytes = self.held_bytes - held, held
        self.expected = max(self.ledger.watermark, self.sent_to)
        return freed

    def status(self, now: int, log_end: int | None, *, blocked: bool) -> PartitionStatus:
        """Give the present state in figures."""
        oldest = self.ledger.oldest
        stuck = self._stuck(now, blocked=blocked)
        return PartitionStatus(
            route=self.route.rules.name,
            watermark=self.ledger.watermark,
            committed=self.committed,
            unsettled=self.unsettled,
            ahead=self.ledger.ahead + self.uncommitted,
            oldest_unsettled_age=None if oldest is None else now - oldest.arrived,
            oldest_timestamp_ms=None if oldest is None or oldest.timestamp_ms < 0 else oldest.timestamp_ms,
            paused=self.paused,
            stuck=None if stuck is None else stuck.sentence,
            log_end=log_end,
            stuck_reason=None if stuck is None else stuck.reason,
        )

    def _stuck(self, now: int, *, blocked: bool) -> Stuck | None:
        if self.gap is not None:
            return Stuck("gap", self.gap)
        lane = self.route.quarantine.stopped_lane(self, now)
        if lane is not None:
            return Stuck(lane.reason, f"{lane.sentence}; limits.ahead_records is reached") if self.stuck_told else lane
        if not self.stuck_told or blocked:
            return None
        watermark = self.ledger.watermark
        if self.waits_for_kafka:
            sentence = f"Kafka does not take its offset {watermark}, and limits.ahead_records is reached"
            return Stuck("not_committed", sentence)
        return Stuck("not_settled", f"the record at or above offset {watermark} does not settle")


def _lanes(rules: RouteRules) -> Lanes:
    """Make the lanes of one partition."""
    if rules.has_shared_lanes:
        return SharedLanes()
    return KeyLanes() if rules.has_lanes_of_keys else NoLanes()
