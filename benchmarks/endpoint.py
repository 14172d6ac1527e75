"""The null Kinesis from outside: a process that is started, told what to expect, and asked what has landed."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson


@dataclass(frozen=True, slots=True)
class Landings:
    """What has landed since the endpoint last forgot; moments are ns of CLOCK_MONOTONIC, 0 before the first."""

    records: int
    entries: int
    """Kinesis records: fewer than the records where many travel as one."""
    requests: int
    body_bytes: int
    first: int
    last: int
    faults: list[str]
    produced_us: list[int]
    """When each stamped record was produced, in us of CLOCK_MONOTONIC, in the order of landing."""
    latencies_us: list[int]
    """How old each was when it landed."""
    cpu_ns: int
    """CPU time of the endpoint's own process, since it started."""
    at: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running null Kinesis."""

    url: str
    ca_file: Path | None

    def forget(self, *, delay: float = 0.0, stamped: bool = False, aggregates_of: int = 0) -> None:
        """Begin anew: answers come after `delay` seconds; the latency of `stamped` records is kept.

        With `aggregates_of`, records of that size are counted inside aggregates.
        """
        self._ask("forget", delay=delay, stamped=stamped, aggregates_of=aggregates_of)

    def landings(self) -> Landings:
        """Give what has landed so far."""
        return self._ask("tell")

    def wait_for(self, records: int, within: float) -> Landings:
        """Wait until so many have landed, at most `within` seconds, and give what has landed then."""
        return self._ask("await", records=records, within=within)

    def _ask(self, do: str, **given: object) -> Landings:
        where = urlsplit(self.url)
        assert where.hostname is not None
        connection = (
            http.client.HTTPConnection(where.hostname, where.port, timeout=600)
            if self.ca_file is None
            else http.client.HTTPSConnection(
                where.hostname, where.port, timeout=600, context=ssl.create_default_context(cafile=str(self.ca_file))
            )
        )
        with contextlib.closing(connection):
            connection.request("POST", "/null", orjson.dumps({"do": do, **given}))
            return Landings(**orjson.loads(connection.getresponse().read()))


@contextlib.contextmanager
def running_endpoint(*, tls: bool = False) -> Iterator[Endpoint]:
    """Run a null Kinesis in a process of its own until the block ends. Raises OSError where it does not start."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["--ca-folder", folder] if tls else []
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.null_kinesis", *words],
            stdin=subprocess.PIPE,  # its end is what ends the process, however this one dies
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise OSError("the null Kinesis did not start; its errors are above")
            yield Endpoint(url, Path(folder) / "ca.pem" if tls else None)
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
