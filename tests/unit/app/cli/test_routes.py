"""Routes as a person names them to a command."""

from __future__ import annotations

import pytest

from doka.app.cli.routes import route_named, routes_named
from doka.domain.errors import UsageError
from tests.unit.domain.builders import route_rules

ORDERS, BACK = route_rules("orders"), route_rules("back")


def test_the_only_one_needs_no_name() -> None:
    """Where there are several, whoever types says which."""
    assert ORDERS is route_named([ORDERS], None)
    assert BACK is route_named([ORDERS, BACK], "back")
    with pytest.raises(UsageError, match=r"there are 2 routes; add --route with one of orders, back$"):
        route_named([ORDERS, BACK], None)


def test_where_all_may_be_meant_no_name_means_all() -> None:
    """And a name that one."""
    assert [ORDERS, BACK] == routes_named([ORDERS, BACK], None)
    assert [BACK] == routes_named([ORDERS, BACK], "back")


def test_a_name_that_there_is_not_is_told_those_that_there_are() -> None:
    """Nobody has to look them up."""
    with pytest.raises(UsageError, match=r"^--route 'bakc' is none of the routes, which are orders, back$"):
        route_named([ORDERS, BACK], "bakc")
