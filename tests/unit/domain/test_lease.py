from __future__ import annotations

from doka.domain.commands import DescribeStream
from doka.domain.events import LeaseIssued
from tests.unit.domain.builders import SECOND, lease


def test_life_is_from_issue_to_end() -> None:
    """A lease lives from before it was asked for until its end; without an end, for ever."""
    assert [3600 * SECOND, None] == [lease(at=5).life, lease(at=5, life=None).life]


def test_never_shows_what_signs() -> None:
    """Neither a lease, nor what carries one, prints a secret."""
    shown = f"{lease()!r} {LeaseIssued(lease())!r} {DescribeStream('orders', lease())!r}"
    assert [] == [word for word in ("'key'", "'secret'", "'token'") if word in shown]
