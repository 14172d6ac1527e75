"""What is seen of continuous audits: their metrics, whether they live and can prove anything, and a line for each window.

The metrics are a registry of their own, for a process that audits forwards nothing. Every series stands there from the
start, so that a rule sees the first failure and the first loss; a failed audit moves nothing but its own counter.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

from doka.adapters.telemetry.health import healthz, readyz
from doka.adapters.telemetry.http_server import HealthServer, Response
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.metrics import rendered, show_process
from doka.adapters.telemetry.sentences import span
from doka.domain.audit.fates import Fate, Judgement
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

COMPLETE, LOST, NOT_WHOLE, FAILED = "complete", "lost", "not_whole", "failed"
OUTCOMES: Final = (COMPLETE, LOST, NOT_WHOLE, FAILED)
STALLED_AFTER_NS: Final = 1_800 * NS_PER_SECOND
"""Longer than a window of tens of millions of records takes to be judged, during which nothing is told."""
LATE_NS: Final = 600 * NS_PER_SECOND
"""How much later than twice the interval an audit is late; as `DokaAuditLate` has it."""


class AuditMetrics:
    """The figures of continuous audits, by route; the page is rendered on the thread that serves it."""

    def __init__(self, clock: Clock, version: str, routes: Iterable[str], every_ns: int) -> None:
        """Take all routes, and how often each is audited; from now on a first success is waited for."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series a counter, and nothing reads it
        self.registry = CollectorRegistry()
        self.lost = self._gauge("lost_records", "Records that are committed and nowhere in the stream, by all windows so far; what was sent again since is taken out by the next audit.")  # fmt: skip
        self.judged_until = self._gauge("judged_until_timestamp_seconds", "Up to when records have been judged, by Kafka's timestamps, in seconds since the epoch; 0 before the first audit.")  # fmt: skip
        self.success_age = self._gauge("success_age_seconds", "How long ago an audit ended that could judge all of its window; before the first, for how long this process has run.")  # fmt: skip
        self.duration = self._gauge("duration_seconds", "How long the last audit took that ended; 0 before the first.")
        self.every = self._gauge("every_seconds", "How often an audit is to begin.")
        self.records = self._counter("doka_audit_records", "Records of Kafka that were judged, each once.", "route")
        self.not_judged = self._counter("doka_audit_not_judged_records", "Records that could not be judged, and never will be.", "route")  # fmt: skip
        self.audits = self._counter("doka_audits", "Audits that ended, by outcome: complete, lost (something is), not_whole (a part could not be judged), failed.", "route", "outcome")  # fmt: skip
        self.succeeded: dict[str, int] = {}
        """When an audit of each route last judged all (ns of `Clock.now`)."""
        for route in routes:
            self.succeeded[route] = clock.now()
            self.success_age.labels(route).set_function(partial(self._age, clock, route))
            for metric in (self.lost, self.judged_until, self.duration, self.records, self.not_judged):
                metric.labels(route)
            self.every.labels(route).set(every_ns / NS_PER_SECOND)
            for outcome in OUTCOMES:
                self.audits.labels(route, outcome)
        show_process(self.registry, version)

    def _age(self, clock: Clock, route: str) -> float:
        return (clock.now() - self.succeeded[route]) / NS_PER_SECOND

    def _gauge(self, name: str, sentence: str) -> Gauge:
        return Gauge(f"doka_audit_{name}", sentence, ["route"], registry=self.registry)

    def _counter(self, name: str, sentence: str, *labels: str) -> Counter:
        return Counter(name, sentence, labels, registry=self.registry)

    def page(self) -> tuple[bytes, str]:
        """Render all series in Prometheus' text format; gives the page and its content type."""
        return rendered(self.registry)


class AuditTelemetry:
    """Counts, logs and answers for the audits of one process; told by the one thread that audits."""

    def __init__(
        self, clock: Clock, log: Log, server: HealthServer | None, *, version: str, routes: Iterable[str], every_ns: int
    ) -> None:
        """Take the parts, and the names of the routes that are audited every so many ns."""
        self._clock = clock
        self._log = log
        self._server = server
        self._version = version
        self._every_ns = every_ns
        names = tuple(routes)
        self.metrics = AuditMetrics(clock, version, names, every_ns)
        self._turned = clock.now()
        self._troubles: dict[str, str] = dict.fromkeys(names, "no audit has ended yet")

    @property
    def port(self) -> int | None:
        """The port of the HTTP pages; None without a server."""
        return None if self._server is None else self._server.port

    def open(self) -> None:
        """Begin to write lines and to answer, and say where. Raises UsageError when the port cannot be listened on."""
        if self._server is not None:
            self._server.open(self.answer)
        self._log.open()
        message = f"doka {self._version} audits {', '.join(self._troubles)}, every {span(self._every_ns)}; /metrics, /healthz and /readyz are served at port {self.port}"
        self._log.say(logging.INFO, "started", message, port=self.port, version=self._version)

    def close(self, within: float) -> bool:
        """Write the last lines, at most `within` seconds, and free the port; False when lines were left."""
        if self._server is not None:
            self._server.close()
        return self._log.close(within)

    def turned(self) -> None:
        """Note that the audits go on."""
        self._turned = self._clock.now()

    def stands(self, route: str, lost: int) -> None:
        """Show how much of what earlier windows found to be lost was not found since."""
        self.metrics.lost.labels(route).set(lost)

    def audited(
        self, route: str, judgement: Judgement, new_records: int, took_ns: int, *, whole: bool, told: str
    ) -> None:
        """Count a window that was judged; `told` says what was found out, as a sentence."""
        self.turned()
        metrics, lost, not_judged = self.metrics, judgement.counts[Fate.LOST], judgement.counts[Fate.NOT_JUDGED]
        metrics.lost.labels(route).set(lost)
        if judgement.judged_until_ms > judgement.judged_from_ms:
            metrics.judged_until.labels(route).set(judgement.judged_until_ms / 1_000)
        metrics.duration.labels(route).set(took_ns / NS_PER_SECOND)
        metrics.records.labels(route).inc(max(new_records - not_judged, 0))
        metrics.not_judged.labels(route).inc(not_judged)
        outcome = LOST if lost else COMPLETE if whole else NOT_WHOLE
        metrics.audits.labels(route, outcome).inc()
        self._troubles.pop(route, None)
        if whole:
            metrics.succeeded[route] = self._clock.now()
        else:
            self._troubles[route] = "a part of the last window could not be judged"
        level = logging.ERROR if lost else logging.INFO if whole else logging.WARNING
        self._log.say(
            level,
            "audited",
            f"route {route}: {told}",
            route=route,
            outcome=outcome,
            records=new_records,
            lost=lost,
            not_judged=not_judged,
            judged_until_ms=judgement.judged_until_ms,
            seconds=round(took_ns / NS_PER_SECOND, 3),
        )

    def failed(self, route: str, why: str, again_in_ns: int) -> None:
        """Count an audit that came to no end, and say why and when it is tried again."""
        self.turned()
        self.metrics.audits.labels(route, FAILED).inc()
        self._troubles[route] = f"the last audit failed: {why}"
        message = f"route {route}: this audit failed, and is tried again in {span(again_in_ns)}: {why}"
        self._log.say(logging.WARNING, "audit_failed", message, route=route, reason=why)

    def ended(self, code: int, reason: str) -> None:
        """Say how it ended: the exit code, and why in a sentence."""
        message = f"doka ended with exit code {code}: {reason}"
        self._log.say(logging.INFO if code == 0 else logging.ERROR, "ended", message, code=code, reason=reason)

    def answer(self, path: str) -> Response | None:
        """Answer a GET; None for a path that there is not."""
        match path:
            case "/metrics":
                page, content_type = self.metrics.page()
                return Response(200, page, content_type)
            case "/healthz":
                return healthz(self._stalled())
            case "/readyz":
                return readyz([*self._stalled(), *self._reasons()])
            case _:
                return None

    def _stalled(self) -> list[str]:
        since = self._clock.now() - self._turned
        return [f"nothing was read or told for {span(since)}"] if since > STALLED_AFTER_NS else []

    def _reasons(self) -> list[str]:
        """Say for each route why nothing can be proved of the present."""
        now, late_ns = self._clock.now(), 2 * self._every_ns + LATE_NS
        told = {route: f"the last audit that judged all ended {span(now - at)} ago" for route, at in self.metrics.succeeded.copy().items() if now - at > late_ns}  # fmt: skip
        return [f"route {route}: {why}" for route, why in (told | self._troubles.copy()).items()]
