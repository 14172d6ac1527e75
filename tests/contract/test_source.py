"""The same cases against both adapters of the port `Source`: on librdkafka's mock cluster, and the simulated one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.domain.commands import CommitOffsets
from doka.domain.errors import InvariantError
from doka.domain.events import CommitAnswered, GapFound, PartitionEnded, RecordsFetched, SkipsOrdered
from doka.domain.limits import NS_PER_MS
from doka.domain.ports import Source
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip
from tests.contract.source_rigs import TOPIC, KafkaRig, Reader, SimulatedTopic, SourceRig

ZERO, ONE = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
FIVE = tuple((b"k", b"%d" % number) for number in range(5))
NewReader = Callable[[], Reader]


@pytest.fixture(params=["kafka", "simulated"])
def rig(request: pytest.FixtureRequest) -> Iterator[SourceRig]:
    """Give each topic in turn."""
    if request.param == "simulated":
        yield SimulatedTopic()
        return
    with KafkaCluster() as cluster:
        yield KafkaRig(cluster)


@pytest.fixture
def new_reader(rig: SourceRig) -> Iterator[NewReader]:
    """Make readers that have left the group in the end."""
    made: list[Source] = []

    def make() -> Reader:
        made.append(rig.member())
        return Reader(rig, made[-1])

    yield make
    for source in made:
        source.close()


def test_partitions_come_inside_fetch_from_the_beginning(new_reader: NewReader) -> None:
    """Opening gives nothing yet; fetching does, from the beginning of a log that nobody has committed."""
    reader = new_reader()
    reader.source.open(reader.listener)
    assert {} == reader.listener.assigned
    reader.until(lambda: len(reader.listener.assigned) == 2)
    assert {ZERO: 0, ONE: 0} == reader.listener.assigned


def test_records_come_whole_and_in_order(rig: SourceRig, new_reader: NewReader) -> None:
    """Null keys, tombstones and binary keys come as they were written, in offset order."""
    written = [(b"k", b"1"), (None, b"2"), (b"\xff\x00", b"3"), (b"k", None), (b"", b"")]
    rig.write(0, *written)
    reader = new_reader().open()
    reader.until(lambda: len(reader.offsets()) == 5)
    chunks = reader.chunks()
    assert written == [pair for c in chunks for pair in zip(c.keys, c.values, strict=True)]
    assert [0, 1, 2, 3, 4] == reader.offsets()
    assert {ZERO} == {chunk.partition for chunk in chunks}
    assert all(chunk.timestamp_ms > 0 for chunk in chunks)


def test_no_fetch_brings_more_than_its_limit(rig: SourceRig, new_reader: NewReader) -> None:
    """A fetch of two brings at most two records, and the next goes on behind them."""
    rig.write(0, *FIVE)
    rig.write(1, *FIVE)
    reader = new_reader()
    reader.source.open(reader.listener)
    sizes: list[int] = []

    def all_there() -> bool:
        sizes.append(sum(e.chunk.count for e in reader.turn(2) if isinstance(e, RecordsFetched)))
        return len(reader.offsets()) + len(reader.offsets(1)) == 10

    reader.until(all_there, limit=2)
    assert max(sizes) == 2
    assert [0, 1, 2, 3, 4] == reader.offsets() == reader.offsets(1)


def test_the_end_of_a_log_is_told_once(rig: SourceRig, new_reader: NewReader) -> None:
    """Each time the end is reached it is told, once, behind its records; an empty log ends at its beginning."""
    rig.write(0, *FIVE)
    reader = new_reader().open()
    reader.until(lambda: len(reader.of(PartitionEnded)) == 2)
    reader.idle()
    assert {PartitionEnded(ZERO, 5), PartitionEnded(ONE, 0)} == set(reader.of(PartitionEnded))
    rig.write(0, (b"k", b"more"))
    reader.until(lambda: len(reader.of(PartitionEnded)) == 3)
    assert PartitionEnded(ZERO, 6) == reader.events[-1]
    assert 5 == reader.offsets()[-1]


def test_a_commit_is_answered_and_the_next_member_goes_on_there(rig: SourceRig, new_reader: NewReader) -> None:
    """What was committed is where the next owner begins."""
    rig.write(0, *FIVE)
    reader = new_reader().open()
    reader.until(lambda: len(reader.offsets()) == 5)
    reader.source.commit(CommitOffsets(7, {ZERO: 3}))
    reader.until(lambda: reader.of(CommitAnswered))
    assert [CommitAnswered(7, None)] == reader.of(CommitAnswered)
    reader.source.close()
    successor = new_reader().open()
    assert {ZERO: 3, ONE: 0} == successor.listener.assigned
    successor.until(lambda: len(successor.offsets()) == 2)
    assert [3, 4] == successor.offsets()


def test_commits_inside_the_last_callback_are_stored(rig: SourceRig, new_reader: NewReader) -> None:
    """A commit sent while partitions are given back is stored before anybody else owns them."""
    rig.write(0, *FIVE)
    reader = new_reader()
    reader.listener.on_revoked = lambda: reader.source.commit(CommitOffsets(1, {ZERO: 4}))
    reader.open()
    reader.until(lambda: len(reader.offsets()) == 5)
    reader.source.close()
    assert 4 == new_reader().open().listener.assigned[ZERO]


def test_an_order_to_skip_is_told_before_the_first_record(rig: SourceRig, new_reader: NewReader) -> None:
    """It was given while nobody read, or another member did; the records themselves all come."""
    rig.write(0, *FIVE)
    order = Skip(2, 3, "ada", "2026-11-29T20:15:00Z", "cancelled")
    rig.order(ZERO, order)
    reader = new_reader().open()
    reader.until(lambda: len(reader.offsets()) == 5)
    told = [event for event in reader.events if isinstance(event, SkipsOrdered | RecordsFetched)]
    assert SkipsOrdered(ZERO, (order,)) == told[0]
    assert [0, 1, 2, 3, 4] == reader.offsets()


def test_a_refused_commit_is_answered_by_its_error(rig: SourceRig, new_reader: NewReader) -> None:
    """What the group refuses is told, and is not stored."""
    reader = new_reader().open()
    reader.idle()
    rig.refuse_commits()
    rig.write(0, *FIVE)
    reader.until(lambda: len(reader.offsets()) == 5)
    reader.source.commit(CommitOffsets(9, {ZERO: 2}))
    reader.until(lambda: reader.of(CommitAnswered))
    (answer,) = reader.of(CommitAnswered)
    assert isinstance(answer, CommitAnswered)
    assert 9 == answer.commit
    assert answer.error


def test_a_paused_partition_is_silent_and_goes_on_where_it_was(rig: SourceRig, new_reader: NewReader) -> None:
    """Nothing of a paused partition comes, the others flow; resumed, it goes on at the next record."""
    rig.write(0, *FIVE)
    reader = new_reader().open()
    reader.until(lambda: len(reader.offsets()) == 5)
    reader.source.pause(frozenset({ZERO}))
    rig.write(0, (b"k", b"5"))
    rig.write(1, *FIVE)
    reader.until(lambda: len(reader.offsets(1)) == 5)
    reader.idle()
    assert [0, 1, 2, 3, 4] == reader.offsets()
    reader.source.resume(frozenset({ZERO}))
    reader.until(lambda: len(reader.offsets()) == 6)
    assert [0, 1, 2, 3, 4, 5] == reader.offsets()


def test_a_seek_reads_again_from_there(rig: SourceRig, new_reader: NewReader) -> None:
    """After a seek the partition is read from that offset on; one that is not owned is left alone."""
    rig.write(0, *FIVE)
    reader = new_reader().open()
    reader.until(lambda: len(reader.offsets()) == 5)
    reader.source.seek(ZERO, 3)
    reader.source.seek(TopicPartition("elsewhere", 0), 3)
    reader.until(lambda: len(reader.offsets()) == 7)
    assert [0, 1, 2, 3, 4, 3, 4] == reader.offsets()


def test_what_a_listener_raises_comes_out_of_fetch_and_destroys_no_record(
    rig: SourceRig, new_reader: NewReader
) -> None:
    """An exception of a callback is raised by fetch, and every record is delivered all the same, once."""
    rig.write(0, *FIVE)
    rig.write(1, *FIVE)
    reader = new_reader()

    def fail() -> None:
        raise InvariantError("from inside")

    reader.listener.on_assigned = fail
    reader.source.open(reader.listener)
    with pytest.raises(InvariantError, match="from inside"):
        reader.until(lambda: False)
    reader.listener.on_assigned = lambda: None
    reader.until(lambda: len(reader.offsets()) == 5 and len(reader.offsets(1)) == 5)
    assert [0, 1, 2, 3, 4] == reader.offsets() == reader.offsets(1)


def test_fetch_inside_a_callback_is_refused(new_reader: NewReader) -> None:
    """Who fetches inside a callback is told so; the client would abort the process."""
    reader = new_reader()

    def fetch() -> None:
        reader.source.fetch(1, 0)

    reader.listener.on_assigned = fetch
    reader.source.open(reader.listener)
    with pytest.raises(InvariantError, match="inside a rebalance callback"):
        reader.until(lambda: False)


def test_leaving_gives_every_partition_back(new_reader: NewReader) -> None:
    """Closing tells the listener of the revoke, of all partitions at once, before the group is left."""
    reader = new_reader().open()
    reader.idle()
    reader.source.close()
    assert [frozenset({ZERO, ONE})] == reader.listener.revoked
    assert {} == dict(reader.source.status().logs)


def test_a_gap_is_told_and_not_jumped(rig: SourceRig, new_reader: NewReader) -> None:
    """Where records left the log before they were read, the gap is told, and nothing is read until somebody seeks."""
    rig.write(0, *FIVE)
    rig.write(0, *FIVE)
    reader = new_reader().open()
    reader.until(lambda: len(reader.offsets()) == 10)
    reader.source.commit(CommitOffsets(1, {ZERO: 2}))
    reader.until(lambda: reader.of(CommitAnswered))
    reader.source.close()
    rig.trim(0, 6)
    successor = new_reader().open()
    successor.until(lambda: successor.of(GapFound))
    successor.idle(3)
    assert [GapFound(ZERO, 2, 6, 10)] == list(dict.fromkeys(successor.of(GapFound)))
    assert [] == successor.offsets()
    successor.source.seek(ZERO, 6)
    successor.until(lambda: len(successor.offsets()) == 4)
    assert [6, 7, 8, 9] == successor.offsets()


def test_an_empty_fetch_waits_as_long_as_it_is_told(rig: SourceRig, new_reader: NewReader) -> None:
    """With nothing to fetch it comes back after the wait, and after a tenth of a second at most."""
    reader = new_reader().open()
    reader.until(lambda: len(reader.of(PartitionEnded)) == 2)
    reader.idle()
    began = rig.clock.now()
    reader.turn(1, 20 * NS_PER_MS)
    reader.turn(1, 10_000 * NS_PER_MS)
    assert 100 * NS_PER_MS <= rig.clock.now() - began <= 600 * NS_PER_MS


def test_the_ends_of_the_logs_are_known_without_asking(rig: SourceRig, new_reader: NewReader) -> None:
    """Where records were read, the end of the log is known locally."""
    rig.write(0, *FIVE)
    reader = new_reader().open()
    reader.until(lambda: len(reader.offsets()) == 5)
    reader.until(lambda: reader.end_of(ZERO) == 5)
