"""What a range says of itself."""

from __future__ import annotations

import pytest

from doka.adapters.kafka.log_ranges import LogRange
from tests.unit.adapters.kafka.scripted import P0


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (LogRange(P0, 5, 9, 0, 9), None),
        (
            LogRange(P0, 2_005, 2_009, 2_005, 2_009, gone=2_000),
            "2,000 offsets of orders[0] below 2005 are no longer in the log",
        ),
        (
            LogRange(P0, 5, 9, 5, 9, cut=True),
            "the log of orders[0] begins inside the window, at 5: older records may be gone",
        ),
    ],
)
def test_what_is_missing_is_said(found: LogRange, sentence: str | None) -> None:
    """What is known to be gone, what may be, and nothing where all is there."""
    assert sentence == found.missing
