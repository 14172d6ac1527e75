"""What one resend does with the letters of one partition: what it sends, what it leaves out, and what it may commit for both."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from doka.domain.letters.resent import Resent


class Planned(NamedTuple):
    """The letters of one partition, as they were found before anything was sent; offsets ascend."""

    chosen: Sequence[int]
    others: Sequence[int]
    """Which stay where they are."""
    end: int
    """What stands from here on came later."""


class Share:
    """One partition in the hands of one resend; never says that something is done that is not."""

    def __init__(self, before: Resent, planned: Planned) -> None:
        """Take how far the letters have been resent when the partition is taken over, which others may have done since."""
        self._before = before
        self.chosen = [offset for offset in planned.chosen if not before.is_done(offset)]
        self._others = [offset for offset in planned.others if not before.is_done(offset)]
        self._later = [
            offset for first, end in before.left for offset in range(max(first, planned.end), end)
        ]  # left out by another resend, which has seen more
        self.settled = 0
        """All that was chosen below has settled, and Kafka holds that."""

    @property
    def up_to(self) -> int:
        """One above the last letter that is to be sent; 0 where none is."""
        return self.chosen[-1] + 1 if self.chosen else 0

    @property
    def finished(self) -> bool:
        """Whether all that was chosen has settled, and Kafka holds that."""
        return self.settled >= self.up_to

    def after(self, watermark: int) -> Resent:
        """Say how far the letters have been resent when all that was chosen below `watermark` has settled.

        Behind the last that was chosen nobody has looked, wherever the watermark is: a gap, or what cannot be read, moves it.
        """
        reached = max(self._before.reached, min(watermark, self.up_to))
        waiting = self.chosen[bisect_left(self.chosen, watermark) :]
        left = sorted(offset for offset in (*self._others, *waiting, *self._later) if offset < reached)
        return Resent.of(left, reached)

    def forget_below(self, log_start: int) -> None:
        """Note that retention took what stood below."""
        self.chosen = [offset for offset in self.chosen if offset >= log_start]
        self._others = [offset for offset in self._others if offset >= log_start]
