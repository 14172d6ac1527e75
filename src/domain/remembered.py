"""What is worked out once for a key and found again by C loops, within a bound in bytes.

The keys of a topic repeat, so looking up beats working out; but nobody knows how many there are.
So what is remembered is forgotten as a whole when it outgrows its bound: that costs nothing per look-up, and a topic whose
keys fit never meets it. Where they do not fit most keys of a batch are new, so these are worked out together.
The bounds of all that is remembered are a share of `limits.held_mib`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

TEXT_OVERHEAD_BYTES = 90
"""What CPython adds to a remembered text: the slot of the dict, and the head of a str that nothing else may hold any more."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class Remembered(ABC, Generic[Key, Value]):
    """Values by key, worked out where they are not known; none of them is None."""

    def __init__(self, bytes_max: int) -> None:
        """Begin empty; what is kept takes at most `bytes_max`."""
        self.size = 0
        """Bytes of all that is kept."""
        self._values: dict[Key, Value] = {}
        self._bytes_max = bytes_max

    def __len__(self) -> int:
        return len(self._values)

    @abstractmethod
    def work_out(self, keys: Sequence[Key]) -> tuple[Sequence[Value], int]:
        """Give the values of keys, each of them once and none of them known, and the bytes that they take together."""

    def of(self, key: Key) -> Value:
        """Give the value of one key."""
        value = self._values.get(key)
        return self._learn((key,))[0] if value is None else value

    def of_all(self, keys: Sequence[Key]) -> Sequence[Value]:
        """Give the values of keys, which may repeat, in their order."""
        try:
            return list(map(self._values.__getitem__, keys))
        except KeyError:
            return self._learn(keys)

    def forget(self) -> None:
        """Begin anew."""
        self._values.clear()
        self.size = 0

    def _learn(self, keys: Sequence[Key]) -> Sequence[Value]:
        """Give values of which some are not known, and keep them; all others are forgotten where they would not fit."""
        unknown = [key for key in dict.fromkeys(keys) if key not in self._values]
        values, size = self.work_out(unknown)
        known: dict[Key, Value] = {}
        if self.size + size > self._bytes_max:
            known = {key: self._values[key] for key in keys if key in self._values}
            self.forget()
        self._values.update(zip(unknown, values, strict=True))
        self.size += size
        if len(unknown) < len(keys):
            values = list(map((self._values | known if known else self._values).__getitem__, keys))
        if self.size > self._bytes_max:  # by this batch alone
            self.forget()
        return values
