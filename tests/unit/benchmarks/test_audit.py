from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import audit
from benchmarks.audit import compared, measure
from benchmarks.cases import Case
from benchmarks.figures import FIGURES
from benchmarks.rounds import QUICK, BrokenRunError
from doka.domain.audit.fates import Fate

SMALL = Case("audit", "few records", kind="audit", records=200_000)


def test_an_audit_is_measured_in_a_process_of_its_own() -> None:
    """Every figure that it gives is one that is shown, and none is 0."""
    figures = compared(SMALL, QUICK)
    assert set() == figures.keys() - FIGURES.keys()
    assert all(figures.values())


def test_an_audit_that_finds_something_else_is_no_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was left out and what landed twice must be what it names."""
    monkeypatch.setattr(audit._Window, "expected", lambda self: {Fate.IN_STREAM: self.records})
    with pytest.raises(BrokenRunError, match=re.escape("the audit says {<Fate.IN_STREAM: 'in_stream'>: 31998")):
        measure(tmp_path, 32_000, 100, 100)
