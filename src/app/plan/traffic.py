"""What came in a window of time, of one route: counted as its mapping would send it, in bounded memory.

Records are read partition by partition, so no order between them is known here: rates are counted by the records' own
times, in intervals of a second, of ten where the window is long. A record that could never land is counted apart, and so is
one whose time lies outside the window: what a topic's producers wrote there is no rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from operator import add, itemgetter
from typing import Final

from doka.app.plan.keys import KeyCounts, KeyFigures
from doka.domain.limits import RECORD_BYTES_DEFAULT
from doka.domain.records import Chunk
from doka.domain.routes.fields import UNREADABLE_HEADERS
from doka.domain.routes.mapping import RecordMapping
from doka.domain.routes.preview import DRAWN_KEY_BYTES_MAX
from doka.domain.routes.shaping import Shaped, Shaping
from doka.domain.rules import RouteRules
from doka.domain.sending.slices import Slices

BILLED_BYTES: Final = 1_024
"""To which on-demand streams round each record up; https://aws.amazon.com/kinesis/data-streams/pricing/"""
PAYLOAD_UNIT_BYTES: Final = 25 * 1_024
"""A PUT payload unit of provisioned streams, begun ones whole; the same page."""
SLICES: Final = 1_024
"""Parts of the hash space of which it is counted what falls into them: how evenly shards and lanes would be used."""
SECONDS_OF_FINE: Final = 6 * 3_600
"""Up to this length a window is counted by the second, a longer one by ten."""
COARSE_SECONDS: Final = 10
ROUNDED_FROM: Final = 4_096
"""Sizes from here on are counted as multiples of a 64th of their power of two: a percentile is up to 1.6 % too large."""

_ONE_DRAW: Final = 0.0
_ANOTHER_DRAW: Final = 0.5
_BYTES: Final = itemgetter(1)


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time, in ms since the epoch: what is at or after the first and before the last."""

    since_ms: int
    until_ms: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.until_ms - self.since_ms) / 1_000

    @property
    def interval_seconds(self) -> int:
        """In which steps rates are counted."""
        return 1 if self.seconds <= SECONDS_OF_FINE else COARSE_SECONDS


@dataclass(frozen=True, slots=True)
class Percentiles:
    """How a figure is distributed; `p95`: 95 of 100 are no larger."""

    mean: float
    p50: float
    p95: float
    most: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found of one route. Bytes are those of data and partition key, which a shard and a record's limit count."""

    window: Window
    records: int
    """All that could land."""
    poison: int
    """Records that can never land as they are, which are in no other figure."""
    filtered: int
    """Records that the route leaves out, which are in no other figure."""
    data_bytes: int
    key_bytes: int
    rates: tuple[tuple[float, float], ...]
    """Records and bytes a second in each interval of the window; one mean rate where the records' times do not tell."""
    timed: bool
    """Whether `rates` are by time."""
    sizes: Percentiles
    """Of a record, in bytes."""
    billed: int
    """KiB that an on-demand stream bills when each record is sent by itself."""
    payload_units: int
    """PUT payload units that a provisioned stream bills then."""
    keys: KeyFigures
    drawn: int
    """Records whose partition key would be drawn at random: they have no order, and spread evenly."""
    slices: tuple[tuple[float, float], ...]
    """Share of all records, and of all bytes, in each of the equal parts of the hash space."""
    quiet_ms: int
    """How much of the window passed before its first record."""

    @property
    def bytes(self) -> int:
        """Bytes of all records."""
        return self.data_bytes + self.key_bytes

    def a_second(self, place: int) -> Percentiles:
        """Give how records (0) or bytes (1) a second are distributed over the window."""
        of_all = (self.records, self.bytes)[place] / self.window.seconds
        return percentiles(sorted(rate[place] for rate in self.rates), of_all)


def percentiles(ascending: Sequence[float], mean: float) -> Percentiles:
    """Give the percentiles of figures that ascend (nearest rank); zeros where there are none."""
    if not ascending:
        return Percentiles(0.0, 0.0, 0.0, 0.0)

    def at(share: float) -> float:
        return ascending[max(0, ceil(share * len(ascending)) - 1)]

    return Percentiles(mean, at(0.5), at(0.95), ascending[-1])


class Traffic:
    """Counts what comes of one route."""

    def __init__(self, rules: RouteRules, window: Window) -> None:
        """Take the route whose mapping holds, and the window that is looked at, which is not empty."""
        self._rules, self._window = rules, window
        self._shaping = Shaping(rules)
        self._mapping = RecordMapping(rules, lambda: _ONE_DRAW)
        self._again = RecordMapping(replace(rules, compression=None), lambda: _ANOTHER_DRAW)  # asked for keys alone
        self._slices = Slices(SLICES)
        self._of_slice = [[0, 0] for _ in range(SLICES)]
        self._keys = KeyCounts()
        self._sizes: Counter[int] = Counter()
        self._intervals: dict[int, list[int]] = {}
        self._first_ms: int | None = None
        self.records = self.poison = self.filtered = 0
        self._data_bytes = self._key_bytes = self._billed = self._units = self._drawn = self._inside = 0

    def take(self, chunk: Chunk) -> None:
        """Count the records of a chunk, which has its originals for their times."""
        shaped = self._shaping.of(chunk)
        self.filtered += len(shaped.filtered)
        if shaped.chunk is not None:
            self._take_left(shaped.chunk, shaped)

    def _take_left(self, chunk: Chunk, shaped: Shaped) -> None:
        """Count the records that go on to the mapping."""
        keys, values, poison = self._mapping.map(chunk, RECORD_BYTES_DEFAULT, shaped.poison, shaped.keys)
        again = list(self._keys_drawn_again(chunk, keys, poison))
        for place, key in enumerate(shaped.keys):
            if key is not None:
                again[place] = keys[place]
        places = [place for place in range(chunk.count) if place not in poison] if poison else range(chunk.count)
        self.poison += len(poison)
        drawn = [keys[place] != again[place] for place in places]
        of_keys = [
            DRAWN_KEY_BYTES_MAX if free else len(keys[place].encode())
            for place, free in zip(places, drawn, strict=True)
        ]
        of_data = [len(values[place]) for place in places]
        sizes = list(map(add, of_keys, of_data))
        named = [keys[place] for place, free in zip(places, drawn, strict=True) if not free]
        self.records += len(sizes)
        self._drawn += len(sizes) - len(named)
        self._key_bytes += sum(of_keys)
        self._data_bytes += sum(of_data)
        self._keys.add(chunk.partition, named)
        self._take_sizes(sizes)
        self._take_places(keys, places, drawn, sizes)
        self._take_times(chunk, places, sizes)

    def _keys_drawn_again(self, chunk: Chunk, keys: Sequence[str], poison: dict[int, str]) -> Sequence[str]:
        """Give the keys of another draw: where one differs, it is drawn at random.

        Of records whose headers cannot be read no second question is asked: the client does not bear it.
        """
        if self._rules.partition_key == "kafka_key" and None not in chunk.keys:
            return keys
        unreadable = {place for place, code in poison.items() if code == UNREADABLE_HEADERS}
        if not unreadable:
            return self._again.map(chunk, RECORD_BYTES_DEFAULT)[0]
        again = list(keys)
        for place in range(chunk.count):
            if place not in unreadable:
                (again[place],) = self._again.map(chunk.part(place, place + 1), RECORD_BYTES_DEFAULT)[0]
        return again

    def _take_sizes(self, sizes: Sequence[int]) -> None:
        for size, count in Counter(sizes).items():
            self._sizes[_rounded(size)] += count
            self._billed += count * max(1, -(-size // BILLED_BYTES))
            self._units += count * max(1, -(-size // PAYLOAD_UNIT_BYTES))

    def _take_places(
        self, keys: Sequence[str], places: Sequence[int], drawn: Sequence[bool], sizes: Sequence[int]
    ) -> None:
        for place, free, size in zip(places, drawn, sizes, strict=True):
            if not free:
                found = self._of_slice[self._slices.of(keys[place])]
                found[0] += 1
                found[1] += size

    def _take_times(self, chunk: Chunk, places: Sequence[int], sizes: Sequence[int]) -> None:
        since, until = self._window.since_ms, self._window.until_ms
        step = self._window.interval_seconds * 1_000
        for place, size in zip(places, sizes, strict=True):
            kind, time = chunk.originals[place].timestamp()
            if not kind or not since <= time < until:
                continue
            self._inside += 1
            if self._first_ms is None or time < self._first_ms:
                self._first_ms = time
            found = self._intervals.setdefault((time - since) // step, [0, 0])
            found[0] += 1
            found[1] += size

    def figures(self) -> Figures:
        """Say what was found."""
        timed = self._inside * 2 > self.records
        return Figures(
            window=self._window,
            records=self.records,
            poison=self.poison,
            filtered=self.filtered,
            data_bytes=self._data_bytes,
            key_bytes=self._key_bytes,
            rates=self._rates() if timed else (self._mean(),),
            timed=timed,
            sizes=_of_counts(self._sizes, (self._data_bytes + self._key_bytes) / max(1, self.records)),
            billed=self._billed,
            payload_units=self._units,
            keys=self._keys.figures(),
            drawn=self._drawn,
            slices=self._shares(),
            quiet_ms=self._first_ms - self._window.since_ms if timed and self._first_ms is not None else 0,
        )

    def _mean(self) -> tuple[float, float]:
        seconds = self._window.seconds
        return self.records / seconds, (self._data_bytes + self._key_bytes) / seconds

    def _rates(self) -> tuple[tuple[float, float], ...]:
        """Give the rates of each whole interval; of what is left at the end only where there is no whole one."""
        step = self._window.interval_seconds
        whole = int(self._window.seconds // step)
        if not whole:
            return (self._mean(),)
        nothing = [0, 0]
        found = [self._intervals.get(number, nothing) for number in range(whole)]
        if not any(records for records, _ in found):  # all came in the rest at the end
            return (self._mean(),)
        return tuple((records / step, size / step) for records, size in found)

    def _shares(self) -> tuple[tuple[float, float], ...]:
        """Give the share of each slice; what is drawn lies evenly in all of them."""
        records, size = max(1, self.records), max(1, self._data_bytes + self._key_bytes)
        named = sum(map(_BYTES, self._of_slice))
        even = self._drawn / records / SLICES, (size - named) / size / SLICES if self._drawn else 0.0
        return tuple((count / records + even[0], many / size + even[1]) for count, many in self._of_slice)


def _rounded(size: int) -> int:
    if size < ROUNDED_FROM:
        return size
    step = 1 << size.bit_length() - 7
    return -(-size // step) * step


def _of_counts(counts: Counter[int], mean: float) -> Percentiles:
    total = sum(counts.values())
    if not total:
        return Percentiles(0.0, 0.0, 0.0, 0.0)
    found: list[float] = []
    wanted = [ceil(share * total) for share in (0.5, 0.95)]
    seen = 0
    for size in sorted(counts):
        seen += counts[size]
        while len(found) < len(wanted) and seen >= wanted[len(found)]:
            found.append(size)
    return Percentiles(mean, found[0], found[1], max(counts))
