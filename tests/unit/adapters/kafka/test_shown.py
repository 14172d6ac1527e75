from __future__ import annotations

from doka.adapters.kafka.shown import SHOWN_MAX, shown
from doka.domain.records import TopicPartition

PARTITIONS = [TopicPartition("orders", number) for number in range(SHOWN_MAX + 2)]


def test_partitions_are_named_in_their_order_with_what_is_known_of_them() -> None:
    """Names alone, or with an offset behind the word for what it is."""
    two = PARTITIONS[1], PARTITIONS[0]
    assert ("orders[0], orders[1]", "orders[0] from 5, orders[1] from 7", "") == (
        shown(two),
        shown({PARTITIONS[1]: 7, PARTITIONS[0]: 5}, "from "),
        shown(()),
    )


def test_a_line_names_some_and_counts_the_rest() -> None:
    """A member of a thousand partitions writes no line of a thousand names."""
    told = shown(PARTITIONS)
    assert (f"orders[{SHOWN_MAX - 1}] and 2 more", SHOWN_MAX) == (told.rpartition(", ")[2], told.count("["))
