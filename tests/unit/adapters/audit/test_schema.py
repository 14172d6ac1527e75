from __future__ import annotations

import duckdb
import pytest

from doka.adapters.audit.schema import TABLES


@pytest.fixture
def tables() -> dict[str, list[str]]:
    """Give the columns of each table and view."""
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        rows = connection.execute("SELECT table_name, column_name FROM information_schema.columns").fetchall()
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


def test_no_column_holds_a_payload(tables: dict[str, list[str]]) -> None:
    """A file that is passed around holds digests, places and times, and neither keys nor data."""
    columns = {column for table, of_table in tables.items() if table != "facts" for column in of_table}
    assert set() == columns & {"key", "value", "data", "payload", "partition_key", "headers"}


def test_the_views_tell_a_record_by_its_place(tables: dict[str, list[str]]) -> None:
    """Whoever queries the views meets topics and shards by their names."""
    for view in ("records", "landings"):
        assert ["topic", "partition", "offset"] == tables[view][:3]
