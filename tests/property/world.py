"""A world around one forwarder, that judges every command in the moment in which it is given.

The numbers are those of the invariants that they guard: I1 no commit before settlement, I3 monotone commits of owned
partitions, I4 order of keys, I5 no stale signature, I7 bounds, I8 no needless duplicate, I10 one question at a time,
I13 ownership, I14 conservation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.commands import (
    Command,
    CommitOffsets,
    DescribeStream,
    Halt,
    PausePartitions,
    RequestLease,
    ResumePartitions,
    SeekPartition,
    SendLetter,
    SendPut,
)
from domain.events import (
    CommitAnswered,
    Event,
    GapFound,
    LeaseIssued,
    LeaseRefused,
    LetterAcknowledged,
    LetterRefused,
    PartitionEnded,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsRevoked,
    PutAmbiguous,
    PutAnswered,
    PutRefused,
    PutUnsent,
    RecordsFetched,
    RevokeStarted,
    StopRequested,
    StreamDescribed,
    StreamRefused,
)
from domain.facts import RecordsPoisoned, StreamFactsAssumed
from domain.forwarder import Forwarder
from domain.lanes import KeyLanes
from domain.lease import Lease, Secrets
from domain.limits import COMMIT_GIVEN_UP_NS, NS_PER_SECOND
from domain.outbox import Outbox
from domain.pacing import SLOWER_AT_MOST_EVERY_NS, ShardRange
from domain.partition import Partition
from domain.records import Chunk, TopicPartition
from domain.rules import LimitRules, NullKey, OnGap, OnPoison, Ordering, RoleRules, RotationPolicy, RouteRules, Rules
from domain.verdicts import Verdict, of_request
from tests.property.truth import Flight, Log, New, Ownership, Record

TPS = (TopicPartition("orders", 0), TopicPartition("orders", 1), TopicPartition("payments", 0))
KEYS: Sequence[bytes | None] = (b"a", b"b", b"c", None, b"")
STREAM_LIMIT = 1_100


@dataclass(frozen=True)
class Whole:
    """A record as Kafka gave it."""

    record: Record

    def key(self) -> bytes | None:
        """Give its key."""
        return self.record.key

    def value(self) -> bytes | None:
        """Give its value."""
        return self.record.value

    def headers(self) -> None:
        """Give no headers."""
        return

    def timestamp(self) -> tuple[int, int]:
        """Give no timestamp."""
        return 0, -1


@dataclass(frozen=True)
class Setup:
    """What differs from one run to the next."""

    ahead_records: int = 8
    request_records: int = 3
    requests_in_flight: int = 3
    held_bytes: int = 16_000
    on_poison: OnPoison = OnPoison.BLOCK
    on_gap: OnGap = OnGap.BLOCK
    policy: RotationPolicy = RotationPolicy.BEFORE_EXPIRY
    poison_per_minute: int = 100
    ordered_payments: bool = True
    shared_role: bool = True

    def rules(self) -> Rules:
        """Give the forwarder's rules: two routes, three partitions."""
        payer = "writer" if self.shared_role else "payer"
        ordering = Ordering.KEY if self.ordered_payments else Ordering.NONE
        routes = (
            RouteRules("orders", frozenset({"orders"}), "writer", on_poison=self.on_poison),
            RouteRules(
                "payments",
                frozenset({"payments"}),
                payer,
                null_key=NullKey.PARTITION,
                ordering=ordering,
                on_poison=self.on_poison,
            ),
        )
        limits = LimitRules(
            held_bytes=self.held_bytes,
            ahead_records=self.ahead_records,
            request_records=self.request_records,
            requests_in_flight=self.requests_in_flight,
            poison_per_minute=self.poison_per_minute,
        )
        roles = tuple(RoleRules(name, self.policy) for name in dict.fromkeys(("writer", payer)))
        return Rules(routes, roles, limits, self.on_gap)


class World:
    """The outside of one forwarder. What it is asked to do it notes; a driver decides when and how it is answered."""

    def __init__(self, setup: Setup, make: type[Forwarder] = Forwarder) -> None:
        self.setup = setup
        self.rules = setup.rules()
        self.limits = self.rules.limits
        self.forwarder = make(self.rules, lambda: 0.0)
        self.now = 1_000 * NS_PER_SECOND
        self.logs = {tp: Log(tp) for tp in TPS}
        self.owned: dict[TopicPartition, Ownership] = {}
        self.flights: dict[int, Flight] = {}
        self.late: list[tuple[Flight, list[int]]] = []
        self.commits: dict[int, tuple[CommitOffsets, int, dict[TopicPartition, Ownership], bool]] = {}
        self.farewell: dict[TopicPartition, Ownership] = {}
        self.lease_wanted: set[str] = set()
        self.leases: dict[str, Lease] = {}
        self.rejected: set[int] = set()
        self.serial = 0
        self.describing: dict[str, DescribeStream] = {}
        self.assumed: set[str] = set()
        self.letters: dict[int, tuple[Record, Ownership]] = {}
        self.stopped = False
        self.undecided = 0  # how many events may come before the next decision
        self.broken = False
        self.trace: list[str] = []

    # --- the machine turns ---------------------------------------------------------------------------------------

    def feed(self, event: Event) -> None:
        """Let something happen; a decision follows, unless some are held back."""
        self.trace.append(repr(event))
        self.broken = True  # unless the next line returns
        self.forwarder.handle(event, self.now)
        self.broken = False
        if self.undecided:
            self.undecided -= 1
        else:
            self.decide()

    def decide(self) -> None:
        """Take a decision, judge it, and look at everything."""
        self.broken = True  # unless all of this returns
        commands = self.forwarder.decide(self.now)
        for fact in commands:
            if isinstance(fact, RecordsPoisoned):
                self._poisoned(fact)
            elif isinstance(fact, StreamFactsAssumed):
                self.assumed.add(fact.route)
        for command in commands:
            self.trace.append(f"  -> {command!r}")
            self._obey(command)
        self.farewell.clear()
        self.look()
        self.broken = False

    def wait(self, ns: int) -> None:
        """Let time pass."""
        self.trace.append(f"{ns / 1e9:g} s pass")
        self.now += ns
        self.decide()

    # --- commands are judged -------------------------------------------------------------------------------------

    def _obey(self, command: Command) -> None:
        match command:
            case SendPut():
                self._sent(command)
            case SendLetter():
                self._lettered(command)
            case CommitOffsets():
                self._committed(command)
            case RequestLease(role):
                assert role not in self.lease_wanted, f"I10: two requests for a lease of {role} in flight"
                self.lease_wanted.add(role)
            case DescribeStream(route, lease):
                assert route not in self.describing, f"I10: {route} is described twice at once"
                self._may_sign(lease)
                self.describing[route] = command
            case PausePartitions(partitions):
                self._flag(partitions, paused=True)
            case ResumePartitions(partitions):
                self._flag(partitions, paused=False)
            case SeekPartition(tp, offset):
                own = self.owned[tp]
                own.position, own.gap = offset, False
            case Halt(reason):
                raise AssertionError(reason)
            case _:
                pass

    def _flag(self, partitions: Iterable[TopicPartition], *, paused: bool) -> None:
        for tp in partitions:
            assert self.owned[tp].paused is not paused, f"{tp} is told twice whether it is paused"
            self.owned[tp].paused = paused

    def _may_sign(self, lease: Lease) -> None:
        assert lease.serial == self.leases[lease.role].serial, f"lease {lease.serial} is not the last one"
        assert lease.serial not in self.rejected, f"I5: lease {lease.serial} was rejected and signs"
        if lease.ends_at is not None:
            life = max(lease.ends_at - lease.issued_at, 0)
            reserve = min(self.limits.request_timeout, life // 5)
            assert self.now < lease.ends_at - reserve, f"I5: lease {lease.serial} signs within its reserve"

    def _sent(self, command: SendPut) -> None:
        assert command.put not in self.flights
        assert 0 < len(command.keys) == len(command.values) <= self.limits.request_records, "I7: request too large"
        self._may_sign(command.lease)
        ends_at = command.lease.ends_at
        left = self.limits.request_timeout if ends_at is None else ends_at - self.now
        assert 0 < command.timeout <= min(left, self.limits.request_timeout), "I5: the request may outlive its lease"
        records, owners, lanes = [], [], set[tuple[TopicPartition, str]]()
        for key, value in zip(command.keys, command.values, strict=True):
            record = self._record(value)
            own = self.owned.get(record.tp)
            assert own is not None, f"I13: {record.tp} is sent, which is not owned"
            at = f"{record.tp} {record.offset}"
            assert own.fetched.get(record.offset) is record, f"I13: {at} is sent, which this owner did not fetch"
            found = record.poison and not record.bad and not (record.large and self._knows_no_limit(command.route))
            assert not found, f"I11: {at} is sent, which can never land"
            assert record.offset not in own.parked, f"I11: {at} is sent, which is known to be poison"
            assert record.offset not in own.settled, f"I8: {at} is sent again, which is settled"
            assert record.offset not in own.flying, f"I8: {at} is sent again before it was answered"
            assert own.drain_below is None or record.offset < own.drain_below, f"I13: {at} is new and sent in a drain"
            assert record.key is None or key == record.key.decode(), f"{at} is sent under {key}"
            assert not (before := own.open_before(record)), f"I4: {at} is sent while {before} are un-settled"
            lane = own.lane(record)
            assert lane is None or (record.tp, lane) not in lanes, f"I4: two of {lane} in one request"
            lanes.add((record.tp, lane or at))
            own.flying.add(record.offset)
            own.sent_to = max(own.sent_to, record.offset + 1)
            records.append(record)
            owners.append(own)
        self.flights[command.put] = Flight(command, records, owners)

    def _knows_no_limit(self, route: str) -> bool:
        """Say whether the machine had to assume how large a record may be."""
        return route in self.assumed

    def _record(self, value: bytes) -> Record:
        topic, partition, life, offset = value.split(b"#", 1)[0].split(b"|")
        return self.logs[TopicPartition(topic.decode(), int(partition))].ever[int(life), int(offset)]

    def _committed(self, command: CommitOffsets) -> None:
        final = bool(self.farewell) and set(command.offsets) <= set(self.farewell)
        owners = {tp: self.farewell[tp] if final else self.owned.get(tp) for tp in command.offsets}
        if not final:
            young = [at for _, at, _, last in self.commits.values() if not last and self.now - at < COMMIT_GIVEN_UP_NS]
            assert not young, "two commits are in flight"
        known: dict[TopicPartition, Ownership] = {}
        for tp, offset in command.offsets.items():
            own = owners[tp]
            assert own is not None, f"I3: {tp} is committed, which is not owned"
            assert own.committed <= offset <= own.reach, (
                f"I3: {tp} is committed at {offset}, {own.committed}..{own.reach}"
            )
            open_ = [o for o in own.fetched if o < offset and o not in own.settled]
            assert not open_, f"I1: {tp} is committed at {offset} above {open_}"
            lost = [r.offset for r in own.log.records.values() if own.start <= r.offset < offset and not r.safe]
            assert own.life != own.log.life or not lost, f"I1: {tp} is committed at {offset}, {lost} never landed"
            own.committed = offset
            known[tp] = own
        self.commits[command.commit] = (command, self.now, known, final)

    def _poisoned(self, fact: RecordsPoisoned) -> None:
        own = self.owned.get(fact.partition)
        if own is None or fact.offset not in own.fetched:
            return  # it went meanwhile
        record = own.fetched[fact.offset]
        assert record.poison, f"I11: {fact.partition} {fact.offset} is called poison and is none"
        assert fact.offset not in own.parked, f"I11: {fact.partition} {fact.offset} is quarantined twice"
        own.parked.add(fact.offset)
        if fact.policy == OnPoison.DROP.value:
            record.dropped = True
            own.settled.add(fact.offset)
            own.sent_to = max(own.sent_to, fact.offset + 1)

    def _lettered(self, command: SendLetter) -> None:
        own = self.owned.get(command.partition)
        assert own is not None, f"I13: a letter of {command.partition} is sent, which is not owned"
        assert command.offset in own.parked, (
            f"I11: a letter of {command.partition} {command.offset}, which is no poison"
        )
        assert command.offset not in own.settled, "I8: a letter is sent again that was acknowledged"
        record = own.fetched[command.offset]
        assert all(other is not record for other, of in self.letters.values() if of is own), "I8: two letters at once"
        own.sent_to = max(own.sent_to, command.offset + 1)
        self.letters[command.letter] = (record, own)

    # --- the whole is looked at ----------------------------------------------------------------------------------

    def look(self) -> None:
        """Judge what holds between two steps."""
        forwarder = self.forwarder
        partitions = forwarder._partitions
        assert set(self.owned) == set(partitions), "I13: the machine owns something else"
        assert len(self.flights) == forwarder.in_flight
        assert len(self.flights) <= max(self.limits.requests_in_flight, len(self.rules.routes)), "I7: requests"
        budget = forwarder._budget
        assert sum(p.held_bytes for p in partitions.values()) == budget.held >= 0, "I7: held bytes are miscounted"
        status = forwarder.status(self.now)
        for tp, own in self.owned.items():
            partition = partitions[tp]
            ledger = partition.ledger
            assert ledger.above_watermark <= self.limits.ahead_records, "I7: further ahead than allowed"
            places, wanted = self._places(partition, own), own.accounted()
            assert places == wanted, f"I14: of {tp} the machine has {places}, fetched and not settled are {wanted}"
            assert status.partitions[tp].unsettled == len(own.unsettled())
            if not own.unsettled():
                assert partition.held_bytes == 0, f"I7: {tp} holds bytes of nothing"
        if forwarder.drained():
            self._is_drained()

    def _is_drained(self) -> None:
        for route in self.forwarder._routes.values():
            for flight in route.outbox.flights.values():
                for part in flight.parts:
                    assert part.chunk.owner.gone, "I19: drained with a request in flight"

    @staticmethod
    def _places(partition: Partition, own: Ownership) -> list[int]:
        """Give the offsets of all records that the machine still has to do with, wherever they are."""
        route = partition.route
        outbox, quarantine, isolation = route.outbox, route.quarantine, route._isolation
        assert isinstance(outbox, Outbox)
        parts = [part for flight in outbox.flights.values() for part in flight.parts]
        parts += [*outbox._ready, *(part for _, _, part in outbox._delayed), *route._group]
        if isolation is not None:
            parts += [*isolation.suspects, *(part for group in isolation._groups for part in group)]
        found = [part.chunk.offsets[i] for part in parts if part.chunk.owner is partition for i in part.places]
        if isinstance(partition.lanes, KeyLanes):
            found += partition.lanes.waiting()
        found += [o for item in partition.backlog if isinstance(item, Chunk) for o in item.offsets]
        poison = [*quarantine._waiting, *outbox._met_poison]
        found += [p.chunk.offsets[p.place] for p in poison if p.chunk.owner is partition]
        found += own.parked - own.settled
        draining = own.drain_below is not None
        return sorted(o for o in found if not (draining and own.fetched[o].poison))

    # --- what may happen: Kafka ----------------------------------------------------------------------------------

    def readable(self) -> list[TopicPartition]:
        """Name the partitions from which records may come now."""
        if not self.forwarder.room():
            return []
        return [tp for tp, own in self.owned.items() if not own.paused and not own.gap]

    def fetch(self, tp: TopicPartition, count: int, new: Iterable[New] = ()) -> None:
        """Write new records behind the log, then deliver at most `count`."""
        own = self.owned[tp]
        for record in new:
            own.log.write(record)
        waiting = sorted(o for o in own.log.records if o >= own.position)[: min(count, self.forwarder.room())]
        if not waiting:
            return
        records = [own.log.records[o] for o in waiting]
        originals = [Whole(r) for r in records] if self.setup.on_poison is OnPoison.DEAD_LETTER else ()
        chunk = Chunk(tp, waiting, [r.key for r in records], [r.value for r in records], originals=originals)
        own.position = chunk.end
        if own.drain_below is None:
            own.reach = chunk.end
            own.fetched |= zip(waiting, records, strict=True)
        self.feed(RecordsFetched(chunk))

    def end(self, tp: TopicPartition, markers: int) -> None:
        """Reach the end of a log, with so many transaction markers behind its last record."""
        own = self.owned[tp]
        if any(o >= own.position for o in own.log.records):
            return
        own.log.end += markers
        if own.drain_below is None:
            own.reach = max(own.reach, own.log.end)
        self.feed(PartitionEnded(tp, own.log.end))

    def expire(self, tp: TopicPartition, further: int) -> None:
        """Let retention overtake the reader by up to so many offsets."""
        own = self.owned[tp]
        own.log.end = max(own.log.end, own.position) + further
        for record in own.log.records.values():
            record.retained = record.retained and record.offset < own.position
        self._gap(own, own.log.end)

    def recreate(self, tp: TopicPartition) -> None:
        """Delete and recreate a topic's partition under its reader."""
        own = self.owned[tp]
        if own.position == 0:
            return
        own.log.recreate()
        if self.setup.on_gap is OnGap.CONTINUE and own.drain_below is None and not own.gap:
            paused = own.paused
            self.owned[tp] = self._ownership(own.log, 0)
            self.owned[tp].paused = paused
        self._gap(own, 0)

    def _gap(self, own: Ownership, log_start: int) -> None:
        expected = own.position
        self.owned[own.tp].gap = True
        if own.drain_below is None and self.setup.on_gap is OnGap.CONTINUE and log_start >= expected:
            own.reach = log_start
        self.feed(GapFound(own.tp, expected, log_start, own.log.end))

    def _ownership(self, log: Log, start: int) -> Ownership:
        orders = log.tp.topic == "orders"
        return Ownership(
            log,
            start,
            lanes=orders or self.setup.ordered_payments,
            null_key=None if orders else f"{log.tp.topic}-{log.tp.partition}",
            life=log.life,
            drain_below=start if self.stopped else None,
        )

    def assign(self, tp: TopicPartition) -> None:
        """Give a partition to the member, from the stored offset."""
        log = self.logs[tp]
        self.owned[tp] = self._ownership(log, log.stored)
        self.feed(PartitionsAssigned({tp: log.stored}))

    def revoke_start(self, tp: TopicPartition) -> None:
        """Ask for a partition."""
        self._drain([self.owned[tp]])
        self.feed(RevokeStarted(frozenset({tp})))

    def revoke(self, tp: TopicPartition) -> None:
        """Take a partition back, its drain ended or not."""
        self.undecided = 0
        own = self.owned[tp]
        self._drain([own])
        del self.owned[tp]
        self.farewell[tp] = own
        self.feed(PartitionsRevoked(frozenset({tp})))

    def lose(self, tp: TopicPartition) -> None:
        """Give a partition to somebody else without asking."""
        self.owned.pop(tp)
        self.feed(PartitionsLost(frozenset({tp})))

    def stop(self) -> None:
        """Ask the process to end."""
        self._drain(list(self.owned.values()))
        self.stopped = True
        self.feed(StopRequested("SIGTERM"))

    def _drain(self, owned: Sequence[Ownership]) -> None:
        self.decide()  # so that what was dropped is known
        for own in owned:
            if own.drain_below is None:
                own.drain_below = own.sent_to
                own.reach = max(own.committed, own.sent_to, self.forwarder._partitions[own.tp].ledger.watermark)

    def store(self, commit: int, *, applied: bool, error: str | None) -> None:
        """Answer a commit; what was applied is stored even if the answer was lost."""
        command, _, owners, _ = self.commits.pop(commit)
        if applied or error is None:
            for tp, offset in command.offsets.items():
                if owners[tp].life == self.logs[tp].life and all(
                    other > commit or tp not in c.offsets for other, (c, *_) in self.commits.items()
                ):
                    self.logs[tp].stored = max(self.logs[tp].stored, offset)
        self.feed(CommitAnswered(commit, error))

    # --- what may happen: Kinesis and STS ------------------------------------------------------------------------

    def answer(self, put: int, failed: dict[int, str] | None = None, *, landed: Iterable[int] = ()) -> None:
        """Answer 200; of the refused entries those in `landed` landed all the same."""
        flight = self._returned(put)
        failed = {place: code for place, code in (failed or {}).items() if place < len(flight.records)}
        failed |= dict.fromkeys(flight.bad, "InvalidArgumentException")
        good = [place for place in range(len(flight.records)) if place not in failed]
        flight.land(good + [p for p in landed if failed.get(p) == "InternalFailure"])
        for place in good:
            flight.owners[place].settled.add(flight.records[place].offset)
        self.feed(PutAnswered(put, failed))

    def refuse(self, put: int, code: str) -> None:
        """Refuse a request as a whole."""
        flight = self._returned(put)
        if of_request(code) is Verdict.LEASE:
            self.rejected.add(flight.command.lease.serial)
        self.feed(PutRefused(put, code))

    def lose_answer(self, put: int, landed: Iterable[int], later: Iterable[int] = ()) -> None:
        """Lose an answer: some entries had landed, some will land later, and nobody knows which."""
        flight = self._returned(put)
        now = [p for p in landed if p in flight.good]
        flight.land(now)
        self.late.append((flight, [p for p in later if p in flight.good and p not in now]))
        self.feed(PutAmbiguous(put, "timeout"))

    def land_late(self, which: int) -> None:
        """Let the rest of a lost request land now."""
        flight, places = self.late.pop(which)
        flight.land(places)

    def acknowledge(self, letter: int) -> None:
        """Store a dead letter."""
        record, own = self.letters.pop(letter)
        record.lettered = True
        own.settled.add(record.offset)
        self.feed(LetterAcknowledged(letter))

    def refuse_letter(self, letter: int) -> None:
        """Do not store a dead letter."""
        del self.letters[letter]
        self.feed(LetterRefused(letter, "MSG_SIZE_TOO_LARGE"))

    def unsend(self, put: int) -> None:
        """Let a request fail before it left."""
        self._returned(put)
        self.feed(PutUnsent(put, "no connection"))

    def _returned(self, put: int) -> Flight:
        flight = self.flights.pop(put)
        for record, own in zip(flight.records, flight.owners, strict=True):
            own.flying.discard(record.offset)
        return flight

    def issue(self, role: str, life: int | None, late: int = 0) -> None:
        """Issue a lease that was asked for `late` ns ago."""
        self.lease_wanted.discard(role)
        self.serial += 1
        issued_at = self.now - late
        ends_at = None if life is None else issued_at + life
        self.leases[role] = Lease(self.serial, role, Secrets("", "", None), issued_at, ends_at)
        self.feed(LeaseIssued(self.leases[role]))

    def refuse_lease(self, role: str, code: str) -> None:
        """Refuse a lease."""
        self.lease_wanted.discard(role)
        self.feed(LeaseRefused(role, code))

    def describe(self, route: str, status: str = "ACTIVE", *, honours_keys: bool = True) -> None:
        """Answer a question about a stream."""
        del self.describing[route]
        shards = (ShardRange("shard-0", 0), ShardRange("shard-1", 1 << 127))
        self.feed(StreamDescribed(route, None, status, STREAM_LIMIT, honours_keys, len(shards), shards))

    def slow_down(self, route: str, key: str) -> None:
        """Let a shard have been throttled for long, so that its pace is the slowest there is."""
        pacer = self.forwarder._routes[route].outbox.pacer
        for ago in range(20, 0, -1):
            pacer.throttled(key, self.now - ago * SLOWER_AT_MOST_EVERY_NS)
        for _ in range(8):  # and what may leave at once has left
            pacer.leaves_at(key, 1, self.now)

    def refuse_description(self, route: str, code: str) -> None:
        """Refuse a question about a stream."""
        serial = self.describing.pop(route).lease.serial
        if of_request(code) is Verdict.LEASE:
            self.rejected.add(serial)
        self.feed(StreamRefused(route, code, lease=serial))
