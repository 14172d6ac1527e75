"""What is wrong with a configuration, one plain line each: where, which setting, what, and the cure.

No line ever repeats a value that was given: a misplaced secret may stand there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from doka.domain.errors import UsageError

SettingPath = tuple[str | int, ...]
Origins = Mapping[SettingPath, str]
"""Where each value came from: `doka.yaml:12`, the name of a variable, an option."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend; `told` goes on after the setting's name, as one sentence."""

    told: str
    path: SettingPath = ()
    origin: str | None = None

    def __str__(self) -> str:
        told = f"{dotted(self.path)} {self.told}" if self.path else self.told
        return told if self.origin is None else f"{self.origin}: {told}"


class SettingsError(UsageError):
    """A configuration that doka does not take; it prints as one line for each problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def dotted(path: SettingPath) -> str:
    """Write a path as people do: `routes[0].stream.name`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def origin_of(path: SettingPath, origins: Origins) -> str | None:
    """Find where the value at a path, or the nearest thing around it, came from."""
    for end in range(len(path), -1, -1):
        origin = origins.get(path[:end])
        if origin is not None:
            return origin
    return None


def alternatives(words: Iterable[str]) -> str:
    """Write a choice as people do: `a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
