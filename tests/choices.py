"""Walks through every sequence of choices that a run can make, one run after the other, depth first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class Choices:
    """Each run makes its choices by `choose`; the next run makes the last of them differently, until none is left."""

    def __init__(self) -> None:
        self.path: list[tuple[int, int]] = []  # what was chosen, of how many
        self.at = 0
        self.runs = 0

    def __iter__(self) -> Iterator[None]:
        while True:
            self.at = 0
            self.runs += 1
            yield
            assert self.at == len(self.path), "a run did not repeat itself: it made fewer choices than the one before"
            while self.path and self.path[-1][0] + 1 == self.path[-1][1]:
                self.path.pop()
            if not self.path:
                return
            taken, of = self.path.pop()
            self.path.append((taken + 1, of))

    def choose(self, of: int) -> int:
        """Choose one of so many; the next run chooses another."""
        if self.at == len(self.path):
            self.path.append((0, of))
        taken, was = self.path[self.at]
        assert was == of, "a run did not repeat itself: the machine is not deterministic"
        self.at += 1
        return taken

    @property
    def taken(self) -> Sequence[int]:
        """What this run has chosen so far."""
        return [taken for taken, _ in self.path[: self.at]]
