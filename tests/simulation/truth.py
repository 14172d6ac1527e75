"""What really became of each record: produced, removed, landed how often, dropped.

The judges read it; only the world's witness writes it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from doka.domain.records import TopicPartition
from doka.domain.skip import Skip


class PartitionTruth:
    """Every record that was ever written to one partition, by offset."""

    def __init__(self, tp: TopicPartition) -> None:
        self.tp = tp
        self.offsets: list[int] = []
        self.keys: dict[int, bytes | None] = {}
        self.lanes: dict[int, str | None] = {}  # the partition key that each must have; None: anyone
        self.sizes: dict[int, int] = {}  # bytes of key and value
        self.landed: dict[int, int] = {}
        self.removed: set[int] = set()
        self.trimmed: set[int] = set()
        self.dropped: set[int] = set()
        self.skipped: set[int] = set()  # of those, by a person's order
        self.poison: set[int] = set()
        self.put_aside: set[int] = set()  # told as poison that is dropped, or becomes a dead letter
        self.unwanted: set[int] = set()  # left out by their route: they need nothing, as what left the log
        self.committed = 0
        self.landed_in: dict[int, Ownership | None] = {}  # in which time of ownership of ours; None: by another member
        self.before: dict[int, int] = {}  # of each record, the one of the same key that precedes it in the log
        self._after: dict[int, int] = {}
        self._last_of_lane: dict[str, int] = {}

    def produce(self, offset: int, key: bytes | None, size: int, lane: str | None) -> None:
        """Note a record, the bytes of its key and value, and in which lane its order is kept."""
        self.offsets.append(offset)
        self.sizes[offset] = size
        self.keys[offset] = key
        self.lanes[offset] = lane
        if lane is not None:
            before = self._last_of_lane.get(lane)
            if before is not None:
                self.before[offset] = before
                self._after[before] = offset
            self._last_of_lane[lane] = offset

    def remove(self, offsets: Sequence[int], *, retention: bool) -> None:
        """Note that records left the log; each key's chain closes over them."""
        for offset in offsets:
            self.removed.add(offset)
            if retention:
                self.trimmed.add(offset)
            before, after = self.before.pop(offset, None), self._after.pop(offset, None)
            if before is not None:
                del self._after[before]
            if after is not None:
                del self.before[after]
            if before is not None and after is not None:
                self.before[after], self._after[before] = before, after
            lane = self.lanes[offset]
            if lane is not None and self._last_of_lane.get(lane) == offset:
                if before is None:
                    del self._last_of_lane[lane]
                else:
                    self._last_of_lane[lane] = before

    def earlier(self, offset: int) -> Iterator[int]:
        """Walk back over the records of the same key."""
        before = self.before.get(offset)
        while before is not None:
            yield before
            before = self.before.get(before)

    def done(self, offset: int) -> bool:
        """Say whether a record needs nothing more."""
        return offset in self.landed or offset in self.removed or offset in self.dropped

    def undone(self, first: int, last: int) -> int | None:
        """Give the first offset in [first, last) of a record that is not done."""
        offsets = self.offsets
        landed, removed, dropped = self.landed, self.removed, self.dropped
        for offset in offsets[bisect_left(offsets, first) : bisect_left(offsets, last)]:
            if not (offset in landed or offset in removed or offset in dropped):
                return offset
        return None

    def landed_from(self, offset: int) -> int:
        """Count the records at or above `offset` that are in the stream, and still in the log: they can land again."""
        return sum(1 for landed in self.landed if landed >= offset and landed not in self.removed)

    def extra_landings(self) -> int:
        """Count the copies beyond the first."""
        return sum(self.landed.values()) - len(self.landed)


class Ownership:
    """One time during which our process owned one partition, and what it was told meanwhile."""

    def __init__(self, truth: PartitionTruth, start: int) -> None:
        self.truth = truth
        self.start = start
        self.expected = start
        self.committed = start
        self.last_commit = 0
        self.acknowledged = start  # what Kafka has said that it holds
        self.acknowledged_before = start  # and before that: the last answer may not have been read
        self.unsure = False  # whether the last answer may never be read: it was that of an earlier beginning
        self.settled_at = 0  # when something of it settled last
        self.moved_at = 0  # when something of it settled last, or was known to be committed
        self.sent_to = start
        self.drains_to = 0  # how far it may be sent in a drain, where another route has sent more of it
        self.draining = False
        self.drain_began_at = 0
        self.ordered: set[Skip] = set()  # what it has heard that it shall skip
        self.settled: set[int] = set()
        self.parked: set[int] = set()  # poison that stays, as its policy says
        self.unstored: set[int] = set()  # whose letters were refused, and are not stored yet
        self.gap_told = False  # and waits for a person
        self.delivered: list[tuple[int, int]] = []  # the first offset of each run that was handed over, and when
        self.unsettled: dict[int, None] = {}  # delivered and not settled, ascending
        self.in_flight: dict[int, int] = {}  # offset -> put
        self.attempts: dict[int, list[int]] = {}  # offset -> when it was sent
        self.unheard: dict[int, int] = {}  # refused with a code that nobody has heard of: offset -> when last
        self.doubts: dict[int, bool] = {}  # may be in the stream already; True: it was, or may have been, overtaken

    def go_on_from(self, former: Ownership) -> None:
        """Take along what is known of an earlier time of ownership, of which this one is the new beginning."""
        self.ordered = former.ordered
        self.acknowledged, self.acknowledged_before = former.acknowledged, former.acknowledged_before
        self.unsure = True
        self.settled = {offset for offset in former.settled if offset < self.start}
