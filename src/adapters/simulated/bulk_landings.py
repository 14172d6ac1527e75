"""What became of every record of the bulk logs: how often it landed, in which order, and how late.

One byte for each record holds how often it landed. What lands together in a put is mostly a run of neighbouring
offsets, which is judged and marked as a whole by C loops; anything else is judged record by record, by the same rules.
So loss, duplicates and order are exact for every record, whatever was sent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import ne

from doka.adapters.simulated.bulk_log import BulkLog, names_in
from doka.adapters.simulated.unfold import unfold
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition

STALL_NS = 60 * NS_PER_SECOND  # without a landing while something waited: worth telling
_MANY = 255  # landings of one record; beyond it only the sum goes on


class PartitionLandings:
    """The marks of one partition; what settled otherwise (a dead letter, a drop) is marked apart."""

    def __init__(self, log: BulkLog) -> None:
        self.log = log
        self.marks = bytearray()
        self.landed = 0
        self.duplicates = 0
        self.out_of_order = 0
        self.longest_delay = 0  # ns
        self.committed = 0
        self.otherwise: set[int] = set()
        self._tops = [-1] * log.keys  # the highest offset of each key that landed
        self._tops_by_key: dict[str, int] = {}  # the same by the key under which they landed

    def extend(self) -> None:
        """Follow the log's end."""
        self.marks.extend(bytes(self.log.end - len(self.marks)))

    def land(self, first: int, last: int, now: int) -> int:
        """Mark the run [first, last) as landed; give how many of it landed for the first time."""
        count = last - first
        marks = self.marks
        if marks.count(0, first, last) != count or not self._in_order(first, last):
            return sum(self._land_one(offset, now) for offset in range(first, last))
        marks[first:last] = b"\x01" * count
        self.landed += count
        self.longest_delay = max(self.longest_delay, now - self.log.written_at(first))
        return count

    def _in_order(self, first: int, last: int) -> bool:
        """Say whether no later record of these keys has landed, and note this run as the latest if so."""
        keys, tops = self.log.keys, self._tops
        at = first % keys
        if last - first <= keys - at:
            if max(tops[at : at + last - first]) >= first:
                return False
            tops[at : at + last - first] = range(first, last)
            return True
        middle = first + keys - at
        if last - middle > keys or max(tops) >= first:
            return False
        tops[at:] = range(first, middle)
        tops[: last - middle] = range(middle, last)
        return True

    def _land_one(self, offset: int, now: int) -> bool:
        if not self._is_first(offset, now):
            return False
        place = offset % self.log.keys
        if self._tops[place] > offset:
            self.out_of_order += 1
        else:
            self._tops[place] = offset
        return True

    def land_under(self, key: str, offset: int, now: int) -> bool:
        """Mark one record that landed under a key that was chosen on its way; order is that of this key then."""
        if not self._is_first(offset, now):
            return False
        if self._tops_by_key.get(key, -1) > offset:
            self.out_of_order += 1
        else:
            self._tops_by_key[key] = offset
        return True

    def _is_first(self, offset: int, now: int) -> bool:
        """Mark one landing of a record; say whether it is its first."""
        times = self.marks[offset]
        self.marks[offset] = min(times + 1, _MANY)
        if times:
            self.duplicates += 1
            return False
        self.landed += 1
        self.longest_delay = max(self.longest_delay, now - self.log.written_at(offset))
        return True

    def missing(self, first: int, last: int) -> int:
        """Count the records of [first, last) that neither landed nor were settled otherwise."""
        missing = self.marks.count(0, first, last)
        if missing and self.otherwise:
            missing -= sum(first <= offset < last and not self.marks[offset] for offset in self.otherwise)
        return missing

    def first_missing(self, first: int, last: int) -> int | None:
        """Give the first offset of [first, last) that neither landed nor was settled otherwise."""
        at = self.marks.find(0, first, last)
        while at >= 0 and at in self.otherwise:
            at = self.marks.find(0, at + 1, last)
        return None if at < 0 else at

    def landed_from(self, offset: int) -> int:
        """Count the records at or above `offset` that are in the stream: whoever reads from there sends them again."""
        above = len(self.marks) - offset
        return above - self.marks.count(0, offset) if above > 0 else 0


class BulkLandings:
    """The marks of all partitions, and how long nothing landed while something waited."""

    def __init__(self, logs: Sequence[BulkLog], *, by_landed_key: bool = False) -> None:
        """Begin; `by_landed_key`: keys are chosen on the way, so that order is by what a record landed under."""
        self._by_landed_key = by_landed_key
        self.partitions = {log.partition: PartitionLandings(log) for log in logs}
        self.produced = 0
        self.most_lag = 0  # records above committed offsets, as it is highest: right after a burst
        self.landed = 0
        self.strange_keys = 0  # records that landed under a key that is not theirs
        self.longest_stall = 0  # ns
        self.stalls: list[tuple[int, int]] = []  # from, until: those of STALL_NS and more
        self._by_number = {log.number: self.partitions[log.partition] for log in logs}
        self._waiting_since: int | None = None

    def wrote(self, records: int, now: int) -> None:
        """Note a burst that was just written, of so many records in all."""
        lag = 0
        for partition in self.partitions.values():
            partition.extend()
            lag += partition.log.end - partition.committed
        if self._waiting_since is None and records:
            self._waiting_since = now
        self.produced += records
        self.most_lag = max(self.most_lag, lag)

    def land(
        self, keys: Sequence[str], values: Sequence[bytes], failed: Collection[int], now: int, *, own_keys: bool
    ) -> None:
        """Note the entries of a put that landed: all but those whose index is in `failed`.

        `own_keys`: a record's partition key is its Kafka key, and is compared with it.
        """
        if failed:
            kept = [i for i in range(len(keys)) if i not in failed]
            keys, values = [keys[i] for i in kept], [values[i] for i in kept]
        fresh = self._land_by_key(keys, values, now) if self._by_landed_key else 0
        at = len(values) if self._by_landed_key else 0
        while at < len(values):
            (number, first), *others = names_in(values[at])
            partition = self._by_number[number]
            log = partition.log
            run = min(len(values) - at, log.end - first)
            _, expected, texts = log.columns(first, first + run)
            differs = list(map(ne, values[at : at + run], expected))
            if True in differs:
                run = max(differs.index(True), 1)  # 1: inside an envelope, or the first of an aggregate
            fresh += partition.land(first, first + run, now)
            if own_keys and not differs[0] and keys[at : at + run] != texts[:run]:
                self.strange_keys += sum(map(ne, keys[at : at + run], texts))
            for number, offset in others:
                fresh += self._by_number[number].land(offset, offset + 1, now)
            at += run
        if fresh:
            self.landed += fresh
            self._moved(now)

    def _land_by_key(self, keys: Sequence[str], values: Sequence[bytes], now: int) -> int:
        """Note entries record by record, each under its key, inside aggregates too."""
        return sum(
            self._by_number[number].land_under(inner.key, offset, now)
            for key, value in zip(keys, values, strict=True)
            for inner in unfold(key, value)
            for number, offset in names_in(inner.value)
        )

    def partition_of(self, number: int) -> TopicPartition:
        """Give the partition of the log of a number."""
        return self._by_number[number].log.partition

    def _moved(self, now: int) -> None:
        """Note that something landed now that was not there before."""
        since = self._waiting_since
        if since is not None:
            self.longest_stall = max(self.longest_stall, now - since)
            if now - since >= STALL_NS:
                self.stalls.append((since, now))
        self._waiting_since = now if self.landed < self.produced else None

    def end(self, now: int) -> None:
        """Note the end of the run: what waits until then has waited so long, and what never landed is that late."""
        self._moved(now)
        for partition in self.partitions.values():
            first = partition.first_missing(partition.log.start, partition.log.end)
            if first is not None:
                partition.longest_delay = max(partition.longest_delay, now - partition.log.written_at(first))

    @property
    def duplicates(self) -> int:
        """Count the landings beyond the first of each record."""
        return sum(partition.duplicates for partition in self.partitions.values())

    def out_of_order(self, topics: Collection[str]) -> int:
        """Count the records of these topics that landed first after a later one of their key."""
        return sum(landed.out_of_order for tp, landed in self.partitions.items() if tp.topic in topics)

    @property
    def longest_delay(self) -> int:
        """Give the longest time in ns from a record's writing to its first landing."""
        return max((partition.longest_delay for partition in self.partitions.values()), default=0)
