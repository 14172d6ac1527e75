from __future__ import annotations

from doka.app.audit.sides import sides_of
from doka.app.service import build
from tests.unit.app.settings.given import settings

TWO = [
    {"topics": ["orders"], "stream": {"name": "orders", "role": "analytics"}},
    {"topics": ["returns"], "stream": {"name": "orders", "role": "analytics"}, "name": "back"},
]


def test_the_sides_are_those_of_the_route() -> None:
    """Its topics alone are read, and letters only where it has them."""
    given = settings({("routes",): TWO})
    sides = sides_of(build(given, "pod-1"), given.routes[1], 0.5)
    assert (frozenset({"returns"}), "back", None) == (sides.kafka.topics, sides.rules.name, sides.letters)
    with_letters = settings({("dead_letters", "topic"): "letters"})
    letters = sides_of(build(with_letters, "pod-1"), with_letters.routes[0], 0.5).letters
    assert letters is not None
    assert frozenset({"letters"}) == letters.topics
