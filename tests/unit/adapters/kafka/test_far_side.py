from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka import far_side as far_side_module
from doka.adapters.kafka.columns import AnyMessage
from doka.adapters.kafka.far_side import Damage, FarSide, far_side
from doka.domain.ports import Clock
from tests.manual_clock import ManualClock
from tests.unit.adapters.kafka.messages import failure, record
from tests.unit.adapters.kafka.scripted import P0

BATCH = 10


class Log:
    """A log of batches of ten records, some of them torn; reading anywhere in a batch reads the batch."""

    def __init__(self, torn: set[int], end: int) -> None:
        self.torn = torn
        self.end = end
        self.reads: list[int] = []

    def get_watermark_offsets(self, _partition: KafkaPartition, timeout: float) -> tuple[int, int]:
        """Give the ends."""
        return 0, self.end

    def assign(self, partitions: list[KafkaPartition]) -> None:
        """Read here next."""
        self.reads.append(partitions[0].offset)

    def consume(self, _count: int, _seconds: float) -> list[AnyMessage]:
        """Read there."""
        offset = self.reads[-1]
        if offset >= self.end:
            return [failure(KafkaError._PARTITION_EOF, offset)]
        base = offset // BATCH * BATCH
        return [failure(KafkaError._BAD_MSG, base) if base in self.torn else record(offset)]


def search(monkeypatch: pytest.MonkeyPatch, log: Log, base: int, first: int) -> FarSide:
    """Search for the far side of a damage in this log."""

    @contextmanager
    def beside(_connection: Mapping[str, Any], _clock: Clock) -> Iterator[Log]:
        yield log

    monkeypatch.setattr(far_side_module, "beside", beside)
    return far_side({}, ManualClock(), Damage(P0, base, first, "torn"))


@pytest.mark.parametrize(
    ("log", "first", "offset"),
    [
        (Log({20}, 1000), 20, 30),
        (Log({20}, 1000), 27, 30),
        (Log({20}, 30), 20, 30),
        (Log({20, 30}, 1000), 20, 30),
        (Log({20, 60}, 1000), 20, 30),
        (Log({20}, 25), 24, 25),
        (Log(set(range(0, 100_000, BATCH)), 100_000), 20, 30),
    ],
)
def test_the_far_side_is_where_the_next_batch_begins(
    monkeypatch: pytest.MonkeyPatch, log: Log, first: int, offset: int
) -> None:
    """Whatever lies behind: good records, the end of the log, another torn batch; and never above a good record."""
    assert offset == search(monkeypatch, log, 20, first).offset


def test_few_reads_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million records behind it make no more reads than the batch's own size."""
    log = Log({20}, 1_000_000)
    search(monkeypatch, log, 20, 20)

    assert len(log.reads) <= 10


def test_a_name_of_a_group_that_is_allowed_nothing_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client tells it where records would come, once; the search goes on."""
    log = Log({20}, 1_000)
    refusals = iter([[failure(KafkaError.GROUP_AUTHORIZATION_FAILED)]])
    consume = log.consume
    monkeypatch.setattr(log, "consume", lambda count, seconds: next(refusals, None) or consume(count, seconds))
    assert 30 == search(monkeypatch, log, 20, 20).offset


def test_what_can_be_read_by_now_has_no_far_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second client reads it: then it was the wire, and not the disk."""
    assert 20 == search(monkeypatch, Log(set(), 100), 20, 20).offset


def test_a_broker_that_does_not_answer_is_no_far_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither silence nor another error says anything about the records."""
    log = Log({20}, 100)
    answers: Iterator[list[AnyMessage]] = iter([[], [failure(KafkaError._TRANSPORT)]])
    monkeypatch.setattr(log, "consume", lambda _count, _seconds: next(answers))
    for _ in range(2):
        with pytest.raises(KafkaException):
            search(monkeypatch, log, 20, 20)
