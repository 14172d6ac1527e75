"""Keeps the log readable while the same thing happens a thousand times a second.

The first fact of its kind is a line at once; those that repeat it within ten seconds are merged into one line at the
end of that time, and so on until ten seconds were quiet. Nothing is lost by that but lines: counts are added up.
What was gathered of a fault is told before the line that says that it is over: an error behind it would look like a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from doka.adapters.telemetry.outcomes import OUTCOMES
from doka.adapters.telemetry.sentences import many
from doka.adapters.telemetry.telling import Line
from doka.domain.facts import Fact
from doka.domain.limits import NS_PER_SECOND

WINDOW_NS = 10 * NS_PER_SECOND
WINDOWS_MAX = 500  # kinds of facts that are followed at once; what is beyond shares one line


@dataclass(slots=True)
class _Window:
    """The time in which a fact's repetitions are gathered, and what was gathered so far."""

    began: int
    last: int = 0
    """When the last repetition came."""
    times: int = 0
    fact: Fact | None = None


class Repeats:
    """At most one line for each kind of fact in ten seconds, and at most `WINDOWS_MAX` kinds; `now` is in ns."""

    def __init__(self) -> None:
        self._windows: dict[tuple[object, ...], _Window] = {}
        self._next_end: int | None = None
        self._beyond = _Window(0)

    def lines(self, fact: Fact, now: int) -> Iterator[Line]:
        """Give the lines that are due now that this fact has come: its own, or none, and those whose time is over."""
        yield from self.due(now)
        key = OUTCOMES.key(fact)
        if key is None:
            yield from self._of_what_is_over(fact, now)
            yield OUTCOMES.line(fact)
            return
        window = self._windows.get(key)
        if window is None:
            yield from self._of_what_is_over(fact, now)
            if len(self._windows) >= WINDOWS_MAX:
                self._beyond.times += 1
                self._beyond.fact = fact
                return
            self._windows[key] = _Window(now)
            self._next_end = now + WINDOW_NS if self._next_end is None else self._next_end
            yield OUTCOMES.line(fact)
            return
        window.fact = fact if window.fact is None else OUTCOMES.merged(window.fact, fact)
        window.times += 1
        window.last = now

    def due(self, now: int) -> Iterator[Line]:
        """Give the lines of all kinds whose ten seconds are over; to be asked about once a second."""
        if self._next_end is not None and now >= self._next_end:
            yield from self._ended(now, everything=False)

    def rest(self, now: int) -> Iterator[Line]:
        """Give all that was gathered, whether its time is over or not: for the end of the process."""
        yield from self._ended(now, everything=True)

    def _of_what_is_over(self, fact: Fact, now: int) -> Iterator[Line]:
        """Give what was gathered of those that this fact is the end of."""
        for beginning in OUTCOMES.ends(fact):
            over = [key for key in self._windows if key[: len(beginning)] == beginning]
            yield from self._gathered(over, now)

    def _gathered(self, keys: Iterable[tuple[object, ...]], now: int) -> Iterator[Line]:
        """Give a line for each of these that has something gathered, and gather anew."""
        for key in sorted(keys, key=lambda key: self._windows[key].last):
            window = self._windows[key]
            if window.fact is not None:
                self._windows[key] = _Window(now)
                yield _summary(OUTCOMES.line(window.fact), window.times, now - window.began)

    def _ended(self, now: int, *, everything: bool) -> Iterator[Line]:
        ended = [key for key, window in self._windows.items() if everything or now >= window.began + WINDOW_NS]
        for key in ended:
            if self._windows[key].fact is None:
                del self._windows[key]
        yield from self._gathered([key for key in ended if key in self._windows], now)
        if self._beyond.fact is not None:
            line = OUTCOMES.line(self._beyond.fact)
            more = f"{self._beyond.times} further outcomes have no line of their own; the last was: {line.message}"
            yield Line(line.level, "outcomes_suppressed", more, {"times": self._beyond.times})
            self._beyond = _Window(now)
        self._next_end = min((w.began for w in self._windows.values()), default=None)
        self._next_end = None if self._next_end is None else self._next_end + WINDOW_NS


def _summary(line: Line, times: int, over: int) -> Line:
    over_seconds = max(1, round(over / NS_PER_SECOND))
    message = f"{line.message} ({many(times, 'time')} in {over_seconds} s)"
    return replace(line, message=message, fields={**line.fields, "times": times, "over_seconds": over_seconds})
