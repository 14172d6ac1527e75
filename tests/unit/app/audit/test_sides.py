from __future__ import annotations

import pytest

from doka.app.audit.sides import route_named, sides_of
from doka.app.service import build
from doka.domain.errors import UsageError
from tests.unit.app.settings.given import settings

TWO = [
    {"topics": ["orders"], "stream": {"name": "orders", "role": "analytics"}},
    {"topics": ["returns"], "stream": {"name": "orders", "role": "analytics"}, "name": "back"},
]


def test_the_only_route_need_not_be_named() -> None:
    """One is meant by nothing, by its name, and by no other."""
    given = settings()
    assert given.routes[0] is route_named(given, None) is route_named(given, "orders")
    with pytest.raises(UsageError, match="--route: there is no 'back'; there are orders"):
        route_named(given, "back")


def test_one_of_several_routes_is_named() -> None:
    """Nobody guesses which."""
    given = settings({("routes",): TWO})
    assert "back" == route_named(given, "back").name
    with pytest.raises(UsageError, match=r"name one by --route \(orders, back\)"):
        route_named(given, None)


def test_the_sides_are_those_of_the_route() -> None:
    """Its topics alone are read, and letters only where it has them."""
    given = settings({("routes",): TWO})
    sides = sides_of(build(given, "pod-1"), given.routes[1], 0.5)
    assert (frozenset({"returns"}), "back", None) == (sides.kafka.topics, sides.rules.name, sides.letters)
    with_letters = settings({("dead_letters", "topic"): "letters"})
    letters = sides_of(build(with_letters, "pod-1"), with_letters.routes[0], 0.5).letters
    assert letters is not None
    assert frozenset({"letters"}) == letters.topics
