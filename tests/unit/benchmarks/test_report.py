from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.report import UnreadableReportError, read_report
from tests.unit.benchmarks.given import a_report, a_round


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A report comes back whole, with every round, from a folder that was not there."""
    given = a_report({"plain-100b": [a_round(4.0), a_round(5.0)]})
    given.write(tmp_path / "new" / "figures.json")
    assert given == read_report(tmp_path / "new" / "figures.json")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be read"),
        ("[]", "is no report"),
        ('{"format": 0}', "is no report"),
        ('{"format": 1, "at": "now"}', "is not whole: .*missing"),
        ('{"format": 1, "more": 1}', "is not whole: .*more"),
    ],
)
def test_another_file_is_refused_with_the_reason(tmp_path: Path, text: str, why: str) -> None:
    """What is no report says which file it is, and why."""
    path = tmp_path / "figures.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableReportError, match=rf"figures\.json .*{why}"):
        read_report(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is told."""
    with pytest.raises(UnreadableReportError, match=r"none\.json cannot be read"):
        read_report(tmp_path / "none.json")


def test_figures_say_what_they_hang_on() -> None:
    """Machine, versions and commit are those of this process."""
    assert {"cpu", "cores", "memory_gib", "system"} == report.machine().keys()
    assert report.machine()["cores"] >= 1
    assert {"python", "doka-connector", "confluent-kafka", "pycurl"} <= report.versions().keys()
    assert report.commit()
