"""`python -m tests.simulation exhaustive`: a world so small that everything that can happen in it is tried.

Two partitions, three keys, four records; the real loop and the real machine in the real world, but what the world
otherwise draws it asks an explorer for, which gives every answer in turn:

    which record lies in which partition, with which key   every layout, but for names: 2 x 3 ways for each record
    how long a request is under way                        three lengths, so that answers come in every order
    which entries of it are refused                        every subset
    what becomes of its answer                             it comes, or is lost before or after the records landed

The first requests choose, the later ones are answered in calm weather, so that the tree of choices has an end.
Each of the three ways to keep order is tried: a request for each record of a key, several of a key in one, aggregates.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from random import Random

import pytest

from doka.adapters.simulated import kinesis, world
from doka.adapters.simulated.chance import Chance
from doka.adapters.simulated.plan import Delays, Plan, Rates, Span, Work
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.rules import AggregationRules, LimitRules, Ordering
from tests.choices import Choices
from tests.simulation.report import describe
from tests.simulation.runner import Outcome, run_plan

PARTITIONS, KEYS, RECORDS = 2, 3, 4
REQUEST_SIZES = (1, 2, 4)
FATES = ("", "reset_before", "reset_after")
LENGTHS = 3  # of the way of a request: as many as there are requests in flight at once, most often
TWO_EACH = AggregationRules(target_bytes=360, linger=0, lanes=2)  # values have 100 bytes and some
WAY = Span(2 * NS_PER_MS, 10 * NS_PER_MS)
COLLECT_EVERY = 200
WAYS: Mapping[str, Callable[[Plan], Plan]] = {
    "key": lambda plan: plan,
    "key_in_request": lambda plan: replace(plan, ordering=Ordering.KEY_IN_REQUEST),
    "aggregated": lambda plan: replace(plan, aggregation=TWO_EACH),
}
"""How order is kept: what it changes in a plan."""

Layout = tuple[tuple[int, int], ...]
"""The partition and the key of each record, in the order in which they are written."""


@dataclass(frozen=True)
class Depth:
    """How many of the first requests choose what; the number of runs grows by the power of it."""

    lengths: int = 3
    refusals: int = 1
    fates: int = 1


def layouts() -> list[Layout]:
    """Give every layout once, whatever partitions and keys are called: each new name is the next."""
    return [
        tuple(zip(partitions, keys, strict=True))
        for partitions in product(range(PARTITIONS), repeat=RECORDS)
        for keys in product(range(KEYS), repeat=RECORDS)
        if _in_order(partitions) and _in_order(keys)
    ]


def _in_order(names: Sequence[int]) -> bool:
    return all(name <= max(names[:place], default=-1) + 1 for place, name in enumerate(names))


class Fractions(Random):
    """A source of chance that gives what it was told to, then zeros."""

    def __init__(self, fractions: Sequence[float]) -> None:
        super().__init__(0)
        self._left = list(reversed(fractions))

    def random(self) -> float:
        """Give the next fraction."""
        return self._left.pop() if self._left else 0.0


class Asking(Random):
    """The chance of the network: it asks for the lengths and fates of the first requests, and who is refused in them."""

    def __init__(self, choices: Choices, depth: Depth) -> None:
        super().__init__(0)
        self._choices = choices
        self._depth = depth
        self._requests = 0

    def fate(self) -> str:
        """Choose what becomes of the next request."""
        self._requests += 1
        return FATES[self._choices.choose(len(FATES))] if self._requests <= self._depth.fates else ""

    def length(self, span: Span) -> int:
        """Choose how long it is under way."""
        chosen = self._choices.choose(LENGTHS) if self._requests <= self._depth.lengths else 0
        return span.least + (span.most - span.least) * chosen // (LENGTHS - 1)

    def random(self) -> float:
        """Choose whether an entry is refused: 0.0, or lands: 0.9."""
        refused = self._requests <= self._depth.refusals and self._choices.choose(2)
        return 0.0 if refused else 0.9


class AskingChance(Chance):
    """The chance of a world of which the explorer decides the layout and the network."""

    def __init__(self, seed: int, layout: Layout, choices: Choices, depth: Depth) -> None:
        super().__init__(seed)
        self._layout = layout
        self._choices = choices
        self._depth = depth

    def of(self, concern: str) -> Random:
        """Give a source for a concern."""
        if concern == "producer":
            places = (((tp + 0.5) / PARTITIONS, (key + 0.5) / KEYS) for tp, key in self._layout)
            return Fractions([0.999, *(fraction for place in places for fraction in place)])
        if concern.startswith("kinesis/"):
            return Asking(self._choices, self._depth)
        return super().of(concern)


def small_plan(request_records: int) -> Plan:
    """Give the run of four records, written at once."""
    return Plan(
        seed=0,
        work=Work(partitions=PARTITIONS, keys=KEYS, records=RECORDS, burst=RECORDS, shards=1),
        delays=Delays(put=WAY, answer=Span(NS_PER_MS, NS_PER_MS)),
        rates=Rates(entry_throttled=0.5),
        limits=LimitRules(request_records=request_records, requests_in_flight=4),
        heal_at=NS_PER_SECOND,
    )


def outcomes(
    layout: Layout, request_records: int, depth: Depth, choices: Choices, way: str = "key"
) -> Iterator[Outcome]:
    """Run a layout with every sequence of choices."""
    plan = WAYS[way](small_plan(request_records))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "Chance", lambda seed: AskingChance(seed, layout, choices, depth))
        patch.setattr(kinesis, "draw_fate", lambda chance, _: chance.fate())
        patch.setattr(kinesis, "draw_span", _length)
        for _ in choices:
            yield run_plan(plan)


def _length(chance: Asking, span: Span) -> int:
    return span.least if span.least == span.most else chance.length(span)


@dataclass
class Explored:
    """What came of one layout with one size of requests."""

    layout: Layout
    request_records: int
    way: str
    runs: int
    failure: str | None
    traces: int
    """How many of the runs went differently."""


def explore(layout: Layout, request_records: int, depth: Depth, way: str = "key") -> Explored:
    """Try everything with a layout, until a rule is broken."""
    choices, traces = Choices(), set[str]()
    failure = None
    gc.disable()
    try:
        for outcome in outcomes(layout, request_records, depth, choices, way):
            traces.add(outcome.world.trace.digest())
            if outcome.violation is not None:
                shown = " ".join(f"{partition}{'abc'[key]}" for partition, key in layout)
                failure = f"{describe(outcome)}\n{way}, layout {shown}, requests of {request_records}, choices {choices.taken}"
                break
            if choices.runs % COLLECT_EVERY == 0:
                gc.collect()
    finally:
        gc.enable()
    return Explored(layout, request_records, way, choices.runs, failure, len(traces))


def _explore(case: tuple[Layout, int, str], depth: Depth) -> Explored:
    layout, request_records, way = case
    return explore(layout, request_records, depth, way)


def main(arguments: list[str]) -> int:
    """Try everything; give 1 when a rule was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation exhaustive", description=__doc__)
    usual = Depth()
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lengths", type=int, default=usual.lengths, help="how many requests choose their length")
    parser.add_argument("--refusals", type=int, default=usual.refusals, help="how many requests choose who is refused")
    parser.add_argument("--fates", type=int, default=usual.fates, help="how many requests choose their fate")
    parser.add_argument("--layouts", type=int, help="so many layouts only")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="how order is kept; every way by default")
    chosen = parser.parse_args(arguments)
    depth = Depth(chosen.lengths, chosen.refusals, chosen.fates)
    cases = [
        (layout, size, way)
        for layout in layouts()[: chosen.layouts]
        for size in REQUEST_SIZES
        for way in chosen.way or WAYS
    ]
    runs = different = 0
    with ProcessPoolExecutor(chosen.workers) as pool:
        for explored in pool.map(partial(_explore, depth=depth), cases, chunksize=4):
            runs += explored.runs
            different += explored.traces
            if explored.failure is not None:
                _say(explored.failure)
                pool.shutdown(cancel_futures=True)
                return 1
    _say(
        f"{len({layout for layout, _, _ in cases})} layouts, requests of {REQUEST_SIZES} records: {runs} runs, all there are"
    )
    _say(f"{different} of them went differently, and no rule is broken")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command's output
