"""The three that run in turn: doka, the loop that only consumes, the usual loop; each a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.avro import running_registry
from benchmarks.cases import Case
from benchmarks.endpoint import Endpoint
from benchmarks.null_kinesis import STREAM, stream_of
from benchmarks.revisions import Pair, Revision
from tests.containers.service import DokaProcess, settings
from tests.waiting import eventually

FLOOR_SECONDS = 120.0
ASSIGNED_SECONDS = 60.0
DEFAULT_IN_FLIGHT = 16  # of limits.requests_in_flight, which must be one for each route at least


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender works: a broker, filled topics, an endpoint, a folder for its files."""

    bootstrap_servers: str
    topics: Sequence[str]
    endpoint: Endpoint
    folder: Path
    revisions: Pair | None = None
    """Which code is doka's, and which ran before; None where it is what is installed."""


@contextlib.contextmanager
def running_doka(place: Place, case: Case, revision: Revision | None = None) -> Iterator[DokaProcess]:
    """Run the real service, as a member of a group of its own, until the block ends; its code is that of `revision`."""
    if revision is None and place.revisions is not None:
        revision = place.revisions.now
    environment = None if revision is None else {"PYTHONPATH": str(revision.folder)}
    group = f"doka-{uuid.uuid4().hex[:8]}"
    given = settings(place.bootstrap_servers, place.endpoint.url, dict.fromkeys(place.topics, STREAM), group_id=group)
    given["routes"] = [
        route | {"name": name, "stream": {**route["stream"], "name": stream}} | case.route
        for route in given["routes"]
        for name, stream in _legs(route["topics"][0], case.tee)
    ]
    given["limits"] = {"requests_in_flight": max(DEFAULT_IN_FLIGHT, case.routes * case.tee), **case.limits}
    workers = []
    if case.workers > 1:
        workers = ["--workers", str(case.workers)]
        given["kafka"]["client"] = {"heartbeat.interval.ms": 200}  # by which the first learns that it is to share
    with contextlib.ExitStack() as around:
        if case.avro:
            url = around.enter_context(running_registry())
            for route in given["routes"]:
                route["decode"] = {"registry": url}
        around.enter_context(_trusting(place.endpoint))
        yield around.enter_context(DokaProcess(given, place.folder, group, workers, environment, cold=True))


def _legs(topic: str, tee: int) -> list[tuple[str, str]]:
    """Name the routes that read a topic, each with its stream."""
    return [(topic if leg == 0 else f"{topic}-{leg}", stream_of(leg)) for leg in range(tee)]


def assigned_at(doka: DokaProcess, workers: int = 1) -> float:
    """Wait until the group has given each worker partitions; when the first had some, in seconds since the epoch."""

    def told() -> list[dict[str, Any]]:
        if not doka.runs:
            raise AssertionError(f"doka ended with {doka.exit_code}: {doka.said()[-2000:]}")
        lines = doka.lines("partitions_assigned")
        return lines if len({line.get("worker") for line in lines}) >= workers else []

    line = eventually(told, within=ASSIGNED_SECONDS, what="partitions for doka", every=0.02)[0]
    return datetime.fromisoformat(line["time"]).timestamp()


@contextlib.contextmanager
def running_baseline(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """Run the usual loop until the block ends."""
    with _trusting(place.endpoint):
        words = ["benchmarks.baseline", place.bootstrap_servers, ",".join(place.topics), place.endpoint.url]
        child = subprocess.Popen([sys.executable, "-m", *words], stdin=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def run_floor(place: Place, records: int) -> dict[str, float]:
    """Consume so many records and do nothing with them; gives `cpu_us`, `records_per_second` and `rss_mib`."""
    words = ["benchmarks.floor", place.bootstrap_servers, ",".join(place.topics), str(records)]
    done = subprocess.run([sys.executable, "-m", *words], stdout=subprocess.PIPE, check=True, timeout=FLOOR_SECONDS)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@contextlib.contextmanager
def watching_floor(place: Place, records: int, warm: int) -> Iterator[subprocess.Popen[bytes]]:
    """Consume a trickle beside another contender; the output is JSON: `ages`, when each record was produced and its age, in us.

    And `cpu_us`, which the records behind the first `warm` cost.
    """
    words = ["benchmarks.floor", place.bootstrap_servers, ",".join(place.topics), str(records), "ages", str(warm)]
    child = subprocess.Popen([sys.executable, "-m", *words], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def cpu_ns(process: int) -> int:
    """Give the user and system time of a living process, its threads and its children, in ns (the kernel's CPU-time clock)."""
    return sum(time.clock_gettime_ns((~each << 3) | 2) for each in (process, *_children(process)))


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()]


def peak_rss_mib(process: int) -> float:
    """Give the most memory that a living process, or the largest of its children, has had resident, in MiB.

    A child that has just ended has no figure any more. Raises OSError where the process itself has none.
    """
    told = [_peak_rss_mib(each) for each in (process, *_children(process))]
    if told[0] is None:
        raise OSError(f"the kernel tells no peak of process {process}")
    return max(each for each in told if each is not None)


def _peak_rss_mib(process: int) -> float | None:
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), None)


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
