"""Judging a world by its history alone: what was acknowledged, what landed, what was committed at each death.

The rules, with the numbers that the simulator has for them:
I1  nothing is committed that had not landed when its committer died.
I2  all that was acknowledged to the producer lands, and nothing else; at the end all of it is committed.
I3  a committed offset never goes back.
I4  of each key, first landings are in the order of the log.
I5  no signature is made by a lease past its end; I6  none is made of parts of two leases.
I8  records repeat only as told: a life lands nothing below what was committed when it began, nothing `ahead_records`
    above what was committed when it died, and nothing twice but what was in a put whose connection was torn.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.history import History
from tests.checking import KeyLog, decode, judge
from tests.fake_aws.history import MIXED_TRIPLE

Place = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of one world; `broken` is empty where every rule held."""

    broken: Sequence[str]
    records: int
    landings: int
    lost: int
    out_of_order: int
    duplicates: int
    could_repeat: int
    """What the committed offsets left to repeat, over all kills, and what torn puts held: computed from the history."""
    bound: int
    """What is promised: `ahead_records` for each partition and kill, and what torn puts held."""
    repeated_after: Sequence[int]
    """For each kill how many landed records its committed offsets left to repeat."""


def judgement(history: History) -> Judgement:
    """Hold a world to every rule."""
    broken: list[str] = []
    verdict = judge(
        {log: len(o) for log, o in history.acknowledged.items()}, (each.payload for each in history.landings)
    )
    if verdict.lost or verdict.unknown:
        broken.append(f"I2: {verdict}")
    if verdict.out_of_order:
        broken.append(f"I4: {verdict}")
    if list(history.committed) != list(history.log_ends):
        broken.append(f"I2: at the end {list(history.committed)} was committed of logs to {list(history.log_ends)}")
    broken += [
        f"{'I6' if seen.kind == MIXED_TRIPLE else 'I5'}: {seen.kind} ({seen.operation}): {seen.detail}"
        for seen in history.violations
    ]
    places = list(_places(history))
    broken += _commits(history, places)
    repeats = _Repeats(history, places)
    broken += repeats.broken
    if verdict.duplicates > repeats.could_repeat:
        broken.append(f"I8: {verdict.duplicates} duplicates, where {repeats.could_repeat} could be")
    return Judgement(
        broken=broken,
        records=verdict.produced,
        landings=verdict.landed,
        lost=verdict.lost,
        out_of_order=verdict.out_of_order,
        duplicates=verdict.duplicates,
        could_repeat=repeats.could_repeat,
        bound=len(history.kills) * len(history.committed) * history.ahead_records + repeats.torn_records,
        repeated_after=repeats.left,
    )


def _places(history: History) -> Iterator[Place | None]:
    """Give the place in the log of each landing; None for what nobody wrote, which I2 tells."""
    offsets: Mapping[KeyLog, Sequence[int]] = history.acknowledged
    for landing in history.landings:
        try:
            log, sequence = decode(landing.payload)
            yield log.partition, offsets[log][sequence]
        except (ValueError, LookupError):
            yield None


def _commits(history: History, places: Sequence[Place | None]) -> Iterator[str]:
    """Find what was committed without having landed (I1), and commits that went back (I3)."""
    ends = history.log_ends
    landed = [bytearray(end) for end in ends]
    whole = [0] * len(ends)  # below this offset all of a partition has landed
    at = 0
    for kill in history.kills:
        for place in filter(None, places[at : kill.landed]):
            landed[place[0]][place[1]] = 1
        at = max(at, kill.landed)
        for partition, offset in enumerate(kill.committed):
            found = landed[partition].find(0, whole[partition])
            whole[partition] = ends[partition] if found < 0 else found
            if offset > whole[partition]:
                yield f"I1: round {kill.round}: {partition}@{offset} was committed, and {whole[partition]} had not landed"
    asked = [kill.committed for kill in history.kills] + [history.committed]
    for earlier, later in pairwise(asked):
        if any(new < old for old, new in zip(earlier, later, strict=True)):
            yield f"I3: committed went back, from {list(earlier)} to {list(later)}"


@dataclass
class _Repeats:
    """Which life landed what, and whether it was its to land."""

    history: History
    places: Sequence[Place | None]
    broken: list[str] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    could_repeat: int = 0
    torn_records: int = 0

    def __post_init__(self) -> None:
        kills = self.history.kills
        leases = [kill.leases for kill in kills]
        self._lives: list[set[Place]] = [set() for _ in range(len(kills) + 1)]
        twice: Counter[int] = Counter()
        sizes: list[Counter[str]] = [Counter() for _ in self._lives]
        for landing, place in zip(self.history.landings, self.places, strict=True):
            if place is None:
                continue
            life = bisect_left(leases, landing.serial)
            self._within_its_limits(life, place)
            sizes[life][landing.request] += 1
            if place in self._lives[life]:
                twice[life] += 1
            self._lives[life].add(place)
        self._judge_torn(twice, sizes)
        self._count_left()

    def _within_its_limits(self, life: int, place: Place) -> None:
        kills = self.history.kills
        partition, offset = place
        if life > 0 and offset < kills[life - 1].committed[partition]:
            before = kills[life - 1]
            self.broken.append(
                f"I8: the life after round {before.round} landed {partition}@{offset}, "
                f"and {before.committed[partition]} was committed when it began"
            )
        if life < len(kills) and offset >= kills[life].committed[partition] + self.history.ahead_records:
            self.broken.append(
                f"I8: round {kills[life].round} landed {partition}@{offset}, which is `ahead_records` "
                f"({self.history.ahead_records}) or more above {kills[life].committed[partition]}, which was committed"
            )

    def _judge_torn(self, twice: Counter[int], sizes: Sequence[Counter[str]]) -> None:
        """Hold what one life landed twice against the largest puts that may have been torn."""
        torn = [*(kill.torn for kill in self.history.kills), self.history.torn]
        for life, requests in enumerate(sizes):
            allowed = sum(size for _, size in requests.most_common(torn[life])) if torn[life] else 0
            self.torn_records += allowed
            if twice[life] > allowed:
                self.broken.append(
                    f"I8: life {life + 1} landed {twice[life]} records twice, and its {torn[life]} torn puts held "
                    f"{allowed} at most"
                )

    def _count_left(self) -> None:
        """Count, for each kill, the landed records that its committed offsets left to repeat."""
        landed: set[Place] = set()
        for kill, of_life in zip(self.history.kills, self._lives, strict=False):
            landed |= of_life
            # What is settled now is never left to repeat again.
            landed = {place for place in landed if place[1] >= kill.committed[place[0]]}
            self.left.append(len(landed))
        self.could_repeat = sum(self.left) + self.torn_records
