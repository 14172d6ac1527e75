"""Puts two things into a wheel: from which commit it was built, so that a running service can tell, and its bill of materials.

A plug-in of hatchling, which is there anyway; hatch-vcs would be one more dependency, and would make versions of its own.
The bill is made from the lock at each build, so it is never a stale file; scripts/bill.py says what is in it.
An image is built without the repository: `docker build --build-arg COMMIT=$(git describe --always --dirty)`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NOTE = "doka/app/commit.txt"
BILL = "doka-connector.cdx.json"
VARIABLE = "BUILD_COMMIT"


class NotesHook(BuildHookInterface):  # type: ignore[type-arg] - its configuration is of no interest
    """Puts both into the wheel; no note where nobody knows the commit."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add them to what is built; an editable installation asks git when it runs, and its .venv has more than the lock."""
        if version == "editable":
            return
        folder = Path(tempfile.mkdtemp())
        bill = folder / BILL
        bill.write_text(self._bill(), encoding="utf-8")
        build_data["sbom_files"].append(str(bill))
        commit = os.environ.get(VARIABLE) or described(Path(self.root))
        if commit:
            note = folder / "commit.txt"
            note.write_text(commit + "\n", encoding="ascii")
            build_data["force_include"][str(note)] = NOTE

    def _bill(self) -> str:
        root = Path(self.root)
        bill = loaded(root / "scripts" / "bill.py")
        asked = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in self.metadata.core.dependencies]
        lock = (root / "requirements" / "runtime.txt").read_text(encoding="utf-8")
        return str(bill.written(bill.of_wheel(self.metadata.version, asked, lock)))


def loaded(path: Path) -> ModuleType:
    """Load a module by its path: while a wheel is built, the folder that this file stands in is no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def described(root: Path) -> str:
    """Give `git describe` of a checkout; empty where it is none, or git is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "describe", "--tags", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
