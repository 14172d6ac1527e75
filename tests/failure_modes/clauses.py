"""What an entry of the page says, part by part, and whether looks show it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from tests.failure_modes.seen import LABEL, Line, Sample, Seen
from tests.failure_modes.words import holds, pattern

EARLY_SECONDS = 7.0
"""A duration of the page may have begun before the fault: a broker was last heard of at its last answer."""
LATE_SECONDS = 15.0
"""What is due is seen with the next status, and figures that are asked for now and then with the next question."""
SECONDS = {"s": 1.0, "min": 60.0}

_TOKEN = re.compile(r'(?P<no>\bno )?(?:`(?P<code>[^`]+)`|"(?P<words>[^"]+)")(?P<grows> grows?)?(?P<falls> falls?)?')
_AFTER = re.compile(r"\bafter (\d+) (s|min)\b")
_EXIT = re.compile(r"\bexit code (\d+)")


class Part(Protocol):
    """One thing that a clause says is seen."""

    @property
    def text(self) -> str:
        """As it stands on the page."""
        ...

    def seen(self, looks: Sequence[Seen]) -> bool:
        """Say whether these looks show it."""
        ...


@dataclass(frozen=True)
class Series:
    """A metric: there and not 0, not there, or growing or falling between two looks."""

    text: str
    name: str
    labels: Mapping[str, re.Pattern[str]]
    absent: bool
    way: int
    """1: grows, -1: falls, 0: is there."""

    def seen(self, looks: Sequence[Seen]) -> bool:
        values = [self._value(look) for look in looks if look.samples]
        if self.absent:
            return None in values
        if self.way:
            known = [value for value in values if value is not None]
            return any(self.way * (later - earlier) > 0 for earlier, later in pairwise(known))
        return any(values)

    def _value(self, look: Seen) -> float | None:
        values = [sample.value for sample in look.samples if sample.name == self.name and self._is_meant(sample)]
        return sum(values) if values else None

    def _is_meant(self, sample: Sample) -> bool:
        return all(label in sample.labels and p.fullmatch(sample.labels[label]) for label, p in self.labels.items())


@dataclass(frozen=True)
class Reason:
    """Words in a reason of /readyz, or of /healthz."""

    text: str
    word: str
    of: Callable[[Seen], Sequence[str]]

    def seen(self, looks: Sequence[Seen]) -> bool:
        return any(holds(reason, self.word) for look in looks for reason in self.of(look))


@dataclass(frozen=True)
class LogLine:
    """A line of the log that holds all of these words."""

    text: str
    words: Sequence[str]

    def seen(self, looks: Sequence[Seen]) -> bool:
        return any(all(_tells(line, word) for word in self.words) for look in looks for line in look.log)


@dataclass(frozen=True)
class Exit:
    """An exit code."""

    text: str
    code: int

    def seen(self, looks: Sequence[Seen]) -> bool:
        return any(look.exit_code == self.code for look in looks)


@dataclass(frozen=True)
class Nothing:
    """Nobody would notice: ready at each look, of which there is one, and not a line of the log above `info`."""

    text: str = "nothing"

    def seen(self, looks: Sequence[Seen]) -> bool:
        ready = any(look.reasons is not None for look in looks) and not any(look.reasons or look.ill for look in looks)
        return ready and all(line["level"] in {"debug", "info"} for look in looks for line in look.log)


@dataclass(frozen=True)
class Clause:
    """What stands between two semicolons."""

    text: str
    parts: Sequence[Part]
    alternatives: bool = False
    after: float | None = None
    """Seconds after which it is seen."""

    def missing(self, looks: Sequence[Seen], chosen: str) -> list[str]:
        """Give what is not as it says, in words; empty: all is. Of alternatives it is one with `chosen` in its words."""
        found = [part for part in self.parts if part.seen(looks)]
        if self.alternatives:
            return [] if any(chosen in part.text for part in found) else [f"not seen: {chosen or self.text}"]
        return [f"not seen: {part.text}" for part in self.parts if part not in found] or self._mistimed(looks)

    def _mistimed(self, looks: Sequence[Seen]) -> list[str]:
        if self.after is None:
            return []
        early = [look for look in looks if look.after is not None and look.after < self.after - EARLY_SECONDS]
        in_time = [look for look in looks if look.after is not None and look.after <= self.after + LATE_SECONDS]
        if not early:
            return [f"nobody looked before: {self.text}"]
        too_early = [f"seen too early: {part.text}" for part in self.parts if part.seen(early)]
        return too_early + [f"seen too late: {part.text}" for part in self.parts if not part.seen(in_time)]


def clause_of(text: str) -> Clause:
    """Read a clause; raises ValueError where nothing in it could be looked for, or it does not say where."""
    places = [place for place in ("in `/readyz`", "in `/healthz`", "in the log") if place in text]
    bare = re.sub(r"in (?:`/\w+`|the log)", "", text)
    metrics, words = [], []
    for match in _TOKEN.finditer(bare):
        if (match["code"] or "").startswith("doka_"):
            metrics.append(_series(match))
        else:
            words.append(match["code"] or match["words"])
    if words and len(places) != 1:
        raise ValueError(f"it does not say where {words[0]!r} is seen: {text!r}")
    if places and not words:
        raise ValueError(f"it does not say what is seen {places[0]}: {text!r}")
    alternatives = re.search(r"\bor\b", _TOKEN.sub("", bare)) is not None
    parts: list[Part] = [*metrics, *(Exit(match[0], int(match[1])) for match in _EXIT.finditer(text))]
    if places == ["in the log"]:
        lines = [[word] for word in words] if alternatives else [words]
        parts += [LogLine(f"{' with '.join(line)} in the log", line) for line in lines]
    else:
        parts += [Reason(f"{word} {places[0]}", word, _ill if "healthz" in places[0] else _reasons) for word in words]
    if text == "nothing":
        parts.append(Nothing())
    if not parts:
        raise ValueError(f"nothing that could be looked for: {text!r}")
    after = _AFTER.search(text)
    return Clause(text, parts, alternatives, int(after[1]) * SECONDS[after[2]] if after else None)


def _series(match: re.Match[str]) -> Series:
    name, _, labels = match["code"].partition("{")
    wanted = {label: re.compile(pattern(value)) for label, value in LABEL.findall(labels)}
    way = bool(match["grows"]) - bool(match["falls"])
    return Series(match[0].strip(), name, wanted, bool(match["no"]), way)


def _reasons(look: Seen) -> Sequence[str]:
    return look.reasons or ()


def _ill(look: Seen) -> Sequence[str]:
    return look.ill


def _tells(line: Line, word: str) -> bool:
    """Say whether a line is of this event, has this field with something in it, or these words in a value."""
    named = word == line.get("event") or line.get(word) not in (None, "", [], {})
    return named or any(holds(str(value), word) for name, value in line.items() if name not in {"time", "logger"})
