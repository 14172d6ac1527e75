"""`python -m scripts.release v0.3.0`: holds a tag to the version and the changelog, and prints the notes of the release.

Of the standard library alone, since the workflow asks before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes(changelog: str, version: str) -> str:
    """Give what the changelog says under a version's heading; empty where it has none."""
    found = re.search(rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## \[|\Z)", changelog, re.MULTILINE | re.DOTALL)
    return "" if found is None else found[1].strip()


def problems(tag: str, version: str, changelog: str) -> Iterator[str]:
    """Say in one line each why a tag is no release of this checkout."""
    if tag != f"v{version}":
        yield f"the tag is {tag}, the version in pyproject.toml is {version}"
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$", changelog, re.MULTILINE):
        yield f"CHANGELOG.md has no heading `## [{version}] - ` with a date"
    if not notes(changelog, version):
        yield f"CHANGELOG.md says nothing of {version}"
    if notes(changelog, "Unreleased"):
        yield f"CHANGELOG.md still has lines under [Unreleased]; move them below {version}"


def main(arguments: list[str]) -> None:
    """Print the notes; ends with 2 where the tag is no release, and says why."""
    if len(arguments) != 1:
        sys.stderr.write("release: name the tag, like v0.3.0\n")
        raise SystemExit(2)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = list(problems(arguments[0], version, changelog))
    for problem in found:
        sys.stderr.write(f"release: {problem}\n")
    if found:
        raise SystemExit(2)
    sys.stdout.write(notes(changelog, version) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
