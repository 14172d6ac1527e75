"""What a judged audit file leaves to the next one. That windows join by it is held by tests/unit/app/audit/test_windows.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb

from doka.adapters.audit.file import AuditFile
from doka.domain.audit.fates import Fate, OffsetRange, PlannedPartition
from doka.domain.records import TopicPartition
from tests.unit.adapters.audit.test_file import PLAN, TERMS, add_landings, add_records, judged
from tests.unit.domain.builders import ORDERS

FROM_MS = 1_700_000_000_000 - 10
"""Just before what the shared helpers let land."""


def test_losses_landings_without_a_record_and_places_go_on(tmp_path: Path) -> None:
    """Under the numbers that partitions and shards have in the new plan; all that was explained is done with."""
    path = tmp_path / "orders.duckdb"
    with AuditFile.create(path, TERMS, PLAN) as file:
        add_records(file, 2, 9)
        add_landings(file, 2, 4)
        add_landings(file, 5, 12, shard="s1")  # 9 to 11 ahead of their commits
        assert 1 == judged(file).counts[Fate.LOST]
    partitions = (PlannedPartition(TopicPartition("orders", 1), 0, 0, None), PlannedPartition(ORDERS, 9, 12, 12))
    following = replace(PLAN, partitions=partitions, stream_from_ms=FROM_MS, parents={"s2": ("s1",), "s1": ()})
    with AuditFile.follow(path, TERMS, following) as file:
        assert (1, 1, 3) == (file.lost, file.records, file.landings)
        assert {"s1": "111"} == file.behind
        add_records(file, 9, 12)
        file.reached_partition(ORDERS, 12)
        judgement = judged(file)
        assert (1, 3) == (judgement.counts[Fate.LOST], judgement.counts[Fate.IN_STREAM])
        assert [OffsetRange(ORDERS, 4, 4)] == list(file.ranges(Fate.LOST))
    assert [path] == list(tmp_path.iterdir())


def test_what_arrived_before_the_next_stream_begins_does_not_go_on(tmp_path: Path) -> None:
    """It can be of no record that is still to come; and a shard whose last record is as old is read by the time."""
    path = tmp_path / "orders.duckdb"
    with AuditFile.create(path, TERMS, PLAN) as file:
        add_landings(file, 2, 12)
        judged(file)
    with AuditFile.follow(path, TERMS, replace(PLAN, stream_from_ms=FROM_MS + 120_000)) as file:
        assert (0, {}) == (file.landings, file.behind)
    with duckdb.connect(str(path)) as left:
        assert [("s0", 10)] == left.execute("SELECT shard, landings FROM shards WHERE shard = 's0'").fetchall()
