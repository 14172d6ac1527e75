from __future__ import annotations

import pytest

from doka.domain.audit.fates import Fate, Judgement


def judgement(counts: dict[Fate, int], *, kafka_read: bool = True) -> Judgement:
    """Make a judgement of which only this matters."""
    return Judgement(
        records=1, landings=1, counts=dict.fromkeys(Fate, 0) | counts, repeats=0, order_unknown=0, poison_codes={}, foreign=0,
        outside=0, judged_from_ms=0, judged_until_ms=1, kafka_read=kafka_read, longest_wait_ms=None, buckets=(), bucket_ms=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "whole"),
    [
        (judgement({Fate.IN_STREAM: 1}), True),
        (judgement({Fate.LOST: 1}), True),
        (judgement({Fate.NOT_JUDGED: 1}), False),
        (judgement({Fate.IN_STREAM: 1}, kafka_read=False), False),
    ],
    ids=["found", "lost", "not judged", "not read"],
)
def test_a_window_is_whole_where_all_of_it_was_judged(told: Judgement, *, whole: bool) -> None:
    """A record that was not read or could not be judged leaves the window open, and a lost one does not."""
    assert whole == told.whole
