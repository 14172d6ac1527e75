"""The rules that must hold in every run, each judged at the moment at which it could break.

The names I1..I20 are those of docs/guarantees.md. Rules that need the whole run stand in `at_the_end`.
A broken rule is an exception that nothing in the service can catch, so it surfaces where it happened.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping, Sequence

from adapters.simulated.kinesis import Put
from adapters.simulated.plan import Incident, Kind, Plan, Sick
from adapters.simulated.producer import UNUSABLE_KEYS
from adapters.simulated.tokens import triple
from adapters.simulated.witness import Witness
from adapters.simulated.world import World
from app.runtime import Ending
from domain.commands import CommitOffsets, SendLetter, SendPut
from domain.events import (
    Event,
    LeaseIssued,
    LeaseRefused,
    LetterRefused,
    PutAmbiguous,
    PutAnswered,
    PutRefused,
    PutUnsent,
    StopRequested,
)
from domain.facts import (
    Fact,
    GapSeen,
    LeaseRejected,
    LeaseRenewalFailed,
    RecordsFailed,
    RecordsPoisoned,
    RecordsSettled,
    RouteBlocked,
)
from domain.limits import BACKOFF_FIRST_NS, BACKOFF_LAST_NS, NS_PER_SECOND
from domain.records import Chunk, TopicPartition
from domain.rules import OnGap, OnPoison
from domain.status import Status
from tests.simulation.truth import Ownership, PartitionTruth

LEASE_QUESTIONS_MAX = 90  # in ten seconds; short leases and a short interval need up to sixty
LEASE_REFUSALS_MAX = 40  # in ten seconds and in a row; a backoff comes to fewer than twenty
MANY_ENTRIES = 20
THIRD_TIME = 3
ATTEMPTS_MAX = 60  # of one record in a second
ROOMY_BYTES = 1_000_000  # below, bytes may stop a partition before `ahead_records` does
CEILINGS = frozenset(min(BACKOFF_FIRST_NS << i, BACKOFF_LAST_NS) for i in range(16))
WAITS_IN_STEP_MAX = 3  # in a row that end where the backoff's ceiling is: a fleet would come back all at once
DRAIN_RESERVE_NS = 3 * NS_PER_SECOND  # of a stop's time, for leaving the group; at most a quarter of it
CUT_SHORT = ("not everything that was sent", "Kafka did not take the last")
NOT_TO_BE_SHOWN = re.compile(r"secret-\d|token-\d|\bt\d+/\d+/\d+")
"""Secrets as the authority gives them, and values and keys as the producer writes them."""


class ViolationError(BaseException):
    """A rule was broken."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


class Checker(Witness):
    """Sees everything, keeps the truth, and raises at the first broken rule."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.reached: Counter[str] = Counter()
        self.truths: dict[TopicPartition, PartitionTruth] = {}
        self.owned: dict[TopicPartition, Ownership] = {}
        self.gapped: set[TopicPartition] = set()
        self.duplicates_allowed = 0
        self.is_healed = False
        self.stopping = False
        self.draining = False
        self.drain_began_at = 0
        self._all_produced = False
        self.last_status: Status | None = None
        self._world: World | None = None
        self._records: dict[object, tuple[PartitionTruth, int]] = {}
        self._entries: dict[int, list[tuple[Ownership, int]]] = {}
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
        # A denial may be the lease's fault once, until something lands again on that route.
        self._denials_max = sum(
            plan.work.routes * (i.kind in {Kind.ACCESS_DENIED, Kind.STREAM_DENIED}) + (i.kind is Kind.TOKENS_REVOKED)
            for i in plan.incidents
        )

    def attach(self, world: World) -> None:
        """Judge this world."""
        self._world = world
        self.truths = {tp: PartitionTruth(tp) for tp in world.logs}

    @property
    def world(self) -> World:
        """The world that is judged."""
        assert self._world is not None
        return self._world

    def require(self, holds: object, rule: str, what: str) -> None:
        """Raise ViolationError unless the rule holds."""
        if not holds:
            raise ViolationError(rule, what)

    # --- the input -----------------------------------------------------------------------------------------------

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

    def record_of(self, key: str, value: bytes) -> tuple[PartitionTruth, int]:
        """Find which record an entry is; every value names its record, and a tombstone's key does."""
        found = self._records.get(value or key)
        if found is None:
            raise ViolationError("I2", f"an entry that was never produced: {key!r} {value[:40]!r}")
        return found

    # --- ownership -----------------------------------------------------------------------------------------------

    def assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        for tp, start in positions.items():
            self.require(tp not in self.owned, "I13", f"{tp} was assigned while it was owned")
            truth = self.truths[tp]
            self.owned[tp] = Ownership(truth, start)
            if tp in self._owned_before:
                self.reached["the same partition came back to its owner"] += 1
            self._owned_before.add(tp)
            again = self._repeats(truth, start)
            if again:
                self.reached["settled records are delivered again"] += 1

    def _repeats(self, truth: PartitionTruth, start: int) -> int:
        """Count the records that a new owner, who reads from `start`, will send again: `ahead_records` at most."""
        again = truth.landed_from(start)
        most = self.plan.limits.ahead_records
        self.require(again <= most, "I8", f"{truth.tp}: {again} records will repeat, and ahead_records is {most}")
        self.duplicates_allowed += again
        return again

    def neighbour_began(self, partition: TopicPartition, start: int) -> None:
        self._repeats(self.truths[partition], start)
        ownership = self.owned.get(partition)
        if ownership is not None:  # our process does not know yet that it owns it no more
            self.duplicates_allowed += len(ownership.in_flight)
            self.reached["a neighbour begins before we know that we lost"] += 1

    def revoke_began(self, partitions: Sequence[TopicPartition]) -> None:
        for tp in partitions:
            ownership = self.owned[tp]
            ownership.draining = True
            if ownership.in_flight:
                self.reached["revoked with a put in flight"] += 1
        if self.draining:
            self.reached["revoked while stopping"] += 1

    def gave_back(self, partitions: Sequence[TopicPartition]) -> None:
        for tp in partitions:
            self._end(self.owned.pop(tp))

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        for tp in partitions:
            if self.owned[tp].in_flight:
                self.reached["lost with a put in flight"] += 1
            self._end(self.owned.pop(tp))
        if self._commits_open:
            self.reached["lost with a commit in flight"] += 1

    def died(self) -> None:
        if not self._delivered_since_death:
            self.reached["died twice without a record in between"] += 1
        self._delivered_since_death = 0
        if self._in_flight:
            self.reached["died with a put in flight"] += 1
        for ownership in self.owned.values():
            if ownership.draining:
                self.reached["died inside the drain of a revoke"] += 1
            if ownership.settled and max(ownership.settled) >= ownership.truth.committed:
                self.reached["died between settling and committing"] += 1
            self._end(ownership)
        self.end_life()

    def end_life(self) -> None:
        """Forget what only the dead process knew."""
        self.owned.clear()
        self._entries.clear()
        self._commits_open.clear()
        self._owned_before.clear()
        self._in_flight = self._settled_here = self._settled_told = self._leases_answered = 0
        self._ambiguous_here = self._ambiguous_told = self._waits_in_step = 0
        self._gaps_untold.clear()
        self.last_status = None
        self.stopping = self.draining = False

    def stop_taken(self) -> None:
        """Note that the process has read that it shall stop."""
        if self.draining:
            self.reached["a second stop was asked for while the first was under way"] += 1
        if not self.draining:
            self.draining = True
            self.drain_began_at = self.world.timeline.now

    def left(self, ending: Ending) -> None:
        """Judge how a life ended by itself: I12 and I19."""
        self._look_for_payload(ending.reason)
        self.require("please report" not in ending.reason, "I12", ending.reason)
        now = self.world.timeline.now
        if self.draining:
            suspended = sum(end - begin for begin, end in self.world.suspensions if end > self.drain_began_at)
            took = now - self.drain_began_at - suspended
            most = self.plan.limits.drain + 2 * NS_PER_SECOND
            self.require(took <= most, "I19", f"a stop took {took / NS_PER_SECOND:.1f} s")
            least = self.plan.limits.drain - min(DRAIN_RESERVE_NS, self.plan.limits.drain // 4)
            self.require(
                now - self.drain_began_at >= least or not ending.reason.startswith(CUT_SHORT),
                "I19",
                f"a stop was cut short after {(now - self.drain_began_at) / NS_PER_SECOND:.3f} s: {ending.reason}",
            )
        else:
            self.require(ending.code != 0, "I12", f"it ended with exit code 0 and was not asked to: {ending.reason}")
        if (
            self.stopping
            and self.draining
            and not self.gapped
            and self.plan.sick is Sick.NOTHING
            and not (self.plan.work.poison or self.plan.work.refused)
        ):
            unanswered = self.plan.rates.commit_vanished + self.plan.rates.commit_unanswered
            excused = unanswered and ending.reason.startswith("Kafka did not take")
            self.require(
                ending.code == 0 or excused, "I19", f"a stop in good weather ended with {ending.code}: {ending.reason}"
            )
        for ownership in self.owned.values():
            self._end(ownership)
        self.end_life()

    def _end(self, ownership: Ownership) -> None:
        self.duplicates_allowed += len(ownership.in_flight)

    # --- delivery ------------------------------------------------------------------------------------------------

    def delivered(self, chunk: Chunk) -> None:
        ownership = self.owned[chunk.partition]
        self._no_hole(ownership, chunk.offsets[0])
        ownership.expected = chunk.end
        ownership.unsettled.update(dict.fromkeys(chunk.offsets))
        self._delivered_since_death += len(chunk)

    def ended(self, partition: TopicPartition, offset: int) -> None:
        ownership = self.owned[partition]
        self._no_hole(ownership, offset)
        ownership.expected = offset

    def _no_hole(self, ownership: Ownership, to: int) -> None:
        truth = ownership.truth
        for offset in truth.offsets[bisect_left(truth.offsets, ownership.expected) : bisect_left(truth.offsets, to)]:
            self.require(offset in truth.removed, "I15", f"{truth.tp}: offset {offset} was skipped in silence")
            self.reached["the input offset jumps"] += 1

    def gap_shown(self, partition: TopicPartition, expected: int, log_start: int) -> None:
        self.reached["a gap in the input"] += 1
        self._gaps_untold.add(partition)
        if self.plan.on_gap is OnGap.BLOCK:
            self.gapped.add(partition)

    def sought(self, partition: TopicPartition, offset: int) -> None:
        ownership = self.owned[partition]
        self.require(partition not in self._gaps_untold, "I15", f"a gap of {partition} was stepped over in silence")
        self._no_hole(ownership, offset)
        ownership.expected = max(ownership.expected, offset)

    # --- puts ----------------------------------------------------------------------------------------------------

    def put_began(self, command: SendPut) -> None:
        plan, now = self.plan, self.world.timeline.now
        self._in_flight += 1
        most = max(plan.limits.requests_in_flight, plan.work.routes)
        self.require(self._in_flight <= most, "I7", f"{self._in_flight} puts in flight, allowed are {most}")
        count = len(command.keys)
        self.require(0 < count <= plan.limits.request_records, "I7", f"a put of {count} entries")
        token = self.world.tokens.tokens[command.lease.serial]
        self.require(
            command.lease.secrets == triple(command.lease.serial),
            "I6",
            f"put {command.put} mixes two issues of secrets",
        )
        self.require(
            now + command.timeout <= token.ends_at,
            "I5",
            f"put {command.put} may outlive its lease by {now + command.timeout - token.ends_at} ns",
        )
        entries = self._entries[command.put] = []
        member = None if self.world.member is None else self.world.member.number
        for key, value in zip(command.keys, command.values, strict=True):
            truth, offset = self.record_of(key, value)
            ownership = self.owned.get(truth.tp)
            if ownership is None:
                raise ViolationError("I13", f"{truth.tp} offset {offset} was sent, and is not owned")
            self._may_send(ownership, offset, now)
            if self.world.group.owner[truth.tp] != member:
                self.duplicates_allowed += 1
            ownership.in_flight[offset] = command.put
            ownership.sent_to = max(ownership.sent_to, offset + 1)
            entries.append((ownership, offset))
        if count == 1:
            self.reached["a put of one entry"] += 1
        elif count >= MANY_ENTRIES:
            self.reached["a put of twenty entries or more"] += 1

    def _may_send(self, ownership: Ownership, offset: int, now: int) -> None:
        truth = ownership.truth
        where = f"{truth.tp} offset {offset}"
        self.require(offset < ownership.expected, "I3", f"{where} was sent before it was delivered")
        self.require(offset in ownership.unsettled, "I8", f"{where} was sent again after it had settled")
        self.require(offset not in ownership.in_flight, "I8", f"{where} was sent while it was in flight")
        unusable = offset in truth.poison and truth.keys[offset] in UNUSABLE_KEYS
        self.require(not unusable, "I11", f"{where} can never land, and was sent")
        if ownership.draining or self.draining:
            self.require(offset < ownership.sent_to, "I13", f"{where} was sent first in a drain")
        before = truth.before(offset)
        if before is not None and before >= ownership.start:
            self.require(
                before in ownership.settled or before in truth.dropped,
                "I4",
                f"{where} was sent while {before} of the same key had not settled",
            )
        sent = ownership.attempts.setdefault(offset, [])
        sent.append(now)
        if len(sent) == THIRD_TIME:
            self.reached["a record was refused twice"] += 1
        if len(sent) > ATTEMPTS_MAX:
            first = sent[-ATTEMPTS_MAX - 1]
            self.require(now - first > NS_PER_SECOND, "I10", f"{where} was sent {ATTEMPTS_MAX} times within a second")

    def landed(self, put: Put | None, entry: int, key: str, value: bytes) -> None:
        truth, offset = self.record_of(key, value)
        times = truth.landed.get(offset, 0)
        truth.landed[offset] = times + 1
        if times:
            return
        self.world.progress()
        before = truth.before(offset)
        if before is not None:
            self.require(
                truth.done(before) or (before in truth.poison and self.plan.on_poison is OnPoison.DROP),
                "I4",
                f"{truth.tp} offset {offset} landed before {before} of the same key",
            )
        if put is not None and not put.life.alive:
            self.reached["a record first landed after its sender's death"] += 1
        elif put is not None and put.answered:
            self.reached["a put landed after it was given up"] += 1

    def put_answered(self, put: Put, event: Event) -> None:
        self._in_flight -= 1
        entries = self._entries.pop(put.command.put)
        failed: Mapping[int, str] = {}
        settled = isinstance(event, PutAnswered)
        if isinstance(event, PutAnswered):
            failed = event.failed
            self._settled_here += len(entries) - len(failed)
            if len(failed) == len(entries):
                self.reached["every entry of a put was refused"] += 1
            elif len(failed) == 1 and len(entries) - 1 in failed:
                self.reached["only the last entry of a put was refused"] += 1
            elif 0 in failed:
                self.reached["the first entry was refused and a later one landed"] += 1
        elif isinstance(event, PutAmbiguous):
            self.duplicates_allowed += len(entries)
            self._ambiguous_here += len(entries)
            draining = any(ownership.draining for ownership, _ in entries)
            landed = any(offset in ownership.truth.landed for ownership, offset in entries)
            self.reached[f"a put was ambiguous and had {'' if landed else 'not '}landed"] += 1
            if draining:
                self.reached["a put was ambiguous in the drain of its partition"] += 1
        elif isinstance(event, PutUnsent):
            self.reached["a put never left the process"] += 1
        elif isinstance(event, PutRefused):
            self.reached[f"a put was refused with {event.code}"] += 1
        for i, (ownership, offset) in enumerate(entries):
            del ownership.in_flight[offset]
            if settled and i not in failed:
                self.require(offset in ownership.truth.landed, "I16", f"{ownership.truth.tp} {offset} did not land")
                ownership.settled.add(offset)
                del ownership.unsettled[offset]
            elif settled and failed[i] == "InternalFailure":
                self.duplicates_allowed += 1

    # --- commits -------------------------------------------------------------------------------------------------

    def put_denied(self, put: Put, code: str) -> None:
        if self.world.timeline.now >= self.world.tokens.tokens[put.command.lease.serial].ends_at:
            self.reached["a token ended between signing and arrival"] += 1

    def commit_answered(self, commit: int, error: str | None) -> None:
        self._commits_open.discard(commit)
        if error is not None:
            self.reached["a commit was refused"] += 1

    def commit_answer_lost(self) -> None:
        self.reached["a commit was stored and its answer lost"] += 1

    def commit_began(self, command: CommitOffsets) -> None:
        self._commits_open.add(command.commit)
        halted = self.last_status is not None and self.last_status.halted
        self.require(not halted, "I12", f"a commit was sent after the halt: {halted}")
        for tp, to in command.offsets.items():
            ownership = self.owned.get(tp)
            if ownership is None:
                raise ViolationError("I3", f"{tp} was committed to {to}, and is not owned")
            self.require(to >= ownership.committed, "I3", f"{tp}: a commit went back to {to}")
            self.require(to <= ownership.expected, "I3", f"{tp}: a commit to {to}, above what was delivered")
            first = next(iter(ownership.unsettled), None)
            self.require(
                first is None or first >= to or first in ownership.truth.dropped,
                "I1",
                f"{tp} was committed to {to} while {first} had not settled",
            )
            ownership.committed = to

    def commit_stored(self, offsets: Mapping[TopicPartition, int], *, ours: bool) -> None:
        for tp, to in offsets.items():
            truth = self.truths[tp]
            self.require(
                to >= truth.committed, "I3", f"{tp}: the group's offset went back from {truth.committed} to {to}"
            )
            if not ours and self.plan.on_poison is OnPoison.DROP:
                truth.dropped.update(offset for offset in truth.poison if truth.committed <= offset < to)
            undone = truth.undone(truth.committed, to)
            self.require(undone is None, "I1", f"{tp} stands at {to} while {undone} has not landed")
            if to > truth.committed:
                self.world.progress()
            truth.committed = to
        if self.is_healed:
            self.stop_when_done()

    # --- dead letters ----------------------------------------------------------------------------------------------

    def letter_stored(self, partition: TopicPartition, offset: int) -> None:
        truth = self.truths[partition]
        self.require(offset in truth.poison, "I11", f"{partition} {offset} is no poison, and went to the dead letters")
        truth.dropped.add(offset)

    def letter_answered(self, command: SendLetter, event: Event) -> None:
        ownership = self.owned.get(command.partition)
        if isinstance(event, LetterRefused):
            self.reached["a dead letter was refused or not acknowledged"] += 1
        elif ownership is not None:
            self.reached["a dead letter was acknowledged"] += 1
            ownership.unsettled.pop(command.offset, None)
            ownership.settled.add(command.offset)

    # --- leases --------------------------------------------------------------------------------------------------

    def lease_asked(self, role: str) -> None:
        now = self.world.timeline.now
        waiting = any(o.attempts.keys() & o.unsettled.keys() - o.in_flight.keys() for o in self.owned.values())
        if self._lease_ends_at and now >= self._lease_ends_at and waiting:
            self.reached["a lease ended while records waited for another try"] += 1
        self._questions.append(now)
        while now - self._questions[0] > 10 * NS_PER_SECOND:
            self._questions.popleft()
        count = len(self._questions)
        self.require(count <= LEASE_QUESTIONS_MAX, "I10", f"{count} leases were asked for within ten seconds")

    def lease_answered(self, event: Event) -> None:
        self._leases_answered += 1
        self._look_at_lease(event)
        if not isinstance(event, LeaseRefused):
            self._refusals.clear()
        if isinstance(event, LeaseRefused):
            now = self.world.timeline.now
            self._refusals.append(now)
            while now - self._refusals[0] > 10 * NS_PER_SECOND:
                self._refusals.popleft()
            count = len(self._refusals)
            self.require(count <= LEASE_REFUSALS_MAX, "I10", f"STS refused {count} questions within ten seconds")
            if self._leases_answered == 1:
                self.reached["STS was down at the start of a life"] += 1
            self.reached["a lease was refused"] += 1
            if self._in_flight:
                self.reached["a lease was refused with a put in flight"] += 1
        elif self._in_flight:
            self.reached["a lease was renewed with a put in flight"] += 1
        if self.draining:
            self.reached["a lease was answered after the stop was asked for"] += 1

    def _look_at_lease(self, event: Event) -> None:
        if isinstance(event, LeaseIssued) and event.lease.ends_at is not None:
            lease, self._lease_ends_at = event.lease, event.lease.ends_at
            if self._lease_ends_at <= self.world.timeline.now:
                self.reached["a lease arrived past its end"] += 1
            elif self._lease_ends_at - lease.issued_at < self.plan.lease_life:
                self.reached["a lease arrived shorter than asked"] += 1

    # --- the weather -----------------------------------------------------------------------------------------------

    def befell(self, incident: Incident) -> None:
        if incident.kind is Kind.TOKENS_REVOKED and self._in_flight:
            self.reached["tokens were revoked with a put in flight"] += 1
        elif incident.kind is Kind.SHARD_SPLIT and self._in_flight:
            self.reached["a shard was split with a put in flight"] += 1
        elif incident.kind is Kind.SHARD_MERGE and self._in_flight:
            self.reached["shards were merged with a put in flight"] += 1
        elif incident.kind is Kind.REBALANCE and any(o.draining for o in self.owned.values()):
            self.reached["a rebalance began while a revoke was under way"] += 1

    def resumed(self) -> None:
        self.reached["a partition was paused and resumed"] += 1

    def woke(self) -> None:
        if self._lease_ends_at and self.world.timeline.now >= self._lease_ends_at:
            self.reached["the process was suspended past the end of its lease"] += 1

    # --- what the service says of itself ---------------------------------------------------------------------------

    def told(self, fact: Fact) -> None:
        """Judge a fact that the service told."""
        if isinstance(fact, RecordsSettled):
            self._settled_told += fact.records
        elif isinstance(fact, RecordsFailed):
            self._ambiguous_told += fact.records if fact.ambiguous else 0
        elif isinstance(fact, GapSeen):
            self._gaps_untold.discard(fact.partition)
        elif isinstance(fact, LeaseRejected):
            self._denials += fact.code.startswith("AccessDenied")
            self.require(
                self._denials <= self._denials_max, "I10", f"{self._denials} leases were rejected for a denial"
            )
        elif isinstance(fact, LeaseRenewalFailed):
            self._look_for_payload(fact.message)
            self._waits_in_step = self._waits_in_step + 1 if fact.retry_in in CEILINGS else 0
            self.require(self._waits_in_step <= WAITS_IN_STEP_MAX, "I10", "the waits for a lease have no jitter")
        elif isinstance(fact, RecordsPoisoned):
            truth = self.truths[fact.partition]
            self.require(fact.offset in truth.poison, "I11", f"{fact.partition} {fact.offset} is no poison")
            self.reached[f"a poison record was met, policy {fact.policy}"] += 1
            if fact.policy == OnPoison.DEAD_LETTER.value:
                letters = self.owned.get(fact.partition)
                if letters is not None:  # its letter is on its way: a drain fills the holes below it
                    letters.sent_to = max(letters.sent_to, fact.offset + 1)
            if fact.policy == OnPoison.DROP.value:
                truth.dropped.add(fact.offset)
                ownership = self.owned.get(fact.partition)
                if ownership is not None:
                    ownership.sent_to = max(ownership.sent_to, fact.offset + 1)
                    ownership.unsettled.pop(fact.offset, None)
        elif isinstance(fact, RouteBlocked):
            self._look_for_payload(fact.message)
            self.reached[f"a route was blocked: {fact.reason.partition(':')[0]}"] += 1

    def _look_for_payload(self, text: str) -> None:
        shown = NOT_TO_BE_SHOWN.search(text)
        self.require(shown is None, "I17", f"a text for people shows {shown and shown[0]!r}")

    def published(self, status: Status) -> None:
        """Judge a status that the service published: I7 and I14."""
        self.last_status = status
        if status.halted is not None:
            return  # it stopped in the middle of something, and says so
        self.require(
            self._settled_told == self._settled_here, "I14", "the settled records that were told and that were"
        )
        self.require(
            self._ambiguous_told >= self._ambiguous_here, "I14", "ambiguous records were told as if nothing had landed"
        )
        for tp, shown in status.partitions.items():
            ownership = self.owned.get(tp)
            if ownership is None or ownership.draining or status.draining:
                continue
            have = len(ownership.unsettled)
            self.require(shown.unsettled == have, "I14", f"{tp} shows {shown.unsettled} unsettled records of {have}")
        if self.is_healed:
            self.stop_when_done()

    # --- the end ---------------------------------------------------------------------------------------------------

    def healed(self) -> None:
        self.is_healed = True
        self.stop_when_done()

    def time_is_up(self) -> None:
        missing = self.missing()
        self.require(
            not self.world.consumer_dead, "I12", "the consumer is dead, and the process goes on as if it lived"
        )
        self.require(missing is None or self.stopping, "I9", f"so long after the last fault healed, {missing}")

    def stop_when_done(self) -> None:
        """Ask the process to end once nothing more is to be expected of it."""
        life = self.world.life
        if not self.stopping and life is not None and self.missing() is None:
            self.stopping = True
            life.inbox.put(StopRequested("done"))

    def missing(self) -> str | None:
        """Say what must still happen; None when nothing must."""
        if not self._all_produced:
            return "records are still being written"
        for tp, truth in self.truths.items():
            log = self.world.logs[tp]
            if truth.committed < log.end:
                excuse = self._excused(truth)
                if excuse is not None:
                    return f"{tp} is committed to {truth.committed} of {log.end}{excuse}"
        return None

    def _excused(self, truth: PartitionTruth) -> str | None:
        """Give None where a partition may stay behind, else why it may not."""
        tp, plan = truth.tp, self.plan
        if tp in self.gapped or (plan.sick is Sick.UNFETCHABLE and tp == next(iter(self.truths))):
            return None
        # Where only the service knows the poison, it is known as such only when another record has landed beside it.
        stuck = truth.poison and (plan.on_poison is OnPoison.BLOCK or plan.work.refused)
        stream = self.world.streams[self.world.routes[tp.topic]]
        if stream.status is None:
            shown = None if self.last_status is None else self.last_status.routes[stream.name].blocked
            return None if shown or stuck else ", and nothing says that its stream is gone"
        hot = any(shard.hot for shard in stream.shards)
        if not stuck and not hot:
            return ""
        sick_keys = {truth.keys[offset] for offset in truth.poison}
        if hot:
            sick_keys |= {key for key in truth.keys.values() if key is None or stream.shard_of(key.decode()).hot}
        if plan.limits.held_bytes < ROOMY_BYTES:
            return None
        ahead = truth.offsets[bisect_left(truth.offsets, truth.committed) :]
        ownership = self.owned.get(tp)
        held = {} if ownership is None else ownership.unsettled | dict.fromkeys(ownership.settled)
        ahead = [offset for offset in ahead if offset not in truth.removed or offset in held]
        ahead = ahead[: plan.limits.ahead_records]
        waiting = [offset for offset in ahead if not truth.done(offset) and truth.keys[offset] not in sick_keys]
        return f", and {waiting[0]} of a healthy key has not landed" if waiting else None

    def at_the_end(self) -> None:
        """Judge the whole run: I2, I8."""
        extra = sum(truth.extra_landings() for truth in self.truths.values())
        self.require(
            extra <= self.duplicates_allowed, "I8", f"{extra} duplicates, explained are {self.duplicates_allowed}"
        )
        for tp, truth in self.truths.items():
            undone = truth.undone(0, truth.committed)
            self.require(undone is None, "I2", f"{tp}: {undone} is lost")
        if self.plan.calm:
            self.require(extra == 0, "I8", f"{extra} duplicates in calm weather")
            refused = [name for name in self.reached if "refused" in name or "ambiguous" in name]
            self.require(not refused, "I8", f"in calm weather: {refused}")
