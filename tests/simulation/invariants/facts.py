"""Whether each fact says what has happened: in its figures, once, and none is left out (I14).

What must be told is noted when the process reads of it, in the order in which it reads; what nobody can know to the last
record (a partition may go in the same turn) is judged by bounds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from doka.adapters.simulated.kinesis import INVALID, Put
from doka.adapters.simulated.plan import Plan
from doka.domain.commands import CommitOffsets, SendLetter, SendPut
from doka.domain.events import (
    Event,
    LeaseIssued,
    LeaseRefused,
    LetterAcknowledged,
    LetterRefused,
    PutAmbiguous,
    PutAnswered,
    PutRefused,
    PutUnsent,
)
from doka.domain.facts import (
    CommitFailed,
    Fact,
    GapSeen,
    GroupBack,
    GroupLost,
    LeaseRejected,
    LeaseRenewalFailed,
    LeaseRenewed,
    LetterFailed,
    LetterStored,
    OffsetsCommitted,
    PartitionsOwned,
    PartitionStuck,
    RecordsFailed,
    RecordsSettled,
    RecordsWillRepeat,
    RouteBlocked,
    RouteOpened,
    StopBegan,
    StopWaits,
    StreamFactsAssumed,
    UnreadableSeen,
)
from doka.domain.limits import (
    BACKOFF_FIRST_NS,
    BACKOFF_LAST_NS,
    COMMIT_GIVEN_UP_NS,
    NS_PER_MS,
    NS_PER_SECOND,
    STOP_TOLD_EVERY_NS,
)
from doka.domain.partitions.commits import UNANSWERED
from doka.domain.records import TopicPartition
from doka.domain.rules import OnGap, OnUnreadable
from doka.domain.status import GROUP_LOST_NS, GroupStatus, Status
from tests.simulation.invariants.evidence import HEARD_WITHIN_NS
from tests.simulation.invariants.schemas import Schemas
from tests.simulation.invariants.violation import ViolationError
from tests.simulation.truth import Ownership

SLACK_NS = (
    5 * NS_PER_MS
)  # between a decision and its telling: each command that is carried out before it takes its time
OF_LEASES = ("clock_skew", "lease_")
NOT_DESCRIBED = "its stream is not described"
SAME_REASON_MAX = 2  # told again at most once, where it turns out that another record may help
PROBES_MAX, PROBES_WITHIN_NS = 40, 10 * NS_PER_SECOND  # of a route that is blocked; its backoff comes to some ten
EARLY_DEATHS_FORGIVEN = 2  # leases in a row that die; the next is asked for at once
SEEKS_CONTROL = frozenset({INVALID})
"""Why a route may be blocked, and its partitions flow: another record may show that it is the record that is wrong."""
AMBIGUOUS = frozenset({"InternalFailure"})

Failed = tuple[str, str, bool]
"""Route, code, and whether the records may have landed all the same."""


class Facts(Schemas):
    """What is told is what was read, figure by figure."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._forget_facts()

    def _forget_facts(self) -> None:
        self._due: dict[str, deque[tuple[object, ...]]] = {}  # what must be told next, by the kind of its fact
        self._began: dict[int, tuple[int, int, list[int]]] = {}  # of each put: when, slept before, size of each record
        self._settled_due: deque[tuple[tuple[str, int, int], int, int]] = deque()  # of answers: figures, began, slept
        self._failed_least: Counter[Failed] = Counter()
        self._failed_most: Counter[Failed] = Counter()
        self._failed_told: Counter[Failed] = Counter()
        self._blocks: dict[str, list[tuple[str, int]]] = {}  # told of a route since it sent last: why, and when
        self.must_pause: set[TopicPartition] = set()  # within this turn
        self.turned_at: dict[str, int] = {}  # when a route was told last to be blocked, or to send
        self._assumed: set[str] = set()  # routes of whose streams it was told that their facts are assumed
        self._same_reason: Counter[str] = Counter()  # how often in a row, of each route
        self._told_open: set[str] = set()  # routes that were told to be open
        self._refused_in_a_row = 0
        self._letters_due: dict[tuple[TopicPartition, int, str], tuple[Ownership | None, int]] = {}
        self._letters_failed: Counter[tuple[Ownership | None, int]] = Counter()
        self._stuck: set[Ownership] = set()
        self._owned_told: set[TopicPartition] = set()
        self._gap_of: dict[TopicPartition, tuple[int, int]] = {}
        self._unreadable: dict[Ownership, tuple[int, int]] = {}  # what could not be read, and is not read yet
        self._unreadable_told: set[Ownership] = set()
        self._commits_sent: dict[int, tuple[int, dict[TopicPartition, tuple[Ownership, int]]]] = {}  # with their time
        self._commits_stored: deque[int] = deque()  # how many partitions each had whose answer may be read
        self._commits_refused: deque[tuple[str, int]] = deque()  # why, and when the answer could be read
        self._probes: dict[str, deque[int]] = {}  # when a request left, of each route that is blocked
        self._stop_told_at = 0
        self._group: tuple[int, GroupStatus] | None = None  # as it was seen last, and when
        self._group_lost_at: int | None = None  # since when it is lost, as it was told
        self._repeats_due: dict[
            TopicPartition, tuple[int, int]
        ] = {}  # at least and at most, of partitions that were lost
        self._repeats_told: dict[TopicPartition, int] = {}  # of partitions that are given back

    def end_life(self) -> None:
        super().end_life()
        self._forget_facts()

    # --- what must be told ---------------------------------------------------------------------------------------

    def must_tell(self, kind: type, *figures: object) -> None:
        """Note what a fact of this kind must say, behind those of its kind that are due."""
        self._due.setdefault(kind.__name__, deque()).append(figures)

    def not_told(self, kind: type) -> None:
        """Take back what was noted last of a kind: it is no news for people."""
        self._due[kind.__name__].pop()

    def _told_as(self, fact: Fact, *figures: object) -> None:
        """Judge that a fact is the next of its kind that was due."""
        name = type(fact).__name__
        due = self._due.get(name)
        wanted = due.popleft() if due else None
        if wanted != figures:
            raise ViolationError("I14", f"{name} tells {figures} of {wanted}")

    def judge_facts(self, status: Status) -> None:
        """Judge that nothing was left out, before the service says how it stands."""
        waits = self._in_flight and self.draining and self._stop_told_at
        late = self.world.timeline.now - self._stop_told_at - STOP_TOLD_EVERY_NS
        if waits and late >= HEARD_WITHIN_NS:
            raise ViolationError("I14", f"what a stop waits for is told {late} ns late")
        self.require(not self._settled_due, "I14", "records settled, and nothing told of it")
        silent = [tp for tp, (least, _) in self._repeats_due.items() if least]
        self._repeats_due.clear()
        self._judge_group(status)
        if silent:
            raise ViolationError("I14", f"records of {silent} will repeat, and nothing told of it")
        for name, due in self._due.items():
            if due:
                raise ViolationError("I14", f"{name} was not told of {list(due)[:1]}")
        for what, told in self._failed_told.items():
            most = self._failed_most[what]
            if told > most:
                raise ViolationError("I14", f"{told} records were told as {what}, and there were {most}")
        for what, least in self._failed_least.items():
            told = self._failed_told[what]
            if told < least:
                raise ViolationError("I14", f"{told} records were told as {what}, and there were {least}")
        refused = [why for why, at in self._commits_refused if self.world.timeline.now - at > HEARD_WITHIN_NS]
        if refused:
            raise ViolationError("I14", f"a commit was refused with {refused}, and nothing told of it")
        for (tp, offset, code), (ownership, at) in self._letters_due.items():
            late = self.world.timeline.now - at > HEARD_WITHIN_NS and self.owned.get(tp) is ownership
            if late:
                raise ViolationError("I14", f"nothing was told of the letter of {tp} {offset} ({code or 'stored'})")
        for ownership in self._unreadable.keys() - self._unreadable_told:
            reads = self.owned.get(ownership.truth.tp) is ownership and not (ownership.draining or self.draining)
            if reads:
                raise ViolationError("I15", f"{ownership.truth.tp} cannot be read, and nothing told of it")
        owned = set(self.owned)
        if owned != self._owned_told:
            raise ViolationError("I14", f"{self._owned_told} are told as owned, and {owned} are")
        for name, route in status.routes.items():
            blocked, told_as = route.blocked, self._blocks.get(name, [("", 0)])[-1][0]
            if blocked is None:
                if name not in self._told_open:
                    raise ViolationError("I14", f"{name} sends, and nothing told of it")
                known = name in self._described or name in self._assumed
                if not known:
                    raise ViolationError("I14", f"{name} sends, its stream was not described, and nothing told of it")
            elif self.judge_intake(name, blocked):
                continue
            elif not blocked.startswith(NOT_DESCRIBED) and blocked != told_as:
                raise ViolationError("I14", f"{name} is blocked by {blocked}, and {told_as} was told")

    def judge_fact(self, fact: Fact) -> None:
        """Judge one fact."""
        now = self.world.timeline.now
        match fact:
            case RecordsSettled(route, records, payload_bytes, took):
                self._told_settled(route, records, payload_bytes, took)
            case RecordsFailed(route, code, records, ambiguous):
                self._failed_told[route, code, ambiguous] += records
            case RouteBlocked(route, reason):
                self._told_blocked(route, reason)
            case RouteOpened(route, after):
                self._told_opened(route, after)
            case LeaseRenewed(role, serial, life):
                self._told_as(fact, role, serial, life)
            case LeaseRenewalFailed(role, code, message, retry_in, left):
                self._told_as(fact, role, code, message)
                self._refused_in_a_row += 1
                self._judge_backoff(self._refused_in_a_row, retry_in)
                end = None if self._lease is None else self._lease.ends_at
                self._about(left, None if end is None else end - now, "what is left of a lease")
            case LeaseRejected(_, serial, _, age):
                if self._lease is not None and self._lease.serial == serial:
                    self._about(age, now - self._lease.issued_at, "the age of a rejected lease")
            case OffsetsCommitted(partitions):
                self._told_committed(partitions)
            case PartitionsOwned(change, partitions, positions):
                self._told_owned(fact, change, partitions, positions)
            case RecordsWillRepeat(tp, records):
                self._told_repeats(tp, records)
            case GapSeen():
                self._told_gap(fact)
            case UnreadableSeen():
                self._told_unreadable(fact)
            case LetterStored() | LetterFailed():
                self._told_letter(fact)
            case CommitFailed(error):
                self._told_refused_commit(error)
            case PartitionStuck():
                self._told_stuck(fact)
            case StopBegan(_, within):
                self.require(within == self.plan.limits.drain, "I14", f"a stop may take {within} ns")
                self._stop_told_at = now
            case StopWaits(requests, records):
                self._told_waiting(requests, records)
            case GroupLost(after) | GroupBack(after):
                self._told_group(after, lost=isinstance(fact, GroupLost))
            case StreamFactsAssumed(route):
                self.require(route not in self._described, "I14", f"{route} was described, and is assumed")
                self._assumed.add(route)
            case _:
                pass

    def judge_pauses(self) -> None:
        """Judge after a turn that nobody is asked for records of what has begun to wait in it: I9."""
        if not self.machine_halted():
            flowing = (self.must_pause & self.owned.keys()) - self._paused
            self.require(not flowing, "I9", f"{flowing} have to wait, and are still asked for records")
        self.must_pause.clear()

    def _about(self, told: int | None, true: int | None, what: str) -> None:
        """Judge a time that is told a moment after it was taken."""
        close = told == true if told is None or true is None else abs(told - true) <= SLACK_NS
        self.require(close, "I14", f"{what} is told as {told} ns, and is {true}")

    def _judge_backoff(self, tries: int, wait: int) -> None:
        ceiling = min(BACKOFF_FIRST_NS << min(tries - 1, 32), BACKOFF_LAST_NS)
        self.require(ceiling // 20 <= wait <= ceiling, "I10", f"it waits {wait} ns after try {tries}")

    # --- the group -----------------------------------------------------------------------------------------------

    def _told_group(self, after: int, *, lost: bool) -> None:
        """Judge that the loss of the group was told once, with its time, and its end."""
        seen = self._group
        self.require(
            (self._group_lost_at is None) is lost, "I14", f"the group is told again to be {'lost' if lost else 'back'}"
        )
        since = seen and (seen[1].lost_since if lost else self._group_lost_at)
        true = None if seen is None or since is None else seen[0] - since
        self.require(after == true, "I14", f"the group is told to be lost for {after} ns, and is for {true}")
        self._group_lost_at = since if lost else None

    def _judge_group(self, status: Status) -> None:
        """Judge that it was told what was seen of the group at the status before this one."""
        if self._group is not None:
            at, seen = self._group
            lost = seen.lost_since is not None and at - seen.lost_since >= GROUP_LOST_NS
            self.require(
                not lost or self._group_lost_at is not None, "I14", "the group is lost, and nothing told of it"
            )
            back = seen.joined and seen.lost_since is None
            self.require(not back or self._group_lost_at is None, "I14", "the group is back, and nothing told of it")
        self._group = None if status.group is None else (status.at, status.group)

    # --- requests ------------------------------------------------------------------------------------------------

    def note_put(self, command: SendPut, sizes: list[int]) -> None:
        """Note a request that leaves, with the bytes of the data of each of its records."""
        self._began[command.put] = self.world.timeline.now, self.world.slept_in_hand, sizes

    def judge_probe(self, route: str) -> None:
        """Judge that a route that is blocked is probed at longer and longer intervals: I10. A search has a bound of its own."""
        why = self._blocks[route][-1][0] if route in self._blocks else None
        if why is not None and why not in SEEKS_CONTROL and not why.startswith(OF_LEASES):
            now, probes = self.world.timeline.now, self._probes.setdefault(route, deque(maxlen=PROBES_MAX))
            soon = len(probes) == PROBES_MAX and now - probes[0] < PROBES_WITHIN_NS
            self.require(not soon, "I10", f"{route} is blocked, and was probed {PROBES_MAX} times within ten seconds")
            probes.append(now)

    def note_unsigned(self, command: SendPut, records: int) -> None:
        """Note a request that did not leave: its lease had ended."""
        self._failed_most[command.route, "lease_ended", False] += records
        self._unsigned += 1
        self._failing.add(command.route)

    def note_answer(self, put: Put, event: Event, entries: Sequence[tuple[Ownership, int]], of: Sequence[int]) -> None:
        """Note what an answer must make the service tell; `of` gives the entry of each record."""
        route = put.command.route
        began, slept, sizes = self._began.pop(put.command.put)
        owned = [self.owned.get(ownership.truth.tp) is ownership for ownership, _ in entries]
        match event:
            case PutAnswered():
                landed = [i for i, entry in enumerate(of) if entry not in event.failed]
                if landed:
                    figures = (route, len(landed), sum(sizes[i] for i in landed))
                    self._settled_due.append((figures, began, slept))
                for i, entry in enumerate(of):
                    code = event.failed.get(entry)
                    if code is not None:
                        what = (route, code, code in AMBIGUOUS)
                        self._failed_most[what] += 1
                        self._failed_least[what] += owned[i]
            case PutRefused(_, code) | PutAmbiguous(_, code) | PutUnsent(_, code):
                what = (route, code, isinstance(event, PutAmbiguous))
                self._failed_most[what] += len(entries)
                self._failed_least[what] += len(entries)
            case _:
                pass

    def _told_settled(self, route: str, records: int, payload_bytes: int, took: int) -> None:
        told = (route, records, payload_bytes)
        wanted, began, slept = self._settled_due.popleft() if self._settled_due else (None, 0, 0)
        if wanted != told:
            raise ViolationError("I14", f"RecordsSettled tells {told} of {wanted}")
        true = self.world.timeline.now - began
        close = -SLACK_NS <= took - true <= slept + SLACK_NS
        if not close:
            raise ViolationError("I14", f"a request is told to have taken {took} ns, and took {true}")

    # --- routes --------------------------------------------------------------------------------------------------

    def _told_blocked(self, route: str, reason: str) -> None:
        died = self._deaths_in_a_row > EARLY_DEATHS_FORGIVEN or reason != "lease_rejected"
        self.require(died, "I14", f"{route} is told to be blocked by {reason}, after {self._deaths_in_a_row} deaths")
        told = self._blocks.setdefault(route, [])
        times = self._same_reason[route] = self._same_reason[route] + 1 if told and told[-1][0] == reason else 1
        self.require(times <= SAME_REASON_MAX, "I14", f"{route} is told to be blocked by {reason} again and again")
        told.append((reason, self.world.timeline.now))
        of_route = {tp for tp in self.owned if self.alone and self.world.routes[tp.topic] == route}
        self.must_pause = self.must_pause - of_route if reason in SEEKS_CONTROL else self.must_pause | of_route
        self.turned_at[route] = self.world.timeline.now
        self._told_open.discard(route)

    def _told_opened(self, route: str, after: int) -> None:
        self.require(route not in self._told_open, "I14", f"{route} is told to send again, and has sent")
        self._told_open.add(route)
        self._probes.pop(route, None)
        self.must_pause = {tp for tp in self.must_pause if self.world.routes[tp.topic] != route or tp in self.gapped}
        told, now = self._blocks.pop(route, []), self.world.timeline.now
        self.turned_at[route] = now
        since = [now, *(at for _, at in told)]  # with a lease it may begin anew: then it is described, as at the start
        if told and not any(reason.startswith(OF_LEASES) for reason, _ in told):
            since = since[1:2]
        right = any(abs(after - (now - at)) <= SLACK_NS for at in since)
        self.require(right, "I14", f"{route} is told to have been blocked for {after} ns, by {told} until {now}")

    # --- leases --------------------------------------------------------------------------------------------------

    def note_lease(self, event: Event) -> None:
        """Note what an answer of STS must make the service tell."""
        if isinstance(event, LeaseIssued):
            lease = event.lease
            self.must_tell(LeaseRenewed, lease.role, lease.serial, lease.life)
            self._refused_in_a_row = 0
            self._same_reason.clear()
        elif isinstance(event, LeaseRefused):
            self.must_tell(LeaseRenewalFailed, event.role, event.code, event.message)

    # --- partitions ----------------------------------------------------------------------------------------------

    def note_owned(self, change: str, partitions: Mapping[TopicPartition, int] | Sequence[TopicPartition]) -> None:
        """Note a change of what is owned, which must be told."""
        if partitions:
            self.must_tell(PartitionsOwned, change, frozenset(partitions))

    def note_lost(self, tp: TopicPartition, ownership: Ownership) -> None:
        """Note how many records of a partition will land again that somebody else owns already."""
        settled = ownership.settled
        least, most = (
            sum(1 for offset in settled if offset >= known)
            for known in (ownership.acknowledged, ownership.acknowledged_before)
        )
        if most:
            self._repeats_due[tp] = max(least - self._letters_unread(ownership), 0), most

    def judge_repeats(self, tp: TopicPartition, ownership: Ownership, start: int) -> None:
        """Judge that it was told how much of a partition will land again, which is read from `start` on next."""
        again = sum(1 for offset in ownership.settled if offset >= start)
        told = self._repeats_told.pop(tp, 0)
        right = again - self._letters_unread(ownership) <= told <= again or self.machine_halted()
        self.require(right, "I14", f"{again} records of {tp} will repeat, and {told} are told")

    def _letters_unread(self, ownership: Ownership) -> int:
        """Count the letters of a partition that are stored, and of which the process may not have read."""
        return sum(1 for (_, _, code), (owner, _) in self._letters_due.items() if owner is ownership and not code)

    def _told_repeats(self, tp: TopicPartition, records: int) -> None:
        ownership = self.owned.get(tp)
        if ownership is not None:
            self._repeats_told[tp] = records  # judged when it is given back
            return
        least, most = self._repeats_due.pop(tp, (0, 0))
        right = least <= records <= most
        self.require(right, "I14", f"{records} records of {tp} are told to repeat, and {least} to {most} will")

    def _told_owned(
        self, fact: Fact, change: str, partitions: frozenset[TopicPartition], positions: Mapping[TopicPartition, int]
    ) -> None:
        self._told_as(fact, change, partitions)
        if change == "assigned":
            self._owned_told |= partitions
            starts = {tp: self.owned[tp].start for tp in partitions}
            self.require(positions == starts, "I14", f"{positions} are told as read from, and {starts} are")
            return
        self._owned_told -= partitions
        for tp, to in positions.items():
            ownership = self.owned[tp]
            first = next(iter(ownership.unsettled), ownership.expected)
            right = ownership.committed <= to <= max(first, ownership.expected)
            self.require(right, "I14", f"{tp} is told to be done to {to}, committed is {ownership.committed}")

    def _told_stuck(self, fact: PartitionStuck) -> None:
        tp, ownership = fact.partition, self.owned.get(fact.partition)
        if ownership is None:
            raise ViolationError("I14", f"{tp} is told to be stuck, and is not owned")
        was = ownership in self._stuck
        self.require(was is not fact.stuck, "I14", f"{tp} is told again to be {'stuck' if was else 'not stuck'}")
        if not fact.stuck:
            self._stuck.discard(ownership)
            return
        self._stuck.add(ownership)
        still = self.world.timeline.now - ownership.settled_at  # an answer to a commit may not have been read
        slow = self.plan.limits.request_timeout * 3 // 2
        self.require(still >= slow, "I14", f"{tp} is told to be stuck, and has moved {still} ns ago")
        self.reached["a partition was told to be stuck"] += 1

    # --- commits -------------------------------------------------------------------------------------------------

    def note_commit(self, command: CommitOffsets) -> None:
        """Note a commit that leaves, and whose offsets it has."""
        of = {tp: (self.owned[tp], to) for tp, to in command.offsets.items() if tp in self.owned}
        self._commits_sent[command.commit] = self.world.timeline.now - self.world.slept_in_hand, of

    def note_commit_answer(self, commit: int, error: str | None) -> None:
        """Note that Kafka has taken offsets, as the process is about to read."""
        at, sent = self._commits_sent.pop(commit, (0, {}))
        if error is not None:
            self._commits_refused.append((error, self.world.timeline.now))
        if error is None and self.world.timeline.now - at < COMMIT_GIVEN_UP_NS:
            self._commits_stored.append(len(sent))
            for ownership, to in sent.values():
                if not ownership.unsure:
                    ownership.acknowledged_before = ownership.acknowledged
                ownership.unsure = False
                ownership.acknowledged = max(ownership.acknowledged, to)
                ownership.moved_at = self.world.timeline.now

    def _told_refused_commit(self, error: str) -> None:
        """Judge that a commit was refused as it is told, in its turn, or was not answered for long."""
        if error == UNANSWERED:
            oldest = min((at for at, _ in self._commits_sent.values()), default=self.world.timeline.now)
            self.require(
                self.world.timeline.now - oldest >= COMMIT_GIVEN_UP_NS - SLACK_NS, "I14", "a commit was given up early"
            )
            return
        wanted = self._commits_refused.popleft()[0] if self._commits_refused else None
        self.require(error == wanted, "I14", f"a commit is told to be refused with {error}, and was with {wanted}")

    def _told_committed(self, partitions: int) -> None:
        stored = self._commits_stored
        while stored and stored[0] != partitions:  # that of a partition that is given back is not told
            stored.popleft()
        self.require(stored, "I14", f"offsets of {partitions} partitions were told as stored, and were not")
        stored.popleft()

    # --- letters, gaps, stops ------------------------------------------------------------------------------------

    def note_letter(self, command: SendLetter, ownership: Ownership | None, event: Event) -> None:
        """Note what became of a dead letter, as the process is about to read."""
        code = event.code if isinstance(event, LetterRefused) else ""
        assert isinstance(event, LetterRefused | LetterAcknowledged)
        self._letters_due[command.partition, command.offset, code] = ownership, self.world.timeline.now

    def _told_letter(self, fact: LetterStored | LetterFailed) -> None:
        tp, offset, code = fact.partition, fact.offset, fact.code if isinstance(fact, LetterFailed) else ""
        due = self._letters_due.pop((tp, offset, code), None)
        if due is None:
            raise ViolationError("I14", f"the letter of {tp} {offset} was told as {code or 'stored'}, and was not")
        ownership, _ = due
        if ownership is not None:
            (ownership.unstored.add if code else ownership.unstored.discard)(offset)
        if isinstance(fact, LetterFailed):
            self._letters_failed[ownership, offset] += 1
            self._judge_backoff(self._letters_failed[ownership, offset], fact.retry_in)

    def note_unreadable(self, ownership: Ownership, first: int, far: int) -> None:
        """Note what the process was told that it cannot read."""
        self._unreadable[ownership] = first, far

    def note_readable(self, ownership: Ownership) -> None:
        """Note that something was read: what cannot be read next is told anew."""
        self._unreadable.pop(ownership, None)
        self._unreadable_told.discard(ownership)

    def _told_unreadable(self, fact: UnreadableSeen) -> None:
        """Judge it, and give up what its policy gives up."""
        tp, ownership = fact.partition, self.owned[fact.partition]
        shown = self._unreadable.get(ownership)
        told = (fact.first, fact.far)
        self.require(told == shown, "I14", f"{tp} is told not to be readable in {told}, and is not in {shown}")
        self.require(ownership not in self._unreadable_told, "I14", f"{tp} is told again not to be readable")
        self.require(fact.policy == self.plan.on_unreadable.value, "I14", f"{fact.policy} is told of {tp}")
        if fact.policy == OnUnreadable.CONTINUE.value:
            gone = [o for o in ownership.truth.offsets if fact.first <= o < fact.far]
            ownership.truth.remove([o for o in gone if o not in ownership.truth.removed], retention=True)
            self._unreadable.pop(ownership, None)
        else:
            self._unreadable_told.add(ownership)

    def note_gap(self, tp: TopicPartition, expected: int, log_start: int) -> None:
        """Note a gap that the process was shown."""
        self._gap_of[tp] = expected, log_start

    def _told_gap(self, fact: GapSeen) -> None:
        shown, told = self._gap_of.get(fact.partition), (fact.expected, fact.log_start)
        self.require(shown == told, "I14", f"a gap of {fact.partition} is told as {told}, and was {shown}")
        self.require(fact.policy == self.plan.on_gap.value, "I14", f"a gap is told with policy {fact.policy}")
        if fact.policy == OnGap.BLOCK.value:
            self.must_pause.add(fact.partition)
            self.owned[fact.partition].gap_told = True

    def _told_waiting(self, requests: int, records: int) -> None:
        now = self.world.timeline.now
        since = now - self._stop_told_at
        self.require(since >= STOP_TOLD_EVERY_NS - SLACK_NS, "I14", f"what a stop waits for was told after {since} ns")
        self._stop_told_at = now
        self.require(requests >= self._in_flight, "I14", f"a stop waits for {requests} requests of {self._in_flight}")
        open_ = sum(1 for own in self.owned.values() for offset in own.unsettled if offset < own.sent_to)
        self.require(records <= open_ or not self.alone, "I14", f"a stop waits for {records} records of {open_}")
        self.reached["what a stop waits for was told"] += 1
