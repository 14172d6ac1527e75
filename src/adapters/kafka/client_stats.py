"""Reads what librdkafka tells of itself every few seconds: the group's state, and who leads each partition.

Only there does the client say that the group is out of reach: nothing is called back when a coordinator is lost, and an
idle topic would not show it for ever. It is one JSON document; of 1,000 partitions it has 730 kB and costs 10 ms to make
and to read, so it is made every five seconds, and read only when the status is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from doka.domain.limits import NS_PER_MS
from doka.domain.records import TopicPartition

STATS_EVERY_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class ClientStats:
    """What one document says. Ages in ns before it was made."""

    reachable: bool
    """Whether the group's coordinator is known and connected."""
    reachable_for: int
    """For how long `reachable` has been what it is."""
    steady: bool
    """Whether the group has this client as a member, with nothing left to be settled between them."""
    leaders: Mapping[TopicPartition, int] = field(default_factory=dict)
    """The id of the broker that leads each partition; -1 where the client knows none."""
    open_from: Mapping[TopicPartition, int] = field(default_factory=dict)
    """Where the first open transaction of a log begins, for the logs that have one."""
    brokers: Mapping[int, str] = field(default_factory=dict)
    """Address of each broker."""


def read(document: str, partitions: Iterable[TopicPartition]) -> ClientStats:
    """Read a document as far as it concerns these partitions."""
    told: dict[str, Any] = orjson.loads(document)
    group = told.get("cgrp", {})
    brokers = {b["nodeid"]: b["name"].rpartition("/")[0] for b in told.get("brokers", {}).values() if b["nodeid"] >= 0}
    topics = told.get("topics", {})
    leaders: dict[TopicPartition, int] = {}
    open_from: dict[TopicPartition, int] = {}
    for partition in partitions:
        here = topics.get(partition.topic, {}).get("partitions", {}).get(str(partition.partition))
        if here is None:
            continue
        leaders[partition] = here["leader"]
        if 0 <= here["ls_offset"] < here["hi_offset"]:  # both of one answer, so neither is older than the other
            open_from[partition] = here["ls_offset"]
    return ClientStats(
        reachable=group.get("state") == "up",
        reachable_for=group.get("stateage", 0) * NS_PER_MS,
        steady=group.get("join_state") == "steady",
        leaders=leaders,
        open_from=open_from,
        brokers=brokers,
    )
