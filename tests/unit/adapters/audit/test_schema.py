from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from doka.adapters.audit.file import AuditFile
from doka.adapters.audit.schema import TABLES
from doka.domain.audit.fates import Plan, PlannedPartition, Terms
from doka.domain.audit.identity import Identities
from doka.domain.audit.landed import Landed, ShardReached
from tests.unit.domain.builders import ORDERS, Extras, chunk, route_rules

PAGE = Path("docs/recover.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE))
QUERIES = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

T = 1_700_000_000_000


@pytest.fixture(scope="module")
def tables() -> dict[str, list[str]]:
    """Give the columns of each table and view."""
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        rows = connection.execute("SELECT table_name, column_name FROM information_schema.columns").fetchall()
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


@pytest.fixture
def audited(tmp_path: Path) -> Path:
    """Give the file of an audit of three records: one is lost, one landed, one landed twice."""
    identities = Identities(route_rules(), 1024 * 1024)
    terms = Terms("orders", "arn:orders", "doka", identities.match, "plain", T, T + 3_600_000)
    plan = Plan((PlannedPartition(ORDERS, 4710, 4713, 4713),), T, T - 100_000, T, T, {"s": ()})
    with AuditFile.create(tmp_path / "it.audit", terms, plan) as file:
        file.add_expected(identities.expected(chunk(["a", "b", "c"], start=4710, originals=[Extras()] * 3)))
        landed = Landed("s", ["b", "a", "b"], [b"4711", b"4710", b"4711"], ["7", "8", "9"], [T + 1, T + 2, T + 3])
        file.add_landed(landed, identities.landed(landed))
        file.reached_shard(ShardReached("s", T, None, ended=True))
        file.stream_was_read({"s": ()})
        file.judge()
    return tmp_path / "it.audit"


def test_no_column_holds_a_payload(tables: dict[str, list[str]]) -> None:
    """A file that is passed around holds digests, places and times, and neither keys nor data."""
    columns = {column for table, of_table in tables.items() if table != "facts" for column in of_table}
    assert set() == columns & {"key", "value", "data", "payload", "partition_key", "headers"}


def test_the_page_knows_every_table_and_column(tables: dict[str, list[str]]) -> None:
    """Whoever queries a file finds each table with its columns in docs/recover.md, and none that is not there."""
    assert tables == {table: re.findall(r"`(\w+)`", columns) for table, columns in ROWS.items() if table in tables}


def test_the_queries_of_the_page_give_what_they_ask_for(audited: Path) -> None:
    """Each example of docs/recover.md runs as it stands there, and answers its question."""
    with duckdb.connect(str(audited), read_only=True) as connection:
        by_hour, by_partition, by_record = [connection.execute(query).fetchall() for query in QUERIES]
    assert [("repeated", 1), ("lost", 1)] == [row[1:] for row in by_hour]
    assert [("orders", 0, 1, 4712, 4712)] == by_partition
    assert [("s", "7"), ("s", "9")] == [row[:2] for row in by_record]
