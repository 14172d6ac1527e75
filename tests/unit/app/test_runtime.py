"""The loop over ports that are driven by hand: what it waits for, how it drains, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise

import pytest

from doka.adapters.kafka.no_letters import NoLetters
from doka.adapters.simulated.telemetry import RecordingTelemetry
from doka.adapters.system.inbox import ThreadInbox
from doka.app.runtime import Ending, Runtime
from doka.domain.backoff import backoff
from doka.domain.commands import CommitOffsets, DescribeStream, FetchSchemas, SendPut
from doka.domain.errors import InvariantError
from doka.domain.events import (
    CommitAnswered,
    Event,
    LeaseIssued,
    PutAmbiguous,
    PutAnswered,
    RecordsFetched,
    SchemasFetched,
    SourceFailed,
    StopRequested,
    StreamDescribed,
)
from doka.domain.facts import GroupLost, RecordsWillRepeat
from doka.domain.forwarder import Forwarder
from doka.domain.lease import Lease, Secrets
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND, RETRY_BACKOFF_LAST_NS
from doka.domain.ports import RebalanceListener
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import LimitRules, RoleRules, RouteRules, Rules
from doka.domain.status import GroupStatus, LogStatus, SourceStatus
from tests.manual_clock import ManualClock

TP = TopicPartition("orders", 0)
DRAIN = 20 * NS_PER_SECOND


class HandSource:
    """A group of one member; what `script` gives is fetched, turn by turn."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.listener: RebalanceListener | None = None
        self.script: list[Callable[[], Sequence[Event]]] = []
        self.fetches: list[tuple[int, int]] = []
        self.committed: list[Mapping[TopicPartition, int]] = []
        self.group = GroupStatus(joined=True)
        self.serials: list[int] = []
        self.answers_commits = True
        self.paused: set[TopicPartition] = set()
        self.closed = False
        self.on_close: Callable[[], None] = lambda: None
        self._due: list[Event] = []

    def open(self, listener: RebalanceListener) -> None:
        self.listener = listener

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        self.fetches.append((limit, wait))
        due, self._due = self._due, []
        if self.script:
            return [*due, *self.script.pop(0)()]
        if not due:
            self.clock.ns += wait
        return due

    def commit(self, command: CommitOffsets) -> None:
        self.committed.append(command.offsets)
        self.serials.append(command.commit)
        if self.answers_commits:
            self._due.append(CommitAnswered(command.commit))

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        self.paused |= partitions

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        self.paused -= partitions

    def seek(self, partition: TopicPartition, offset: int) -> None:
        raise AssertionError("nothing here seeks")

    def status(self) -> SourceStatus:
        return SourceStatus(self.group, {TP: LogStatus(100, self.clock.now())})

    def close(self) -> None:
        self.on_close()
        self.closed = True


class HandSink:
    """Keeps what is sent; answers when it is told to, after `delay`."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.sent: list[SendPut] = []
        self.answer: Callable[[SendPut], Event | None] = lambda put: PutAnswered(put.put)
        self.waits: list[int] = []
        self._open: list[SendPut] = []

    def submit(self, command: SendPut) -> None:
        self.sent.append(command)
        self._open.append(command)

    def answers(self, wait: int) -> Sequence[Event]:
        self.waits.append(wait)
        ready = [(put, answer) for put in self._open if (answer := self.answer(put)) is not None]
        for put, _ in ready:
            self._open.remove(put)
        if not ready:
            self.clock.ns += wait
        return [answer for _, answer in ready]

    def close(self) -> None:
        pass


class HandBackground:
    """Answers at once: a lease for an hour, a stream that takes everything."""

    def __init__(self, clock: ManualClock, inbox: ThreadInbox) -> None:
        self.clock = clock
        self.inbox = inbox

    def request_lease(self, role: str) -> None:
        now = self.clock.now()
        self.inbox.put(LeaseIssued(Lease(1, role, Secrets("a", "b", "c"), now, now + 3600 * NS_PER_SECOND)))

    def describe_stream(self, command: DescribeStream) -> None:
        self.inbox.put(StreamDescribed(command.route, "arn", "ACTIVE", 1 << 20, honours_keys=True))

    def fetch_schemas(self, command: FetchSchemas) -> None:
        self.inbox.put(SchemasFetched(command.route, dict.fromkeys(command.schemas)))

    def close(self) -> None:
        pass


class Stand:
    """A runtime with its hand-driven ports."""

    def __init__(self, limits: LimitRules | None = None, jitter: float = 0.5) -> None:
        self.clock = ManualClock()
        self.clock.ns = 0  # so that it says how long something took
        self.inbox = ThreadInbox()
        self.source = HandSource(self.clock)
        self.sink = HandSink(self.clock)
        self.telemetry = RecordingTelemetry()
        self.left_late: list[str] = []
        rules = Rules(
            (RouteRules("orders", frozenset({"orders"}), "writer"),),
            (RoleRules("writer"),),
            limits or LimitRules(drain=DRAIN, linger=0),
        )
        self.runtime = Runtime(
            forwarder=Forwarder(rules, lambda: jitter),
            source=self.source,
            sink=self.sink,
            letters=NoLetters(),
            background=HandBackground(self.clock, self.inbox),
            inbox=self.inbox,
            clock=self.clock,
            telemetry=self.telemetry,
            drain=DRAIN,
            within=lambda action, _deadline, _late: action(),
        )
        self.source.script.append(self.assign)

    @property
    def listener(self) -> RebalanceListener:
        assert self.source.listener is not None
        return self.source.listener

    def assign(self) -> Sequence[Event]:
        self.listener.partitions_assigned({TP: 0})
        return []

    def revoke(self) -> Sequence[Event]:
        self.listener.partitions_revoked(frozenset({TP}))
        return []

    def lose(self) -> Sequence[Event]:
        self.listener.partitions_lost(frozenset({TP}))
        return []

    def records(self, first: int, count: int) -> Callable[[], Sequence[Event]]:
        offsets = range(first, first + count)
        keys = [b"key-%d" % offset for offset in offsets]
        return lambda: [RecordsFetched(Chunk(TP, offsets, keys, [b"value"] * count))]

    def stop(self) -> Sequence[Event]:
        self.inbox.put(StopRequested("SIGTERM"))
        return []

    def idle(self) -> Sequence[Event]:
        self.clock.ns += 50 * NS_PER_MS
        return []

    def run(self, *script: Callable[[], Sequence[Event]]) -> Ending:
        self.source.script += script
        return self.runtime.run()

    def run_between_fetches(self, firsts: Iterable[int], count: int) -> list[int]:
        """Run until a fetch has brought `count` records from each of these offsets; give the ns between the fetches."""
        moments: list[int] = []

        def fetch(first: int) -> Sequence[Event]:
            moments.append(self.clock.now())
            return self.records(first, count)()

        self.run(self.idle, *(partial(fetch, first) for first in firsts), self.stop)
        return [later - earlier for earlier, later in pairwise(moments)]


def test_what_was_fetched_is_landed_and_committed_before_a_clean_end() -> None:
    """A stop settles and commits all that was sent, leaves the group, and ends with 0."""
    stand = Stand()

    ending = stand.run(stand.idle, stand.records(0, 30), stand.idle, stand.stop)

    assert ending == Ending(0, "stopped by SIGTERM")
    assert [len(put.keys) for put in stand.sink.sent] == [30]
    assert stand.source.committed[-1] == {TP: 30}
    assert stand.source.closed
    assert stand.telemetry.endings == [(0, "stopped by SIGTERM")]


def test_no_fetch_waits_longer_than_a_signal_may() -> None:
    """Callbacks and signal handlers wait for the longest fetch, so it is 100 ms at most."""
    stand = Stand()

    stand.run(*[stand.idle] * 5, stand.stop)

    assert max(wait for _, wait in stand.source.fetches) <= 100 * NS_PER_MS


def test_records_that_pour_in_are_not_kept_waiting_for_answers() -> None:
    """While Kafka gives records, the sockets are only looked at."""
    stand = Stand()
    stand.sink.answer = lambda put: PutAnswered(put.put) if stand.clock.now() > 400 * NS_PER_MS else None

    stand.run(stand.idle, stand.records(0, 500), stand.records(500, 500), *[stand.idle] * 10, stand.stop)

    assert stand.sink.waits[0] == 0


def test_the_loop_rests_while_what_comes_would_wait_anyway() -> None:
    """Few records that come soon after a put are fetched when the next may leave: one turn and one put for all of them."""
    stand = Stand(LimitRules(drain=DRAIN, linger=5 * NS_PER_MS))

    between = stand.run_between_fetches(range(4), 1)

    assert [1] * 4 == [len(put.keys) for put in stand.sink.sent]
    assert [5 * NS_PER_MS] * 3 == between


def test_a_late_answer_makes_no_record_wait_longer() -> None:
    """The loop rests as long and no longer: what it fetches then leaves at once, beside the request that is not answered yet."""
    stand = Stand(LimitRules(drain=DRAIN, linger=5 * NS_PER_MS))
    stand.sink.answer = lambda put: PutAnswered(put.put) if stand.clock.now() > NS_PER_SECOND else None

    between = stand.run_between_fetches(range(4), 1)

    assert [1] * 4 == [len(put.keys) for put in stand.sink.sent]
    assert [5 * NS_PER_MS] * 3 == between


def test_the_loop_does_not_rest_where_much_comes() -> None:
    """What fills a put leaves at once, and more of it is there."""
    stand = Stand(LimitRules(drain=DRAIN, linger=5 * NS_PER_MS))

    assert [0] * 3 == stand.run_between_fetches(range(0, 2_000, 500), 500)


def test_what_waits_for_its_time_does_not_wait_for_answers() -> None:
    """While nothing may be fetched, a record whose backoff is over goes at once, not when another put is answered."""
    stand = Stand(LimitRules(drain=DRAIN, held_bytes=1, request_records=1), jitter=0.1)
    tried_at: list[int] = []

    def answer(put: SendPut) -> Event | None:
        if put.keys == ["key-1"]:
            return None if stand.clock.now() < NS_PER_SECOND else PutAnswered(put.put)
        tried_at.append(stand.clock.now())
        return PutAnswered(put.put, {0: "InternalFailure"} if len(tried_at) == 1 else {})

    stand.sink.answer = answer
    stand.run(stand.idle, stand.records(0, 2), *[stand.idle] * 40, stand.stop)

    first, second = tried_at
    assert backoff(1, lambda: 0.1, last=RETRY_BACKOFF_LAST_NS) == second - first


def test_a_revoke_waits_for_the_answers_and_commits_them() -> None:
    """When the revoke callback returns, what was sent is settled and its offset is on its way."""
    stand = Stand()
    stand.sink.answer = lambda put: PutAnswered(put.put) if stand.clock.now() > 3 * NS_PER_SECOND else None
    seen: list[Mapping[TopicPartition, int]] = []

    def revoke() -> Sequence[Event]:
        stand.revoke()
        seen.extend(stand.source.committed)
        return []

    ending = stand.run(stand.idle, stand.records(0, 10), revoke, stand.stop)

    assert seen[-1] == {TP: 10}
    assert stand.clock.now() > 3 * NS_PER_SECOND
    assert ending.code == 0


def test_a_revoke_that_gets_no_answer_ends_in_time_and_says_what_will_repeat() -> None:
    """A drain ends within its deadline; what landed above a hole is told, and nothing above the hole is committed."""
    stand = Stand()
    stand.sink.answer = lambda put: PutAnswered(put.put) if put.put > 1 else None

    stand.run(stand.idle, stand.records(0, 10), stand.records(10, 500), stand.idle, stand.revoke, stand.stop)

    assert stand.source.committed == []
    assert [fact.partition for fact in stand.telemetry.of(RecordsWillRepeat)] == [TP]
    assert stand.clock.now() < DRAIN


def test_lost_partitions_are_not_committed() -> None:
    """What already belongs to somebody else is forgotten: no commit goes out for it."""
    stand = Stand()

    ending = stand.run(stand.idle, stand.records(0, 10), stand.lose, stand.idle, stand.stop)

    assert stand.source.committed == []
    assert ending.code == 0


def test_an_answer_of_a_lost_partition_changes_nothing() -> None:
    """A put that lands after its partition was lost is counted, and commits nothing."""
    stand = Stand()
    stand.sink.answer = lambda put: PutAnswered(put.put) if stand.clock.now() > 2 * NS_PER_SECOND else None

    ending = stand.run(stand.idle, stand.records(0, 10), stand.lose, *[stand.idle] * 60, stand.stop)

    assert stand.source.committed == []
    assert ending.code == 0


def test_a_stop_without_answers_ends_in_time_with_1() -> None:
    """When Kinesis never answers, the stop ends before its deadline, with the reason and without a commit."""
    stand = Stand()
    stand.sink.answer = lambda _put: None

    ending = stand.run(stand.idle, stand.records(0, 10), stand.stop)

    assert ending.code == 1
    assert "not everything that was sent was answered in time" in ending.reason
    assert stand.source.committed == []
    assert DRAIN / 2 < stand.clock.now() <= DRAIN


def test_a_stop_whose_commit_is_never_answered_ends_with_1() -> None:
    """Offsets that Kafka did not confirm are not taken for committed."""
    stand = Stand()
    stand.source.answers_commits = False

    ending = stand.run(stand.idle, stand.records(0, 10), stand.stop)

    assert ending == Ending(1, "Kafka did not take the last offsets in time; what they cover will repeat")


WENT = "will repeat, or may: they were not settled and committed before their partitions went to another member"


def test_a_stop_inside_a_revoke_that_gets_no_answer_ends_with_1() -> None:
    """Nothing is owned any more at the end, and all the same something that was sent may land again: that is no clean end."""
    stand = Stand()
    stand.sink.answer = lambda _put: None

    def revoke() -> Sequence[Event]:
        stand.stop()
        return stand.revoke()

    assert Ending(1, f"10 records {WENT}") == stand.run(stand.idle, stand.records(0, 10), revoke)


def test_a_stop_that_loses_its_partitions_ends_with_1() -> None:
    """What had landed and was not committed when the group declared the member dead lands again."""
    stand = Stand(LimitRules(drain=DRAIN, commit_every=60 * NS_PER_SECOND))
    stand.source.answers_commits = False

    ending = stand.run(stand.idle, stand.records(0, 10), stand.idle, stand.stop, stand.idle, stand.lose)

    assert Ending(1, f"10 records {WENT}") == ending


@pytest.mark.parametrize(
    ("error", "ending"),
    [(None, Ending(0, "stopped by SIGTERM")), ("UNKNOWN_MEMBER_ID", Ending(1, f"10 records {WENT}"))],
)
def test_a_stop_waits_to_hear_of_the_last_commit_of_what_it_gave_back(error: str | None, ending: Ending) -> None:
    """The last commit of a partition that is revoked during a stop is stored, or its records will repeat."""
    stand = Stand(LimitRules(drain=DRAIN, commit_every=60 * NS_PER_SECOND))
    stand.source.answers_commits = False

    def revoke() -> Sequence[Event]:
        stand.stop()
        return stand.revoke()

    def answer() -> Sequence[Event]:
        return [CommitAnswered(stand.source.serials[-1], error)]

    assert ending == stand.run(stand.idle, stand.records(0, 10), stand.idle, revoke, stand.idle, stand.idle, answer)


def test_an_ambiguous_put_is_sent_again_during_the_drain() -> None:
    """A drain fills its holes: what nobody knows the outcome of is sent again and then committed."""
    stand = Stand()
    stand.sink.answer = lambda put: PutAnswered(put.put) if put.put > 1 else PutAmbiguous(put.put, "reset")

    ending = stand.run(stand.idle, stand.records(0, 10), stand.stop)

    assert [len(put.keys) for put in stand.sink.sent] == [10, 10]
    assert stand.source.committed == [{TP: 10}]
    assert ending.code == 0


def test_a_second_stop_changes_nothing() -> None:
    """Another signal neither hurries nor lengthens the drain."""
    stand = Stand()
    stand.sink.answer = lambda put: PutAnswered(put.put) if stand.clock.now() > 2 * NS_PER_SECOND else None

    ending = stand.run(stand.idle, stand.records(0, 10), stand.stop, stand.stop, stand.stop)

    assert ending.code == 0
    assert stand.source.committed == [{TP: 10}]


def test_a_callback_that_holds_the_loop_hears_of_a_stop() -> None:
    """Whoever asks inside a callback knows of a stop that the loop has not come to read, and it is not lost by that."""
    stand = Stand()
    heard: list[bool] = []

    def hold() -> Sequence[Event]:
        heard.append(stand.listener.asked_to_stop())
        stand.stop()
        heard.append(stand.listener.asked_to_stop())
        return []

    assert Ending(0, "stopped by SIGTERM") == stand.run(stand.idle, hold)
    assert [False, True] == heard


def test_a_consumer_that_cannot_go_on_halts() -> None:
    """A failed source ends the run with 1 and its reason, and nothing is committed any more."""
    stand = Stand()

    ending = stand.run(stand.idle, stand.records(0, 10), lambda: [SourceFailed("the broker refuses this client")])

    assert ending == Ending(1, "the broker refuses this client")
    assert stand.source.committed == []
    assert stand.source.closed


def test_a_broken_rule_halts_without_a_commit() -> None:
    """An invariant that does not hold ends the run: going on could lose data."""
    stand = Stand()
    stand.source.on_close = lambda: stand.listener.partitions_revoked(frozenset({TP}))

    stand.source.answers_commits = False  # so that the last commit of the revoke would be a second one

    ending = stand.run(stand.idle, stand.records(0, 10), stand.idle, stand.records(5, 10))

    assert ending.code == 1
    assert "a rule that protects your data was broken" in ending.reason
    assert stand.source.committed == [{TP: 10}]


def test_an_unexpected_error_halts_and_names_only_its_place() -> None:
    """Whatever comes up inside doka ends the run; the error's own words may hold a payload and are not shown."""
    stand = Stand()

    def explode() -> Sequence[Event]:
        raise RuntimeError("payload-of-somebody")

    ending = stand.run(stand.idle, explode)

    assert ending.code == 1
    assert "unexpected RuntimeError" in ending.reason
    assert "explode (test_runtime.py:" in ending.reason
    assert "payload-of-somebody" not in ending.reason


def test_an_error_while_leaving_the_group_is_told() -> None:
    """What breaks while the group is left makes the end an unclean one."""
    stand = Stand()

    def break_it() -> None:
        raise InvariantError("nobody owns this")

    stand.source.on_close = break_it

    ending = stand.run(stand.idle, stand.stop)

    assert ending.code == 1
    assert "while leaving the consumer group" in ending.reason
    assert "nobody owns this" in ending.reason


def test_a_lost_group_is_told() -> None:
    """What the source knows of the group is looked at with each publishing, and told once when it is lost for long."""
    stand = Stand()
    stand.source.group = GroupStatus(joined=True, lost_since=0, why="b1:9092: Connection refused")

    stand.run(*[stand.idle] * 500, stand.stop)

    (fact,) = stand.telemetry.of(GroupLost)
    assert (20, "b1:9092: Connection refused") == (fact.after // NS_PER_SECOND, fact.why)


def test_the_state_is_published_about_once_a_second() -> None:
    """Metrics and readiness follow the loop: one status at once, then one a second, with the ends of the logs."""
    stand = Stand()

    stand.run(stand.idle, *[stand.idle] * 100, stand.stop)

    times = [status.at for status in stand.telemetry.statuses]
    assert 5 <= len(times) <= 8
    assert stand.telemetry.statuses[1].partitions[TP].log_end == 100
