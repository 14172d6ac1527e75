"""An order to skip: which offsets it holds, and how several are told in order."""

from __future__ import annotations

from doka.domain.records import TopicPartition
from doka.domain.skip import Skip, place_shown

FIVE_TO_SEVEN = Skip(5, 8, "ada", "2026-11-29T20:15:00Z", "cancelled")


def test_covers_what_lies_within_it() -> None:
    """Its own ends count, one offset more on either side does not."""
    asked = [(5, 8), (5, 6), (7, 8), (4, 8), (5, 9), (0, 20)]
    assert [True, True, True, False, False, False] == [FIVE_TO_SEVEN.covers(*each) for each in asked]


def test_orders_are_sorted_by_their_first_offset() -> None:
    """As records come: by offset, whoever ordered first."""
    later = Skip(9, 10, "ada", "2026-11-29T20:14:00Z", "cancelled")
    assert [FIVE_TO_SEVEN, later] == sorted([later, FIVE_TO_SEVEN])


def test_a_place_is_shown_as_the_command_takes_it() -> None:
    """One offset by itself, more by their first and their last."""
    orders = TopicPartition("orders", 3)
    assert ["orders:3:5", "orders:3:5-7"] == [place_shown(orders, 5, far) for far in (6, 8)]
