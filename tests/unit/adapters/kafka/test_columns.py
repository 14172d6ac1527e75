from __future__ import annotations

from itertools import groupby

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st

from doka.adapters.kafka.columns import SHORT_RUN, chunks, split_errors
from doka.adapters.kafka.headers import HEADER_OVERHEAD_BYTES
from doka.domain.records import TopicPartition
from tests.unit.adapters.kafka.messages import failure, record

NOWHERE: frozenset[str] = frozenset()


def test_errors_are_parted_from_records() -> None:
    """What carries an error is no record, though it has a value; the order of both is kept."""
    messages = [record(1), failure(KafkaError._PARTITION_EOF, 2), record(3), failure(KafkaError._TRANSPORT)]

    records, errors = split_errors(messages)

    assert ([messages[0], messages[2]], [messages[1], messages[3]]) == (records, errors)


def test_without_errors_nothing_is_copied() -> None:
    """The usual batch is handed on as it is."""
    messages = [record(1), record(2)]

    records, errors = split_errors(messages)

    assert records is messages
    assert not errors


def test_the_columns_hold_what_the_records_held() -> None:
    """Offsets, keys and values stand beside each other, null keys, tombstones, empty and binary ones included."""
    pairs = [(None, b"v"), (b"", b""), (b"\x00\xff\xfe", None), (b"k", b"\x80")]

    (chunk,) = chunks([record(7 + i, key=k, value=v) for i, (k, v) in enumerate(pairs)], one_topic=True, whole=NOWHERE)

    assert (TopicPartition("orders", 0), [7, 8, 9, 10]) == (chunk.partition, list(chunk.offsets))
    assert pairs == list(zip(chunk.keys, chunk.values, strict=True))


@pytest.mark.parametrize(("timestamp", "expected"), [((1, 5), 5), ((2, 6), 6), ((0, 0), -1)])
def test_a_chunk_has_the_time_of_its_first_record(timestamp: tuple[int, int], expected: int) -> None:
    """The time is the first record's, whoever set it, and -1 where it has none."""
    (chunk,) = chunks([record(1, timestamp=timestamp), record(2)], one_topic=True, whole=NOWHERE)

    assert expected == chunk.timestamp_ms


def test_whole_records_come_only_where_they_are_wanted() -> None:
    """The records themselves are kept for topics whose route needs more than key and value, and for no others."""
    messages = [record(1), record(2, topic="payments")]

    first, second = chunks(messages, one_topic=False, whole=frozenset({"payments"}))

    assert not first.originals
    wanted: list[object] = [messages[1]]
    assert wanted == list(second.originals)


def test_a_chunk_knows_what_its_headers_take() -> None:
    """Each run says it for itself, whether somebody needs the headers or not."""
    messages = [record(1, headers=[("trace", b"12345")]), record(2, topic="payments")]

    first, second = chunks(messages, one_topic=False, whole=NOWHERE)

    assert (10 + HEADER_OVERHEAD_BYTES, 0) == (first.header_bytes, second.header_bytes)


def test_nothing_gives_no_chunk() -> None:
    """An empty batch has no runs."""
    assert not list(chunks([], one_topic=True, whole=NOWHERE))


PLACES = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2))


def cut(places: list[tuple[str, int]]) -> list[tuple[TopicPartition, list[int]]]:
    """Give the chunks of records that came from these places, with the offsets 0, 1, 2, ..."""
    messages = [record(offset, topic=t, partition=p) for offset, (t, p) in enumerate(places)]
    return [(chunk.partition, list(chunk.offsets)) for chunk in chunks(messages, one_topic=False, whole=NOWHERE)]


@given(st.lists(PLACES, max_size=40))
def test_every_record_is_in_one_chunk_and_a_partition_keeps_its_order(places: list[tuple[str, int]]) -> None:
    """However partitions and topics alternate."""
    found: dict[tuple[str, int], list[int]] = {}
    for partition, offsets in cut(places):
        found.setdefault(partition, []).extend(offsets)
    wanted = {place: [i for i, each in enumerate(places) if each == place] for place in places}
    assert wanted == found


@given(st.lists(PLACES, max_size=40))
def test_what_came_in_turn_is_one_chunk_for_each_partition(places: list[tuple[str, int]]) -> None:
    """As a trickle comes: a chunk for each record would cost more than all else that is done for it."""
    runs = len(list(groupby(places)))
    if runs * SHORT_RUN > len(places):
        assert len(cut(places)) == len(set(places))


def test_long_runs_are_chunks_as_they_came() -> None:
    """A backlog is not sorted: each run of a partition is a chunk."""
    places = [place for place in (("a", 1), ("a", 0), ("a", 1)) for _ in range(SHORT_RUN)]
    assert [1, 0, 1] == [partition.partition for partition, _ in cut(places)]
