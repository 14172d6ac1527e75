"""The classes that a broker loads, kept in a file for the brokers after it: half of a start is reading and checking them.

Java calls it class data sharing. The first broker of an image is started and stopped for the file alone, once for a checkout;
whoever comes meanwhile waits for it. It is an aid: an image with which it cannot be made runs as it does without.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import docker
from docker.errors import ImageNotFound
from docker.models.containers import Container

from tests.architecture.source_tree import ROOT
from tests.waiting import eventually

FOLDER = ROOT / ".pytest_cache" / "classes of brokers"  # it goes with `make clean`
INSIDE = "/classes"
"""Where a broker finds the folder."""
STOP_SECONDS = 60
"""A broker writes the file while it stops."""

Begin = Callable[[Mapping[str, str]], Container]
"""Starts a broker with these variables besides its own, and gives it when it answers, or has ended before that."""


def options(archive: Path) -> str:
    """Give the words by which Java uses a file, if it can."""
    return f"-XX:SharedArchiveFile={INSIDE}/{archive.name} -Xshare:auto"


@cache
def archive_of(image: str, begin: Begin) -> Path | None:
    """Give the file of an image, made where there is none yet; None where it cannot be made."""
    name = _id_of(image).rpartition(":")[2]
    FOLDER.mkdir(parents=True, exist_ok=True)
    FOLDER.chmod(0o777)  # the broker may be somebody else
    archive, tried = FOLDER / f"{name}.jsa", FOLDER / f"{name}.tried"
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tried.exists():
            archive.unlink(missing_ok=True)  # of a run that was killed while it was written
            _make(archive, begin)
            tried.touch()
    return archive if archive.exists() else None


def _id_of(image: str) -> str:
    """Give the id of an image, which is fetched where it is not there yet, as by a start."""
    client = docker.from_env()
    try:
        return str(client.images.get(image).id)
    except ImageNotFound:
        return str(client.images.pull(image).id)
    finally:
        client.close()


def _make(archive: Path, begin: Begin) -> None:
    container = begin({"KAFKA_OPTS": f"-XX:ArchiveClassesAtExit={INSIDE}/{archive.name}"})
    try:
        container.stop(timeout=STOP_SECONDS)
        eventually(lambda: _ended(container), within=STOP_SECONDS, what="a broker that has stopped", every=0.1)
    finally:
        container.remove(force=True)


def _ended(container: Container) -> bool:
    container.reload()
    return bool(container.status == "exited")
