"""The function and its test that docs/transforms.md shows are run as they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture.source_tree import ROOT
from tests.architecture.test_docs import fenced

PAGE = ROOT / "docs" / "transforms.md"


def test_the_pages_own_test_holds_and_is_no_show(tmp_path: Path) -> None:
    """In a folder of its own, by pytest: it passes for the page's function, and fails for one that forgets the card."""
    function, test = fenced(PAGE, "python")
    (tmp_path / "test_orders.py").write_text(test, encoding="utf-8")
    for source, code in ((function, 0), (function.replace('order.pop("card", None)', "pass"), 1)):
        (tmp_path / "orders.py").write_text(source, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=prepend"],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert code == done.returncode, done.stdout + done.stderr
        assert ("1 passed" if code == 0 else "1 failed") in done.stdout
