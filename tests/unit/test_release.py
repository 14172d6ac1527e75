from __future__ import annotations

import pytest

from scripts.release import main, notes, problems
from tests.architecture.source_tree import ROOT

CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.3.0] - 2026-12-24

### Added

- A thing.

## [0.2.0] - 2026-11-29

### Added

- An older thing.
"""


def test_a_release_that_is_ready_has_no_problems() -> None:
    """Tag, version, heading with a date, and nothing left under [Unreleased]."""
    assert [] == list(problems("v0.3.0", "0.3.0", CHANGELOG))


def test_the_notes_are_those_of_the_version() -> None:
    """They begin below its heading and end above the next one, at the end of the file too."""
    assert "### Added\n\n- A thing." == notes(CHANGELOG, "0.3.0")
    assert "### Added\n\n- An older thing." == notes(CHANGELOG, "0.2.0")
    assert "" == notes(CHANGELOG, "0.3")


@pytest.mark.parametrize(
    ("tag", "version", "changelog", "told"),
    [
        ("v0.4.0", "0.3.0", CHANGELOG, "the tag is v0.4.0, the version in pyproject.toml is 0.3.0"),
        ("0.3.0", "0.3.0", CHANGELOG, "the tag is 0.3.0"),
        ("v0.3.0", "0.3.0", CHANGELOG.replace(" - 2026-12-24", ""), "no heading `## [0.3.0] - ` with a date"),
        ("v0.3.0", "0.3.0", CHANGELOG.replace("### Added\n\n- A thing.\n", ""), "says nothing of 0.3.0"),
        ("v0.3.0", "0.3.0", CHANGELOG.replace("## [0.3.0]", "- Forgotten.\n\n## [0.3.0]"), "lines under [Unreleased]"),
    ],
)
def test_what_does_not_agree_is_told(tag: str, version: str, changelog: str, told: str) -> None:
    """Each way in which a tag is no release has its sentence."""
    assert any(told in problem for problem in problems(tag, version, changelog))


def test_a_wrong_tag_ends_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    """Of this checkout no such tag is a release: the workflow stops before it builds."""
    with pytest.raises(SystemExit) as ended:
        main(["v999.0.0"])
    assert 2 == ended.value.code
    assert "the tag is v999.0.0" in capsys.readouterr().err


def test_the_changelog_of_this_checkout_can_be_read() -> None:
    """The version that was released last has its notes."""
    assert "doka run" in notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), "0.2.0")
