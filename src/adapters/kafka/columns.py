"""From librdkafka's messages to chunks: the only place that looks at every record, and it does so in C loops.

`map` over a method descriptor costs about 35 ns a record and column; a Python loop costs ten times that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress, count, islice
from operator import ne as differ
from operator import not_, or_
from typing import Any, TypeAlias, cast

from confluent_kafka import Message

from doka.adapters.kafka.headers import header_bytes
from doka.domain.records import Chunk, TopicPartition

AnyMessage: TypeAlias = "Message[Any, Any]"  # generic for type checkers only

_error, _topic, _partition = Message.error, Message.topic, Message.partition
_offset, _key, _value = Message.offset, Message.key, Message.value


def split_errors(messages: list[AnyMessage]) -> tuple[list[AnyMessage], list[AnyMessage]]:
    """Part records from what is none: errors and ends of partitions travel among them, with a text as value."""
    if not any(map(_error, messages)):
        return messages, []
    errors = list(map(_error, messages))
    return list(compress(messages, map(not_, errors))), list(compress(messages, errors))


SHORT_RUN = 8
"""Records of one partition in a row, in the mean, below which they are sorted by partition first.

A backlog comes in long runs. A trickle comes as it was produced, one partition after the other, and a chunk costs as much as
hundreds of places in a sort.
"""


def chunks(records: list[AnyMessage], *, one_topic: bool, whole: frozenset[str]) -> Iterator[Chunk]:
    """Give each run of records of one partition as a chunk; those of a partition in the order in which they came.

    `one_topic` says that all are of one topic, so that topics need not be compared; records of the topics in `whole`
    are handed over themselves as well.
    """
    if not records:
        return
    starts = [0, *_changes(records, one_topic=one_topic), len(records)]
    if len(starts) == 2:  # noqa: PLR2004 - one run: nothing to cut
        yield _chunk(records, whole)
        return
    if (len(starts) - 1) * SHORT_RUN > len(records):
        records = sorted(
            records, key=cast("Callable[[AnyMessage], int]", _partition)
        )  # which keeps the order of equals
        if not one_topic:
            records.sort(key=cast("Callable[[AnyMessage], str]", _topic))
        starts = [0, *_changes(records, one_topic=one_topic), len(records)]
    for begin, end in zip(starts, islice(starts, 1, None), strict=False):
        yield _chunk(records[begin:end], whole)


def _changes(records: list[AnyMessage], *, one_topic: bool) -> Iterator[int]:
    """Give the index of each record whose partition is not that of the one before."""
    partitions = list(map(_partition, records))
    changed: Iterator[bool] = map(differ, partitions, islice(partitions, 1, None))
    if not one_topic:
        topics = list(map(_topic, records))
        changed = map(or_, changed, map(differ, topics, islice(topics, 1, None)))
    return compress(count(1), changed)


def _chunk(records: list[AnyMessage], whole: frozenset[str]) -> Chunk:
    first = records[0]
    topic, partition = cast("str", first.topic()), cast("int", first.partition())
    kind, timestamp_ms = first.timestamp()
    return Chunk(
        TopicPartition(topic, partition),
        offsets=cast("Sequence[int]", list(map(_offset, records))),
        keys=list(map(_key, records)),
        values=list(map(_value, records)),
        timestamp_ms=timestamp_ms if kind else -1,
        header_bytes=header_bytes(records),  # behind the columns: it may put other objects in place of messages
        originals=cast("Sequence[Any]", records) if topic in whole else (),
    )
