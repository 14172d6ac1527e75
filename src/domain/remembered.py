"""What is worked out once for a key and found again by C loops, within a bound in bytes.

The keys of a topic repeat, so looking up beats working out; but nobody knows how many there are.
So what is remembered is forgotten as a whole when it outgrows its bound: that costs nothing per look-up, and a topic whose
keys fit never meets it. The bounds of all that is remembered are a share of `limits.held_mib`.
"""

from __future__ import annotations

from typing import TypeVar

TEXT_OVERHEAD_BYTES = 90
"""What CPython adds to a remembered text: the slot of the dict, and the head of a str that nothing else may hold any more."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class Remembered(dict[Key, Value]):
    """A dict whose `__missing__` works a value out and keeps it."""

    def __init__(self, bytes_max: int) -> None:
        """Begin empty; what is kept takes at most `bytes_max`."""
        super().__init__()
        self.size = 0
        """Bytes of all that is kept."""
        self._bytes_max = bytes_max

    def keep(self, key: Key, value: Value, size: int) -> Value:
        """Remember a value that takes `size` bytes with its key; everything before it is forgotten where it would not fit."""
        self.size += size
        if self.size > self._bytes_max:
            self.clear()
            self.size = size
        self[key] = value
        return value
