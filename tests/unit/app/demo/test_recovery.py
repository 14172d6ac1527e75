"""When a recovery is whole: that is the demo's exit code."""

from dataclasses import replace

import pytest

from doka.app.demo.orders import Tally
from doka.app.demo.recovery import LOST_AT_LEAST, Recovery

MANY = LOST_AT_LEAST + 1
CLEAN = Tally(fed=20_000, landed=20_000, lost=0, duplicates=0, keys_out_of_order=0)
WHOLE = Recovery(lost=MANY, replayed=MANY, lost_after=0, tally=CLEAN, ended_at=None)


def test_a_recovery_is_whole_when_what_was_lost_is_there_once() -> None:
    """More than 10,000 lost, as many replayed, none lost after it, and nothing there twice."""
    assert WHOLE.whole


@pytest.mark.parametrize(
    "other",
    [
        replace(WHOLE, lost=LOST_AT_LEAST, replayed=LOST_AT_LEAST),
        replace(WHOLE, replayed=MANY - 1),
        replace(WHOLE, replayed=MANY + 1),
        replace(WHOLE, lost_after=1),
        replace(WHOLE, lost_after=None),
        replace(WHOLE, tally=replace(CLEAN, lost=1)),
        replace(WHOLE, tally=replace(CLEAN, duplicates=1)),
        replace(WHOLE, ended_at="doka audit: exit code 3"),
    ],
)
def test_any_one_thing_less_is_not_whole(other: Recovery) -> None:
    """Whoever counts it, the audits, the gate or the stream itself: each alone keeps it from being told as whole."""
    assert not other.whole
