"""The log of one partition whose records are not kept but made when they are read: millions of them cost their bursts.

A record is a function of its offset, so a column is one C loop over a range, and whoever finds a value anywhere knows
which record it is: `00003/00000000001234....` is offset 1234 of the log that the world calls number 3.
Keys go round: offset o has key o % keys of its partition's own, so that the next record of a key is `keys` offsets on.
It must never give two values for one offset.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence

from doka.adapters.simulated.partition_log import SimulatedOriginal
from doka.domain.errors import invariant
from doka.domain.records import Chunk, TopicPartition

BLOCK = 1_000  # offsets whose columns are made at once
BLOCKS_KEPT = 80  # columns that are read again soon: by the fetch, and by whoever looks what landed
_NAME = re.compile(rb"(\d{5})/(\d{14})")
_NAME_BYTES = 20

Columns = tuple[list[bytes], list[bytes], list[str]]
"""Keys, values, and the keys as text."""


class BulkLog:
    """Records at every offset from `start` up to, not including, `end`; written in bursts."""

    def __init__(self, partition: TopicPartition, number: int, *, keys: int, value_bytes: int) -> None:
        """Begin an empty log; `number` names it in its values, which are of `value_bytes` (20 at least)."""
        self.partition = partition
        self.number = number
        self.start = 0
        self.end = 0
        self.keys = keys
        self._ends: list[int] = []  # of the bursts
        self._written: list[int] = []  # when
        padding = b"." * (value_bytes - _NAME_BYTES)
        self._tails = [b"%03d" % i + padding for i in range(BLOCK)]  # of the names within a block
        self._key_bytes = [b"p%d-%06d" % (number, i) for i in range(keys)]
        self._key_texts = [key.decode() for key in self._key_bytes]
        self._blocks: OrderedDict[int, Columns] = OrderedDict()
        self.record_bytes = max(value_bytes, _NAME_BYTES) + len(self._key_bytes[-1])
        """Payload of each record: key and value."""

    # --- as the simulated source reads a log ---------------------------------------------------------------------

    @property
    def offsets(self) -> Sequence[int]:
        """Every offset that can be read."""
        return range(self.start, self.end)

    def place_of(self, offset: int) -> int:
        """Give the index in `offsets` of the first record at or above `offset`."""
        return min(max(offset, self.start), self.end) - self.start

    def read(self, position: int, limit: int, *, whole: bool = False) -> Chunk | None:
        """Give up to `limit` records from `position` on, with the originals if `whole`; None when there are none."""
        first = max(position, self.start)
        last = min(first + limit, self.end)
        if first >= last:
            return None
        keys, values, _ = self.columns(first, last)
        stamp = self.written_at(first) // 1_000_000
        originals = [SimulatedOriginal(k, v, stamp) for k, v in zip(keys, values, strict=True)] if whole else ()
        return Chunk(self.partition, range(first, last), keys, values, timestamp_ms=stamp, originals=originals)

    def trim(self, start: int) -> Sequence[int]:
        """Remove everything below `start`, as retention does; give the offsets of the records that went."""
        gone = range(self.start, min(start, self.end))
        self.start = max(self.start, min(start, self.end))
        return gone

    # --- writing and looking -------------------------------------------------------------------------------------

    def extend(self, records: int, now: int) -> None:
        """Write a burst."""
        if records:
            self.end += records
            self._ends.append(self.end)
            self._written.append(now)

    def written_at(self, offset: int) -> int:
        """Give the moment at which a record was written, in ns of the timeline."""
        return self._written[bisect_right(self._ends, offset)]

    def columns(self, first: int, last: int) -> Columns:
        """Give keys, values and keys as text of the offsets [first, last)."""
        begin = first - first % BLOCK
        keys, values, texts = self._block(begin)
        if last <= begin + BLOCK:
            return (
                keys[first - begin : last - begin],
                values[first - begin : last - begin],
                texts[first - begin : last - begin],
            )
        keys, values, texts = keys[first - begin :], values[first - begin :], texts[first - begin :]
        for at in range(begin + BLOCK, last, BLOCK):
            more = self._block(at)
            take = min(BLOCK, last - at)
            keys += more[0][:take]
            values += more[1][:take]
            texts += more[2][:take]
        return keys, values, texts

    def _block(self, begin: int) -> Columns:
        block = self._blocks.get(begin)
        if block is None:
            at = begin % self.keys
            again = -(-(at + BLOCK) // self.keys)
            keys = (self._key_bytes * again)[at : at + BLOCK] if again > 1 else self._key_bytes[at : at + BLOCK]
            texts = (self._key_texts * again)[at : at + BLOCK] if again > 1 else self._key_texts[at : at + BLOCK]
            head = b"%05d/%011d" % (self.number, begin // BLOCK)
            block = self._blocks[begin] = (keys, list(map(head.__add__, self._tails)), texts)
            if len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        return block


def names_in(value: bytes) -> list[tuple[int, int]]:
    """Give (number of the log, offset) of each record whose value is in these bytes: itself, an envelope, an aggregate.

    Raises InvariantError where there is none.
    """
    found = [(int(number), int(offset)) for number, offset in _NAME.findall(value)]
    invariant(bool(found), f"bytes that were never written: {value[:40]!r}")
    return found
