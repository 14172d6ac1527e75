"""What the judges know of a run: the truth of every record, who owns what, what is under way.

It is written as things happen, by the world's witness alone, and judges nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from doka.adapters.simulated.plan import Plan
from doka.adapters.simulated.witness import Witness
from doka.adapters.simulated.world import World
from doka.domain.lease import Lease
from doka.domain.records import TopicPartition
from doka.domain.status import Status
from tests.aggregates import Aggregates
from tests.simulation.invariants.violation import ViolationError
from tests.simulation.truth import Ownership, PartitionTruth


class Evidence(Witness):
    """Sees everything and keeps the truth; the subjects below it judge."""

    world: World

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.reached: Counter[str] = Counter()
        self.truths: dict[TopicPartition, PartitionTruth] = {}
        self.former: dict[TopicPartition, PartitionTruth] = {}  # of a topic that was deleted and created again
        self.owned: dict[TopicPartition, Ownership] = {}
        self.gapped: set[TopicPartition] = set()
        self.duplicates_allowed = 0
        self.is_healed = False
        self.stopping = False
        self.draining = False
        self.drain_began_at = 0
        self._all_produced = False
        self.last_status: Status | None = None
        self._records: dict[object, tuple[PartitionTruth, int]] = {}
        self._entries: dict[int, list[tuple[Ownership, int]]] = {}  # the records of a put
        self._entry_of: dict[int, list[int]] = {}  # and for each of them its entry
        self._aggregates = Aggregates(plan.aggregation, self.require)
        self._in_flight = 0
        self._questions: deque[int] = deque()
        self._refusals: deque[int] = deque()
        self._settled_here = 0
        self._settled_told = 0
        self._commits_open: set[int] = set()
        self._lease_ends_at = 0
        self._leases_answered = 0
        self._owned_before: set[TopicPartition] = set()
        self._delivered_since_death = -1
        self._ambiguous_here = 0
        self._ambiguous_told = 0
        self._gaps_untold: set[TopicPartition] = set()
        self._waits_in_step = 0
        self._denials = 0
        self._blocked_told: set[str] = set()
        self._letter_of: dict[int, Ownership | None] = {}  # in which time of ownership each letter left
        self._refused_leases: set[int] = set()
        self._dead_leases: deque[int] = deque()  # when leases were given up since something landed
        self._lease: Lease | None = None  # that the process holds
        self._described: set[str] = set()  # routes of which it knows what their streams take
        self.facts_assumed = False
        self._fetch_step = 0  # the world's step of the last fetch that brought records
        self._fetched_bytes = 0  # what that fetch brought, as it is held

    def attach(self, world: World) -> None:
        """Judge this world."""
        self.world = world
        self.truths = {tp: PartitionTruth(tp) for tp in world.logs}

    def require(self, holds: object, rule: str, what: str) -> None:
        """Raise ViolationError unless the rule holds."""
        if not holds:
            raise ViolationError(rule, what)

    def produced(self, partition: TopicPartition, offset: int, key: bytes | None, value: bytes | None) -> None:
        truth = self.truths[partition]
        truth.produce(offset, key)
        name: object = value if value is not None else (key or b"").decode()
        self._records[name] = (truth, offset)

    def production_ended(self) -> None:
        self._all_produced = True

    def poisoned(self, partition: TopicPartition, offset: int) -> None:
        self.truths[partition].poison.add(offset)

    def removed(self, partition: TopicPartition, offsets: Sequence[int], *, retention: bool) -> None:
        self.truths[partition].remove(offsets, retention=retention)

    def recreated(self, partition: TopicPartition) -> None:
        self.former[partition] = self.truths[partition]
        self.truths[partition] = PartitionTruth(partition)
        self.reached["a topic was recreated"] += 1
        ownership = self.owned.get(partition)
        if ownership is not None and ownership.unsettled:
            self.reached["a topic was recreated with records in hand"] += 1

    def record_of(self, key: str, value: bytes) -> tuple[PartitionTruth, int]:
        """Find which record an entry is; every value names its record, and a tombstone's key does."""
        found = self._records.get(value or key)
        if found is None:
            raise ViolationError("I2", f"an entry that was never produced: {key!r} {value[:40]!r}")
        return found

    def end_life(self) -> None:
        """Forget what only the dead process knew."""
        self.owned.clear()
        self._entries.clear()
        self._entry_of.clear()
        self._aggregates.end_life()
        self._commits_open.clear()
        self._owned_before.clear()
        self._in_flight = self._settled_here = self._settled_told = self._leases_answered = 0
        self._ambiguous_here = self._ambiguous_told = self._waits_in_step = 0
        self._gaps_untold.clear()
        self._lease = None
        self._described.clear()
        self._blocked_told.clear()
        self._letter_of.clear()
        self._dead_leases.clear()
        self.last_status = None
        self.stopping = self.draining = False

    def _end(self, ownership: Ownership) -> None:
        self.duplicates_allowed += len(ownership.in_flight)
