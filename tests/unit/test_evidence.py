"""The page of evidence: it shows what was measured, and says where nothing was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from scripts import evidence
from scripts.evidence import PARTS, kinds_of, passed
from scripts.evidence_page import NOT_RUN, page

AT, COMMIT = "2026-01-02T03:04:05+00:00", "abcdef123456"
MACHINE = {"cores": 7, "cpu": "Abacus 3000", "memory_gib": 31.4, "system": "Linux 9.9", "python": "3.11.99"}


def results(commit: str = COMMIT) -> dict[str, dict[str, Any]]:
    """Give made-up results of all parts, with figures that occur nowhere else."""
    run = {"at": AT, "commit": commit}
    return {
        "simulation": run
        | {
            "command": "make simulate SECONDS=123",
            "seconds": 123.0,
            "first": 0,
            "seeds": 45_678,
            "steps": 9_876_543,
            "virtual_seconds": 3_600.0 * 4_321,
            "cpu_seconds": 246.0,
            "befell": {"sts_down": 8_765, "crash": 4},
            "reached": {"a lease was refused": 77, "a gap in the input": 0},
            "failure": None,
            "passed": True,
        },
        "planted": run
        | {
            "findings": [
                {"bug": "commit_one_too_far", "found": True, "rule": "I1", "seeds": 3},
                {"bug": "no_lanes", "found": True, "rule": "I4", "seeds": 29},
                {"bug": "never_wait", "found": False, "rule": None, "seeds": 401},
            ]
        },
        "chaos": run
        | {
            "command": "make chaos ROUNDS=210 SEED=99",
            "seed": 99,
            "rounds": 210,
            "kills": 209,
            "worlds": 5,
            "records": 654_321,
            "landings": 660_000,
            "lost": 11,
            "out_of_order": 13,
            "duplicates": 5_679,
            "could_repeat": 17_171,
            "bound": 83_838,
            "kills_with_repeats": 191,
            "moments": {"in the drain": 37},
            "faults": {"leases revoked": 41},
            "seconds": 1_230.0,
            "broken": [],
        },
        "tests": run | {"kinds": {"unit": 3_003, "containers": 59}},
    }


def test_every_figure_is_on_the_page() -> None:
    """Commit, date, machine and every result are shown as they were measured, with the commands that measure them."""
    text = page(AT, COMMIT, MACHINE, results())
    for figure in (
        AT, COMMIT, "7 cores, Abacus 3000, 31.4 GiB, Linux 9.9", "3.11.99",
        "`make simulate SECONDS=123`", "45,678", "9,876,543", "4,321.0", "| sts down | 8,765 |", "8,769 of 2 kinds",
        "1 of 2", "a lease was refused | 77", "Not reached: a gap in the input",
        "`make planted`", "Found 2 of 3", "29 at most", "`never_wait` (tried 401 seeds)",
        "`make chaos ROUNDS=210 SEED=99`", "209 of 210", "20.5", "654,321", "| lost | 11 |", "| out of order | 13 |",
        "| duplicates | 5,679 |", "17,171", "83,838", "191", "| in the drain | 37 |", "| leases revoked | 41 |",
        "3,062 tests", "| unit | 3,003 |", "| containers | 59 |",
    ):  # fmt: skip
        assert figure in text, figure
    assert NOT_RUN not in text
    assert "not this page's" not in text


@pytest.mark.parametrize("missing", list(PARTS))
def test_what_was_not_run_is_said(missing: str) -> None:
    """A part without a result has its heading and «not run», and no figure."""
    text = page(AT, COMMIT, MACHINE, results() | {missing: None})
    assert 1 == text.count(NOT_RUN)
    assert 4 == text.count("\n## ")


def test_a_broken_rule_is_on_the_page() -> None:
    """What went wrong is told where it went wrong, and a result with it is no good one."""
    given = results()
    given["simulation"] |= {"failure": "ViolationError: I4: swapped", "passed": False}
    given["chaos"]["broken"] = ["I1: committed\n and more", "I8: twice"]
    text = page(AT, COMMIT, MACHINE, given)
    assert "**A rule was broken**: ViolationError: I4: swapped" in text
    assert "**A rule was broken**: I1: committed\n" in text
    assert "No rule was broken" not in text
    assert [False, False, False, True] == [passed(name, given[name]) for name in PARTS]
    assert [True, True] == [passed(name, results()[name]) for name in ("simulation", "chaos")]


def test_results_of_another_commit_are_told_from_the_pages_own() -> None:
    """A part that was run before the last commit names the commit that it is about; changed files are told too."""
    text = page(AT, COMMIT + "+", MACHINE, results())
    assert 4 == text.count(f"at commit {COMMIT}, which is not this page's")
    assert "not committed" in text


def test_the_command_runs_what_it_is_asked_for_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A part that can be run leaves its result, one that cannot loses its old one, and others keep theirs."""
    (tmp_path / "docs").mkdir()
    for name, value in {"ROOT": tmp_path, "FOLDER": tmp_path, "PAGE": tmp_path / "docs" / "evidence.md"}.items():
        monkeypatch.setattr(evidence, name, value)
    old = results(commit="elderly")
    for name in ("simulation", "planted", "chaos"):
        (tmp_path / f"{name}.json").write_bytes(orjson.dumps(old[name]))

    def no_engine(_given: object) -> dict[str, Any]:
        raise evidence.CannotRunError("no engine")

    own = {"planted": lambda _given: {"findings": []}, "chaos": no_engine}
    monkeypatch.setattr(evidence, "PARTS", {name: own.get(name, part) for name, part in PARTS.items()})
    assert 1 == evidence.main(["--only", "planted", "--only", "chaos"])
    text = (tmp_path / "docs" / "evidence.md").read_text(encoding="utf-8")
    assert "chaos: not run, no engine" in capsys.readouterr().out
    assert "Found 0 of 0" in text
    assert "45,678" in text
    assert "at commit elderly" in text
    assert 2 == text.count(NOT_RUN)
    assert 0 == evidence.main(["--only", "planted"])


def test_tests_are_counted_by_their_folder() -> None:
    """Each collected test counts for the folder of tests/ that it stands in, those beside the folders as others."""
    lines = [
        "tests/unit/domain/test_a.py::test_x",
        "tests/unit/test_b.py::test_y[1/2]",
        "tests/containers/test_c.py::test_z",
        "tests/test_d.py::test_w",
        "",
        "4 tests collected in 0.1s",
    ]
    assert {"unit": 2, "containers": 1, "others": 1} == kinds_of(lines)
