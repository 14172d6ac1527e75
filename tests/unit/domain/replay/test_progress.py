"""How far a replay has come."""

from __future__ import annotations

from doka.domain.records import TopicPartition
from doka.domain.replay.progress import Progress, ReplayRange

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


def test_what_is_left_is_what_no_watermark_has_passed() -> None:
    """Ranges are cut where the watermark is inside, and gone where it is behind them; others stay as they were."""
    progress = Progress([ReplayRange(P1, 0, 10), ReplayRange(P0, 50, 60), ReplayRange(P0, 10, 20)])
    assert (30, 0, False) == (progress.offsets, progress.offsets_settled, progress.finished)
    progress.settle({P0: 15})
    assert [ReplayRange(P0, 15, 20), ReplayRange(P0, 50, 60), ReplayRange(P1, 0, 10)] == list(progress.left)
    progress.settle({P0: 40, P1: 10})
    assert ([ReplayRange(P0, 50, 60)], 20) == (list(progress.left), progress.offsets_settled)
    progress.settle({P0: 75})
    assert ([], 30, True) == (list(progress.left), progress.offsets_settled, progress.finished)


def test_a_watermark_only_rises() -> None:
    """An answer that comes late takes nothing back."""
    progress = Progress([ReplayRange(P0, 0, 10)], {P0: 8})
    progress.settle({P0: 3})
    assert (ReplayRange(P0, 8, 10),) == progress.left


def test_a_single_record_is_left_as_well() -> None:
    """Of a range that is read but for its last one, and of a range of one."""
    progress = Progress([ReplayRange(P0, 5, 6), ReplayRange(P1, 0, 10)])
    progress.settle({P1: 9})
    assert [ReplayRange(P0, 5, 6), ReplayRange(P1, 9, 10)] == list(progress.left)
    assert not progress.finished
