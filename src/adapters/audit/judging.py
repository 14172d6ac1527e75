"""Carries the rules of `domain.audit.fates` out over all rows at once, within the memory that the database was given.

Nearly all records have no equal and landed once: those are found by one join. Equal records and repeated landings are
numbered first, so that the same join gives each record its own landing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from doka.domain.audit.fates import Fate, Judgement, Plan, Terms, TimeBucket
from doka.domain.audit.identity import FILTERED
from doka.domain.errors import invariant

BUCKETS_MAX: Final = 120
_WIDTHS_MS: Final = tuple(
    seconds * 1_000 for seconds in (1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 604_800)
)

_SEVERAL: Final = """
CREATE TABLE scratch.equals AS
SELECT identity, count(*) AS records,
    min(partition_no) = max(partition_no) AND count(lane) = count(*) AND min(lane) = max(lane) AS one_line
FROM expected WHERE identity IS NOT NULL GROUP BY identity HAVING count(*) > 1;

CREATE TABLE scratch.again AS
SELECT identity, count(*) AS landings FROM landed GROUP BY identity HAVING count(*) > 1;

CREATE TABLE scratch.apart AS
WITH places AS (SELECT DISTINCT identity, shard_no FROM landed SEMI JOIN scratch.again USING (identity))
SELECT DISTINCT identity FROM places AS one JOIN places AS other USING (identity) WHERE one.shard_no < other.shard_no AND NOT EXISTS (
    FROM scratch.descendants WHERE (shard_no, ancestor_no) IN ((one.shard_no, other.shard_no), (other.shard_no, one.shard_no))
);

CREATE TABLE scratch.several AS
SELECT identity, coalesce(records, 1) AS records, coalesce(again.landings, once.landings, 0) AS landings,
    coalesce(one_line, true) AND identity NOT IN (FROM scratch.apart) AS one_line
FROM scratch.equals FULL JOIN scratch.again USING (identity)
LEFT JOIN (SELECT identity, count(*) AS landings FROM landed SEMI JOIN scratch.equals USING (identity) GROUP BY identity) AS once
    USING (identity);
"""

_IF_MISSING: Final = """
CREATE TABLE scratch.passed_over AS
SELECT partition_no, "offset", coalesce(min(fate) FILTER (fate <> 'lost'), 'lost') AS fate
FROM (SELECT partition_no, unnest(range(first_offset, last_offset + 1)) AS "offset", fate FROM passed) GROUP BY ALL;

CREATE TEMP VIEW judged AS
SELECT partition_no, "offset", timestamp_ms, lane, identity, CASE
    WHEN passed_over.fate IS NOT NULL THEN passed_over.fate
    WHEN code = '{filtered}' THEN 'filtered'::fate
    WHEN code IS NOT NULL THEN 'poison'::fate
    WHEN committed IS NULL OR "offset" >= committed THEN 'not_yet'::fate
    WHEN timestamp_ms < {early_ms} OR NOT {is_complete} THEN 'not_judged'::fate
    ELSE 'lost'::fate END AS if_missing
FROM expected JOIN partitions USING (partition_no) LEFT JOIN scratch.passed_over USING (partition_no, "offset");
"""

_NUMBERED: Final = """
CREATE TABLE scratch.numbered_records AS
SELECT judged.*, records, landings, one_line, row_number() OVER (
    PARTITION BY identity ORDER BY landings < records AND if_missing <> 'lost', partition_no, "offset"
) AS number
FROM judged JOIN scratch.several USING (identity);

CREATE TABLE scratch.numbered_landings AS
SELECT identity, shard_no, position, arrived_ms,
    row_number() OVER (PARTITION BY identity ORDER BY generation, shard_no, position) AS number
FROM landed SEMI JOIN scratch.several USING (identity) JOIN scratch.lineage USING (shard_no);
"""

_FOUND: Final = """
CREATE TABLE scratch.found AS
SELECT partition_no, "offset", timestamp_ms, shard_no, position, arrived_ms, lane,
    CASE WHEN shard_no IS NULL THEN if_missing ELSE 'in_stream'::fate END AS fate,
    CASE WHEN shard_no IS NULL THEN 0 ELSE 1 END AS landings, true AS is_sure
FROM (FROM judged ANTI JOIN scratch.several USING (identity)) LEFT JOIN landed USING (identity);

INSERT INTO scratch.found
SELECT partition_no, "offset", timestamp_ms, shard_no, position, arrived_ms, lane,
    CASE WHEN shard_no IS NULL THEN if_missing ELSE 'in_stream'::fate END,
    CASE WHEN shard_no IS NULL THEN 0 WHEN landings > records AND number = records THEN 1 + landings - records ELSE 1 END,
    one_line AND (records = 1 OR records = landings)
FROM scratch.numbered_records LEFT JOIN scratch.numbered_landings USING (identity, number);

CREATE TEMP VIEW ordered AS
SELECT partition_no, lane, shard_no, "offset", position FROM scratch.found
WHERE shard_no IS NOT NULL AND lane IS NOT NULL AND is_sure;
"""

_OVERTAKEN: Final = """
CREATE TABLE scratch.overtaken AS
SELECT partition_no, "offset" FROM (
    SELECT partition_no, "offset", position > min(position) OVER (
        PARTITION BY partition_no, lane, shard_no ORDER BY "offset" DESC
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS is_overtaken
    FROM ordered
) WHERE is_overtaken
UNION
SELECT partition_no, "offset" FROM ordered JOIN (
    SELECT partition_no, lane, descendants.shard_no, max("offset") AS top
    FROM ordered JOIN scratch.descendants ON ordered.shard_no = descendants.ancestor_no GROUP BY ALL
) USING (partition_no, lane, shard_no) WHERE top > "offset";
"""

_FATES: Final = """
DELETE FROM fates;
INSERT OR REPLACE INTO facts VALUES ('judged', 'true');
INSERT INTO fates SELECT partition_no, "offset", fate, landings FROM scratch.found WHERE fate <> 'in_stream';
INSERT INTO fates SELECT partition_no, "offset", 'repeated', landings FROM scratch.found WHERE landings > 1;
INSERT INTO fates
SELECT partition_no, "offset", 'overtaken', landings
FROM scratch.found SEMI JOIN scratch.overtaken USING (partition_no, "offset") WHERE timestamp_ms >= {early_ms};
"""

_COUNTS: Final = "SELECT fate, count(*) FROM scratch.found GROUP BY fate UNION ALL SELECT fate, count(*) FROM fates WHERE fate IN ('repeated', 'overtaken') GROUP BY fate"

_SUMS: Final = """
SELECT count(*), coalesce(sum(landings), 0), coalesce(sum(greatest(landings - 1, 0)), 0),
    count(*) FILTER (shard_no IS NOT NULL AND lane IS NOT NULL AND (NOT is_sure OR timestamp_ms < {early_ms})),
    max(arrived_ms - timestamp_ms) FILTER (timestamp_ms >= 0)
FROM scratch.found
"""

_FOREIGN: Final = """
SELECT count(*) FILTER (NOT is_outside), count(*) FILTER (is_outside)
FROM (
    SELECT arrived_ms < {first_ms} OR arrived_ms >= {last_ms} AS is_outside
    FROM landed ANTI JOIN expected USING (identity)
)
"""

_POISON: Final = """
SELECT code, count(*) FROM fates JOIN expected USING (partition_no, "offset") WHERE fate = 'poison' GROUP BY code ORDER BY code
"""

_BUCKETS: Final = """
WITH placed AS (
    SELECT least(greatest((timestamp_ms - {since_ms}) // {width_ms}, 0), {last}) AS bucket, fate, landings,
        coalesce(is_overtaken, false) AS is_overtaken
    FROM scratch.found LEFT JOIN (SELECT partition_no, "offset", true AS is_overtaken FROM fates WHERE fate = 'overtaken')
        USING (partition_no, "offset")
)
SELECT {since_ms} + bucket * {width_ms}, count(*), count(*) FILTER (fate = 'in_stream'), count(*) FILTER (fate = 'lost'),
    count(*) FILTER (landings > 1), count(*) FILTER (is_overtaken)
FROM placed GROUP BY bucket ORDER BY bucket
"""


def judge(connection: duckdb.DuckDBPyConnection, scratch: Path, terms: Terms, plan: Plan) -> Judgement:
    """Write the fate of each record into the file that is open, and give what is to be told.

    What is worked out on the way goes into a database of its own at `scratch`, where it is kept compressed, and which is gone
    afterwards: in the memory that there is, it would be written to disk as it stands.
    """
    early_ms = _early_ms(terms, plan)
    is_complete = _complete_until_ms(connection, plan) >= plan.committed_at_ms
    with _scratch(connection, scratch):
        _write_lineage(connection, plan.parents)
        connection.execute(_SEVERAL)
        connection.execute(_IF_MISSING.format(early_ms=early_ms, is_complete=is_complete, filtered=FILTERED))
        connection.execute(_NUMBERED)
        connection.execute(_FOUND)
        connection.execute(_OVERTAKEN)
        connection.begin()
        try:
            connection.execute(_FATES.format(early_ms=early_ms))
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        return _sum_up(connection, terms, early_ms, is_complete=is_complete)


@contextmanager
def _scratch(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[None]:
    """Have a database beside the audit's, called scratch; what a killed audit left of one is removed."""
    path.unlink(missing_ok=True)
    place = str(path).replace("'", "''")
    connection.execute(f"ATTACH '{place}' AS scratch")
    try:
        yield
    finally:
        for view in ("ordered", "judged"):
            connection.execute(f"DROP VIEW IF EXISTS {view}")
        connection.execute("DETACH scratch")
        path.unlink(missing_ok=True)


def _complete_until_ms(connection: duckdb.DuckDBPyConnection, plan: Plan) -> int:
    """Give the time before which all that arrived in the stream, from the start of its reading on, is in the file."""
    reached = [
        plan.stream_from_ms if reached is None else reached
        for (reached,) in connection.execute("SELECT reached_ms FROM shards").fetchall()
    ]
    if connection.execute("SELECT 1 FROM facts WHERE name = 'stream_was_read'").fetchone():
        return min(reached, default=plan.stream_until_ms)
    # A shard that was split since has children that nobody has listed yet; they hold what arrived after the look.
    return min([*reached, plan.looked_at_ms]) if reached else plan.stream_from_ms


def _early_ms(terms: Terms, plan: Plan) -> int:
    """Give the timestamp below which a record may have landed before the stream was read; there are those without one."""
    return max(plan.stream_from_ms + terms.clocks_apart_ms, 0)


def _write_lineage(connection: duckdb.DuckDBPyConnection, parents: Mapping[str, Sequence[str]]) -> None:
    """Write how many splits and merges each shard is away from the oldest, and out of which shards it came."""
    numbers = {shard: number for number, shard in enumerate(parents)}
    above: dict[str, set[str]] = {}

    def ancestors(shard: str) -> set[str]:
        if shard not in above:
            known = [parent for parent in parents[shard] if parent in numbers]
            above[shard] = set(known).union(*map(ancestors, known))
        return above[shard]

    def generation(shard: str) -> int:
        return len(ancestors(shard))  # larger than that of each of them, which is all that is asked of it

    connection.execute("CREATE TABLE scratch.lineage (shard_no INTEGER, generation INTEGER)")
    connection.execute("CREATE TABLE scratch.descendants (shard_no INTEGER, ancestor_no INTEGER)")
    lineage = [(number, generation(shard)) for shard, number in numbers.items()]
    _insert_pairs(connection, "scratch.lineage", lineage)
    descendants = [(number, numbers[above]) for shard, number in numbers.items() for above in sorted(ancestors(shard))]
    _insert_pairs(connection, "scratch.descendants", descendants)


def _insert_pairs(connection: duckdb.DuckDBPyConnection, table: str, pairs: Sequence[tuple[int, int]]) -> None:
    columns = [[pair[place] for pair in pairs] for place in (0, 1)]
    connection.execute(f"INSERT INTO {table} SELECT unnest(?::INTEGER[]), unnest(?::INTEGER[])", columns)


def _sum_up(connection: duckdb.DuckDBPyConnection, terms: Terms, early_ms: int, *, is_complete: bool) -> Judgement:
    counts = dict.fromkeys(Fate, 0) | {Fate(name): count for name, count in connection.execute(_COUNTS).fetchall()}
    records, matched, repeats, order_unknown, longest_wait_ms = _row(connection, _SUMS.format(early_ms=early_ms))
    (landings,) = _row(connection, "SELECT count(*) FROM landed")
    last_ms = terms.until_ms - terms.clocks_apart_ms
    foreign, outside = (
        _row(connection, _FOREIGN.format(first_ms=terms.since_ms, last_ms=last_ms)) if landings > matched else (0, 0)
    )
    (unread,) = _row(connection, "SELECT count(*) FROM partitions WHERE next_offset < end_offset")
    width_ms = _width_ms(terms)
    last = max((terms.until_ms - 1 - terms.since_ms) // width_ms, 0)
    buckets = connection.execute(_BUCKETS.format(since_ms=terms.since_ms, width_ms=width_ms, last=last)).fetchall()
    judged_from_ms = min(max(terms.since_ms, early_ms), terms.until_ms)
    return Judgement(
        records=records,
        landings=landings,
        counts=counts,
        repeats=int(repeats),
        order_unknown=order_unknown,
        poison_codes=dict(connection.execute(_POISON).fetchall()),
        foreign=foreign,
        outside=outside,
        judged_from_ms=judged_from_ms,
        judged_until_ms=terms.until_ms if is_complete else judged_from_ms,
        kafka_read=not unread,
        longest_wait_ms=longest_wait_ms,
        buckets=tuple(TimeBucket(*row) for row in buckets),
        bucket_ms=width_ms,
    )


def _row(connection: duckdb.DuckDBPyConnection, question: str) -> tuple[Any, ...]:
    found = connection.execute(question).fetchone()
    invariant(found is not None, "a question for one row gave none")
    return found  # type: ignore[return-value]  # not None


def _width_ms(terms: Terms) -> int:
    """Give the smallest usual width by which the window falls into no more buckets than a page can show."""
    window_ms = terms.until_ms - terms.since_ms
    return next((width for width in _WIDTHS_MS if window_ms <= width * BUCKETS_MAX), _WIDTHS_MS[-1])
