from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from doka.app.simulate.scenario import parse_scenario
from tests.architecture.source_tree import ROOT

PAGE = (ROOT / "docs/simulate.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Give the code blocks of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_scenario_on_the_page_is_one() -> None:
    """What is shown can be run."""
    (shown,) = blocks("yaml")
    assert "STS is down over lunch" == parse_scenario(shown).title


def test_the_suite_on_the_page_runs(tmp_path: Path) -> None:
    """A user's suite made of the page's two blocks passes, in a process of its own."""
    conftest, test = blocks("python")
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "test_ours.py").write_text(test, encoding="utf-8")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


def test_every_example_is_on_the_page() -> None:
    """And no other is."""
    named = set(re.findall(r"examples/scenarios/([\w-]+\.yaml)\)", PAGE))
    assert {file.name for file in (ROOT / "examples/scenarios").glob("*.yaml")} == named
