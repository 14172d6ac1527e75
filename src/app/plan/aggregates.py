"""What aggregates a route would send: how many, how large, how long a record waits in a lane, reckoned lane by lane.

Theory of operation. Where records come into a lane at r a second, and independently of each other, a wait of `linger` begins
with the first that finds it empty, 1/r after the last wait on average, and ends with one aggregate. While one is on its way
nothing leaves: where a round trip is longer than `linger`, something mostly waits already when it ends. A lane that fills
an aggregate before that sends as many as it fills. Where records come in bursts there are fewer aggregates than this, and
larger ones. tests/unit/app/plan/test_aggregates.py holds all that against the machine itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, exp
from typing import Final

from doka.app.plan.traffic import BILLED_BYTES, PAYLOAD_UNIT_BYTES, Figures
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import AggregationRules
from doka.domain.sending.aggregate import FIXED_BYTES, FRAME_BYTES_MAX

GROUPS_MAX: Final = 128
"""Into so many groups the intervals of a window are taken together, by their rates."""
KEY_FRAME_BYTES: Final = 3  # of a key in the table of an aggregate

Rate = tuple[float, float]
"""Records and bytes a second."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Kinesis records, their bytes, and what is billed of them: KiB and PUT payload units; all a second."""

    records: float = 0.0
    bytes: float = 0.0
    billed: float = 0.0
    payload_units: float = 0.0


class Aggregates:
    """The aggregates of one route, in so many lanes."""

    def __init__(self, figures: Figures, rules: AggregationRules, lanes: int, round_trip: float) -> None:
        """Take what was found, of at least one record; `lanes` is a power of two, `round_trip` of a put in seconds."""
        self._figures = figures
        self._target = rules.target_bytes
        self._linger = rules.linger / NS_PER_SECOND
        self._round_trip = round_trip
        self._shares = _folded(figures.slices, lanes)
        self._data_share = figures.data_bytes / max(1, figures.bytes)
        self._key_bytes = figures.key_bytes / figures.records + KEY_FRAME_BYTES
        self._keys = max(1.0, figures.keys.seen / len(self._shares))
        self._drawn = figures.drawn / figures.records

    def sent(self) -> Sent:
        """Give what is sent on average over the window."""
        whole = [(weight, summed(self.of_lanes(rate))) for weight, rate in _grouped(self._figures.rates)]
        counted = sum(weight * rate[0] for weight, rate in _grouped(self._figures.rates))
        scale = self._figures.a_second(0).mean / counted  # for records whose time lies outside
        return Sent(
            scale * sum(weight * each.records for weight, each in whole),
            scale * sum(weight * each.bytes for weight, each in whole),
            scale * sum(weight * each.billed for weight, each in whole),
            scale * sum(weight * each.payload_units for weight, each in whole),
        )

    def of_lanes(self, rate: Rate) -> list[Sent]:
        """Give what each lane sends while records come at this rate."""
        return [self._of_lane(share * rate[0], many * rate[1]) for share, many in self._shares]

    def _of_lane(self, comes: float, size: float) -> Sent:
        if not comes:
            return Sent()
        data = size * self._data_share + comes * FRAME_BYTES_MAX
        count = min(comes, max(1 / self._between(comes), data / self._target))
        keys = min(comes, comes * self._drawn + count * self._keys)
        total = data + keys * self._key_bytes + count * FIXED_BYTES
        of_one = total / count
        return Sent(
            count,
            total,
            count * self._begun(of_one, BILLED_BYTES),
            count * self._begun(of_one, PAYLOAD_UNIT_BYTES),
        )

    def _between(self, comes: float) -> float:
        """Give the time between two aggregates of a lane that is never full, in seconds."""
        nothing_waits = exp(-comes * max(0.0, self._round_trip - self._linger))
        return max(self._linger, self._round_trip) + nothing_waits / comes

    def _begun(self, size: float, unit: int) -> float:
        """Give in how many units aggregates of a mean size are billed: begun ones whole, so half a unit more than they fill.

        Never less than one, nor more than the largest one is billed.
        """
        return min(max(1.0, size / unit + 0.5), float(ceil(max(size, self._target) / unit)))

    def wait(self) -> float:
        """Give for how long a record waits in its lane at the mean rate, in seconds, on average over all records."""
        records, size = self._figures.a_second(0).mean, self._figures.a_second(1).mean
        return sum(share * self._wait_in_lane(share * records, many * size) for share, many in self._shares if share)

    def _wait_in_lane(self, comes: float, size: float) -> float:
        if self._linger < self._round_trip:  # for the rest of the one that is on its way, where there is one
            busy = min(1.0, self._round_trip / self._between(comes))
            return busy * self._round_trip / 2 + (1 - busy) * self._linger
        fills = self._target / (size * self._data_share + comes * FRAME_BYTES_MAX)
        longest = min(self._linger, fills)  # which the first waits, and the others half of it
        return longest * (1 + comes * longest / 2) / (1 + comes * longest)


def summed(lanes: Iterable[Sent]) -> Sent:
    """Give what lanes send together."""
    each = list(lanes)
    return Sent(
        sum(lane.records for lane in each),
        sum(lane.bytes for lane in each),
        sum(lane.billed for lane in each),
        sum(lane.payload_units for lane in each),
    )


def _folded(slices: Sequence[Rate], lanes: int) -> Sequence[Rate]:
    """Give the shares of so many equal parts of the hash space, or of all that are known where there are fewer."""
    each = max(1, len(slices) // lanes)
    parts = [slices[first : first + each] for first in range(0, len(slices), each)]
    return [(sum(share for share, _ in part), sum(many for _, many in part)) for part in parts]


def _grouped(rates: Sequence[Rate]) -> list[tuple[float, Rate]]:
    """Take intervals of like rates together; give the share of each group, and its mean rates."""
    ascending = sorted(rates)
    each = ceil(len(ascending) / GROUPS_MAX)
    groups = [ascending[first : first + each] for first in range(0, len(ascending), each)]
    return [
        (
            len(group) / len(ascending),
            (sum(rate for rate, _ in group) / len(group), sum(many for _, many in group) / len(group)),
        )
        for group in groups
    ]
