"""Rows as a test plays them: what was asked of each, and what of it was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.failure_modes.clauses import Part
from tests.failure_modes.page import Row, rows
from tests.failure_modes.seen import Seen
from tests.waiting import PATIENCE_SECONDS, eventually

LOOKS_SHOWN_MAX = 2  # of many that failed
LOOK_EVERY_SECONDS = 0.2
"""Each look reads a whole page of metrics, here and in the process; what rows tell lasts for seconds."""


@dataclass
class Play:
    """One row as one test plays it: what was asked so far, and what of it was seen."""

    row: Row
    asked: bool = False
    shown: set[tuple[int, int]] = field(default_factory=set)
    """The clause and the part in it."""

    def missing(self, looks: Sequence[Seen], chosen: str, words: Mapping[str, str]) -> list[str]:
        """Give what the row says and these looks do not show."""
        return [missed for clause in self.row.clauses(**words) for missed in clause.missing(looks, chosen)]

    def check(self, looks: Sequence[Seen], chosen: str, words: Mapping[str, str]) -> None:
        """Look for all that the row says."""
        self.asked = True
        missing = self.missing(looks, chosen, words)
        told = "\n".join(["", self.row.sees, *missing, *map(str, looks[-LOOKS_SHOWN_MAX:])])
        assert [] == missing, f"docs/failure-modes.md says of {self.row.title!r}: {told}"
        self.shown |= {place for place, part in self._parts(words) if part.seen(looks)}

    def unseen(self) -> list[str]:
        """Give what the row says and no look of the test has shown."""
        return [part.text for place, part in self._parts({}) if place not in self.shown]

    def _parts(self, words: Mapping[str, str]) -> list[tuple[tuple[int, int], Part]]:
        clauses = enumerate(self.row.clauses(**words))
        return [((i, j), part) for i, clause in clauses for j, part in enumerate(clause.parts)]


class Sees:
    """What a test hands its looks to: fails where they do not show what the page says of its row."""

    def __init__(self, titles: Iterable[str]) -> None:
        by_title = {row.title: row for row in rows()}
        wanted = list(titles)
        assert [] == [title for title in wanted if title not in by_title], "docs/failure-modes.md has no such row"
        self.plays = {title: Play(by_title[title]) for title in wanted}

    def __call__(self, *looks: Seen, row: str | None = None, chosen: str = "", **words: str) -> None:
        """Check one play of a row by looks in their order.

        `row` is named where the test plays several, `chosen` is the alternative that it plays, where it matters, and
        `words` are what CODE and the like stand for this time.
        """
        assert looks, "nobody looked"
        self._play(row).check(looks, chosen, words)

    def until(
        self,
        look: Callable[[], Seen],
        *,
        row: str | None = None,
        chosen: str = "",
        within: float = PATIENCE_SECONDS,
        **words: str,
    ) -> None:
        """Look until all that the row says was seen, and fail where it is not within so many seconds."""
        play, looks = self._play(row), [look()]

        def shown() -> bool:
            looks.append(look())
            return not play.missing(looks, chosen, words)

        with suppress(AssertionError):  # what is missing says more than that it took too long
            eventually(shown, within=within, every=LOOK_EVERY_SECONDS)
        play.check(looks, chosen, words)

    def close(self) -> None:
        """Assert that each row was asked for, and all of its alternatives seen."""
        unasked = [title for title, play in self.plays.items() if not play.asked]
        assert [] == unasked, f"never looked at: {unasked}"
        unseen = {title: left for title, play in self.plays.items() if (left := play.unseen())}
        assert {} == unseen, f"never seen: {unseen}"

    def _play(self, row: str | None) -> Play:
        (title,) = self.plays if row is None else (row,)
        return self.plays[title]
