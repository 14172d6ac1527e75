"""Traffic played through the real machine in virtual time, and counted for a plan at the same time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from doka.app.plan.traffic import Figures, Traffic, Window
from doka.domain.commands import CommitOffsets, SendPut
from doka.domain.events import CommitAnswered, Landings, PutAnswered, RecordsFetched
from doka.domain.records import Chunk
from doka.domain.rules import RouteRules
from tests.fake_aws.aggregates import unfold
from tests.unit.domain.builders import MS, Extras, Machine, chunk, route_rules


@dataclass
class Played:
    """What the machine did with it: each Kinesis record's size, and how long each record took, in seconds."""

    figures: Figures
    sizes: list[int] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    def a_second(self, amount: float) -> float:
        """Give a rate over the window."""
        return amount / self.figures.window.seconds


def figures_of(
    chunks: Sequence[Chunk], seconds: float = 1.0, rules: RouteRules | None = None, since_ms: int = 0
) -> Figures:
    """Count chunks for a plan."""
    traffic = Traffic(rules or route_rules(), Window(since_ms, since_ms + round(seconds * 1_000)))
    for each in chunks:
        traffic.take(each)
    return traffic.figures()


def records(
    keys: Sequence[str | bytes | None], sizes: int | Sequence[int] = 100, at_ms: int | Sequence[int] = 0, start: int = 0
) -> Chunk:
    """Make a chunk of records with these keys, sizes of data, and times."""
    of_sizes = [sizes] * len(keys) if isinstance(sizes, int) else sizes
    of_times = [at_ms] * len(keys) if isinstance(at_ms, int) else at_ms
    values = [b"%020d" % (start + number) + bytes(max(0, size - 20)) for number, size in enumerate(of_sizes)]
    whole = [Extras(of_timestamp=(1, time)) for time in of_times]
    return chunk(
        keys, start=start, values=[value[:size] for value, size in zip(values, of_sizes, strict=True)], originals=whole
    )


def arrivals(rate: float, seconds: int, keys: int, size: int, seed: int = 5) -> Iterator[tuple[int, Chunk]]:
    """Give what comes in each ms of independent records of as frequent keys."""
    draw = random.Random(seed)
    start, due = 0, draw.expovariate(rate / 1_000)
    for ms in range(seconds * 1_000):
        of_ms: list[str | bytes | None] = []
        while due < ms + 1:
            of_ms.append(f"k{draw.randrange(keys)}")
            due += draw.expovariate(rate / 1_000)
        if of_ms:
            yield ms, records(of_ms, size, ms, start)
            start += len(of_ms)


def play(rules: RouteRules, rate: float, seconds: int, *, keys: int, size: int, round_trip_ms: int = 15) -> Played:
    """Let records come and go: each put is answered after a round trip."""
    machine = Machine(routes=(rules,))
    machine.open()
    traffic = Traffic(rules, Window(0, seconds * 1_000))
    coming = dict(arrivals(rate, seconds, keys, size))
    begin = machine.now
    arrived: dict[int, int] = {}
    answers: dict[int, list[SendPut]] = {}
    sizes: list[int] = []
    took: list[float] = []
    for ms in range(seconds * 1_000 + 3_000):
        machine.now = begin + ms * MS
        for put in answers.pop(ms, ()):
            took += ((ms - arrived[offset]) / 1_000 for offset in _offsets(put))
            machine.feed(PutAnswered(put.put, landings=_landings(put, ms) if put.wants_landings else None))
        if ms in coming:
            traffic.take(coming[ms])
            arrived.update(dict.fromkeys(coming[ms].offsets, ms))
            machine.feed(RecordsFetched(coming[ms]))
        for command in machine.forwarder.decide(machine.now).commands:
            if isinstance(command, SendPut):
                answers.setdefault(ms + round_trip_ms, []).append(command)
                sizes += (len(value) for value in command.values)
            elif isinstance(command, CommitOffsets):
                machine.feed(CommitAnswered(command.commit))
    assert len(took) == len(arrived) == traffic.records
    return Played(traffic.figures(), sizes, took)


def _landings(put: SendPut, ms: int) -> Landings:
    numbers = [str(ms * 1_000 + place) for place in range(len(put.values))]
    return Landings(["shardId-000000000000"] * len(numbers), numbers)


def _offsets(put: SendPut) -> Iterator[int]:
    for value in put.values:
        inner = unfold(value)
        for data in [value] if inner is None else [record.data for record in inner]:
            yield int(data[:20])
