"""What somebody saw at one moment."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.failure_modes.words import holds

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
LINES_SHOWN_MAX = 12

Line = Mapping[str, Any]


class Sample:
    """One series of the page of metrics."""

    def __init__(self, name: str, labels: Mapping[str, str], value: float) -> None:
        self.name, self.labels, self.value = name, labels, value

    def __str__(self) -> str:
        return f"{self.name} {dict(self.labels)} {self.value:g}"

    @classmethod
    def of_page(cls, page: str) -> list[Sample]:
        """Read a page as Prometheus scrapes it."""
        found = [_SAMPLE.match(line) for line in page.splitlines() if not line.startswith("#")]
        return [cls(m[1], dict(LABEL.findall(m[2] or "")), float(m[3])) for m in found if m is not None]


@dataclass(frozen=True)
class Seen:
    """What somebody saw at one moment who looked at everything that doka shows."""

    samples: Sequence[Sample] = ()
    reasons: Sequence[str] | None = None
    """Of /readyz; none: it was ready. None: the page was not asked, as that of a process that has ended."""
    ill: Sequence[str] = ()
    """The reasons of /healthz."""
    log: Sequence[Line] = ()
    """All lines so far."""
    exit_code: int | None = None
    after: float | None = None
    """Seconds since what befell; None where nobody counted."""

    def about(self, **names: str) -> Seen:
        """Keep what is told of this route, topic, partition or role, and nothing else."""

        def named(labels: Mapping[str, Any]) -> bool:
            known = [str(labels[label]) == name for label, name in names.items() if label in labels]
            return bool(known) and all(known)

        def mentioned(text: str) -> bool:
            return any(holds(text, name) for name in names.values())

        lines = [line for line in self.log if named(line) or (line["event"] == "log" and mentioned(line["message"]))]
        reasons = self.reasons if self.reasons is None else [*filter(mentioned, self.reasons)]
        return replace(self, samples=[s for s in self.samples if named(s.labels)], reasons=reasons, log=lines)

    def __str__(self) -> str:
        lines = [f"    {line.get('level')} {line.get('event')}: {line.get('message')}" for line in self.log]
        figures = [f"    {sample}" for sample in self.samples if sample.value and sample.name.startswith("doka_")]
        head = f"seen after {self.after} s: /readyz {self.reasons}, /healthz {self.ill}, exit code {self.exit_code}"
        return "\n".join([head, *lines[-LINES_SHOWN_MAX:], *figures])
