"""All rounds of the chosen cases, and the progress of it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.audit import compared
from benchmarks.broker import EMBEDDED, Broker, topics_of
from benchmarks.cases import Case
from benchmarks.contenders import Place
from benchmarks.endpoint import Endpoint, running_endpoint
from benchmarks.feeding import Feed
from benchmarks.latency import cost_at_once, latency_of_baseline, latency_of_before, latency_of_doka
from benchmarks.memory import base_of_doka, memory_of_doka
from benchmarks.revisions import Pair
from benchmarks.rounds import (
    FULL,
    QUICK,
    Extent,
    Round,
    idle_round,
    throughput_round,
)

ROUNDS = 3
EMBEDDED_BYTES = 4 * 1024 * 1024  # a partition; beyond 5 MiB the mock cluster drops the oldest records in silence


def run_case(
    broker: Broker, case: Case, *, quick: bool, say: Callable[[str], None], revisions: Pair | None = None
) -> Sequence[Round]:
    """Run every round of a case. Raises BrokenRunError for a run that was not what was to be measured."""
    extent = QUICK if quick else FULL
    numbers = range(1, (1 if quick else ROUNDS) + 1)
    if case.kind == "latency":
        latencies: list[Round] = []
        for number in numbers:
            say(f"{case.name}: round {number}: doka beside the floor{', before' if revisions else ''}, baseline")
            latencies.append(_latency_round(broker, case, extent, revisions))
        return latencies
    if case.kind == "audit":
        say(f"{case.name}: made up here, no record is read")
        return [{"doka": compared(case, extent)}]
    if case.kind == "memory":
        return [_memory_round(broker, case, extent, say)]
    with _place(broker, case, revisions) as place:
        if case.kind == "idle":
            return [idle_round(place, case, extent)]
        records = how_many(case, extent, embedded=broker.kind == EMBEDDED)
        say(f"{case.name}: producing {records:,} records of {case.size:,} bytes")
        Feed(place.bootstrap_servers, place.topics, case.load).fill(records)
        rounds: list[Round] = []
        for number in numbers:
            others = f"{f', {case.beside}' if case.beside else ''}{', before' if revisions else ''}"
            say(f"{case.name}: round {number}: floor, doka{others}, baseline")
            rounds.append(throughput_round(place, case, records, extent, turned=number % 2 == 0))
        return rounds


def _latency_round(broker: Broker, case: Case, extent: Extent, revisions: Pair | None) -> Round:
    with _place(broker, case, revisions) as place:
        doka = latency_of_doka(place, case, extent)
    if revisions is not None:
        with _place(broker, case) as place:
            doka = {**doka, **latency_of_before(place, case, extent, revisions.before)}
    if case.aggregates_of:
        return doka  # the usual loop is the same as without
    if case.one_by_one:
        with _place(broker, case, revisions) as place:
            doka = {**doka, **cost_at_once(place, case, extent)}
    with _place(broker, case) as place:
        return {**doka, **latency_of_baseline(place, case, extent)}


def _memory_round(broker: Broker, case: Case, extent: Extent, say: Callable[[str], None]) -> Round:
    with _place(broker, case) as place:
        base = base_of_doka(place, case)
    with _place(broker, case) as place:
        records = how_many(case, extent, embedded=broker.kind == EMBEDDED)
        say(f"{case.name}: producing {records:,} records of {case.size:,} bytes")
        Feed(place.bootstrap_servers, place.topics, case.load).fill(records)
        figures = memory_of_doka(place, case, extent)
    return {"doka": {**base, **figures, "rss_above_base_mib": figures["rss_mib"] - base["base_mib"]}}


def how_many(case: Case, extent: Extent, *, embedded: bool) -> int:
    """Give how many records a case forwards; the mock cluster holds only so much."""
    wanted = int(case.records * extent.share)
    return min(wanted, EMBEDDED_BYTES * case.partitions * case.routes // case.size) if embedded else wanted


@contextlib.contextmanager
def _place(broker: Broker, case: Case, revisions: Pair | None = None) -> Iterator[Place]:
    endpoint: Endpoint
    with (
        tempfile.TemporaryDirectory(prefix="doka-bench-") as folder,
        topics_of(broker, case.routes, case.partitions) as topics,
        running_endpoint(tls=case.tls) as endpoint,
    ):
        yield Place(broker.bootstrap_servers, topics, endpoint, Path(folder), revisions)
