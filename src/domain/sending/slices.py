"""The hash space of a stream in slices: which of them a partition key belongs to.

Kinesis places a record by a number of 128 bits: the MD5 of its partition key, or an explicit hash key.
A slice is an equal part of that space; there is a power of two of them, so the slice of a key is the top bits of its MD5.
Records that travel together are placed by the middle of their slice: it stays within one shard whatever is split or
merged around it, and a key never changes its slice while their number stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import md5

from doka.domain.errors import invariant
from doka.domain.limits import KEY_CACHE_BYTES
from doka.domain.remembered import TEXT_OVERHEAD_BYTES, Remembered

HASH_BITS = 128
_TOP_BITS = 16  # of the MD5 are looked at


class Slices(Remembered[str, int]):
    """Partition key -> the number of its slice."""

    def __init__(self, count: int, bytes_max: int = KEY_CACHE_BYTES) -> None:
        """Divide the hash space into `count` slices, a power of two up to 65,536."""
        super().__init__(bytes_max)
        bits = count.bit_length() - 1
        power = count > 0 and not count & (count - 1)
        invariant(power and bits <= _TOP_BITS, f"{count} slices are no power of two up to 65,536")
        self.count = count
        self._shift = _TOP_BITS - bits

    def work_out(self, keys: Sequence[str]) -> tuple[Sequence[int], int]:
        """Give the slices of keys by the top bits of their MD5."""
        shift = self._shift
        digests = [md5(key.encode(), usedforsecurity=False).digest() for key in keys]
        slices = [(digest[0] << 8 | digest[1]) >> shift for digest in digests]
        return slices, sum(map(len, keys)) + len(keys) * TEXT_OVERHEAD_BYTES

    def middle(self, number: int) -> int:
        """Give the place in the hash space by which all records of a slice are placed."""
        width = (1 << HASH_BITS) // self.count
        return number * width + width // 2
