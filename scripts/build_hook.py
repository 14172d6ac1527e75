"""Notes in a wheel from which commit it was built, so that a running service can tell.

A plug-in of hatchling, which is there anyway; hatch-vcs would be one more dependency, and would make versions of its own.
An image is built without the repository: `docker build --build-arg COMMIT=$(git describe --always --dirty)`.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NOTE = "doka/app/commit.txt"
VARIABLE = "BUILD_COMMIT"


class CommitHook(BuildHookInterface):  # type: ignore[type-arg] - its configuration is of no interest
    """Puts the note into the wheel; none where nobody knows the commit."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the note to what is built; an editable installation asks git when it runs."""
        commit = os.environ.get(VARIABLE) or described(Path(self.root))
        if version == "editable" or not commit:
            return
        note = Path(tempfile.mkdtemp()) / "commit.txt"
        note.write_text(commit + "\n", encoding="ascii")
        build_data["force_include"][str(note)] = NOTE


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
