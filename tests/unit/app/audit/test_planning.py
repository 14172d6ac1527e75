from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from doka.adapters.audit.file import AuditFile
from doka.app.audit.planning import check_held, identities_of, shown, terms_of
from doka.app.audit.sides import Sides, StreamFacts, sides_of
from doka.app.service import build
from doka.domain.audit.fates import Plan, PlannedPartition
from doka.domain.audit.identity import Match
from doka.domain.audit.landed import Landed, ShardReached, StreamSpan
from doka.domain.errors import UsageError
from doka.domain.records import TopicPartition
from tests.unit.app.audit.audits import TERMS
from tests.unit.app.settings.given import settings

FACTS = StreamFacts("arn:stream/orders", 1024 * 1024)
FROM_MS, UNTIL_MS = 1_000_000, 2_000_000


def sides(**route: object) -> Sides:
    """Put the sides of a route with these settings together."""
    given = settings({("routes", 0, name): value for name, value in route.items()})
    return sides_of(build(given, "pod-1"), given.routes[0], 0.5)


class SpanOf:
    """As much of `domain.ports.StreamReader` as is asked before a reading goes on."""

    def __init__(self, held_since_ms: int | None) -> None:
        self._span = StreamSpan({"shard-0": (), "shard-1": ()}, 3_000_000, held_since_ms)

    def span(self, since_ms: int) -> StreamSpan:
        """Give the span."""
        del since_ms
        return self._span

    def read(self, since_ms: int, until_ms: int, behind: Mapping[str, str]) -> Iterator[Landed | ShardReached]:
        """Read nothing."""
        raise NotImplementedError


@pytest.mark.parametrize(
    ("route", "match", "found"),
    [
        ({}, None, Match.KEY_AND_DATA),
        ({}, "key", Match.KEY_AND_DATA),
        ({}, "data", Match.DATA),
        ({"envelope": "json"}, None, Match.COORDINATES),
        ({"envelope": "json"}, "envelope", Match.COORDINATES),
        ({"envelope": "json"}, "data", Match.DATA),
    ],
)
def test_records_are_compared_as_the_route_has_them_or_as_asked(
    route: dict[str, object], match: str | None, found: Match
) -> None:
    """By what the route gives them, and by their data alone where that is wanted."""
    assert found is identities_of(sides(**route), FACTS, match).match


@pytest.mark.parametrize(("route", "match"), [({}, "envelope"), ({"envelope": "json"}, "key")])
def test_what_records_do_not_have_cannot_be_compared(route: dict[str, object], match: str) -> None:
    """It is told with what can."""
    with pytest.raises(UsageError, match=f"--match {match}: records of route orders are the same by their"):
        identities_of(sides(**route), FACTS, match)


def test_the_terms_tell_other_rules_from_the_same() -> None:
    """Whatever changes what a record becomes changes the words; the record limit, which may be raised, stands beside them."""
    routes: tuple[dict[str, object], ...] = ({}, {"key_encoding": "hex"}, {"null_value": "reject"})
    found = [terms_of(sides(**route), FACTS, Match.DATA, "doka", since_ms=1, until_ms=2) for route in routes]
    assert 3 == len({terms.mapping for terms in found})
    raised = StreamFacts("arn:stream/orders", 2048 * 1024)
    other = terms_of(sides(), raised, Match.DATA, "doka", since_ms=1, until_ms=2)
    assert (found[0].mapping, 2048 * 1024) == (other.mapping, other.record_bytes_max)


@pytest.mark.parametrize(
    ("held_since_ms", "reached", "line"),
    [
        (None, {}, None),
        (FROM_MS, {}, None),
        (FROM_MS + 1, {}, "it has shard-0 up to 1970-01-01T00:16:40Z"),
        (FROM_MS + 500_000, {"shard-0": FROM_MS + 600_000}, "it has shard-1 up to"),
        (FROM_MS + 500_000, {"shard-0": FROM_MS + 600_000, "shard-1": UNTIL_MS}, None),
        (UNTIL_MS + 1, {"shard-0": UNTIL_MS, "shard-1": UNTIL_MS}, None),
    ],
)
def test_a_reading_goes_on_only_where_the_stream_still_holds_the_rest(
    tmp_path: Path, held_since_ms: int | None, reached: dict[str, int], line: str | None
) -> None:
    """What went by retention in between cannot be known, and is not passed over in silence."""
    path = tmp_path / "x.duckdb"
    partition = PlannedPartition(TopicPartition("orders", 0), 0, 10, 10)
    plan = Plan((partition,), UNTIL_MS, FROM_MS, UNTIL_MS, UNTIL_MS, {"shard-0": (), "shard-1": ()})
    with AuditFile.create(path, TERMS, plan) as file:
        for shard, at in reached.items():
            file.reached_shard(ShardReached(shard, at, None, ended=at == UNTIL_MS))
        if line is None:
            check_held(SpanOf(held_since_ms), path, file)
        else:
            with pytest.raises(UsageError, match=line):
                check_held(SpanOf(held_since_ms), path, file)


def test_times_are_shown_as_they_are_typed() -> None:
    """In UTC."""
    assert "2026-08-01T00:00:00Z" == shown(TERMS.since_ms)
