"""Sends one signal to a collector again and again, on a thread of its own.

The loop never waits for it: a collector that is slow or away costs figures and spans, which are counted, and a line in the
log when it begins and when it is over. What grows only is cumulative, so the next export has all that a lost one had.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from doka.adapters.telemetry.metrics import EXPORT_OUTCOMES
from doka.adapters.telemetry.otlp.posting import Answer
from doka.adapters.telemetry.otlp.spans import Spans
from doka.domain.backoff import backoff
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.ports import Clock

SENT, PARTLY, FAILED = EXPORT_OUTCOMES
LAST_EXPORT_SECONDS = 1.0
"""What a stop grants a collector, beside the time of the drain."""
_ATTEMPT_NS_MIN = 50 * NS_PER_MS  # less than that is no attempt
_BACKOFF_FIRST_NS = NS_PER_SECOND

logger = logging.getLogger("doka.otlp")


class Posts(Protocol):
    """What a request goes out by."""

    def post(self, body: bytes, within: int) -> Answer:
        """Send a request, and wait for its answer, at most so many ns."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


@dataclass(frozen=True, slots=True)
class Signal:
    """What is sent: `gather` gives a request, None when there is nothing to send; `count` takes what became of it."""

    name: str
    gather: Callable[[], bytes | None]
    count: Callable[[str], None]
    every: int
    """ns between two exports; each is tried again only within them, or within `patience` where that is more."""
    patience: int = 0


class Exporter:
    """The thread of one signal."""

    def __init__(self, signal: Signal, poster: Callable[[], Posts], clock: Clock, jitter: Callable[[], float]) -> None:
        """Take the signal, what makes the connection on the thread, and what spreads tries (0 to below 1)."""
        self._signal = signal
        self._make_poster = poster
        self._clock = clock
        self._jitter = jitter
        self._stop = threading.Event()
        self._close_by: int | None = None
        self._failing = False
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Begin; the first export is due after one interval."""
        name = f"doka-otlp-{self._signal.name}"
        # A daemon: a collector that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def begin_close(self, within: float) -> None:
        """Let the last export begin; it has so many seconds."""
        self._close_by = self._clock.now() + round(within * NS_PER_SECOND)
        self._stop.set()

    def join(self) -> bool:
        """Wait for the last export until its time is over; False: it is under way still, and is left behind."""
        if self._thread is None or self._close_by is None:
            return True
        self._thread.join(max(0, self._close_by - self._clock.now()) / NS_PER_SECOND)
        return not self._thread.is_alive()

    def _run(self) -> None:
        poster = self._make_poster()
        due = self._clock.now() + self._signal.every
        while not self._stop.wait(max(0, due - self._clock.now()) / NS_PER_SECOND):
            due = max(due, self._clock.now()) + self._signal.every
            self._export(poster, until=max(due, self._clock.now() + self._signal.patience))
        self._export(poster, until=self._clock.now())
        poster.close()

    def _export(self, poster: Posts, until: int) -> None:
        """Send what there is, if need be again and again before `until`."""
        try:
            body = self._signal.gather()
            if body is not None:
                self._told(self._sent(poster, body, until))
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the next export is tried
            self._told(Answer(taken=False, why=f"an unexpected {type(error).__name__} inside doka, please report it"))

    def _sent(self, poster: Posts, body: bytes, until: int) -> Answer:
        tries = 0
        while True:
            tries += 1
            answer = poster.post(body, self._time_left())
            if answer.taken or not answer.again or self._close_by is not None:
                return answer
            wait = backoff(tries, self._jitter, first=_BACKOFF_FIRST_NS) if answer.after is None else answer.after
            if self._clock.now() + wait >= until:
                return answer
            self._stop.wait(wait / NS_PER_SECOND)  # a stop ends the wait, and has one more try

    def _time_left(self) -> int:
        """Give how long an attempt may take: what its target allows, but in a stop no more than is left of it."""
        if self._close_by is None:
            return 3_600 * NS_PER_SECOND
        return max(_ATTEMPT_NS_MIN, self._close_by - self._clock.now())

    def _told(self, answer: Answer) -> None:
        """Count what became of an export, and say when failing begins and when it is over."""
        name = self._signal.name
        outcome = FAILED if not answer.taken else PARTLY if answer.why else SENT
        self._signal.count(outcome)
        if answer.why and not self._failing:
            what = "were refused in part" if answer.taken else "could not be sent"
            logger.warning(
                "%s %s by OTLP: %s; forwarding goes on, what became of later ones is in doka_otlp_exports_total",
                name,
                what,
                answer.why,
            )
        elif self._failing and not answer.why:
            logger.info("%s are taken by OTLP again", name)
        self._failing = bool(answer.why)


class Exports:
    """All signals of a process, and the spans that its facts become, where traces are wanted."""

    def __init__(self, exporters: Sequence[Exporter], spans: Spans | None = None) -> None:
        """Take them; nothing is sent before `open`."""
        self._exporters = exporters
        self.spans = spans

    def open(self) -> None:
        """Begin to send."""
        for exporter in self._exporters:
            exporter.open()

    def close(self, within: float = LAST_EXPORT_SECONDS) -> bool:
        """Send what there is at the end, all signals at once, at most so many seconds; False: not all of it was."""
        for exporter in self._exporters:
            exporter.begin_close(within)
        return all([exporter.join() for exporter in self._exporters])  # noqa: C419 - each is waited for
