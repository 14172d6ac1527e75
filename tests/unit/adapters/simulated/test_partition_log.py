"""A simulated log is as awkward as a real one: holes, markers, retention."""

from __future__ import annotations

import pytest

from doka.adapters.simulated.partition_log import PartitionLog
from doka.domain.records import TopicPartition


@pytest.fixture
def log() -> PartitionLog:
    """Give a log of five records, offsets 0..4, then two markers, then one record."""
    log = PartitionLog(TopicPartition("t", 0))
    for number in range(5):
        log.append(b"k", b"%d" % number, 1_000 + number)
    log.skip(2)
    log.append(None, None, 2_000)
    return log


def test_markers_leave_a_hole(log: PartitionLog) -> None:
    """Offsets of transaction markers are never read, and count for the end."""
    chunk = log.read(0, 10)
    assert chunk is not None
    assert ([0, 1, 2, 3, 4, 7], 8) == (list(chunk.offsets), log.end)


def test_a_read_begins_at_the_first_record_that_is_there(log: PartitionLog) -> None:
    """A position inside a hole reads on behind it, and the timestamp is that of the first record given."""
    chunk = log.read(5, 10)
    assert chunk is not None
    assert ([7], [None], [None], 2_000) == (list(chunk.offsets), chunk.keys, chunk.values, chunk.timestamp_ms)
    assert log.read(8, 10) is None


def test_compaction_removes_one_record_and_moves_no_end(log: PartitionLog) -> None:
    """What was compacted away is not read; the log's edges stay."""
    assert (True, False) == (log.compact(2), log.compact(2))
    chunk = log.read(0, 3)
    assert chunk is not None
    assert ([0, 1, 3], 0, 8) == (list(chunk.offsets), log.start, log.end)


def test_retention_moves_the_start_and_names_what_went(log: PartitionLog) -> None:
    """Trimming gives the offsets that are gone, and never goes beyond the end or backwards."""
    assert ([0, 1, 2], 3) == (log.trim(3), log.start)
    assert ([], 3) == (log.trim(1), log.start)
    assert ([3, 4, 7], 8) == (log.trim(99), log.start)


def test_a_recreated_log_begins_anew(log: PartitionLog) -> None:
    """Nothing of the former topic is left, and the next record has offset 0."""
    log.recreate()
    assert (0, 0, 1, None) == (log.start, log.end, log.incarnation, log.read(0, 9))
    assert (0, 1) == (log.append(b"k", b"v", 1), log.end)


def test_originals_are_given_only_where_they_are_asked_for(log: PartitionLog) -> None:
    """Whole records come beside the columns on demand."""
    plain, whole = log.read(3, 2), log.read(3, 2, whole=True)
    assert plain is not None
    assert whole is not None
    assert () == plain.originals
    headers = [("key", b"former"), ("empty", None), ("key", b"k")]
    assert [(b"k", b"3", headers, (1, 1_003)), (b"k", b"4", headers, (1, 1_004))] == [
        (o.key(), o.value(), o.headers(), o.timestamp()) for o in whole.originals
    ]
