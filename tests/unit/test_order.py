"""In what order the workers take the tests, asked of pytest-xdist itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT
from tests.order import AT_ONCE, WAITING, WHOLE, computes, in_order, place

TEST = """
import os
from pathlib import Path

import pytest
from tests.waiting import eventually

WAITED_FOR = Path(os.environ["COMPUTED"])
pytestmark = {marks}


@pytest.mark.parametrize("number", range({tests}))
def test_it(number):
    if {waits}:
        eventually(WAITED_FOR.exists, what="a test that computes")
    else:
        WAITED_FOR.touch()
    with Path(__file__).with_suffix(".workers").open("a") as file:
        print(os.environ["PYTEST_XDIST_WORKER"], file=file)
"""


def workers(file: Path) -> list[str]:
    """Give which worker ran each test of a file."""
    return file.with_suffix(".workers").read_text().split()


@pytest.mark.slow
def test_who_waits_and_who_computes_go_on_beside_each_other(tmp_path: Path) -> None:
    """Tests that wait come first, and yet one that computes begins with them; a group and a file of WHOLE are one worker's."""
    files = {
        "tests/containers/test_waiting.py": (20, True, "[]"),
        "tests/simulation/test_computing.py": (6, False, "[]"),
        "tests/simulation/test_group.py": (9, False, "pytest.mark.xdist_group('one')"),
        "tests/unit/test_whole.py": (12, False, "[]"),
    }
    for name, (tests, waits, marks) in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(TEST.format(tests=tests, waits=waits, marks=marks))
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    command = [sys.executable, "-m", "pytest", "-qx", "-n", str(AT_ONCE + 1), "--dist", "loadgroup"]
    command += ["-p", "tests.order", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COMPUTED": str(tmp_path / "computed")}
    run = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert 0 == run.returncode, run.stdout + run.stderr
    assert [20, 6, 9, 12] == [len(workers(tmp_path / name)) for name in files]
    assert 1 == len(set(workers(tmp_path / "tests/simulation/test_group.py")))
    assert 1 == len(set(workers(tmp_path / "tests/unit/test_whole.py")))


def test_what_a_worker_is_at_counts() -> None:
    """A worker computes while the first of its units that is not done does, whatever it was given for later."""
    waiting, computing = f"{WAITING[0]}test_a.py::test_a", "tests/unit/test_b.py::test_b"
    assert (0, len(WAITING)) == (place([waiting]), place([computing]))
    assert not computes({"a": {waiting: False}, "b": {computing: False}})
    assert computes({"a": {waiting: True}, "b": {computing: False}})
    assert not computes({"a": {waiting: True}, "b": {computing: True}})


def test_long_units_of_few_tests_are_not_the_last() -> None:
    """Those that wait begin by their place and as they were collected, before those that compute, however many tests they have."""
    units = {
        "many": ["tests/unit/test_b.py::test_1", "tests/unit/test_b.py::test_2"],
        "kafka": [f"{WAITING[-1]}::test_1", f"{WAITING[-1]}::test_2"],
        "second lane": [f"{WAITING[0]}test_b.py::test_1", f"{WAITING[0]}test_b.py::test_2"],
        "first lane": [f"{WAITING[0]}test_a.py::test_1"],
        "first": ["tests/architecture/test_a.py::test_1"],
    }
    collected = sorted(test for tests in units.values() for test in tests)
    assert ["first lane", "second lane", "kafka", "first", "many"] == in_order(units, collected)


def test_every_place_is_there() -> None:
    """What is moved takes its order with it."""
    assert [] == [name for name in (*WAITING, *WHOLE) if not (ROOT / name).exists()]
