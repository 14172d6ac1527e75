"""What is read from the client's own document: the group, the leaders, and the transactions that are open."""

from __future__ import annotations

import json
from typing import Any

from doka.adapters.kafka.client_stats import ClientStats, read
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition

P0, P1, P2 = (TopicPartition("orders", number) for number in range(3))


def partition(leader: int, stable: int, end: int) -> dict[str, Any]:
    """Give what the document says of one partition, as far as anybody reads it."""
    return {"leader": leader, "ls_offset": stable, "hi_offset": end}


DOCUMENT = {
    "cgrp": {"state": "up", "stateage": 4_000, "join_state": "steady"},
    "brokers": {
        "b1:9092/1": {"nodeid": 1, "name": "b1:9092/1"},
        "b1:9092/bootstrap": {"nodeid": -1, "name": "b1:9092/bootstrap"},
        "GroupCoordinator": {"nodeid": -1, "name": "GroupCoordinator"},
    },
    "topics": {
        "orders": {
            "partitions": {"0": partition(1, 40, 50), "1": partition(-1, 50, 50), "-1": partition(-1, -1001, -1001)}
        }
    },
}


def test_a_document_is_read() -> None:
    """The group's state with its age, the leader of each partition, and where a transaction is open."""
    assert ClientStats(
        reachable=True,
        reachable_for=4 * NS_PER_SECOND,
        steady=True,
        leaders={P0: 1, P1: -1},
        open_from={P0: 40},
        brokers={1: "b1:9092"},
    ) == read(json.dumps(DOCUMENT), [P0, P1, P2])


def test_a_group_out_of_reach_says_for_how_long() -> None:
    """While the coordinator is looked for, the age is that of the search; of what was never fetched nothing is known."""
    group = {"state": "query-coord", "stateage": 11_988, "join_state": "init"}
    unknown = {"orders": {"partitions": {"0": partition(2, -1001, -1001)}}}
    stats = read(json.dumps({**DOCUMENT, "cgrp": group, "topics": unknown}), [P0])
    assert (False, 11_988_000_000, False, {P0: 2}, {}) == (
        stats.reachable,
        stats.reachable_for,
        stats.steady,
        stats.leaders,
        stats.open_from,
    )


def test_a_document_without_a_group_is_that_of_a_client_outside() -> None:
    """Before anything is known there is nothing to be told."""
    assert ClientStats(reachable=False, reachable_for=0, steady=False) == read("{}", [P0])
