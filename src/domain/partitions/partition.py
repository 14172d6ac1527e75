"""What is owned, and what is taken in of it: from the fetch to the lanes, and which partitions must wait meanwhile.

Theory of operation. A fetched chunk goes through its partition's backlog into ledger, lanes and outbox.
It stays in the backlog while the stream's own limits, or the schema of its first record, are not known, and as far as it
would reach more than `ahead_records` above the offset that Kafka is known to hold: so the duplicates after a crash are
bounded exactly.
Where half of that is used up by what is settled and not committed, the next commit does not wait its turn.

Several routes may read one partition: each has a leg of it, with a ledger and a backlog of its own, and is given every chunk.
What is committed is the lowest of their watermarks, so a leg that has come further waits `ahead_records` above that for the
slowest. One whose route is blocked is fetched for as long as others go on, and what it holds meanwhile is bounded likewise.

A partition is paused while its routes are blocked, while a gap waits for a person, while nothing below its backlog has
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
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import zip_longest

from doka.domain.commands import PausePartitions, ResumePartitions
from doka.domain.errors import InvariantError
from doka.domain.facts import PartitionStuck, RecordsSkipped
from doka.domain.held.budget import Budget, held_size
from doka.domain.held.lanes import KeyLanes, Lanes
from doka.domain.held.ledger import OffsetLedger
from doka.domain.held.shared_lanes import SharedLanes
from doka.domain.limits import STALL_BEFORE_PAUSE_NS
from doka.domain.partitions.commits import Commits, Watermarks
from doka.domain.partitions.log_watch import LogWatch
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.route import Route
from doka.domain.rules import RouteRules
from doka.domain.skip import Skip
from doka.domain.status import LogStatus, PartitionStatus, Stuck
from doka.domain.turn import Turn


class Leg:
    """What one route makes of an owned partition; what is held of it is its ledger's.

    `backlog` holds what was fetched and is in no lane yet: chunks that would reach more than `ahead_records` above the
    committed offset, so that a crash can never repeat more than that; chunks that came before the stream's limits were known;
    and, as a bare offset, the end of the log behind them.

    Each field is written by one class, which its comment names.
    """

    __slots__ = ("backlog", "held_up", "ledger", "log_watch", "route", "stuck_at", "stuck_since", "stuck_told")

    def __init__(self, route: Route, ledger: OffsetLedger, watch: LogWatch | None = None) -> None:
        self.route = route
        self.ledger = ledger
        self.backlog: deque[Chunk | int] = deque()  # Intake
        self.held_up = False  # Intake: the backlog waits, and nothing below it has moved for a moment
        self.stuck_since: int | None = None  # Intake, as the next two
        self.stuck_at = _place_of(ledger)  # then
        self.stuck_told = False
        self.log_watch = watch or LogWatch()  # Leg

    @property
    def unsettled(self) -> int:
        """Records that were fetched and are not settled."""
        if not self.backlog:
            return self.ledger.open
        return self.ledger.open + sum([item.count for item in self.backlog if isinstance(item, Chunk)])

    @property
    def drained(self) -> bool:
        """Whether nothing that was sent of it is on its way; a record that can never land is not waited for."""
        return not self.ledger.open or not self.route.holds(self.ledger)

    @property
    def is_blocked(self) -> bool:
        """Whether its route sends nothing."""
        return self.route.closed is not None or self.route.standing.blocked is not None

    @property
    def takes_nothing(self) -> bool:
        """Whether what would be fetched for it now could only wait."""
        standing = self.route.standing
        return self.route.closed is not None or (standing.blocked is not None and not standing.seeks_control)

    def status(self, now: int, log: LogStatus | None, partition: Partition) -> PartitionStatus:
        """Give the present state in figures, with what is known of the partition's log."""
        ledger, unsettled = self.ledger, self.unsettled
        oldest, blocked = ledger.oldest, self.route.blocked is not None
        self.log_watch.look(now, ledger.watermark, log)
        stuck = self._stuck(now, partition, blocked=blocked)
        if stuck is None and not blocked and not ledger.draining:
            stuck = self.log_watch.stuck(now, brings_nothing=not unsettled and not partition.paused)
        return PartitionStatus(
            route=self.route.rules.name,
            watermark=ledger.watermark,
            committed=ledger.committed,
            unsettled=unsettled,
            ahead=ledger.ahead + ledger.uncommitted,
            oldest_unsettled_age=None if oldest is None else now - oldest.arrived,
            oldest_timestamp_ms=None if oldest is None or oldest.timestamp_ms < 0 else oldest.timestamp_ms,
            paused=partition.paused,
            stuck=None if stuck is None else stuck.sentence,
            log_end=self.log_watch.end,
            stuck_reason=None if stuck is None else stuck.reason,
            waiting=self.log_watch.waiting(now, held=None if oldest is None else now - oldest.arrived),
        )

    def _stuck(self, now: int, partition: Partition, *, blocked: bool) -> Stuck | None:
        if partition.gap is not None:
            return Stuck("gap", partition.gap)
        if partition.unreadable is not None:
            return Stuck("unreadable", partition.unreadable)
        lane = self.route.quarantine.stopped_lane(self.ledger, now)
        if lane is not None:
            return Stuck(lane.reason, f"{lane.sentence}; limits.ahead_records is reached") if self.held_up else lane
        if not self.stuck_told or blocked:
            return None
        waits = None if self.route.decoding is None else self.route.decoding.waiting(self.ledger.tp)
        if waits is not None:
            return Stuck("schema", f"schema {waits[0]}, which the record at offset {waits[1]} names, is not known yet")
        watermark = self.ledger.watermark
        slowest = partition.held_back_by(self)
        if slowest is not None:
            sentence = (
                f"route {self.route.rules.name} is as far above what is committed as it may be, and waits for route "
                f"{slowest.route.rules.name}, which stands at offset {slowest.ledger.watermark}"
            )
            return Stuck("slower_route", sentence)
        if waits_for_kafka(self.ledger):
            sentence = f"Kafka does not take its offset {watermark}, and limits.ahead_records is reached"
            return Stuck("not_committed", sentence)
        return Stuck("not_settled", f"the record at or above offset {watermark} does not settle")


class Partition:
    """From assign to revoke or lost: one read, and a leg for each route that is given what it brings.

    Each field is written by one class, which its comment names.
    """

    __slots__ = ("expected", "full", "gap", "legs", "paused", "skips", "tp", "unreadable", "watermarks")

    def __init__(
        self, tp: TopicPartition, start: int, routes: Sequence[Route], watches: Sequence[LogWatch] = ()
    ) -> None:
        """Begin at `start`; `watches` are those of the legs, of an earlier time of ownership."""
        alone = len(routes) == 1
        ledgers = tuple(OffsetLedger(tp, start, _lanes(route.rules), alone=alone) for route in routes)
        self.tp = tp
        self.legs = {
            ledger: Leg(route, ledger, watch) for route, ledger, watch in zip_longest(routes, ledgers, watches)
        }
        self.watermarks = Watermarks(ledgers)
        self.expected = start  # Intake: the lowest offset that the next chunk may begin with
        self.paused = False  # Intake
        self.full = (
            False  # Intake: a route that is blocked holds as much of it as it may, and the others wait for that one
        )
        self.gap: str | None = None  # Forwarder: a sentence for a person
        self.unreadable: str | None = None  # Forwarder: as gap, until something is read
        self.skips: tuple[Skip, ...] = ()  # Forwarder: ascending; some may be passed already

    def __repr__(self) -> str:
        return f"Partition({self.tp} at {self.watermarks.lowest}, {self.open} open)"

    @property
    def open(self) -> int:
        """Records of all legs that are held and not settled."""
        return sum([ledger.open for ledger in self.legs])

    @property
    def unsettled(self) -> int:
        """Records of all legs that were fetched and are not settled."""
        return sum([leg.unsettled for leg in self.legs.values()])

    @property
    def draining(self) -> bool:
        """Whether it is about to go, or to begin again."""
        return self.watermarks.ledgers[0].draining

    @property
    def drained(self) -> bool:
        """Whether nothing that was sent of it is waited for; a route that is blocked is not, beyond its requests in flight."""
        return all(
            leg.drained or (leg.route.standing.blocked is not None and not leg.route.puts) for leg in self.legs.values()
        )

    @property
    def has_in_flight(self) -> bool:
        """Whether a request is in flight that carries records of it."""
        return any(leg.route.has_in_flight(ledger) for ledger, leg in self.legs.items())

    def held_back_by(self, leg: Leg) -> Leg | None:
        """Give the slowest leg, where this one is further and so has to wait for it; None where it has not."""
        lowest, ledger = self.watermarks.lowest, leg.ledger
        if ledger.watermark == lowest or (not self.full and ledger.passed_below(lowest) == ledger.passed):
            return None
        return next(each for each in self.legs.values() if each.ledger.watermark == lowest)

    def watches(self) -> list[LogWatch]:
        """Give what has looked at its log, for another time of ownership."""
        return [leg.log_watch for leg in self.legs.values()]

    def begun_again(self) -> Partition:
        """Give the same partition as it begins at its lowest watermark, with nothing of it held."""
        start, routes = self.watermarks.lowest, [leg.route for leg in self.legs.values()]
        again = Partition(self.tp, start, routes, [watch.taken_over(start) for watch in self.watches()])
        for ledger, before in zip(again.legs, self.legs, strict=True):
            ledger.goes_on_from(before)
        again.skips = self.skips
        again.paused = self.paused  # the client's flag outlives the ledger
        return again

    def status(self, now: int, log: LogStatus | None) -> PartitionStatus:
        """Give the present state in figures, with what is known of its log: of its first route, which has those of the others."""
        first, *others = [leg.status(now, log, self) for leg in self.legs.values()]
        return replace(first, others=tuple(others)) if others else first


def waits_for_kafka(ledger: OffsetLedger) -> bool:
    """Say whether all that was taken in has settled, and only its commit is missing."""
    return ledger.uncommitted > 0 and not ledger.open


def _lanes(rules: RouteRules) -> Lanes:
    """Make the lanes of one partition."""
    if rules.has_shared_lanes:
        return SharedLanes()
    return KeyLanes() if rules.has_lanes_of_keys else Lanes()


def _place_of(ledger: OffsetLedger) -> tuple[int, int, int]:
    """Give what changes whenever something of a partition settles, is committed, or comes in."""
    return ledger.watermark, ledger.committed, ledger.open


class Intake:
    """Nothing is in a lane that could settle more than `ahead_records` above its partition's committed offset."""

    def __init__(self, budget: Budget, commits: Commits, ahead_records: int, stuck_after: int) -> None:
        """Let in up to `ahead_records`; a leg of which nothing moves for `stuck_after` ns is told to be stuck."""
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
        if len(partition.legs) > 1:
            chunk = chunk.for_several()
        items = _without_skipped(partition, chunk, turn) if partition.skips else (chunk,)
        for leg in partition.legs.values():
            for item in items:
                if not isinstance(item, int):
                    self._budget.take(leg.ledger, held_size(item), item.count)
                leg.backlog.append(item)
            self.admit(partition, leg, now, turn)

    def ended(self, partition: Partition, offset: int, now: int, turn: Turn) -> None:
        """Take the end of the log, or the far side of a gap: nothing more lies below `offset`."""
        if offset <= partition.expected:
            return  # the records that came before end there themselves, as in a trickle nearly always
        partition.expected = offset
        for leg in partition.legs.values():
            leg.backlog.append(offset)
            self.admit(partition, leg, now, turn)

    def admit(self, partition: Partition, leg: Leg, now: int, turn: Turn) -> None:
        """Take the backlog of a leg into lanes, in order, as far as the limits and the route allow."""
        backlog, ledger, route = leg.backlog, leg.ledger, leg.route
        if not backlog:
            return
        watermark = ledger.watermark
        while backlog and route.standing.knows_limits and route.closed is None:
            item = backlog[0]
            if isinstance(item, int):
                ledger.complete_to(item)
                backlog.popleft()
                continue
            if ledger.uncommitted * 2 >= self._ahead_records and self._commit_helps(partition, ledger):
                self._commits.hurry()
            room = self._ahead_records - ledger.reach
            if room <= 0:
                break
            backlog.popleft()
            if room < item.count:
                backlog.appendleft(item.part(room, item.count))
                item = item.part(0, room)
            if route.decoding is not None:
                known = route.decoding.known_part(item, now)
                if known < item.count:
                    backlog.appendleft(item.part(known, item.count) if known else item)
                    if not known:
                        break
                    item = item.part(0, known)
                leg.stuck_since = None  # what waited for its schema may settle before anybody looks
            if not route.admit(ledger, item, now, turn):
                backlog.appendleft(item)
        if ledger.watermark != watermark:  # an end of the log was reached, or poison was dropped
            self._commits.moved(partition.watermarks)

    def _commit_helps(self, partition: Partition, ledger: OffsetLedger) -> bool:
        """Say whether a commit would make room that is worth one out of its turn; above a slower leg it would not."""
        lowest = partition.watermarks.lowest
        return (ledger.passed_below(lowest) - ledger.committed_passed) * 2 >= self._ahead_records

    def begin_drain(self, partition: Partition) -> None:
        """Forget what was fetched and not sent, wherever it is."""
        for ledger, leg in partition.legs.items():
            leg.backlog.clear()
            leg.route.forget_unsent(ledger)
            ledger.begin_drain()
            self._budget.recount(ledger)

    def even_out(self, partition: Partition, now: int, turn: Turn) -> None:
        """Let all legs of a partition that is about to go drain as far as one of them has sent: so none is left ahead.

        What a slower leg has been given up to there leaves in the drain, else the others' records would repeat.
        """
        if len(partition.legs) == 1:
            return
        far = max(ledger.sent_to for ledger in partition.legs)
        for ledger, leg in partition.legs.items():
            self.admit(partition, leg, now, turn)
            ledger.note_sent(far - 1)

    def forget(self, partition: Partition) -> None:
        """Forget a partition that belongs to somebody else."""
        for ledger, leg in partition.legs.items():
            ledger.gone = True
            leg.route.forget_unsent(ledger)
            self._budget.recount(ledger)

    # --- who waits -----------------------------------------------------------------------------------------------

    def room(self, owned: int) -> int:
        """Give how many records may be fetched now, with `owned` partitions assigned."""
        return self._budget.room(self.unpaused, owned)

    def next_look(self, partitions: Collection[Partition]) -> int | None:
        """Give the moment of the next look, while one is needed now and then; None while only an event can change anything.

        It is needed while the budget squeezes, for who holds much changes with each record, while time may decide, and while
        a route that is blocked fills up beside others.
        """
        if self._budget.squeezed:
            return self._look_at
        for partition in partitions:
            for leg in partition.legs.values():
                if (leg.backlog or leg.held_up or partition.full) and self._waits_for_time(partition, leg):
                    return self._look_at
        return self._look_at if self._budget.legs_max > 1 and any(map(self._fills_up, partitions)) else None

    def _fills_up(self, partition: Partition) -> bool:
        """Say whether a partition is fetched for some of its routes while others can send nothing."""
        several = len(partition.legs) > 1 and not partition.paused
        return several and any(leg.takes_nothing for leg in partition.legs.values())

    def _waits_for_time(self, partition: Partition, leg: Leg) -> bool:
        """Say whether a leg may become stuck, or go on with less than half its way, because nothing moves.

        One that was told as stuck and has moved is looked at too: it is not stuck any more, and nobody has said so.
        """
        if leg.is_blocked:
            return False
        if not leg.stuck_told or _place_of(leg.ledger) != leg.stuck_at:
            return True
        return not leg.backlog and not partition.full and leg.ledger.reach < self._ahead_records

    def steer(self, partitions: Collection[Partition], now: int, turn: Turn) -> None:
        """Pause and resume who is due; looks at every partition ten times a second at most, unless the turn asks for it."""
        if not (self._budget.tick(now) or turn.look) and now < self._look_at:
            return
        turn.look = False
        self._look_at = now + STALL_BEFORE_PAUSE_NS // 5
        hogs = self._hogs(partitions) if self._budget.squeezed else set()
        crowded = self._budget.legs_max > 1 and self._is_crowded(partitions)
        pause: list[TopicPartition] = []
        resume: list[TopicPartition] = []
        for partition in partitions:
            must_wait = self._must_wait(partition, now, turn, crowded=crowded) or (
                bool(hogs) and not hogs.isdisjoint(partition.legs)
            )
            if must_wait != partition.paused:
                partition.paused = must_wait
                (pause if must_wait else resume).append(partition.tp)
        self.unpaused = len(partitions) - sum([p.paused for p in partitions])
        if pause:
            turn.commands.append(PausePartitions(frozenset(pause)))
        if resume:
            turn.commands.append(ResumePartitions(frozenset(resume)))

    def _hogs(self, partitions: Collection[Partition]) -> set[OffsetLedger]:
        """Give the legs that hold too much while the budget squeezes."""
        ledgers = [ledger for partition in partitions for ledger in partition.legs]
        return self._budget.hogs(ledgers, len(ledgers))

    def _is_crowded(self, partitions: Collection[Partition]) -> bool:
        """Say whether routes that are blocked hold too much, for partitions that others are fetched for."""
        legs = (leg for partition in partitions for leg in partition.legs.values())
        return self._budget.is_too_much(sum(leg.ledger.held_bytes for leg in legs if leg.takes_nothing))

    def _must_wait(self, partition: Partition, now: int, turn: Turn, *, crowded: bool) -> bool:
        legs, idle = partition.legs.values(), 0
        for leg in legs:
            if leg.backlog:
                self.admit(partition, leg, now, turn)
            idle += leg.takes_nothing
        partition.full = 0 < idle < len(legs) and (crowded or self._has_full_leg(partition))
        waits = partition.full or idle == len(legs) or partition.draining or partition.gap is not None
        for leg in legs:
            if self._held_up(partition, leg, now, turn):
                waits = True
        return waits

    def _has_full_leg(self, partition: Partition) -> bool:
        """Say whether a route that can send nothing holds as many records as may be above what is committed."""
        return any(leg.takes_nothing and leg.unsettled >= self._ahead_records for leg in partition.legs.values())

    def _held_up(self, partition: Partition, leg: Leg, now: int, turn: Turn) -> bool:
        """Say whether nothing settles or is committed below the backlog; where that lasts, tell it once.

        It is over when the backlog is taken in and half the way is free; or less of it, where nothing moves any more:
        what has settled behind a sick key may never become free, and the other keys go on to the end of the way.
        A pause comes soon, for it costs little; that a leg is stuck is said only when nothing has moved for longer
        than a request may take, for slow is not stuck.
        """
        ledger = leg.ledger
        if leg.is_blocked:  # which is told already, once for all its partitions
            leg.stuck_since = None
            return False
        waits, held_up = bool(leg.backlog) or partition.full, leg.held_up
        if not waits and not held_up:
            leg.stuck_since = None
            return False
        at = _place_of(ledger)
        if leg.stuck_since is None or at != leg.stuck_at:
            leg.stuck_since, leg.stuck_at = now, at
        still = now - leg.stuck_since
        rests = still >= STALL_BEFORE_PAUSE_NS
        leg.held_up = waits and (held_up or rests)
        if held_up and not waits:
            free = self._ahead_records - ledger.reach
            leg.held_up = free * 2 < self._ahead_records and (free <= 0 or not rests)
        stuck = leg.held_up and still >= self._stuck_after
        if stuck != leg.stuck_told:
            leg.stuck_told = stuck
            turn.commands.append(_stuck(partition, leg))
        return leg.held_up


def _without_skipped(partition: Partition, chunk: Chunk, turn: Turn) -> list[Chunk | int]:
    """Give a chunk without what shall be skipped, for which a bare offset stands."""
    items: list[Chunk | int] = []
    for skip in partition.skips:
        first, far = bisect_left(chunk.offsets, skip.first), bisect_left(chunk.offsets, skip.far)
        if first == far:
            continue
        if first:
            items.append(chunk.part(0, first))
        end = chunk.offsets[far - 1] + 1
        items.append(end)
        turn.commands.append(RecordsSkipped(partition.tp, chunk.offsets[first], end, far - first, skip))
        if far == chunk.count:
            return items
        chunk = chunk.part(far, chunk.count)
    items.append(chunk)
    return items


def _stuck(partition: Partition, leg: Leg) -> PartitionStuck:
    """Tell that a leg is stuck, and why, or that it is so no more."""
    ledger, stuck = leg.ledger, leg.stuck_told
    slowest = partition.held_back_by(leg) if stuck else None
    return PartitionStuck(
        ledger.tp,
        ledger.watermark,
        stuck,
        uncommitted=stuck and slowest is None and waits_for_kafka(ledger),
        route=leg.route.rules.name,
        waits_for=None if slowest is None else slowest.route.rules.name,
    )
