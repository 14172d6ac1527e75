"""The code of two commits, each as git has it, so that both can run in turn within one round."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


class UnknownRevisionError(Exception):
    """Git knows no commit by this name here."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One commit; `folder` holds what is in it, and is put before what is installed."""

    name: str
    commit: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Pair:
    """What is compared: the commit of the checkout, without what is not committed, and an older one."""

    now: Revision
    before: Revision


def resolved(name: str) -> str:
    """Give the commit that a revision names. Raises UnknownRevisionError."""
    words = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    found = subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=False)
    if found.returncode:
        raise UnknownRevisionError(f"{name} is neither a file nor a commit that git knows here")
    return found.stdout.strip()


@contextlib.contextmanager
def in_turn(before: str) -> Iterator[Pair]:
    """Give both, until the block ends. Raises UnknownRevisionError."""
    commits = {"HEAD": resolved("HEAD"), before: resolved(before)}
    with tempfile.TemporaryDirectory(prefix="doka-revisions-") as root:
        now, old = (_unpacked(name, commit, Path(root) / str(at)) for at, (name, commit) in enumerate(commits.items()))
        yield Pair(now, old)


def _unpacked(name: str, commit: str, folder: Path) -> Revision:
    """Write the code of a commit; the dependencies are those that are installed, whatever it was locked to."""
    packed = subprocess.run(["git", "archive", commit, "src", "doka"], cwd=HERE.parent, capture_output=True, check=True)
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
    return Revision(name, commit, folder)
