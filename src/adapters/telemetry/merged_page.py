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

TEXT = CONTENT_TYPE_PLAIN_0_0_4
"""The content type of every page that is merged here."""
RELOAD_OUTCOMES = ("taken", "unchanged", "refused", "failed")

_FAMILY = re.compile(rb"^# HELP ", re.MULTILINE)
_SAMPLE = re.compile(rb"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{)?", re.MULTILINE)


def merged(pages: Mapping[str, bytes], label: str = "worker") -> bytes:
    """Give one page of several in Prometheus' text format: value of the label -> page. Each family stands there once."""
    families: dict[bytes, tuple[bytes, list[bytes]]] = {}
    for value, page in pages.items():
        told = f'{label}="{value}"'.encode()
        for name, head, samples in _families(page):
            families.setdefault(name, (head, []))[1].append(_labelled(samples, told))
    return b"".join(head + b"".join(samples) for head, samples in families.values())


def _families(page: bytes) -> Iterable[tuple[bytes, bytes, bytes]]:
    """Give each family's name, its two lines of comment, and its samples."""
    for block in _FAMILY.split(page)[1:]:
        help_line, type_line, samples = block.split(b"\n", 2)
        yield help_line.split(b" ", 1)[0], b"# HELP " + help_line + b"\n" + type_line + b"\n", samples


def _labelled(samples: bytes, label: bytes) -> bytes:
    return _SAMPLE.sub(lambda found: found[1] + b"{" + label + (b"," if found[2] else b"}"), samples)


_UP = "1 for a worker whose figures are on this page; 0 while it is down or does not answer. With --workers only."


class ConfigurationMetrics:
    """Which configuration runs, and what became of the last reload; a service that never reloads has none of it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Make the gauges and counters; each outcome stands at 0 from the start, so that its first one is seen."""
        self._successful = Gauge(
            "doka_config_last_reload_successful",
            "1 while the last reload was taken, or changed nothing, or there was none; 0 since one was refused or failed. "
            "With --watch only.",
            registry=registry,
        )
        self._loaded = Gauge(
            "doka_config_loaded_timestamp_seconds",
            "When the configuration that runs was taken, by the wall clock. With --watch only.",
            registry=registry,
        )
        self._info = Gauge(
            "doka_config_info",
            "The configuration that runs, by a hash of what is set and of the transforms' files; always 1. With --watch only.",
            ["hash"],
            registry=registry,
        )
        self._reloads = Counter(
            "doka_config_reloads",
            "Reloads by outcome: taken, unchanged, refused (by a setting, or by what was asked outside), failed (a new "
            "worker did not do, and the old configuration came back). With --watch only.",
            ["outcome"],
            registry=registry,
        )
        for outcome in RELOAD_OUTCOMES:
            self._reloads.labels(outcome)

    def runs(self, name: str, wall: float) -> None:
        """Show the configuration that runs from now on, by its hash, and when it was taken, in seconds since the epoch."""
        self._info.clear()
        self._info.labels(name).set(1)
        self._loaded.set(wall)
        self._successful.set(1)

    def reloaded(self, outcome: str) -> None:
        """Count what became of a reload."""
        self._reloads.labels(outcome).inc()
        self._successful.set(float(outcome in {"taken", "unchanged"}))


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
        self._names: tuple[str, ...] = ()
        self.made_of(range(workers))
        for number in range(workers):
            self._up.labels(str(number))

    def made_of(self, workers: Iterable[int]) -> None:
        """Show these workers from now on, whether they are up or not."""
        names = tuple(map(str, sorted(workers)))
        for name in names:
            self._restarts.labels(name)
        self._names = names

    def restarted(self, worker: int) -> None:
        """Count a worker that died and is to be started again."""
        self._restarts.labels(str(worker)).inc()

    def shows_configuration(self) -> ConfigurationMetrics:
        """Show from now on what became of reloads, too."""
        return ConfigurationMetrics(self.registry)

    def line_dropped(self) -> None:
        """Count a log line, of whichever process, that nobody will read."""
        self._lines_dropped.inc()

    def families(self) -> Iterable[Metric]:
        """Give the series of the supervisor alone, those of its own process without a label; for any thread."""
        up = self.up()
        told = GaugeMetricFamily("doka_worker_up", _UP, labels=["worker"])
        for name in self._names:
            told.add_metric([name], float(int(name) in up))
        yield told
        yield from (family for family in self.registry.collect() if family.name != told.name)
        yield from self._own.collect()

    def page(self, pages: Mapping[int, bytes]) -> tuple[bytes, str]:
        """Give one page of the workers' that answered (number -> page) and of the supervisor, and its content type."""
        self._up.clear()
        for name in self._names:
            self._up.labels(name).set(float(int(name) in pages))
        told = {str(number): page for number, page in sorted(pages.items())}
        return (
            generate_latest(self.registry) + merged(told | {SUPERVISOR: generate_latest(self._own)}),
            TEXT,
        )
