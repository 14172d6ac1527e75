"""What the judges know of a run: the truth of every record, who owns what, what is under way.

It is written as things happen, by the world's witness alone, and judges nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter, deque
from collections.abc import Sequence
from functools import cached_property

from doka.adapters.simulated.partition_log import headers_of
from doka.adapters.simulated.plan import Plan
from doka.adapters.simulated.unfold import decompressed, opened
from doka.adapters.simulated.witness import Witness
from doka.adapters.simulated.world import World
from doka.domain.forwarder import Forwarder
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import Status
from tests.aggregates import Aggregates
from tests.simulation.homes import halted
from tests.simulation.invariants.violation import ViolationError
from tests.simulation.truth import Ownership, PartitionTruth

HEARD_WITHIN_NS = NS_PER_SECOND  # the client is not asked while there is no room and nobody is paused yet


class Evidence(Witness):
    """Sees everything and keeps the truth; the subjects below it judge."""

    world: World
    machine: Forwarder | None = None
    """The one of the present life, where somebody gave it."""

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
        self._last_commits: dict[int, TopicPartition] = {}  # not answered, of what a stop gave back
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
        self._asking = False  # whether its question for a lease is not answered
        self._ask_by = 0  # when it must have asked for one
        self._deaths = 0  # of leases, in this life
        self._committed_at: int | None = None  # when its last commit left
        self._gave_up = False  # whether partitions went during a stop
        self._left_open: str | None = None  # what a stop has left undone, in words
        self._commit_by = 0  # from when on what may be committed must be
        self._described: set[str] = set()  # routes of which it knows what their streams take
        self.facts_assumed = False
        self._forget_flow()
        self._fetch_step = 0  # the world's step of the last fetch that brought records
        self._fetched_bytes = 0  # what that fetch brought, as it is held

    @cached_property
    def _bare(self) -> dict[object, tuple[PartitionTruth, int]]:
        """Records by what their entries carry where that is their values as they are; else none."""
        plan = self.plan
        return {} if plan.newline or plan.envelope or plan.compress != "none" else self._records

    def _forget_flow(self) -> None:
        self._paused: frozenset[TopicPartition] = frozenset()  # as the client has it
        self._failing: set[str] = set()  # routes of which nothing has landed since a whole request failed
        self._scattered: set[str] = set()  # routes that keep an order, of streams that were told to ignore keys
        self._deaths_in_a_row = 0  # of leases, since something landed under the present one
        self._left_at: dict[str, int] = {}  # when the last put of each route was begun
        self._unsigned = 0  # requests that did not leave since the last status, and count as in flight

    @property
    def alone(self) -> bool:
        """Whether each topic has one route: else those that read the same topics hold each other up."""
        return self.plan.work.tee == 1

    @property
    def in_flight(self) -> int:
        """How many requests are in flight."""
        return self._in_flight

    def attach(self, world: World) -> None:
        """Judge this world."""
        self.world = world
        self.truths = {tp: PartitionTruth(tp) for tp in world.logs}

    def excuse_commits(self, until: int = 0) -> None:
        """Judge no commit as late before `until`, nor before an answer that is there has surely been read."""
        self._commit_by = max(self._commit_by, until, self.world.timeline.now + HEARD_WITHIN_NS)

    def machine_halted(self) -> bool:
        """Say whether the machine of this life decides nothing any more."""
        return self.machine is not None and halted(self.machine)

    def require(self, holds: object, rule: str, what: str) -> None:
        """Raise ViolationError unless the rule holds. What is judged often raises by itself, and makes no text for nothing."""
        if not holds:
            raise ViolationError(rule, what)

    def produced(self, partition: TopicPartition, offset: int, key: bytes | None, value: bytes | None) -> None:
        truth = self.truths[partition]
        lane = self.plan.key_of(partition, key)
        truth.produce(offset, key, len(key or b"") + len(value or b""), lane)
        names = {lane, (key or b"").decode(errors="replace")} if value is None else {value}
        for name in names:  # by either in an envelope
            self._records[name] = (truth, offset)

    def production_ended(self) -> None:
        self._all_produced = True

    def poisoned(self, partition: TopicPartition, offset: int) -> None:
        self.truths[partition].poison.add(offset)

    def grown(self, partition: TopicPartition) -> None:
        new = all(tp.topic != partition.topic for tp in self.truths)
        self.reached["a topic appeared" if new else "a partition was added"] += 1
        if self.world.life is None:
            self.reached["a topic or a partition appeared while no process was there"] += 1
        self.truths[partition] = PartitionTruth(partition)

    def beyond_bound(self, topic: str) -> bool:
        """Say whether a topic may be left because its route's pattern matches more than it may bring."""
        if not self.plan.patterned:
            return False
        routes = self.world.routes
        return sum(name == routes[topic] for name in routes.values()) > self.plan.topics_max

    def may_land(self, partition: TopicPartition, offset: int) -> None:
        self.truths[partition].poison.discard(offset)

    def unwanted(self, partition: TopicPartition, offset: int) -> None:
        truth = self.truths[partition]
        truth.unwanted.add(offset)
        truth.remove([offset], retention=False)

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
        try:
            found = self._found(key, decompressed(value, self.plan.compress))
        except ValueError as error:
            raise ViolationError("I2", f"an entry that no consumer can read: {key!r} {value[:40]!r}, {error}") from None
        if found is None:
            raise ViolationError("I2", f"an entry that was never produced: {key!r} {value[:40]!r}")
        return found

    def _found(self, key: str, data: bytes) -> tuple[PartitionTruth, int] | None:
        """Find the record of data that is not compressed, and judge the end of its line: I2."""
        if not self.plan.newline:
            return self._opened(data) if self.plan.envelope else self._records.get(data or key)
        if self.plan.envelope:
            self.require(data.endswith(b"}\n"), "I2", f"an envelope that is no line: {data[-40:]!r}")
            return self._opened(data)
        if not data:
            return self._records.get(key)
        self.require(data.endswith(b"\n"), "I2", f"an entry that is no line: {data[:40]!r}")
        with_its_own = self._records.get(data)  # the record itself ends in one
        return with_its_own or (None if data.endswith(b"\n\n") else self._records.get(data[:-1]))

    def _opened(self, value: bytes) -> tuple[PartitionTruth, int] | None:
        """Find which record is in an envelope, and judge all else that it says of it: I2."""
        told = opened(value)
        text, key = told["value"], told["key"]
        found = self._records.get(key if text is None else text.encode())
        if found is not None:
            truth, offset = found
            kept = truth.keys[offset]
            headers = [[name, _text(content)] for name, content in headers_of(kept)]
            told.pop("timestamp")
            wanted = {
                "topic": truth.tp.topic,
                "partition": truth.tp.partition,
                "offset": offset,
                "key": _text(kept),
                "headers": headers,
                "value": text,
            }
            self.require(told == wanted, "I2", f"an envelope says {told} of {wanted}")
        return found

    def end_life(self) -> None:
        """Forget what only the dead process knew."""
        self.owned.clear()
        self._entries.clear()
        self._entry_of.clear()
        self._aggregates.end_life()
        self._commits_open.clear()
        self._last_commits.clear()
        self._owned_before.clear()
        self._in_flight = self._settled_here = self._settled_told = self._leases_answered = 0
        self._ambiguous_here = self._ambiguous_told = self._waits_in_step = 0
        self._gaps_untold.clear()
        self._lease = None
        self._asking = False
        self._ask_by = self._deaths = self._commit_by = 0
        self._committed_at = self._left_open = None
        self._forget_flow()
        self._described.clear()
        self._blocked_told.clear()
        self._letter_of.clear()
        self._dead_leases.clear()
        self.last_status = None
        self.machine = None
        self.stopping = self.draining = self._gave_up = False

    def _end(self, ownership: Ownership) -> None:
        self.duplicates_allowed += len(ownership.in_flight)


def _text(content: bytes | None) -> str | dict[str, str] | None:
    """Give what an envelope makes of bytes."""
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(content).decode()}
