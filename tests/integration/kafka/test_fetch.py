"""What is fetched: all of it, in order, once; what is no record never becomes one."""

from __future__ import annotations

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.settings import GroupProtocol
from doka.domain.errors import InvariantError
from doka.domain.records import TopicPartition, ask_headers
from tests.integration.kafka.group import member, numbered, produce, settings_for
from tests.integration.kafka.raw_headers import produce_raw_headers
from tests.timing import quickest, seconds_of

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_every_record_is_fed_once_and_in_order(cluster: KafkaCluster, protocol: GroupProtocol) -> None:
    """With either group protocol all offsets of each partition come, ascending, without a hole."""
    produce(cluster, "orders", {0: numbered(3000), 1: numbered(2000)})

    with member(settings_for(cluster.bootstrap_servers, "orders", group_protocol=protocol)) as m:
        m.until(lambda: m.records() >= 5000)

    assert list(range(3000)) == m.offsets(P0)
    assert list(range(2000)) == m.offsets(P1)


def test_tombstones_and_binary_keys_come_as_they_are(cluster: KafkaCluster) -> None:
    """Null keys, null values, empty ones and any bytes reach the columns unchanged."""
    pairs = [(b"k", None), (None, b"v"), (None, None), (b"", b""), (bytes(range(256)), b"\xff\x00")]
    produce(cluster, "orders", {0: pairs})

    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: m.records() == len(pairs))

    chunks = m.chunks(P0)
    found = [pair for chunk in chunks for pair in zip(chunk.keys, chunk.values, strict=True)]
    assert pairs == found


def test_a_record_whose_headers_are_refused_is_handed_over_as_nobody_had_asked_it(cluster: KafkaCluster) -> None:
    """The source asks some records what their headers take; a route or a letter must meet the client's first answer."""
    produce_raw_headers(cluster.bootstrap_servers, [(b"a", b"1"), (b"\xff", b"2")])

    with member(settings_for(cluster.bootstrap_servers, "orders", topics_with_originals=frozenset({"orders"}))) as m:
        m.until(lambda: m.records() == 1)

    (original,) = m.chunks(P0)[0].originals
    with pytest.raises(SystemError):
        ask_headers(original)
    headers = ask_headers(original) or []
    assert (("a", b"1"), b"2") == (headers[0], headers[1][1])
    assert (b"key", b"value") == (original.key(), original.value())


def test_the_end_of_a_partition_is_told_behind_its_records(cluster: KafkaCluster) -> None:
    """An end is no record, stands at the offset behind the last one, and comes after it."""
    produce(cluster, "orders", {0: numbered(10)})

    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: len(m.ends()) == 2)

    assert {P0: 10, P1: 0} == {end.partition: end.offset for end in m.ends()}
    kinds = [type(event).__name__ for event in m.events if getattr(event, "partition", P0) == P0]
    assert ["RecordsFetched", "PartitionEnded"] == kinds
    assert m.records() == 10


def test_two_topics_never_mix(cluster: KafkaCluster) -> None:
    """A chunk holds records of one partition of one topic, even where the numbers of partitions are alike."""
    cluster.create_topic("payments", 2)
    produce(cluster, "orders", {0: numbered(50), 1: numbered(50)})
    produce(cluster, "payments", {0: numbered(50, 1000), 1: numbered(50, 1000)})

    with member(settings_for(cluster.bootstrap_servers, "orders", "payments")) as m:
        m.until(lambda: m.records() == 200)

    for chunk in m.chunks():
        low = 1000 if chunk.partition.topic == "payments" else 0
        assert all(low <= int(value or b"-1") < low + 50 for value in chunk.values)


def test_whole_records_come_for_the_topics_that_want_them(cluster: KafkaCluster) -> None:
    """Headers and times of each record can be read where the route needs them."""
    produce(cluster, "orders", {0: numbered(3)})

    settings = settings_for(cluster.bootstrap_servers, "orders", topics_with_originals=frozenset({"orders"}))
    with member(settings) as m:
        m.until(lambda: m.records() == 3)

    originals = [original for chunk in m.chunks(P0) for original in chunk.originals]
    assert [None] * 3 == [original.headers() for original in originals]
    assert all(kind == 1 for kind, _ in (original.timestamp() for original in originals))


def test_the_limit_holds(cluster: KafkaCluster) -> None:
    """One fetch never gives more records than it was asked for, and nothing of the rest is lost."""
    produce(cluster, "orders", {0: numbered(100)})

    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: m.listener.owned)
        while m.records() < 100:
            before = m.records()
            m.turn(limit=7)
            assert m.records() - before <= 7

    assert list(range(100)) == m.offsets(P0)


def test_an_empty_fetch_returns_in_time(cluster: KafkaCluster) -> None:
    """Without records a fetch waits as long as it was told, and not at all when told so."""
    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: len(m.ends()) == 2)
        at_once = quickest(lambda: m.turn(wait=0))
        waits = [seconds_of(lambda: m.turn(wait=60_000_000)) for _ in range(5)]

    assert at_once < 0.05
    assert 0.05 < max(waits)
    assert min(waits) < 0.2


def test_a_record_does_not_wait_for_its_neighbours(cluster: KafkaCluster) -> None:
    """A single record is fed as soon as it is there, though more were asked for and time was left."""
    # The mock brokers answer a waiting fetch only when its time is over, real ones when a record comes.
    settings = settings_for(cluster.bootstrap_servers, "orders", client={"fetch.wait.max.ms": 5})
    with member(settings) as m:
        m.until(lambda: len(m.ends()) == 2)
        last_turns: list[float] = []
        for number in range(10):
            produce(cluster, "orders", {0: numbered(1, number)})
            took = 0.0
            while m.records() == number:
                took = seconds_of(lambda: m.turn(limit=1000, wait=100_000_000))
            last_turns.append(took)

    assert min(last_turns) < 0.08  # `consume(1000, 0.1)` would have waited for all of its 100 ms, each time


def test_the_ends_of_logs_are_known_without_a_question(cluster: KafkaCluster) -> None:
    """Once a partition was read, the end of its log is known locally, also with the brokers gone, and since when."""
    produce(cluster, "orders", {0: numbered(10), 1: numbered(20)})

    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: m.records() == 30)
        cluster.set_down()
        logs = m.source.status().logs
        cluster.set_up()

    assert {P0: 10, P1: 20} == {partition: log.end for partition, log in logs.items()}
    assert [True, True] == [log.told_at is not None for log in logs.values()]


def test_pausing_and_seeking_leave_no_hole(cluster: KafkaCluster) -> None:
    """However often partitions are paused, resumed and sought to their next offset, each record comes once."""
    produce(cluster, "orders", {0: numbered(5000), 1: numbered(5000)})
    both = frozenset({P0, P1})

    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: m.listener.owned)
        for turn in range(400):
            m.turn(limit=17, wait=5_000_000)
            if turn % 3 == 0:
                m.source.pause(both)
            if turn % 7 == 0:
                m.turn(limit=5, wait=0)
            if turn % 5 == 0 and m.offsets(P1):
                m.source.seek(P1, m.offsets(P1)[-1] + 1)
            m.source.resume(both)
        m.until(lambda: m.records() >= 10_000, within=30)

    assert list(range(5000)) == m.offsets(P0)
    assert list(range(5000)) == m.offsets(P1)


def test_a_paused_partition_delivers_nothing_until_it_is_resumed(cluster: KafkaCluster) -> None:
    """Paused means silent while the other partition goes on, and a resume goes on where it stopped."""
    produce(cluster, "orders", {0: numbered(100), 1: numbered(100)})

    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: m.listener.owned)
        m.source.pause(frozenset({P0}))
        before = len(m.offsets(P0))
        m.until(lambda: len(m.offsets(P1)) == 100)
        paused = len(m.offsets(P0))
        m.source.resume(frozenset({P0}))
        m.until(lambda: m.records() >= 200)

    assert before == paused
    assert list(range(100)) == m.offsets(P0)


def test_a_seek_back_feeds_again_from_there(cluster: KafkaCluster) -> None:
    """The loop may go back to an offset, and gets everything from it on."""
    produce(cluster, "orders", {0: numbered(20)})

    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: m.records() == 20)
        m.source.seek(P0, 15)
        m.until(lambda: m.records() == 25)

    assert [*range(20), *range(15, 20)] == m.offsets(P0)


def test_orders_for_partitions_that_are_gone_do_nothing(cluster: KafkaCluster) -> None:
    """Pause, resume and seek of a partition that is not owned (any more) are no error."""
    gone = TopicPartition("orders", 7)

    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.until(lambda: m.listener.owned)
        m.source.pause(frozenset({gone}))
        m.source.resume(frozenset({gone}))
        m.source.seek(gone, 5)
        m.turn()

    assert gone not in m.listener.owned


def test_a_source_that_was_not_opened_says_so(cluster: KafkaCluster) -> None:
    """Fetching before the group was joined, or after it was left, is a mistake of ours and is told as one."""
    with member(settings_for(cluster.bootstrap_servers, "orders")) as m:
        m.turn()

    with pytest.raises(InvariantError, match="not open"):
        m.turn()
