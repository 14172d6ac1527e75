"""Tests that must not run beside each other do not: `pytest --dist loadgroup` keeps its word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import os
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", range(8))
def test_of_a_group(number):
    Path(f"worker-{number}").write_text(os.environ["PYTEST_XDIST_WORKER"])
"""
CONFTEST = """
import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.xdist_group("one"))
"""


@pytest.mark.slow
def test_a_group_that_a_conftest_names_runs_on_one_worker(tmp_path: Path) -> None:
    """Where it did not, every container test shared the two cores with another, and failed for want of time."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_group.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert 0 == run.returncode, run.stdout + run.stderr
    workers = [path.read_text() for path in tmp_path.glob("worker-*")]
    assert (8, 1) == (len(workers), len(set(workers)))
