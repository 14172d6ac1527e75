"""What is taken in: from the fetch to the lanes, and which partitions must wait meanwhile.

Theory of operation. A fetched chunk goes through its partition's backlog into ledger, lanes and outbox.
It stays in the backlog while the stream's own limits are not known, and as far as it would reach more than
`ahead_records` above the offset that Kafka is known to hold: so the duplicates after a crash are bounded exactly.
Where half of that is used up by what is settled and not committed, the next commit does not wait its turn.

A partition is paused while its route is blocked, while a gap waits for a person, while nothing below its backlog has
settled for half a second, while it drains, and while it holds much and the budget is exhausted.
One that is only slow is not paused for that: a pause throws away what was prefetched.

Who must wait shows in a look at every partition. Each change that may pause or resume one asks for it (`look_soon`):
partitions that come, drain or go, a gap, a route that blocks or opens, a commit that Kafka has taken. Ten times a second
it is taken only while time alone may decide, or while the budget squeezes; a blocked route wakes nobody.
"""

from __future__ import annotations

from collections.abc import Collection

from doka.domain.commands import Command, PausePartitions, ResumePartitions
from doka.domain.errors import InvariantError
from doka.domain.facts import Fact, PartitionStuck
from doka.domain.held.budget import Budget, held_size
from doka.domain.limits import STALL_BEFORE_PAUSE_NS
from doka.domain.partitions.commits import Commits
from doka.domain.partitions.partition import Partition
from doka.domain.records import Chunk, TopicPartition


class Intake:
    """Nothing is in a lane that could settle more than `ahead_records` above its partition's committed offset."""

    def __init__(self, budget: Budget, commits: Commits, ahead_records: int) -> None:
        self.unpaused = 0
        self._budget = budget
        self._commits = commits
        self._ahead_records = ahead_records
        self._look_at = 0
        self._facts: list[Fact] = []

    def take_facts(self) -> list[Fact]:
        """Give what is worth telling since the last call."""
        facts, self._facts = self._facts, []
        return facts

    # --- records -------------------------------------------------------------------------------------------------

    def fetched(self, partition: Partition, chunk: Chunk, now: int) -> None:
        """Take a chunk; one that begins below what is expected next cannot be."""
        if chunk.offsets[0] < partition.expected:
            raise InvariantError(f"{chunk!r} begins below {partition.expected}, the next offset that is expected")
        partition.expected = chunk.end
        self._budget.take(partition, held_size(chunk), len(chunk))
        partition.backlog.append(chunk)
        self.admit(partition, now)

    def ended(self, partition: Partition, offset: int, now: int) -> None:
        """Take the end of the log, or the far side of a gap: nothing more lies below `offset`."""
        partition.expected = max(partition.expected, offset)
        partition.backlog.append(offset)
        self.admit(partition, now)

    def admit(self, partition: Partition, now: int) -> None:
        """Take the backlog into lanes, in order, as far as the limits allow."""
        if not partition.backlog:
            return
        backlog, ledger, route = partition.backlog, partition.ledger, partition.route
        watermark = ledger.watermark
        while backlog and route.standing.knows_limits:
            item = backlog[0]
            if isinstance(item, int):
                ledger.complete_to(item)
                backlog.popleft()
                continue
            if partition.uncommitted * 2 >= self._ahead_records:
                self._commits.hurry()
            room = self._way_left(partition)
            if room <= 0:
                break
            backlog.popleft()
            if room < len(item):
                backlog.appendleft(item.part(room, len(item)))
                item = item.part(0, room)
            route.admit(partition, item, now)
        if ledger.watermark != watermark:  # an end of the log was reached, or poison was dropped
            self._commits.moved((partition,))

    def _way_left(self, partition: Partition) -> int:
        """Give how many more records of a partition may be in lanes."""
        return self._ahead_records - partition.ledger.above_watermark - partition.uncommitted

    # --- who waits -----------------------------------------------------------------------------------------------

    def room(self, owned: int) -> int:
        """Give how many records may be fetched now, with `owned` partitions assigned."""
        return self._budget.room(self.unpaused, owned)

    def look_soon(self) -> None:
        """Note that something changed that may pause or resume a partition."""
        self._look_at = 0

    @property
    def looks_soon(self) -> bool:
        """Whether the next decision has to look at every partition."""
        return not self._look_at

    def next_look(self, partitions: Collection[Partition]) -> int | None:
        """Give the moment of the next look, while one is needed now and then; None while only an event can change anything.

        It is needed while the budget squeezes, for who holds much changes with each record, and while time may decide.
        """
        waits = (self._waits_for_time(p) for p in partitions if p.backlog or p.stuck_told)
        return self._look_at if self._budget.squeezed or any(waits) else None

    def _waits_for_time(self, partition: Partition) -> bool:
        """Say whether a partition may become stuck, or go on with less than half its way, because nothing moves."""
        if partition.route.blocked is not None:
            return False
        if partition.backlog:
            return not partition.stuck_told
        return partition.stuck_told and self._way_left(partition) > 0

    def steer(self, partitions: Collection[Partition], now: int) -> list[Command]:
        """Give the pauses and resumptions that are due; looks at every partition ten times a second at most."""
        if not self._budget.tick(now) and now < self._look_at:
            return []
        self._look_at = now + STALL_BEFORE_PAUSE_NS // 5
        hogs = self._budget.hogs(partitions, len(partitions))
        pause: list[TopicPartition] = []
        resume: list[TopicPartition] = []
        for partition in partitions:
            must_wait = self._must_wait(partition, now) or partition in hogs
            if must_wait != partition.paused:
                partition.paused = must_wait
                (pause if must_wait else resume).append(partition.tp)
        self.unpaused = sum(not p.paused for p in partitions)
        commands: list[Command] = []
        if pause:
            commands.append(PausePartitions(frozenset(pause)))
        if resume:
            commands.append(ResumePartitions(frozenset(resume)))
        return commands

    def _must_wait(self, partition: Partition, now: int) -> bool:
        self.admit(partition, now)
        route = partition.route
        if self._stuck(partition, now) or partition.draining or partition.gap is not None:
            return True
        return route.blocked is not None and not route.standing.seeks_control

    def _stuck(self, partition: Partition, now: int) -> bool:
        """Say whether nothing settles or is committed below the backlog, and tell it once.

        It is over when the backlog is taken in and half the way is free; or less of it, where nothing moves any more:
        what has settled behind a sick key may never become free, and the other keys go on to the end of the way.
        """
        ledger = partition.ledger
        if partition.route.blocked is not None:  # which is told already, once for all its partitions
            partition.stuck_since = None
            return False
        waits, told = bool(partition.backlog), partition.stuck_told
        if not waits and not told:
            partition.stuck_since = None
            return False
        at = (ledger.watermark, partition.committed, ledger.open)
        if partition.stuck_since is None or at != partition.stuck_at:
            partition.stuck_since, partition.stuck_at = now, at
        rests = now - partition.stuck_since >= STALL_BEFORE_PAUSE_NS
        stuck = waits and (told or rests)
        if told and not waits:
            free = self._way_left(partition)
            stuck = free * 2 < self._ahead_records and (free <= 0 or not rests)
        if stuck != partition.stuck_told:
            partition.stuck_told = stuck
            uncommitted = stuck and partition.waits_for_kafka
            self._facts.append(PartitionStuck(partition.tp, ledger.watermark, stuck, uncommitted=uncommitted))
        return stuck
