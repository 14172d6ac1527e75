from __future__ import annotations

import pytest

from doka.domain.rules import RoleRules, Rules
from tests.unit.domain.builders import route_rules


def test_every_topic_has_its_route() -> None:
    """Topics are found by name, several may share a route."""
    orders, others = route_rules("orders"), route_rules("others", topics=frozenset({"a", "b"}))
    assert {"orders": orders, "a": others, "b": others} == Rules((orders, others), (RoleRules("writer"),)).route_of()


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, False),
        ({"envelope": True}, True),
        ({"partition_key": "header:x"}, True),
        ({"partition_key": "field:/x"}, False),
    ],
)
def test_whole_records_are_asked_for_only_where_needed(changes: dict[str, object], needed: bool) -> None:  # noqa: FBT001 - a case
    """Headers and timestamps are carried only for routes that read them."""
    assert needed is route_rules(**changes).needs_originals
