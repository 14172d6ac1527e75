"""`python -m scripts.same_image`, which `make same-image` runs: builds the image twice, and compares every file of the two.

Layers are not compared: an engine writes its own times into them. The file trees are: kind, mode, owner, size, SHA-256 and
target of every entry, and of all that is in doka's own environment the time as well.
Both builds stand on one base, which is Debian's and Python's to reproduce.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
OURS = "opt/doka/"
BLOCK_BYTES = 1 << 20
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """What is compared of one entry of a file tree."""

    kind: bytes
    mode: int
    owner: tuple[int, int]
    size: int
    content: str
    time: int | None


def tree(archive: IO[bytes]) -> dict[str, Entry]:
    """Give the file tree of a container that an engine has exported: path -> what is compared."""
    with tarfile.open(fileobj=archive, mode="r|") as export:
        return {member.name: _entry(export, member) for member in export}


def differences(one: dict[str, Entry], other: dict[str, Entry]) -> Iterator[str]:
    """Give a line for each path at which two trees differ, in the order of the paths."""
    for path in sorted(one.keys() | other.keys()):
        here, there = one.get(path), other.get(path)
        if here is None or there is None:
            yield f"{path}: only in the {'second' if here is None else 'first'}"
        elif here != there:
            fields = [name for name in Entry.__slots__ if getattr(here, name) != getattr(there, name)]
            yield f"{path}: {', '.join(fields)}"


def digest(of: dict[str, Entry]) -> str:
    """Give the SHA-256 of a file tree, by which two of them can be told apart without both."""
    lines = (f"{path} {entry}\n" for path, entry in sorted(of.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def exported(image: str) -> dict[str, Entry]:
    """Give the file tree of an image that the engine has."""
    container = _said("docker", "create", image)
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as running:
            assert running.stdout is not None
            found = tree(running.stdout)
    finally:
        _said("docker", "rm", container)
    # Written by whoever starts a container, where the image has none.
    return {path: entry for path, entry in found.items() if path != ".dockerenv"}


def main() -> None:
    """Build twice without a cache, or take two images that are there, and compare them."""
    words = argparse.ArgumentParser(prog="python -m scripts.same_image", description=__doc__)
    words.add_argument(
        "images", nargs="*", metavar="IMAGE", help="two images to compare; builds both where none is named"
    )
    for word in ("--build-arg", "--label"):
        words.add_argument(word, action="append", default=[], help="handed to both builds")
    given = words.parse_args()
    if len(given.images) not in {0, 2}:
        words.error("name two images, or none")
    images = given.images or ["doka:first", "doka:second"]
    try:
        if not given.images:
            for image in images:
                more = [word for argument in given.build_arg for word in ("--build-arg", argument)]
                more += [word for label in given.label for word in ("--label", label)]
                _said("docker", "build", "--quiet", "--no-cache", "--tag", image, *more, ".")
        first, second = map(exported, images)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"same-image: {getattr(error, 'stderr', None) or error}\n")
        raise SystemExit(2) from None
    differ = list(differences(first, second))
    for line in differ[:SHOWN]:
        sys.stdout.write(f"{line}\n")
    if differ:
        sys.stdout.write(f"{len(differ)} of {len(first)} entries differ\n")
        raise SystemExit(1)
    sys.stdout.write(f"the same {len(first)} entries, sha256:{digest(first)}\n")


def _entry(export: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    content = member.linkname
    if member.isfile():
        file = export.extractfile(member)
        assert file is not None
        summed = hashlib.sha256()
        while block := file.read(BLOCK_BYTES):
            summed.update(block)
        content = summed.hexdigest()
    entry = Entry(member.type, member.mode, (member.uid, member.gid), member.size, content, int(member.mtime))
    return entry if member.name.startswith(OURS) else replace(entry, time=None)


def _said(*words: str) -> str:
    """Run a command in the checkout and give the last line of what it said; raises what subprocess raises."""
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return ran.stdout.strip().rpartition("\n")[2]


if __name__ == "__main__":
    main()
