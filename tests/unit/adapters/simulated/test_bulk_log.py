from __future__ import annotations

import pytest

from doka.adapters.simulated.bulk_log import BLOCK, BLOCKS_KEPT, BulkLog, names_in
from doka.domain.errors import InvariantError
from doka.domain.records import TopicPartition

TP = TopicPartition("t0", 3)


def log_of(records: int, keys: int = 7) -> BulkLog:
    """Give a log that was written in two bursts, at 1 s and 2 s."""
    log = BulkLog(TP, 3, keys=keys, value_bytes=40)
    log.extend(records // 2, 1_000_000_000)
    log.extend(records - records // 2, 2_000_000_000)
    return log


def test_a_value_names_its_record() -> None:
    """Log and offset are found in a value, inside an envelope, and of each record of an aggregate."""
    log = log_of(2 * BLOCK)
    chunk = log.read(BLOCK - 1, 3)
    assert chunk is not None
    assert [(3, BLOCK - 1), (3, BLOCK), (3, BLOCK + 1)] == [
        name for value in chunk.values for name in names_in(value or b"")
    ]
    assert [(3, 999)] == names_in(b'{"value":"00003/00000000000999.."}')
    assert [(3, 1), (0, 2)] == names_in(b"\n\x1e00003/00000000000001...\n\x1e00000/00000000000002...")
    assert {40} == {len(value or b"") for value in chunk.values}
    with pytest.raises(InvariantError):
        names_in(b"something else")


def test_keys_go_round() -> None:
    """The next record of a key is `keys` offsets on, over the borders of blocks too."""
    log = log_of(3 * BLOCK)
    keys, _, texts = log.columns(0, 3 * BLOCK)
    assert all(keys[i] == keys[i + 7] for i in range(3 * BLOCK - 7))
    assert 7 == len(set(keys))
    assert texts == [key.decode() for key in keys]


def test_a_read_stops_at_the_end_and_begins_at_the_start() -> None:
    """Nothing above the end is given, nothing that retention took, and nothing where there is nothing."""
    log = log_of(10)
    assert range(2) == log.trim(2)
    chunk = log.read(0, 100)
    assert chunk is not None
    assert (range(2, 10), 10) == (chunk.offsets, chunk.end)
    assert log.read(10, 5) is None
    assert (0, 3, 8) == (log.place_of(0), log.place_of(5), log.place_of(99))
    assert 8 == len(log.offsets)


def test_columns_repeat_after_they_were_forgotten() -> None:
    """A block that fell out of the cache is made again, the same."""
    log = log_of((BLOCKS_KEPT + 5) * BLOCK)
    first = log.columns(0, 5)
    for begin in range(0, (BLOCKS_KEPT + 5) * BLOCK, BLOCK):
        log.columns(begin, begin + 1)
    assert first == log.columns(0, 5)


def test_a_record_knows_when_it_was_written() -> None:
    """Each record has the moment of its burst."""
    log = log_of(10)
    assert [1_000_000_000, 2_000_000_000] == [log.written_at(4), log.written_at(5)]


def test_whole_records_are_given_where_they_are_asked_for() -> None:
    """Originals carry key and value."""
    chunk = log_of(10).read(4, 2, whole=True)
    assert chunk is not None
    assert list(chunk.values) == [original.value() for original in chunk.originals]
    assert list(chunk.keys) == [original.key() for original in chunk.originals]
