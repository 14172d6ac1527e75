"""What a preflight found: one finding for each thing it looked at, with a cure for each that is not fine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class FindingVerdict(Enum):
    """How a thing was found."""

    FINE = "fine"
    WARNING = "warning"
    """The service would work, but not as well as it could, or not everything could be seen."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be looked at, because of another failure."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `told` is a sentence without a full stop, `cure` what to do about it."""

    step: str
    """configuration, transform, registry, environment, kafka, topics, topic, collector, role, stream, shards, put, key or read."""
    subject: str
    verdict: FindingVerdict
    told: str
    cure: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Figures for a machine."""

    def as_data(self) -> dict[str, Any]:
        """Give the finding as plain data, for JSON."""
        return {
            "step": self.step,
            "subject": self.subject,
            "verdict": self.verdict.value,
            "told": self.told,
            "cure": self.cure,
            "facts": dict(self.facts),
        }


def all_fine(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing failed; a warning is no failure."""
    return all(finding.verdict in {FindingVerdict.FINE, FindingVerdict.WARNING} for finding in findings)
