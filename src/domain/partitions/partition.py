"""What is owned, and what is taken in of it: from the fetch to the lanes, and which partitions must wait meanwhile.

Theory of operation. A fetched chunk goes through its partition's backlog into ledger, lanes and outbox.
It stays in the backlog while the stream's own limits are not known, and as far as it would reach more than
`ahead_records` above the offset that Kafka is known to hold: so the duplicates after a crash are bounded exactly.
Where half of that is used up by what is settled and not committed, the next commit does not wait its turn.

A partition is paused while its route is blocked, while a gap waits for a person, while nothing below its backlog has
settled for half a second, while it drains, and while it holds much and the budget is exhausted.
One that is only slow is not paused for that: a pause throws away what was prefetched.

What a person has ordered to skip is cut out of what was fetched, before anything is held: it is a hole in the offsets, as
compaction leaves them, and where it is the last of them the end of the log. So the watermark passes it in its turn, when all
below it has settled. An order for what is held already lets its partition begin again, at its watermark.

Who must wait shows in a look at every partition. Each change that may pause or resume one asks for it (`Turn.look`):
partitions that come, drain or go, a gap, a route that blocks or opens, a commit that Kafka has taken. Ten times a second
it is taken only while time alone may decide, or while the budget squeezes; a blocked route wakes nobody.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Collection

from doka.domain.commands import PausePartitions, ResumePartitions
from doka.domain.errors import InvariantError
from doka.domain.facts import PartitionStuck, RecordsSkipped
from doka.domain.held.budget import Budget, held_size
from doka.domain.held.lanes import KeyLanes, Lanes
from doka.domain.held.ledger import OffsetLedger
from doka.domain.held.shared_lanes import SharedLanes
from doka.domain.limits import STALL_BEFORE_PAUSE_NS
from doka.domain.partitions.commits import Commits
from doka.domain.partitions.log_watch import LogWatch
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.route import Route
from doka.domain.rules import RouteRules
from doka.domain.skip import Skip
from doka.domain.status import LogStatus, PartitionStatus, Stuck
from doka.domain.turn import Turn


class Partition:
    """From assign to revoke or lost; what is held of it is its ledger's.

    `backlog` holds what was fetched and is in no lane yet: chunks that would reach more than `ahead_records` above the
    committed offset, so that a crash can never repeat more than that; chunks that came before the stream's limits were known;
    and, as a bare offset, the end of the log behind them.

    Each field is written by one class, which its comment names.
    """

    __slots__ = (
        "backlog",
        "expected",
        "gap",
        "held_up",
        "ledger",
        "log_watch",
        "paused",
        "route",
        "skips",
        "stuck_at",
        "stuck_since",
        "stuck_told",
        "tp",
        "unreadable",
    )

    def __init__(self, tp: TopicPartition, start: int, route: Route, watch: LogWatch | None = None) -> None:
        self.tp = tp
        self.route = route
        self.ledger = OffsetLedger(tp, start, _lanes(route.rules))
        self.backlog: deque[Chunk | int] = deque()  # Intake
        self.expected = start  # Intake: the lowest offset that the next chunk may begin with
        self.paused = False  # Intake
        self.gap: str | None = None  # Forwarder: a sentence for a person
        self.held_up = False  # Intake: the backlog waits, and nothing below it has moved for a moment
        self.unreadable: str | None = None  # Forwarder: as gap, until something is read
        self.skips: tuple[Skip, ...] = ()  # Forwarder: ascending; some may be passed already
        self.stuck_since: int | None = None  # Intake, as the next two
        self.stuck_at = (start, start, 0)  # watermark, committed offset and open records then
        self.stuck_told = False
        self.log_watch = watch or LogWatch()  # Partition

    def __repr__(self) -> str:
        return f"Partition({self.tp} at {self.ledger.watermark}, {self.ledger.open} open)"

    @property
    def unsettled(self) -> int:
        """Records that were fetched and are not settled."""
        return self.ledger.open + sum(item.count for item in self.backlog if isinstance(item, Chunk))

    @property
    def waits_for_kafka(self) -> bool:
        """Whether all that was taken in has settled, and only its commit is missing."""
        return self.ledger.uncommitted > 0 and not self.ledger.open

    @property
    def drained(self) -> bool:
        """Whether nothing that was sent of it is on its way; a record that can never land is not waited for."""
        return not self.ledger.open or not self.route.holds(self.ledger)

    def begun_again(self) -> Partition:
        """Give the same partition as it begins at its watermark, with nothing of it held."""
        start = self.ledger.watermark
        again = Partition(self.tp, start, self.route, self.log_watch.taken_over(start))
        again.ledger.goes_on_from(self.ledger)
        again.skips = self.skips
        again.paused = self.paused  # the client's flag outlives the ledger
        return again

    def status(self, now: int, log: LogStatus | None, *, blocked: bool) -> PartitionStatus:
        """Give the present state in figures, with what is known of its log."""
        oldest, unsettled = self.ledger.oldest, self.unsettled
        self.log_watch.look(now, self.ledger.watermark, log)
        stuck = self._stuck(now, blocked=blocked)
        if stuck is None and not blocked and not self.ledger.draining:
            stuck = self.log_watch.stuck(now, brings_nothing=not unsettled and not self.paused)
        return PartitionStatus(
            route=self.route.rules.name,
            watermark=self.ledger.watermark,
            committed=self.ledger.committed,
            unsettled=unsettled,
            ahead=self.ledger.ahead + self.ledger.uncommitted,
            oldest_unsettled_age=None if oldest is None else now - oldest.arrived,
            oldest_timestamp_ms=None if oldest is None or oldest.timestamp_ms < 0 else oldest.timestamp_ms,
            paused=self.paused,
            stuck=None if stuck is None else stuck.sentence,
            log_end=self.log_watch.end,
            stuck_reason=None if stuck is None else stuck.reason,
            waiting=self.log_watch.waiting(now, held=None if oldest is None else now - oldest.arrived),
        )

    def _stuck(self, now: int, *, blocked: bool) -> Stuck | None:
        if self.gap is not None:
            return Stuck("gap", self.gap)
        if self.unreadable is not None:
            return Stuck("unreadable", self.unreadable)
        lane = self.route.quarantine.stopped_lane(self.ledger, now)
        if lane is not None:
            return Stuck(lane.reason, f"{lane.sentence}; limits.ahead_records is reached") if self.held_up else lane
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
    return KeyLanes() if rules.has_lanes_of_keys else Lanes()


def _is_blocked(route: Route) -> bool:
    return route.broken is not None or route.standing.blocked is not None


def _place_of(ledger: OffsetLedger) -> tuple[int, int, int]:
    """Give what changes whenever something of a partition settles, is committed, or comes in."""
    return ledger.watermark, ledger.committed, ledger.open


class Intake:
    """Nothing is in a lane that could settle more than `ahead_records` above its partition's committed offset."""

    def __init__(self, budget: Budget, commits: Commits, ahead_records: int, stuck_after: int) -> None:
        """Let in up to `ahead_records`; a partition of which nothing moves for `stuck_after` ns is told to be stuck."""
        self.unpaused = 0
        self._budget = budget
        self._commits = commits
        self._ahead_records = ahead_records
        self._stuck_after = stuck_after
        self._look_at = 0

    # --- records -------------------------------------------------------------------------------------------------

    def fetched(self, partition: Partition, chunk: Chunk, now: int, turn: Turn) -> None:
        """Take a chunk, but for what shall be skipped of it; one that begins below what is expected next cannot be."""
        if chunk.offsets[0] < partition.expected:
            raise InvariantError(f"{chunk!r} begins below {partition.expected}, the next offset that is expected")
        partition.expected = chunk.end
        rest = self._pass_skipped(partition, chunk, turn) if partition.skips else chunk
        if rest is not None:
            self._hold(partition, rest)
        self.admit(partition, now, turn)

    def _hold(self, partition: Partition, chunk: Chunk) -> None:
        self._budget.take(partition.ledger, held_size(chunk), chunk.count)
        partition.backlog.append(chunk)

    def _pass_skipped(self, partition: Partition, chunk: Chunk, turn: Turn) -> Chunk | None:
        """Hold what comes before what shall be skipped, and let a bare offset stand for that; give what comes behind."""
        for skip in partition.skips:
            first, far = bisect_left(chunk.offsets, skip.first), bisect_left(chunk.offsets, skip.far)
            if first == far:
                continue
            if first:
                self._hold(partition, chunk.part(0, first))
            end = chunk.offsets[far - 1] + 1
            partition.backlog.append(end)
            turn.commands.append(RecordsSkipped(partition.tp, chunk.offsets[first], end, far - first, skip))
            if far == chunk.count:
                return None
            chunk = chunk.part(far, chunk.count)
        return chunk

    def ended(self, partition: Partition, offset: int, now: int, turn: Turn) -> None:
        """Take the end of the log, or the far side of a gap: nothing more lies below `offset`."""
        partition.expected = max(partition.expected, offset)
        partition.backlog.append(offset)
        self.admit(partition, now, turn)

    def admit(self, partition: Partition, now: int, turn: Turn) -> None:
        """Take the backlog into lanes, in order, as far as the limits and the route allow."""
        backlog, ledger, route = partition.backlog, partition.ledger, partition.route
        if not backlog:
            return
        watermark = ledger.watermark
        while backlog and route.standing.knows_limits and route.broken is None:
            item = backlog[0]
            if isinstance(item, int):
                ledger.complete_to(item)
                backlog.popleft()
                continue
            if ledger.uncommitted * 2 >= self._ahead_records:
                self._commits.hurry()
            room = self._ahead_records - ledger.reach
            if room <= 0:
                break
            backlog.popleft()
            if room < item.count:
                backlog.appendleft(item.part(room, item.count))
                item = item.part(0, room)
            if not route.admit(ledger, item, now, turn):
                backlog.appendleft(item)
        if ledger.watermark != watermark:  # an end of the log was reached, or poison was dropped
            self._commits.moved((ledger,))

    def begin_drain(self, partition: Partition) -> None:
        """Forget what was fetched and not sent, wherever it is."""
        ledger = partition.ledger
        partition.route.forget_unsent(ledger)
        partition.backlog.clear()
        ledger.begin_drain()
        self._budget.recount(ledger)

    def forget(self, partition: Partition) -> None:
        """Forget a partition that belongs to somebody else."""
        partition.ledger.gone = True
        partition.route.forget_unsent(partition.ledger)
        self._budget.recount(partition.ledger)

    # --- who waits -----------------------------------------------------------------------------------------------

    def room(self, owned: int) -> int:
        """Give how many records may be fetched now, with `owned` partitions assigned."""
        return self._budget.room(self.unpaused, owned)

    def next_look(self, partitions: Collection[Partition]) -> int | None:
        """Give the moment of the next look, while one is needed now and then; None while only an event can change anything.

        It is needed while the budget squeezes, for who holds much changes with each record, and while time may decide.
        """
        waits = (self._waits_for_time(p) for p in partitions if p.backlog or p.held_up)
        return self._look_at if self._budget.squeezed or any(waits) else None

    def _waits_for_time(self, partition: Partition) -> bool:
        """Say whether a partition may become stuck, or go on with less than half its way, because nothing moves.

        One that was told as stuck and has moved is looked at too: it is not stuck any more, and nobody has said so.
        """
        if _is_blocked(partition.route):
            return False
        if not partition.stuck_told or _place_of(partition.ledger) != partition.stuck_at:
            return True
        return not partition.backlog and partition.ledger.reach < self._ahead_records

    def steer(self, partitions: Collection[Partition], now: int, turn: Turn) -> None:
        """Pause and resume who is due; looks at every partition ten times a second at most, unless the turn asks for it."""
        if not (self._budget.tick(now) or turn.look) and now < self._look_at:
            return
        turn.look = False
        self._look_at = now + STALL_BEFORE_PAUSE_NS // 5
        hogs = self._budget.hogs((partition.ledger for partition in partitions), len(partitions))
        pause: list[TopicPartition] = []
        resume: list[TopicPartition] = []
        for partition in partitions:
            must_wait = self._must_wait(partition, now, turn) or partition.ledger in hogs
            if must_wait != partition.paused:
                partition.paused = must_wait
                (pause if must_wait else resume).append(partition.tp)
        self.unpaused = sum(not p.paused for p in partitions)
        if pause:
            turn.commands.append(PausePartitions(frozenset(pause)))
        if resume:
            turn.commands.append(ResumePartitions(frozenset(resume)))

    def _must_wait(self, partition: Partition, now: int, turn: Turn) -> bool:
        if partition.backlog:
            self.admit(partition, now, turn)
        if self._held_up(partition, now, turn) or partition.ledger.draining or partition.gap is not None:
            return True
        standing = partition.route.standing
        return partition.route.broken is not None or (standing.blocked is not None and not standing.seeks_control)

    def _held_up(self, partition: Partition, now: int, turn: Turn) -> bool:
        """Say whether nothing settles or is committed below the backlog; where that lasts, tell it once.

        It is over when the backlog is taken in and half the way is free; or less of it, where nothing moves any more:
        what has settled behind a sick key may never become free, and the other keys go on to the end of the way.
        A pause comes soon, for it costs little; that a partition is stuck is said only when nothing has moved for longer
        than a request may take, for slow is not stuck.
        """
        ledger = partition.ledger
        if _is_blocked(partition.route):  # which is told already, once for all its partitions
            partition.stuck_since = None
            return False
        waits, held_up = bool(partition.backlog), partition.held_up
        if not waits and not held_up:
            partition.stuck_since = None
            return False
        at = _place_of(ledger)
        if partition.stuck_since is None or at != partition.stuck_at:
            partition.stuck_since, partition.stuck_at = now, at
        still = now - partition.stuck_since
        rests = still >= STALL_BEFORE_PAUSE_NS
        partition.held_up = waits and (held_up or rests)
        if held_up and not waits:
            free = self._ahead_records - ledger.reach
            partition.held_up = free * 2 < self._ahead_records and (free <= 0 or not rests)
        stuck = partition.held_up and still >= self._stuck_after
        if stuck != partition.stuck_told:
            partition.stuck_told = stuck
            uncommitted = stuck and partition.waits_for_kafka
            turn.commands.append(PartitionStuck(ledger.tp, ledger.watermark, stuck, uncommitted=uncommitted))
        return partition.held_up
