"""The table by which facts are told: for each kind its line, which of them repeat one another, and what they move.

`outcomes.py` fills the one that the service has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from doka.adapters.telemetry.sentences import Value
from doka.domain.facts import Fact


@dataclass(frozen=True, slots=True)
class Line:
    """One log line before it is rendered; `level` is one of the standard library's."""

    level: int
    event: str
    message: str
    fields: Mapping[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class Instrument:
    """A counter, or with buckets a histogram, as a registry is to make it; each is itself only, so finding it is quick."""

    name: str
    sentence: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()


Move = tuple[Instrument, float, tuple[str, ...]]
"""What to move, by how much, and the values of its labels."""

Label = Callable[[str], str]
"""Makes a bounded label of a code or a reason, which come from services and so from strangers."""

F = TypeVar("F", bound=Fact)
Say = Callable[[F], Line]


def _later(_earlier: F, later: F) -> F:
    return later


def _nothing(_fact: F, _label: Label) -> Iterable[Move]:
    return ()


def _no_end(_fact: F) -> Iterable[tuple[object, ...]]:
    return ()


@dataclass(frozen=True, slots=True)
class _Entry(Generic[F]):
    say: Say[F]
    alike: Callable[[F], tuple[object, ...]] | None
    moves: Callable[[F, Label], Iterable[Move]]
    merged: Callable[[F, F], F]
    ends: Callable[[F], Iterable[tuple[object, ...]]]


class Telling:
    """One entry for each kind of fact; a kind that has none raises KeyError."""

    def __init__(self) -> None:
        self._entries: dict[type[object], _Entry[Any]] = {}
        self.instruments: list[Instrument] = []
        """All that facts move, in the order of the page."""

    @property
    def kinds(self) -> set[type[object]]:
        """The kinds that have an entry."""
        return set(self._entries)

    def instrument(self, name: str, sentence: str, *labels: str, buckets: tuple[float, ...] = ()) -> Instrument:
        """Declare a counter, or with buckets (upper bounds, without infinity) a histogram."""
        made = Instrument(name, sentence, labels, buckets)
        self.instruments.append(made)
        return made

    def take(self, rows: Telling) -> None:
        """Take the rows, and after those that stand here already the instruments, of another table."""
        self._entries |= rows._entries
        self.instruments += rows.instruments

    def enter(
        self,
        kind: type[F],
        *,
        alike: Callable[[F], tuple[object, ...]] | None,
        counts: Callable[[F, Label], Iterable[Move]] = _nothing,
        merged: Callable[[F, F], F] = _later,
        ends: Callable[[F], Iterable[tuple[object, ...]]] = _no_end,
    ) -> Callable[[Say[F]], Say[F]]:
        """Enter a kind of fact by the function that says it.

        Facts of it that are `alike` repeat one another: they share a line each ten seconds, for which two at a time are
        `merged` into one, the later if nothing else is said. None: each has its own line.
        What it is the end of is told before it: `ends` gives the beginnings of their keys, a kind and what they have in
        common.
        """

        def entered(say: Say[F]) -> Say[F]:
            self._entries[kind] = _Entry(say, alike, counts, merged, ends)
            return say

        return entered

    def line(self, fact: Fact) -> Line:
        """Say a fact."""
        line: Line = self._entries[type(fact)].say(fact)
        return line

    def key(self, fact: Fact) -> tuple[object, ...] | None:
        """Give what facts have in common that repeat one another; None: this one has its own line."""
        alike = self._entries[type(fact)].alike
        return None if alike is None else (type(fact), *alike(fact))

    def ends(self, fact: Fact) -> Iterable[tuple[object, ...]]:
        """Give the beginnings of the keys of those that this fact is the end of."""
        beginnings: Iterable[tuple[object, ...]] = self._entries[type(fact)].ends(fact)
        return beginnings

    def merged(self, earlier: F, later: F) -> F:
        """Give one fact for two of the same key."""
        one: F = self._entries[type(later)].merged(earlier, later)
        return one

    def moves(self, fact: Fact, label: Label) -> Iterable[Move]:
        """Give what a fact moves."""
        moves: Iterable[Move] = self._entries[type(fact)].moves(fact, label)
        return moves
