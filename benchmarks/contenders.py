"""The three that run in turn: doka, the loop that only consumes, the usual loop; each a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.cases import Case
from benchmarks.endpoint import Endpoint
from benchmarks.null_kinesis import STREAM
from tests.containers.service import DokaProcess, settings
from tests.waiting import eventually

FLOOR_SECONDS = 120.0
ASSIGNED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender works: a broker, a filled topic, an endpoint, a folder for its files."""

    bootstrap_servers: str
    topic: str
    endpoint: Endpoint
    folder: Path


@contextlib.contextmanager
def running_doka(place: Place, case: Case) -> Iterator[DokaProcess]:
    """Run the real service, as a member of a group of its own, until the block ends."""
    group = f"doka-{uuid.uuid4().hex[:8]}"
    given = settings(place.bootstrap_servers, place.endpoint.url, {place.topic: STREAM}, group_id=group)
    given["routes"][0] |= dict(case.route)
    with _trusting(place.endpoint), DokaProcess(given, place.folder, group) as doka:
        yield doka


def assigned_at(doka: DokaProcess) -> float:
    """Wait until the group has given it partitions; when that was, in seconds since the epoch."""

    def told() -> list[dict[str, Any]]:
        if not doka.runs:
            raise AssertionError(f"doka ended with {doka.exit_code}: {doka.said()[-2000:]}")
        return doka.lines("partitions_assigned")

    line = eventually(told, within=ASSIGNED_SECONDS, what="partitions for doka")[0]
    return datetime.fromisoformat(line["time"]).timestamp()


@contextlib.contextmanager
def running_baseline(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """Run the usual loop until the block ends."""
    with _trusting(place.endpoint):
        words = ["benchmarks.baseline", place.bootstrap_servers, place.topic, place.endpoint.url]
        child = subprocess.Popen([sys.executable, "-m", *words], stdin=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def run_floor(place: Place, records: int) -> dict[str, float]:
    """Consume so many records and do nothing with them; gives `cpu_us`, `records_per_second` and `rss_mib`."""
    words = ["benchmarks.floor", place.bootstrap_servers, place.topic, str(records)]
    done = subprocess.run([sys.executable, "-m", *words], stdout=subprocess.PIPE, check=True, timeout=FLOOR_SECONDS)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@contextlib.contextmanager
def watching_floor(place: Place, records: int, last: int) -> Iterator[subprocess.Popen[bytes]]:
    """Consume a trickle beside another contender; the output is the ages of the last so many records in us, as JSON."""
    words = ["benchmarks.floor", place.bootstrap_servers, place.topic, str(records), str(last)]
    child = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def cpu_ns(process: int) -> int:
    """Give the user and system time of a living process with all its threads, in ns (the kernel's CPU-time clock)."""
    return time.clock_gettime_ns((~process << 3) | 2)


def peak_rss_mib(process: int) -> float:
    """Give the most memory that a living process has had resident, in MiB."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"the kernel tells no peak of process {process}")


@contextlib.contextmanager
def _trusting(endpoint: Endpoint) -> Iterator[None]:
    """Have children that start in here trust the endpoint's authority, by the variables that boto3 looks at."""
    if endpoint.ca_file is None:
        yield
        return
    names = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(endpoint.ca_file)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
