from __future__ import annotations

import re
import subprocess
from importlib.metadata import version as version_of
from pathlib import Path

import pytest

from doka.app.version import commit_of, told, version
from tests.architecture.source_tree import ROOT


def test_a_note_is_the_commit(tmp_path: Path) -> None:
    """What a wheel brings is told as a local version label, with dots for all that such a label does not take."""
    note = tmp_path / "commit.txt"
    note.write_text("v0.2.0-3-g93a0bb9-dirty\n", encoding="ascii")
    assert "v0.2.0.3.g93a0bb9.dirty" == commit_of(note, tmp_path)


def test_a_checkout_is_asked(tmp_path: Path) -> None:
    """Without a note the commit of the checkout itself is told, and that it was changed since."""
    commands = (
        "init -q",
        "-c user.name=a -c user.email=a@example.com commit -q --allow-empty -m first",
        "tag v1.2.3",
    )
    for command in commands:
        subprocess.run(["git", "-C", str(tmp_path), *command.split()], check=True)
    assert "v1.2.3" == commit_of(tmp_path / "none", tmp_path)
    (tmp_path / "new").touch()
    subprocess.run(["git", "-C", str(tmp_path), "add", "new"], check=True)
    assert "v1.2.3.dirty" == commit_of(tmp_path / "none", tmp_path)


def test_nothing_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the repository that a folder happens to lie in is told, nor is a missing git an error."""
    inside = tmp_path / "inside"
    inside.mkdir()
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    assert "" == commit_of(inside / "none", inside)
    monkeypatch.setenv("PATH", str(inside))
    assert "" == commit_of(inside / "none", tmp_path)


def test_the_version_is_that_of_the_distribution_with_the_commit_behind_it() -> None:
    """It is a version that PEP 440 takes, and begins with what was installed."""
    assert re.fullmatch(re.escape(version_of("doka-connector")) + r"(\+[a-zA-Z0-9.]+)?", version())
    assert (version_of("doka-connector") == version()) or (ROOT / ".git").exists()


@pytest.mark.parametrize(
    ("commit", "version"),
    [("", "0.2.0"), ("v0.2.0", "0.2.0"), ("v0.2.0.dirty", "0.2.0+v0.2.0.dirty"), ("93a0bb9", "0.2.0+93a0bb9")],
)
def test_a_release_is_told_by_its_version_alone(commit: str, version: str) -> None:
    """The tag of a release says nothing that its version does not; every other commit does."""
    assert version == told("0.2.0", commit)
