"""Behind `doka.consumer` each record is there once, in the order of its key, whatever befell the service, the stream and the reader.

The forwarder's worst histories come from the swarm: crashes, ambiguous puts, rebalances, throttled and resharded streams,
aggregates. Each is read as consumers read: shard after shard at any pace, parents before their children, with a reader that
is killed now and then and goes on at its checkpoint.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest

from doka.adapters.simulated.faults import swarm_plan
from doka.adapters.simulated.stream import Landed, Stream
from doka.consumer import WINDOW_OFFSETS, NotAnEnvelopeError, Place, Repeats, Verdict, read_envelope, unpack
from doka.domain.rules import NullKey, Ordering
from tests.simulation.runner import run_plan

SEEDS = (0, 1, 5, 8, 9, 11, 15, 18, 20, 23, 30, 33, 34, 38, 41, 46, 58, 171, 312)
"""Of the first sixty those in which most repeats land, of every ordering; some of them reshard. In the last two a record and
its repeat stand on two sides of a merge."""
CHECKPOINT, KILL = 0.2, 0.1
"""How likely a reader writes a checkpoint behind a record, and how likely it dies there."""

Genealogy = dict[int, tuple[int, ...]]
"""Shard -> the shards that it came out of."""

Reshard = Callable[[Stream, int, int], None]


class Loses(Exception):  # noqa: N818 - a verdict
    """A record that landed did not come out."""


class Doubles(Exception):  # noqa: N818
    """A record came out twice."""


class Disorders(Exception):  # noqa: N818
    """A record came out behind a later one of its key."""


@dataclass(slots=True)
class History:
    """What is in one stream at the end, as its shards hold it."""

    shards: dict[int, list[Landed]]
    parents: Genealogy
    ordered: bool
    places: dict[Place, bytes | None] = field(default_factory=dict)
    """Each place that landed in an envelope, with its key."""
    repeats: int = 0

    def __post_init__(self) -> None:
        for landed in self.shards.values():
            for place, key in taken(landed):
                self.repeats += place in self.places
                self.places[place] = key


def taken(landed: list[Landed]) -> Iterator[tuple[Place, bytes | None]]:
    """Give place and key of each record; the other member of the group knows no envelopes, and is passed over."""
    for record in landed:
        for _, data in unpack(record.key, record.value):
            try:
                envelope = read_envelope(data)
            except NotAnEnvelopeError:
                continue
            yield envelope.place, envelope.key


@pytest.fixture(scope="module")
def histories() -> list[History]:
    """Run the seeds with envelopes and keys that stay what they are, and note which shard came out of which."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        families: dict[int, Genealogy] = {}
        for name in ("merge", "split"):
            patch.setattr(Stream, name, noted(getattr(Stream, name), families))
        for seed in SEEDS:
            plan = replace(swarm_plan(seed), envelope=True, compress="none", null_key=NullKey.PARTITION)
            outcome = run_plan(plan)
            assert outcome.violation is None
            assert not any(log.incarnation for log in outcome.world.logs.values())
            ordered = plan.aggregation is not None or plan.ordering is Ordering.KEY
            for stream in outcome.world.streams.values():
                shards: dict[int, list[Landed]] = {}
                for landed in stream.landed:
                    shards.setdefault(landed.shard, []).append(landed)
                found.append(History(shards, families.pop(id(stream), {}), ordered))
            outcome.let_go()
    return found


def noted(reshard: Reshard, families: dict[int, Genealogy]) -> Reshard:
    """Give a reshard that notes its parents and children."""

    def noting(stream: Stream, place: int, now: int) -> None:
        before = {shard.number for shard in stream.shards}
        reshard(stream, place, now)
        after = {shard.number for shard in stream.shards}
        family = families.setdefault(id(stream), {})
        family.update((child, tuple(sorted(before - after))) for child in after - before)

    return noting


@dataclass(slots=True)
class Reader:
    """Reads a shard; its output, its position and its memory are written in one transaction, as the docs say."""

    landed: list[Landed]
    repeats: Repeats
    position: int = 0
    out: list[tuple[Place, bytes | None]] = field(default_factory=list)
    kept: tuple[int, str, int] = (0, "", 0)
    unknown: int = 0

    def read_one(self, chance: random.Random) -> None:
        """Take one record of the stream, keep a checkpoint perhaps, and die perhaps."""
        for place, key in taken(self.landed[self.position : self.position + 1]):
            verdict = self.repeats.judge(place)
            self.unknown += verdict is Verdict.UNKNOWN
            if verdict is not Verdict.REPEAT:
                self.out.append((place, key))
        self.position += 1
        if chance.random() < CHECKPOINT:
            self.keep()
        elif chance.random() < KILL:
            self.position, state, length = self.kept
            del self.out[length:]
            self.repeats = type(self.repeats).restored(state, window=self.repeats.window)

    def keep(self) -> None:
        """Write a checkpoint."""
        self.kept = self.position, self.repeats.state(), len(self.out)

    @property
    def at_its_end(self) -> bool:
        """Whether nothing is left."""
        return self.position == len(self.landed)


def consumed(history: History, repeats: type[Repeats], window: int, seed: int) -> list[tuple[Place, bytes | None]]:
    """Read a stream by one reader a shard, each at its own pace, parents before their children; give what came out, in time."""
    chance = random.Random(seed)
    readers: dict[int, Reader] = {}
    ended: dict[int, Reader] = {}

    def begin(number: int) -> None:
        parents = [ended[parent].repeats.state() for parent in history.parents.get(number, ())]
        readers[number] = Reader(history.shards.get(number, []), repeats.restored(*parents, window=window))
        readers[number].keep()

    numbers = {*history.shards, *history.parents, *(each for family in history.parents.values() for each in family)}
    out: list[tuple[Place, bytes | None]] = []
    while len(ended) < len(numbers):
        for number in sorted(numbers - readers.keys() - ended.keys()):
            if ended.keys() >= set(history.parents.get(number, ())):
                begin(number)
        number = chance.choice(sorted(readers))
        if readers[number].at_its_end:
            ended[number] = readers.pop(number)
            out += ended[number].out
        else:
            readers[number].read_one(chance)
    return out


def judge(history: History, out: list[tuple[Place, bytes | None]]) -> None:
    """Raise what is wrong with what came out: that of a key is of one shard, or of a parent and then of its child."""
    places = [place for place, _ in out]
    if history.places.keys() - set(places):
        raise Loses
    if len(places) != len(set(places)):
        raise Doubles
    latest: dict[tuple[str, int, bytes | None], int] = {}
    for place, key in out if history.ordered else ():
        lane = place.topic, place.partition, key
        if place.offset < latest.get(lane, -1):
            raise Disorders
        latest[lane] = place.offset


def test_behind_it_each_record_is_there_once_and_in_order(histories: list[History]) -> None:
    """Whatever the seeds did to the forwarder, and the reader's kills to it, nothing is lost, doubled or out of order."""
    assert sum(history.repeats for history in histories) > 150
    assert any(len(parents) == 2 for history in histories for parents in history.parents.values())
    assert any(len(parents) == 1 for history in histories for parents in history.parents.values())
    for seed in range(3):
        for history in histories:
            judge(history, consumed(history, Repeats, WINDOW_OFFSETS, seed))


def test_a_window_that_is_too_small_loses_nothing(histories: list[History]) -> None:
    """With two offsets to remember repeats get through, as unknown, and no record is held back."""
    doubled = 0
    for history in histories:
        try:
            judge(history, consumed(history, Repeats, 2, 1))
        except (Doubles, Disorders):
            doubled += 1
    assert doubled > 0


class HighestOffsetAlone(Repeats):
    """Drop all that is not above the highest offset of its partition."""

    def judge(self, place: Place) -> Verdict:
        known = self._windows.get(place[:2])
        above = known is None or place.offset > known.top
        super().judge(place)
        return Verdict.FIRST if above else Verdict.REPEAT


class PartitionsMixed(Repeats):
    """Forget which partition an offset is of."""

    def judge(self, place: Place) -> Verdict:
        return super().judge(Place(place.topic, 0, place.offset))


class NotAbove(Repeats):
    """Look at the last record alone: drop what repeats it, and nothing else."""

    def judge(self, place: Place) -> Verdict:
        known = self._windows.get(place[:2])
        top = -1 if known is None else known.top
        super().judge(place)
        return Verdict.REPEAT if place.offset == top else Verdict.FIRST


class NothingKept(Repeats):
    """Begin with an empty memory after a kill, and in a child."""

    @classmethod
    def restored(cls, *states: str, window: int = WINDOW_OFFSETS) -> Repeats:
        return super().restored(*states[:0], window=window)


class OneParent(Repeats):
    """Take along the memory of one parent of a merge."""

    @classmethod
    def restored(cls, *states: str, window: int = WINDOW_OFFSETS) -> Repeats:
        return super().restored(*states[:1], window=window)


class BelowIsRepeat(Repeats):
    """Take what lies below the window for a repeat."""

    def judge(self, place: Place) -> Verdict:
        verdict = super().judge(place)
        return Verdict.REPEAT if verdict is Verdict.UNKNOWN else verdict


class NeighboursAlike(Repeats):
    """Take two neighbouring offsets for one."""

    def judge(self, place: Place) -> Verdict:
        return super().judge(place._replace(offset=place.offset // 2))


PLANTED: Mapping[type[Repeats], tuple[int, type[Exception]]] = {
    HighestOffsetAlone: (WINDOW_OFFSETS, Loses),
    PartitionsMixed: (WINDOW_OFFSETS, Loses),
    NotAbove: (WINDOW_OFFSETS, Doubles),
    NothingKept: (WINDOW_OFFSETS, Doubles),
    OneParent: (WINDOW_OFFSETS, Doubles),
    BelowIsRepeat: (2, Loses),
    NeighboursAlike: (WINDOW_OFFSETS, Loses),
}
"""Each bug, the window under which it is looked for, and what it does."""


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(histories: list[History], bug: type[Repeats]) -> None:
    """The same histories and the same judge see what each bug does to somebody's records."""
    window, harm = PLANTED[bug]
    found = set()
    for history in histories:
        try:
            judge(history, consumed(history, bug, window, 1))
        except (Loses, Doubles, Disorders) as wrong:
            found.add(type(wrong))
    assert harm in found
