"""One metrics page of several processes: each one's series, told apart by the label `worker`.

Merged as text, since the supervisor gets text: no file, no shared memory, no registry of somebody else's counters.
A worker that gives no page has no series on it, and `doka_worker_up` says so; stale figures would be a lie.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from doka.adapters.telemetry.metrics import LINES_DROPPED, ExportCounts

SUPERVISOR = "supervisor"
"""The label of the supervisor's own process metrics, so that a sum over all of them counts every process."""

_FAMILY = re.compile(rb"^# HELP ", re.MULTILINE)
_SAMPLE = re.compile(rb"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{)?", re.MULTILINE)


def merged(pages: Mapping[str, bytes]) -> bytes:
    """Give one page of several in Prometheus' text format: worker's label -> page. Each family stands there once."""
    families: dict[bytes, tuple[bytes, list[bytes]]] = {}
    for worker, page in pages.items():
        for name, head, samples in _families(page):
            families.setdefault(name, (head, []))[1].append(_labelled(samples, worker))
    return b"".join(head + b"".join(samples) for head, samples in families.values())


def _families(page: bytes) -> Iterable[tuple[bytes, bytes, bytes]]:
    """Give each family's name, its two lines of comment, and its samples."""
    for block in _FAMILY.split(page)[1:]:
        help_line, type_line, samples = block.split(b"\n", 2)
        yield help_line.split(b" ", 1)[0], b"# HELP " + help_line + b"\n" + type_line + b"\n", samples


def _labelled(samples: bytes, worker: str) -> bytes:
    label = b'worker="%s"' % worker.encode()
    return _SAMPLE.sub(lambda found: found[1] + b"{" + label + (b"," if found[2] else b"}"), samples)


_UP = "1 for a worker whose figures are on this page; 0 while it is down or does not answer. With --workers only."


class SupervisorMetrics:
    """What the supervisor itself has to show: who is up, how often each was started again, and its own process."""

    def __init__(self, workers: int) -> None:
        """Let the counters of all workers stand at 0 before anything has happened."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series a counter, and nothing reads it
        self.registry = CollectorRegistry()
        self._up = Gauge(
            "doka_worker_up",
            _UP,
            ["worker"],
            registry=self.registry,
        )
        self._restarts = Counter(
            "doka_worker_restarts",
            "How often a worker died and was to be started again. With --workers only.",
            ["worker"],
            registry=self.registry,
        )
        self._own = CollectorRegistry()
        ProcessCollector(namespace="doka", registry=self._own)
        # The workers' lines go through the supervisor, so a stdout that takes none shows here and not with them.
        self._lines_dropped = Counter("doka_log_lines_dropped", LINES_DROPPED, registry=self._own)
        self.exports = ExportCounts(self._own)
        self.up: Callable[[], Container[int]] = frozenset
        """Gives the workers that answer, where no page of theirs says it."""
        self._names = [str(number) for number in range(workers)]
        for name in self._names:
            self._up.labels(name)
            self._restarts.labels(name)

    def restarted(self, worker: int) -> None:
        """Count a worker that died and is to be started again."""
        self._restarts.labels(str(worker)).inc()

    def line_dropped(self) -> None:
        """Count a log line, of whichever process, that nobody will read."""
        self._lines_dropped.inc()

    def families(self) -> Iterable[Metric]:
        """Give the series of the supervisor alone, those of its own process without a label; for any thread."""
        up = self.up()
        told = GaugeMetricFamily("doka_worker_up", _UP, labels=["worker"])
        for number, name in enumerate(self._names):
            told.add_metric([name], float(number in up))
        yield told
        yield from (family for family in self.registry.collect() if family.name != told.name)
        yield from self._own.collect()

    def page(self, pages: Mapping[int, bytes]) -> tuple[bytes, str]:
        """Give one page of the workers' that answered (number -> page) and of the supervisor, and its content type."""
        for number, name in enumerate(self._names):
            self._up.labels(name).set(float(number in pages))
        told = {str(number): page for number, page in sorted(pages.items())}
        return (
            generate_latest(self.registry) + merged(told | {SUPERVISOR: generate_latest(self._own)}),
            CONTENT_TYPE_PLAIN_0_0_4,
        )
