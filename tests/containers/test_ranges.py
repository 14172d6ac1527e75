"""Windows and ranges on a real broker: times, retention that bites in the window, compaction, transactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import Producer
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.group_commits import committed_by
from doka.adapters.kafka.log_ranges import LogRange, LogRanges
from doka.adapters.kafka.range_source import RangeSource
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.system.clock import SystemClock
from doka.domain.events import Event, GapFound, PartitionEnded, RecordsFetched
from doka.domain.limits import NS_PER_MS
from doka.domain.records import TopicPartition
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.test_kafka_log import transact
from tests.integration.kafka.group import Listener, member, numbered, produce, settings_for
from tests.waiting import eventually

CLOCK = SystemClock()
T0 = 1_795_000_000_000  # ms
SECOND = 1_000


def write(broker: KafkaBroker, topic: str, times: Mapping[int, Sequence[int]]) -> None:
    """Write a record at each of these times (ms) into these partitions."""
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "enable.idempotence": True, "log_level": 0})
    for partition, each in times.items():
        for time in each:
            producer.produce(topic, value=b"%d" % time, partition=partition, timestamp=time)
    assert producer.flush(30) == 0


def delete_below(broker: KafkaBroker, partition: TopicPartition, offset: int) -> None:
    """Let retention bite: what is below this offset is gone."""
    place = KafkaPartition(*partition, offset)
    admin = broker.admin()  # which must outlive the question
    admin.delete_records([place])[place].result(timeout=30)


def read(settings: MemberSettings, ranges: Sequence[LogRange]) -> list[Event]:
    """Read ranges to their ends, stepping over gaps; give all events."""
    source, events = RangeSource(settings, ranges, CLOCK), list[Event]()
    source.open(Listener())

    def finished() -> bool:
        fetched = source.fetch(1000, 50 * NS_PER_MS)
        events.extend(fetched)
        for event in fetched:
            if isinstance(event, GapFound):
                source.seek(event.partition, event.log_start)
        return source.finished

    try:
        eventually(finished, within=60, what="the ends of all ranges", every=0)
    finally:
        source.close()
    return events


def offsets(events: Sequence[Event], partition: TopicPartition) -> list[int]:
    """Give the offsets that came of a partition."""
    chunks = [e.chunk for e in events if isinstance(e, RecordsFetched) and e.chunk.partition == partition]
    return [offset for chunk in chunks for offset in chunk.offsets]


def test_a_window_is_found_by_times_and_says_what_may_be_gone(kafka_broker: KafkaBroker) -> None:
    """First and end by the records' times in each partition; where the log begins inside the window, that is said."""
    topic = kafka_broker.create_topic(partitions=4)
    p0, p1, p2, p3 = (TopicPartition(topic, number) for number in range(4))
    every_second = [T0 + SECOND * number for number in range(20)]
    write(kafka_broker, topic, {0: every_second, 1: every_second, 2: every_second[:5]})
    delete_below(kafka_broker, p1, 12)
    settings = settings_for(kafka_broker.bootstrap_servers, topic)
    ranges = LogRanges(settings, CLOCK)

    window = ranges.of_window([topic], T0 + 9_500, T0 + 15_000)
    assert (
        LogRange(p0, 10, 15, 0, 20),
        LogRange(p1, 12, 15, 12, 20, cut=True),
        LogRange(p2, 5, 5, 0, 5),
        LogRange(p3, 0, 0, 0, 0),
    ) == window

    write(kafka_broker, topic, {0: [T0 + 14_000], 2: [T0 + 14_000]})
    events = read(settings, window)
    assert [list(range(10, 15)), list(range(12, 15)), [], []] == [offsets(events, p) for p in (p0, p1, p2, p3)]

    (open_ended, _, _, _) = ranges.of_window([topic], T0 + 18_000)
    assert LogRange(p0, 18, 21, 0, 21) == open_ended
    assert {} == committed_by(settings.group_id, [p0, p1], settings, CLOCK)


def test_retention_that_bites_between_the_look_and_the_reading_is_a_gap(kafka_broker: KafkaBroker) -> None:
    """What went meanwhile is told with its offsets, and the rest is read."""
    topic = kafka_broker.create_topic()
    p0 = TopicPartition(topic, 0)
    produce(kafka_broker.bootstrap_servers, topic, {0: numbered(100)})
    settings = settings_for(kafka_broker.bootstrap_servers, topic)
    ranges = LogRanges(settings, CLOCK).of_offsets([(p0, 10, 60)])
    delete_below(kafka_broker, p0, 40)

    events = read(settings, ranges)

    assert [GapFound(p0, 10, 40, 100)] == [event for event in events if isinstance(event, GapFound)]
    assert list(range(40, 60)) == offsets(events, p0)


def test_ends_of_transactional_topics_are_reached_by_position(kafka_broker: KafkaBroker) -> None:
    """Aborted records and markers are holes, in the middle, at the end of a range and where nothing else is."""
    topic = kafka_broker.create_topic()
    p0 = TopicPartition(topic, 0)
    transact(kafka_broker, topic, commits=1, aborts=2)  # 0-4, marker 5; aborted 6-10, marker 11; 12-16, 17
    settings = settings_for(kafka_broker.bootstrap_servers, topic)
    ranges = LogRanges(settings, CLOCK)
    assert (LogRange(p0, 0, 18, 0, 18),) == ranges.of_window([topic], 0)

    for first, end, expected in ((0, 18, [0, 1, 2, 3, 4]), (3, 9, [3, 4]), (7, 14, [])):
        events = read(settings, ranges.of_offsets([(p0, first, end)]))
        assert (expected, PartitionEnded(p0, end)) == (offsets(events, p0), events[-1])


def test_what_an_open_transaction_holds_back_is_not_in_the_log_yet(kafka_broker: KafkaBroker) -> None:
    """The end is where a reader of committed records gets to, so a range ends, however long the transaction stays open."""
    topic = kafka_broker.create_topic()
    p0 = TopicPartition(topic, 0)
    produce(kafka_broker.bootstrap_servers, topic, {0: numbered(5)})
    keys = {"bootstrap.servers": kafka_broker.bootstrap_servers, "transactional.id": f"open-{topic}", "log_level": 0}
    producer = Producer(keys)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value=b"open", partition=0)
    producer.flush(30)
    settings = settings_for(kafka_broker.bootstrap_servers, topic)
    try:
        (found,) = LogRanges(settings, CLOCK).of_offsets([(p0, 2, 6)])
        assert LogRange(p0, 2, 5, 0, 5, unwritten=1) == found
        assert [2, 3, 4] == offsets(read(settings, [found]), p0)
    finally:
        producer.abort_transaction(30)


def test_holes_of_compaction_are_read_over(kafka_broker: KafkaBroker) -> None:
    """A range whose first and last records were compacted away is read, and ends at its end."""
    compact = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.001",
        "segment.bytes": "1048576",
        "segment.ms": "100",
    }
    topic = kafka_broker.create_topic(config=compact)
    p0 = TopicPartition(topic, 0)
    settings = settings_for(kafka_broker.bootstrap_servers, topic)
    produce(kafka_broker.bootstrap_servers, topic, {0: [(b"a", b"%d" % n) for n in range(20)]})
    produce(kafka_broker.bootstrap_servers, topic, {0: [(b"once", b"kept")]})
    produce(kafka_broker.bootstrap_servers, topic, {0: [(b"a", b"%d" % n) for n in range(20)]})

    def compacted() -> bool:
        # A segment is rolled, and then cleaned, only when something is written after its time.
        produce(kafka_broker.bootstrap_servers, topic, {0: [(b"c", b"again")]})
        with member(settings_for(kafka_broker.bootstrap_servers, topic)) as probe:
            probe.until(lambda: any(end.partition == p0 for end in probe.ends()))
            return not {*range(20), *range(21, 39)} & set(probe.offsets(p0))

    eventually(compacted, within=60, what="compaction", every=0.5)

    events = read(settings, LogRanges(settings, CLOCK).of_offsets([(p0, 5, 35)]))

    assert ([20], PartitionEnded(p0, 35)) == (offsets(events, p0), events[-1])
