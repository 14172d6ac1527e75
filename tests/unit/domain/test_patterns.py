from __future__ import annotations

import pytest

from doka.domain.patterns import is_pattern, matches


@pytest.mark.parametrize(
    ("text", "pattern"), [("orders", False), ("orders.eu", False), ("orders.*", True), ("*", True)]
)
def test_only_a_wildcard_makes_a_pattern(text: str, pattern: bool) -> None:  # noqa: FBT001 - a table
    """No topic may have one in its name; a dot is in many."""
    assert pattern == is_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "topic", "match"),
    [
        ("orders.*", "orders.eu", True),
        ("orders.*", "orders.", True),
        ("orders.*", "orders", False),
        ("orders.*", "ordersXeu", False),
        ("orders.*", "my.orders.eu", False),
        ("*.eu", "orders.eu", True),
        ("*.eu", "orders.eu.old", False),
        ("a*b*c", "a1b2c", True),
        ("a*b*c", "ac", False),
        ("*", "orders", True),
        ("*", "__consumer_offsets", False),
        ("__*", "__transaction_state", False),
    ],
)
def test_a_pattern_matches_names_as_a_whole(pattern: str, topic: str, match: bool) -> None:  # noqa: FBT001 - a table
    """A wildcard is any characters, all else is itself; the topics of Kafka itself are matched by none."""
    assert match == matches([pattern], topic)


def test_one_of_several_patterns_is_enough() -> None:
    """And none matches nothing."""
    assert (True, False) == (matches(["a*", "b*"], "bc"), matches([], "bc"))
