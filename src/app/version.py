"""Which doka this is: the version of its distribution, and the commit that it was built or is run from.

A wheel brings the commit as a note; a checkout is asked. Where nobody knows, the version stands alone: nothing is guessed.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path

NOTE = Path(__file__).with_name("commit.txt")
CHECKOUT = Path(__file__).resolve().parents[2]
GIT_SECONDS = 5


@cache
def version() -> str:
    """Give it in the form of PEP 440: `0.2.0`, or `0.2.0+v0.2.0.3.g93a0bb9` where the commit is known.

    At the commit of a release, which is tagged by its version, the version alone says it.
    """
    return told(version_of("doka-connector"), commit_of(NOTE, CHECKOUT))


def told(release: str, commit: str) -> str:
    """Join the version of a distribution and its commit, as far as the commit says more."""
    return release if commit in {"", f"v{release}"} else f"{release}+{commit}"


def commit_of(note: Path, checkout: Path) -> str:
    """Give `git describe --tags --always --dirty` as a local version label, dots for dashes; empty where unknown."""
    try:
        told = note.read_text(encoding="ascii")
    except OSError:
        told = _described(checkout)
    return re.sub(r"[^a-zA-Z0-9]+", ".", told).strip(".")


def _described(checkout: Path) -> str:
    if not (checkout / ".git").exists():  # git would look above it, and find the repository of somebody else
        return ""
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(checkout), "describe", "--tags", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
