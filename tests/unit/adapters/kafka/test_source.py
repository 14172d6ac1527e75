from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from doka.adapters.kafka import source as source_module
from doka.adapters.kafka.client import ClientUnusableError
from doka.adapters.kafka.columns import AnyMessage
from doka.adapters.kafka.headers import AT_ONCE_BYTES, AT_ONCE_FIRST
from doka.adapters.kafka.settings import KafkaSecurity, MemberSettings
from doka.adapters.kafka.source import KafkaSource
from doka.domain.commands import CommitOffsets
from doka.domain.events import (
    CommitAnswered,
    Event,
    GapFound,
    PartitionEnded,
    RecordsFetched,
    SourceFailed,
    TopicsMissing,
)
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import Listener
from tests.manual_clock import ManualClock
from tests.unit.adapters.kafka.messages import failure, record
from tests.unit.adapters.kafka.scripted import (
    P0,
    P1,
    ScriptedConsumer,
    ScriptedInquirer,
    ScriptedTokens,
    brings,
    calls,
    open_source,
)

FETCH = (1000, 0)


def fed(events: object) -> dict[int, list[int]]:
    """Give the offsets of each partition's records among events."""
    offsets: dict[int, list[int]] = {}
    for event in events:  # type: ignore[attr-defined] # whatever fetch gave
        if isinstance(event, RecordsFetched):
            offsets.setdefault(event.chunk.partition.partition, []).extend(event.chunk.offsets)
    return offsets


def run(first: int, last: int, partition: int = 0) -> list[AnyMessage]:
    """Make the records from one offset to another, both included."""
    return [record(offset, partition=partition) for offset in range(first, last + 1)]


def test_records_of_a_partition_revoked_in_the_same_call_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the client held when the group took the partition back belongs to the next owner."""
    source, consumer = open_source(monkeypatch, Listener())
    consumer.steps.extend(
        [calls("on_assign", P0, P1), calls("on_revoke", P0, brings=[*run(0, 4), *run(0, 2, partition=1)])],
    )
    source.fetch(*FETCH)

    assert {1: [0, 1, 2]} == fed(source.fetch(*FETCH))
    assert not consumer.seeks()


def test_records_of_a_partition_nobody_assigned_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A straggler of an earlier ownership is never fed."""
    source, consumer = open_source(monkeypatch, Listener())
    consumer.steps.extend([calls("on_assign", P0), brings(*run(5, 6, partition=1))])
    source.fetch(*FETCH)

    assert not source.fetch(*FETCH)


def test_a_partition_assigned_again_in_the_same_call_begins_at_its_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of the former ownership are dropped, and the client is sent back to where the new one begins."""
    source, consumer = open_source(monkeypatch, Listener())

    def away_and_back(client: ScriptedConsumer) -> list[AnyMessage]:
        client.call("on_revoke", P0)
        client.stored[P0] = 3
        client.call("on_assign", P0)
        return run(5, 9)

    consumer.steps.extend([calls("on_assign", P0, P1), brings(*run(0, 4)), away_and_back, brings(*run(3, 9))])
    for _ in range(2):
        source.fetch(*FETCH)

    assert {} == fed(source.fetch(*FETCH))
    assert [(0, 3)] == consumer.seeks()
    assert {0: list(range(3, 10))} == fed(source.fetch(*FETCH))


def test_a_listener_that_raises_with_records_in_hand_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of that call are not fed, and every owned partition goes back to its next offset."""
    listener = Listener()
    source, consumer = open_source(monkeypatch, listener)
    consumer.steps.extend([calls("on_assign", P0, P1), brings(*run(0, 4))])
    source.fetch(*FETCH)
    source.fetch(*FETCH)

    def fail() -> None:
        raise RuntimeError("by the test")

    listener.on_revoked = fail
    consumer.steps.append(calls("on_revoke", P1, brings=run(5, 9)))

    with pytest.raises(RuntimeError, match="by the test"):
        source.fetch(*FETCH)
    assert [(0, 5)] == consumer.seeks()
    consumer.steps.append(brings(*run(5, 9)))
    assert {0: list(range(5, 10))} == fed(source.fetch(*FETCH))


def test_a_revoke_is_answered_though_the_listener_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group gets its partitions back whatever the listener does; else the whole group would stand still."""
    listener = Listener()
    source, consumer = open_source(monkeypatch, listener)
    consumer.steps.append(calls("on_assign", P0))
    source.fetch(*FETCH)

    def fail() -> None:
        raise SystemExit

    listener.on_revoked = fail
    consumer.steps.append(calls("on_revoke", P0))
    with pytest.raises(SystemExit):
        source.fetch(*FETCH)

    assert ("unassign", [0]) in consumer.deeds


def test_a_seek_inside_a_callback_outdates_the_records_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records above the place that was sought meanwhile would look like compaction; they are dropped."""
    listener = Listener()
    source, consumer = open_source(monkeypatch, listener)
    consumer.steps.extend([calls("on_assign", P0, P1), brings(*run(0, 4))])
    source.fetch(*FETCH)
    source.fetch(*FETCH)
    listener.on_revoked = lambda: source.seek(P0, 2)
    consumer.steps.append(calls("on_revoke", P1, brings=run(5, 9)))

    assert {} == fed(source.fetch(*FETCH))
    assert consumer.seeks()[-1] == (0, 2)
    consumer.steps.append(brings(*run(2, 9)))
    assert {0: list(range(2, 10))} == fed(source.fetch(*FETCH))


def test_what_was_delivered_already_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that begins below the next offset is fed from the next offset on, with matching columns."""
    source, consumer = open_source(monkeypatch, Listener())
    again = [record(offset, key=b"%d" % offset) for offset in range(3, 8)]
    consumer.steps.extend([calls("on_assign", P0), brings(*run(0, 4)), brings(*again), brings(*run(6, 7))])
    source.fetch(*FETCH)
    source.fetch(*FETCH)

    (event,) = source.fetch(*FETCH)

    assert isinstance(event, RecordsFetched)
    assert ([5, 6, 7], [b"5", b"6", b"7"]) == (list(event.chunk.offsets), list(event.chunk.keys))
    assert not source.fetch(*FETCH)


def test_holes_are_fed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compaction and transaction markers leave holes; what comes behind them is fed."""
    source, consumer = open_source(monkeypatch, Listener())
    consumer.steps.extend([calls("on_assign", P0), brings(record(2), record(7)), brings(record(19))])
    source.fetch(*FETCH)

    assert {0: [2, 7]} == fed(source.fetch(*FETCH))
    assert {0: [19]} == fed(source.fetch(*FETCH))


def test_an_end_below_records_of_the_same_call_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """An end is told only where nothing above it was fed; the next offset moves over markers to it."""
    source, consumer = open_source(monkeypatch, Listener())
    end = KafkaError._PARTITION_EOF
    consumer.steps.extend(
        [calls("on_assign", P0), brings(*run(0, 1), failure(end, 2), *run(2, 3)), brings(failure(end, 9))],
    )
    source.fetch(*FETCH)

    assert all(isinstance(event, RecordsFetched) for event in source.fetch(*FETCH))
    assert [PartitionEnded(P0, 9)] == source.fetch(*FETCH)

    def breaks(_client: ScriptedConsumer) -> list[AnyMessage]:
        raise KeyboardInterrupt

    consumer.steps.append(breaks)
    with pytest.raises(KeyboardInterrupt):
        source.fetch(*FETCH)
    assert [(0, 9)] == consumer.seeks()


@pytest.mark.parametrize("code", [KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION])
def test_what_cannot_be_read_is_never_passed_over(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """The client goes on behind a damaged record; the source feeds what is below, and reads again from there."""
    clock = ManualClock()
    source, consumer = open_source(monkeypatch, Listener(), clock)
    damaged = brings(*run(0, 2), failure(code, 3), *run(4, 6), *run(0, 1, partition=1))
    later = brings(*run(7, 9), failure(KafkaError._PARTITION_EOF, 10))
    consumer.steps.extend([calls("on_assign", P0, P1), damaged, later])
    source.fetch(*FETCH)

    assert {0: [0, 1, 2], 1: [0, 1]} == fed(source.fetch(*FETCH))
    assert not source.fetch(*FETCH)
    clock.pass_seconds(1.5)
    consumer.steps.append(brings(*run(3, 9)))
    assert {0: list(range(3, 10))} == fed(source.fetch(*FETCH))
    assert [(0, 3)] == consumer.seeks()


def test_a_gap_is_told_with_what_the_log_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next offset is not in the log: expected, start and end are told, and nobody decides here where to go on."""
    source, consumer = open_source(monkeypatch, Listener(), inquirer=ScriptedInquirer(logs={P0: (50, 90)}))
    consumer.steps.extend([calls("on_assign", P0), brings(*run(0, 4), failure(KafkaError._AUTO_OFFSET_RESET, 5))])
    told = [event for _ in range(6) for event in source.fetch(*FETCH)]

    gaps = [event for event in told if isinstance(event, GapFound)]
    assert [GapFound(P0, expected=5, log_start=50, log_end=90)] == gaps
    assert not consumer.seeks()


def test_a_gap_that_is_none_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the log holds the offset after all (a leader that lagged), it is read again from there."""
    source, consumer = open_source(monkeypatch, Listener(), inquirer=ScriptedInquirer(logs={P0: (0, 90)}))
    consumer.steps.extend([calls("on_assign", P0), brings(failure(KafkaError._AUTO_OFFSET_RESET, 0))])

    assert not [event for _ in range(6) for event in source.fetch(*FETCH)]
    assert [(0, 0)] == consumer.seeks()


def test_a_gap_is_measured_until_the_broker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer the gap is neither forgotten nor told by half."""
    clock = ManualClock()
    inquirer = ScriptedInquirer()
    source, consumer = open_source(monkeypatch, Listener(), clock, inquirer)
    consumer.steps.extend([calls("on_assign", P0), brings(failure(KafkaError._AUTO_OFFSET_RESET, 0))])
    for _ in range(5):
        assert not source.fetch(*FETCH)
        clock.pass_seconds(1.5)
    inquirer.logs[P0] = (7, 9)
    told: list[Event] = []
    for _ in range(3):
        told += source.fetch(*FETCH)
        clock.pass_seconds(1.5)

    assert [GapFound(P0, expected=0, log_start=7, log_end=9)] == told


def test_a_topic_that_went_away_is_told_with_its_return(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the cluster says about topics is told where it changes, and a missing one is asked for each second."""
    clock = ManualClock()
    inquirer = ScriptedInquirer()
    source, _ = open_source(monkeypatch, Listener(), clock, inquirer)
    told: list[Event] = []
    sizes = []
    for partitions in (2, 2, 0, 0, 3, 3):
        inquirer.topics["orders"] = partitions
        clock.pass_seconds(31)
        told += [event for _ in range(2) for event in source.fetch(*FETCH)]
        sizes.append(source.status().topic_partitions)

    assert [TopicsMissing(frozenset({"orders"})), TopicsMissing(frozenset())] == told
    assert [{"orders": 2}, {}, {"orders": 3}] == [sizes[0], sizes[3], sizes[5]]


def test_a_partition_that_takes_no_seek_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the client refuses to seek, the partition is assigned again at that offset, with its pause flag."""
    source, consumer = open_source(monkeypatch, Listener())
    consumer.steps.append(calls("on_assign", P0))
    source.fetch(*FETCH)
    source.pause(frozenset({P0}))
    consumer.failing["seek"] = KafkaError(KafkaError._STATE)
    consumer.deeds.clear()

    source.seek(P0, 7)

    assert [("unassign", [0]), ("assign", [(0, 7)]), ("pause", [0])] == consumer.deeds


def test_records_that_cannot_be_gone_back_to_end_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """When positions cannot be made safe, nothing is fed any more, and the reason is told once."""
    source, consumer = open_source(monkeypatch, Listener())

    def breaks(_client: ScriptedConsumer) -> list[AnyMessage]:
        raise KafkaException(KafkaError(KafkaError._STATE))

    consumer.steps.extend([calls("on_assign", P0), breaks, brings(*run(0, 9))])
    source.fetch(*FETCH)
    for name in ("seek", "unassign"):
        consumer.failing[name] = KafkaError(KafkaError._STATE)

    (event,) = source.fetch(*FETCH)

    assert isinstance(event, SourceFailed)
    assert "could not go back" in event.reason
    assert not source.fetch(*FETCH)


def test_an_error_of_the_client_goes_back_and_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception of consume itself destroys its batch: the source goes back to the next offsets and goes on."""
    source, consumer = open_source(monkeypatch, Listener())

    def breaks(_client: ScriptedConsumer) -> list[AnyMessage]:
        raise KafkaException(KafkaError(KafkaError._STATE))

    consumer.steps.extend([calls("on_assign", P0), brings(*run(0, 4)), breaks, brings(*run(5, 9))])
    source.fetch(*FETCH)
    source.fetch(*FETCH)

    assert not source.fetch(*FETCH)
    assert [(0, 5)] == consumer.seeks()
    assert {0: list(range(5, 10))} == fed(source.fetch(*FETCH))


def test_a_fatal_error_ends_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is dead for good (a fenced static member) is told in a sentence."""
    source, consumer = open_source(monkeypatch, Listener())
    fatal = KafkaError(KafkaError.FENCED_INSTANCE_ID, "another member took this name", fatal=True)

    def dies(_client: ScriptedConsumer) -> list[AnyMessage]:
        raise KafkaException(fatal)

    consumer.steps.append(dies)

    (event,) = source.fetch(*FETCH)

    assert isinstance(event, SourceFailed)
    assert "another member took this name" in event.reason


def test_few_messages_are_taken_at_once_while_headers_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client unpacks the headers of all that it hands over, and no budget counts them; without headers there is no bound."""
    source, consumer = open_source(monkeypatch, Listener())
    large: list[tuple[str, str | bytes | None]] = [("trace", b"v" * (AT_ONCE_BYTES // 10))]
    consumer.steps.extend([calls("on_assign", P0), *(brings(record(offset)) for offset in range(12))])
    consumer.steps.append(brings(record(12, headers=large)))
    for _ in range(15):
        source.fetch(5_000, 0)

    assert [AT_ONCE_FIRST, 5_000, 9] == [consumer.asked[0], consumer.asked[13], consumer.asked[14]]


FENCED = KafkaError(KafkaError._FATAL, "Fatal error: Broker: fenced by other consumer with same group.instance.id")


def _in_band(_consumer: ScriptedConsumer) -> list[AnyMessage]:
    """Bring it behind records that were prefetched."""
    error = Message(topic=None, partition=0, offset=-1001, value=b"", error=FENCED)
    return [*run(0, 4), error]


def _in_the_log(consumer: ScriptedConsumer) -> list[AnyMessage]:
    consumer.keys["logger"].log(50, "%s [%s] %s", "FATAL", "doka", f"[thrd:main]: {FENCED.str()}")
    return run(0, 4)


def _by_a_commit(consumer: ScriptedConsumer) -> list[AnyMessage]:
    consumer.keys["on_commit"](FENCED, [])
    return run(0, 4)


def _by_a_callback(consumer: ScriptedConsumer) -> list[AnyMessage]:
    consumer.failing["committed"] = FENCED
    consumer.call("on_assign", P1)
    return run(0, 4)


def _by_a_raise(_consumer: ScriptedConsumer) -> list[AnyMessage]:
    raise KafkaException(FENCED)


@pytest.mark.parametrize("told", [_in_band, _in_the_log, _by_a_commit, _by_a_callback, _by_a_raise])
def test_what_is_fatal_ends_the_source_on_every_path(
    monkeypatch: pytest.MonkeyPatch, told: Callable[[ScriptedConsumer], list[AnyMessage]]
) -> None:
    """Code `_FATAL` with `fatal()` False is the end at once; records of that call are not fed, so nothing more is put."""
    source, consumer = open_source(monkeypatch, Listener())
    consumer.steps.extend([calls("on_assign", P0), told, brings(*run(5, 9))])
    source.fetch(*FETCH)

    events = source.fetch(*FETCH)

    cure = "another member has the same kafka.group_instance_id and took its place; give each member its own"
    said = FENCED.str().removeprefix("Fatal error: ")
    assert [SourceFailed(f"the Kafka client cannot go on: {said} (_FATAL); {cure}")] == events
    assert not source.fetch(*FETCH)


@pytest.mark.parametrize("call", ["pause", "resume", "commit"])
def test_a_fatal_error_of_a_call_is_told_by_the_next_fetch(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Nothing is raised into the loop, which would take it for a fault of doka."""
    source, consumer = open_source(monkeypatch, Listener())
    consumer.steps.append(calls("on_assign", P0))
    source.fetch(*FETCH)
    consumer.failing[call] = FENCED
    if call == "commit":
        source.commit(CommitOffsets(3, {P0: 5}))
    else:
        getattr(source, call)(frozenset({P0}))

    (event,) = source.fetch(*FETCH)

    assert isinstance(event, SourceFailed)
    assert "took its place" in event.reason


def test_a_wait_takes_what_comes_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is asked without waiting, again and again, until something is there or the time is over."""
    source, consumer = open_source(monkeypatch, Listener())
    consumer.steps.extend([calls("on_assign", P0), brings(), brings(), brings(), brings(*run(0, 4))])
    source.fetch(*FETCH)

    assert {0: [0, 1, 2, 3, 4]} == fed(source.fetch(1000, 50_000_000))
    assert not source.fetch(1000, 3_000_000)


def test_a_wall_clock_that_is_set_back_wakes_the_client_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its threads wait by that clock, and would send no heartbeat for as long as it was set back."""
    clock = ManualClock()
    source, consumer = open_source(monkeypatch, Listener(), clock)
    for moved in (0, 3_600, -0.5, -600, 0):
        clock.jump_wall(moved)
        clock.pass_seconds(1)
        source.fetch(*FETCH)

    assert 1 == [deed for deed, _ in consumer.deeds].count("memberid")


def test_a_refused_login_ends_the_source_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights may come while the process runs; only a refusal that lasts ends it, and an answer in between resets it."""
    clock = ManualClock()
    source, consumer = open_source(monkeypatch, Listener(), clock)
    refused = KafkaError(KafkaError._AUTHENTICATION, "wrong password")
    consumer.steps.append(calls("on_assign", P0))
    told: list[Event] = []
    for _ in range(2):
        consumer.keys["error_cb"](refused)
        told += source.fetch(*FETCH)
        clock.pass_seconds(31)
    consumer.steps.append(brings(*run(0, 1)))
    told += source.fetch(*FETCH)
    assert not [event for event in told if isinstance(event, SourceFailed)]
    for _ in range(2):
        consumer.keys["error_cb"](refused)
        clock.pass_seconds(31)
        assert not source.fetch(*FETCH)
    consumer.keys["error_cb"](refused)

    (event,) = source.fetch(*FETCH)

    assert isinstance(event, SourceFailed)
    assert "wrong password" in event.reason


@pytest.mark.parametrize("joined", [True, False])
def test_a_group_that_refuses_ends_the_source_unless_it_lets_us_in(
    monkeypatch: pytest.MonkeyPatch,
    joined: bool,  # noqa: FBT001 - a table
) -> None:
    """A right that was granted within the minute is proved by an assignment, though nothing is there to be read."""
    clock = ManualClock()
    source, consumer = open_source(monkeypatch, Listener(), clock)
    consumer.steps.append(brings(failure(KafkaError.GROUP_AUTHORIZATION_FAILED)))
    source.fetch(*FETCH)
    clock.pass_seconds(30)
    if joined:
        consumer.steps.append(calls("on_assign"))
    source.fetch(*FETCH)
    clock.pass_seconds(31)

    told = source.fetch(*FETCH)

    assert joined == (not told)
    assert all(isinstance(event, SourceFailed) for event in told)


def test_errors_that_heal_are_no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost connection, a missed poll, a moved leader: the client mends them, the source goes on."""
    source, consumer = open_source(monkeypatch, Listener())
    codes = [KafkaError._TRANSPORT, KafkaError._MAX_POLL_EXCEEDED, KafkaError.NOT_LEADER_FOR_PARTITION]
    consumer.steps.extend([calls("on_assign", P0), brings(*[failure(code) for code in codes], *run(0, 3))])
    source.fetch(*FETCH)

    assert {0: [0, 1, 2, 3]} == fed(source.fetch(*FETCH))
    assert not consumer.seeks()


def test_a_topic_that_may_not_be_read_is_told_until_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused topic is told once as such, and as there again when its records come."""
    clock = ManualClock()
    source, consumer = open_source(monkeypatch, Listener(), clock)
    refused = failure(KafkaError.TOPIC_AUTHORIZATION_FAILED, 0)
    consumer.steps.extend([calls("on_assign", P0), brings(refused), brings(refused), brings(), brings(*run(0, 1))])
    told: list[Event] = []
    for _ in range(6):
        told += source.fetch(*FETCH)
        clock.pass_seconds(2)

    missing = [event for event in told if isinstance(event, TopicsMissing)]
    refusal = TopicsMissing(frozenset(), refused=frozenset({"orders"}))
    assert [refusal, TopicsMissing(frozenset())] == missing


@pytest.mark.parametrize("code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART])
def test_an_error_of_the_subscription_makes_the_source_look(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Such an error has a topic and no offset; the cluster is asked at once, and its answer is what is told."""
    inquirer = ScriptedInquirer()
    source, consumer = open_source(monkeypatch, Listener(), inquirer=inquirer)
    for _ in range(3):
        assert not source.fetch(*FETCH)
    inquirer.topics["orders"] = 0
    consumer.steps.append(brings(failure(code)))

    told = [event for _ in range(3) for event in source.fetch(*FETCH)]

    assert [TopicsMissing(frozenset({"orders"}))] == told


def test_a_lost_partition_is_forgotten_and_nothing_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After lost, no commit leaves, and records in hand are dropped."""
    listener = Listener()
    source, consumer = open_source(monkeypatch, listener)
    consumer.steps.extend([calls("on_assign", P0), calls("on_lost", P0, brings=run(0, 4))])
    source.fetch(*FETCH)

    assert not source.fetch(*FETCH)
    assert [frozenset({P0})] == listener.lost
    assert "commit" not in [deed for deed, _ in consumer.deeds]
    assert ("unassign", [0]) in consumer.deeds


def test_a_commit_that_the_client_refuses_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit never raises: what the client refuses at once comes as an answer with its serial."""
    source, consumer = open_source(monkeypatch, Listener())
    consumer.failing["commit"] = KafkaError(KafkaError._STATE)

    source.commit(CommitOffsets(3, {TopicPartition("orders", 0): 5}))

    assert [CommitAnswered(3, "_STATE")] == source.fetch(*FETCH)


@pytest.mark.parametrize("late", [30, 70])
def test_a_first_token_may_be_late_as_long_as_a_login_may_be_refused(
    monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """Credentials that come within a minute let the member join; after it the start ends with what was missing."""
    clock = ManualClock()
    consumer = ScriptedConsumer()
    began = clock.now()

    def new_consumer(_keys: Mapping[str, Any]) -> Any:
        if clock.now() - began < late * NS_PER_SECOND:
            clock.pass_seconds(10)
            raise ClientUnusableError("no token for Kafka within 10 s: no credentials; check the AWS credentials")
        return consumer

    monkeypatch.setattr(source_module, "new_consumer", new_consumer)
    security = KafkaSecurity("sasl_ssl", "aws_msk_iam")
    settings = MemberSettings(("b:9092",), "doka", frozenset({"orders"}), security=security)
    source = KafkaSource(settings, clock, ScriptedTokens())
    source.open(Listener())
    told: list[Event] = []
    for _ in range(20):
        told += source.fetch(*FETCH)
        clock.pass_seconds(1)

    assert (late < 60) == bool(consumer.callbacks)
    refused = SourceFailed("no token for Kafka within 10 s: no credentials; check the AWS credentials")
    assert ([] if late < 60 else [refused]) == told


def test_positions_that_nobody_tells_end_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the committed offsets stay unknown until the deadline, nothing is assumed and nothing is fed."""
    clock = ManualClock()
    listener = Listener()
    source, consumer = open_source(monkeypatch, listener, clock)
    consumer.failing["committed"] = KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
    ask = consumer.committed

    def slowly(*arguments: object, **named: object) -> object:
        clock.pass_seconds(10)
        return ask(*arguments, **named)  # type: ignore[arg-type] # handed through

    monkeypatch.setattr(consumer, "committed", slowly)
    consumer.steps.append(calls("on_assign", P0, brings=run(0, 4)))

    (event,) = source.fetch(*FETCH)

    assert isinstance(event, SourceFailed)
    assert "the committed offsets of group doka" in event.reason
    assert not listener.assigned
    assert "assign" not in [deed for deed, _ in consumer.deeds]


def test_a_refused_token_and_one_that_is_not_made_are_two_things(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal that lasts ends the source with the credentials' cure; a source that fails is a warning with its words."""
    clock, consumer, tokens = ManualClock(), ScriptedConsumer(), ScriptedTokens(signer="the keys of a test")

    def new_consumer(keys: Mapping[str, Any]) -> Any:
        consumer.keys = keys
        return consumer

    monkeypatch.setattr(source_module, "new_consumer", new_consumer)
    security = KafkaSecurity("sasl_ssl", "aws_msk_iam")
    settings = MemberSettings(("b:9092",), "doka", frozenset({"orders"}), security=security)
    source = KafkaSource(settings, clock, tokens)
    source.open(Listener())
    tokens.last_error = "no answer"
    for _ in range(3):
        consumer.keys["error_cb"](KafkaError(KafkaError._AUTHENTICATION, "Failed to acquire SASL OAUTHBEARER token: x"))
        assert [] == source.fetch(*FETCH)
        clock.pass_seconds(31)
    assert "no new token for Kafka: no answer; the one before is used as long as it lasts" in caplog.messages
    told: list[Event] = []
    for _ in range(3):
        consumer.keys["error_cb"](KafkaError(KafkaError._AUTHENTICATION, "Access denied"))
        told += source.fetch(*FETCH)
        clock.pass_seconds(31)

    (event,) = told
    assert isinstance(event, SourceFailed)
    assert "Access denied, for a minute now; the token was signed with the keys of a test" in event.reason
    assert 6 == tokens.refusals
