"""Which letters of a partition are left to be resent: a committed offset, and the letters that were left out above it.

Theory of operation. A resend may choose: what it leaves out must be found by the next one, and what it sent must not be sent
again. So the offset that is committed is that of the first letter that was left out, and beside it, as the commit's metadata,
stands what was passed above it, as lengths in turn: so many offsets left out, so many done, so many left out, ...

    done          left out   done     left out   not looked at
    |============|..........|========|..........|
                 ^ committed                     ^ reached

A length takes a character for each five bits. What does not fit into the metadata must not be chosen in the first place:
`Resent.note` raises, and nothing is committed that says less than is so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

NOTE_CHARACTERS_MAX = 3_800
"""Of the 4,096 bytes of metadata that a broker takes (`offset.metadata.max.bytes`); a topic's id stands there, too."""

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_VALUE = {digit: value for value, digit in enumerate(_DIGITS)}
_BITS, _MORE = 5, 32


class TooManyLeftError(Exception):
    """What is left out changes too often with what is done: it cannot be noted."""


@dataclass(frozen=True, slots=True)
class Resent:
    """How far the letters of one partition have been resent."""

    reached: int
    """From here on nobody has looked."""
    left: tuple[tuple[int, int], ...] = ()
    """What was left out below: ranges, each with its first offset and one above its last, ascending and apart."""

    @property
    def offset(self) -> int:
        """What is committed: below it nothing is left."""
        return self.left[0][0] if self.left else self.reached

    def is_done(self, offset: int) -> bool:
        """Say whether a letter is not to be resent any more."""
        place = bisect_right(self.left, offset, key=lambda each: each[0]) - 1
        return offset < self.reached and not (place >= 0 and offset < self.left[place][1])

    def note(self) -> str:
        """Give what stands beside the commit; empty where nothing was left out.

        Raises TooManyLeftError.
        """
        lengths: list[int] = []
        at = self.offset
        for first, end in self.left:
            lengths += (first - at, end - first) if lengths else (end - first,)
            at = end
        if self.left and self.reached > at:
            lengths.append(self.reached - at)
        told = "".join(map(_digits, lengths))
        if len(told) > NOTE_CHARACTERS_MAX:
            raise TooManyLeftError
        return told

    @classmethod
    def parse(cls, offset: int, note: str | None) -> Resent:
        """Read a commit; a note that cannot be read says nothing, and what it would have said is resent once more."""
        at, left = offset, list[tuple[int, int]]()
        for number, length in enumerate(_lengths(note or "")):
            if number % 2 == 0:
                left.append((at, at + length))
            at += length
        return cls(at, tuple(left))

    @classmethod
    def of(cls, left: Sequence[int], reached: int) -> Resent:
        """Make one of the letters that were left out, by their offsets below `reached`, ascending."""
        ranges = (list(run) for _, run in groupby(enumerate(left), key=lambda each: each[1] - each[0]))
        return cls(reached, tuple((run[0][1], run[-1][1] + 1) for run in ranges))


def _digits(number: int) -> str:
    told = ""
    while True:
        number, low = number >> _BITS, number & (_MORE - 1)
        told += _DIGITS[low | (_MORE if number else 0)]
        if not number:
            return told


def _lengths(note: str) -> Iterable[int]:
    found: list[int] = []
    number = shift = 0
    for digit in note:
        value = _VALUE.get(digit)
        if value is None:
            return ()
        number |= (value & (_MORE - 1)) << shift
        shift += _BITS
        if value < _MORE:
            found.append(number)
            number = shift = 0
    return () if shift else found
