"""Writes facts, and what libraries log, as lines on stdout: JSON for machines, readable ones for a person.

One line for each outcome, never for each record. Every line has `time`, `level`, `logger`, `event` and `message`, then the
figures of its fact. All of it passes redaction. The AWS libraries are held at INFO whatever the level: at DEBUG they
write session tokens and payloads. What is said anew at each request is held higher.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from doka.adapters.talkative import PINNED, pin_loggers
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.redaction import redacted
from doka.adapters.telemetry.repeats import Repeats
from doka.adapters.telemetry.telling import Line
from doka.adapters.telemetry.tracebacks import format_exception
from doka.domain.facts import Fact
from doka.domain.ports import Clock

_COLOURS = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_PLAIN = "\x1b[0m"
_CONTROLS = {n: f"\\x{n:02x}" for n in (*range(32), 127, *range(128, 160)) if n != ord("\n")}


class Log:
    """Turns facts and the standard library's log records into lines; never raises and never waits for stdout."""

    def __init__(
        self, clock: Clock, writer: LineWriter, level: str = "info", style: str = "json", worker: int | None = None
    ) -> None:
        """Take where lines go, the lowest `level` that is written, and `style`: json, console or colour.

        With a `worker`, every line says which of several processes it is from.
        """
        self._clock = clock
        self._writer = writer
        self._worker = worker
        self._level = logging.getLevelNamesMapping()[level.upper()]
        self._repeats = Repeats()
        self._stamp = _stamp if style == "json" else _local_time
        self._render: Callable[[dict[str, Any]], bytes] = (
            _json if style == "json" else _Console(colours=style == "colour")
        )
        self._handler = _Handler(self)
        writer.notice = self._notice
        self._before: tuple[int, dict[str, int]] | None = None

    def open(self) -> None:
        """Take over the standard library's root logger, and start to write."""
        root = logging.getLogger()
        pinned = {name: logging.getLogger(name).level for name in PINNED}
        self._before = (root.level, pinned)
        root.addHandler(self._handler)
        root.setLevel(self._level)
        pin_loggers(self._level)
        self._writer.open()

    def heed(self, level: str) -> None:
        """Write lines of this level and above from now on; to be called while it is open."""
        self._level = logging.getLevelNamesMapping()[level.upper()]
        logging.getLogger().setLevel(self._level)
        pin_loggers(self._level)

    def flush(self, within: float) -> bool:
        """Wait until all that was said is written, at most `within` seconds; False: it is not."""
        return self._writer.flush(within)

    def close(self, within: float) -> bool:
        """Write what is gathered and queued, at most `within` seconds, and give the root logger back."""
        self._tell(self._repeats.rest(self._clock.now()))
        if self._before is not None:
            root = logging.getLogger()
            root.removeHandler(self._handler)
            root.setLevel(self._before[0])
            for name, level in self._before[1].items():
                logging.getLogger(name).setLevel(level)
            self._before = None
        return self._writer.close(within)

    def tell(self, fact: Fact) -> None:
        """Say a fact, at once or merged with its like within ten seconds."""
        self._tell(self._repeats.lines(fact, self._clock.now()))

    def tick(self) -> None:
        """Say what was gathered and is due; to be called about once a second."""
        self._tell(self._repeats.due(self._clock.now()))

    def say(self, level: int, event: str, message: str, **fields: Any) -> None:
        """Write one line of the service's own, for what is no fact (start, stop), after all that came before it."""
        self._tell(self._repeats.rest(self._clock.now()))
        self._line(level, event, message, fields)

    def _tell(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._line(line.level, line.event, line.message, line.fields)

    def _line(self, level: int, event: str, message: str, fields: Mapping[str, Any]) -> None:
        if level >= self._level:
            self._writer.write(self.rendered(logging.getLevelName(level).lower(), "doka", event, message, **fields))

    def _notice(self, missing: int) -> bytes:
        message = f"{missing} log lines were dropped because stdout did not take them"
        return self.rendered("warning", "doka", "log_lines_dropped", message, missing=missing)

    def rendered(self, level: str, logger: str, event: str, message: str, **fields: Any) -> bytes:
        """Give a line by the same rules, for what does not come by `say` or `tell`."""
        line: dict[str, Any] = {"level": level, "logger": logger, "event": event, "message": message, **fields}
        line["time"] = self._stamp(self._clock.wall())
        if self._worker is not None:
            line["worker"] = self._worker
        failure = line.pop("exc_info", None)
        if failure is not None and failure[1] is not None:
            line["exception"] = format_exception(failure[1])
        return self._render(redacted(line))

    def record(self, record: logging.LogRecord) -> None:
        """Write a record of the standard library's logging."""
        fields: dict[str, Any] = {"exc_info": record.exc_info} if record.exc_info else {}
        line = self.rendered(record.levelname.lower(), record.name, "log", record.getMessage(), **fields)
        self._writer.write(line)

    def unwritten(self, logger: str) -> None:
        """Say that a record of this logger was malformed; its values are not shown."""
        self._line(logging.WARNING, "log", f"a log record of {logger} could not be written", {})


class _Handler(logging.Handler):
    """Brings the standard library's records; an error in one of them is dropped, never printed with its values."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._log.record(record)
        except Exception:  # noqa: BLE001 - a library's malformed log call must not reach the loop
            self._log.unwritten(record.name)


_FIRST = ("time", "level", "logger", "event", "message")


def _json(line: dict[str, Any]) -> bytes:
    ordered = {name: line.get(name) for name in _FIRST} | {n: v for n, v in line.items() if n not in _FIRST}
    return orjson.dumps(ordered, default=lambda thing: f"[{type(thing).__name__}]")


class _Console:
    """Renders a line for a person: the time, the level, the sentence; the figures are in the sentence already."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, line: dict[str, Any]) -> bytes:
        level = str(line["level"])
        text = str(line.get("message") or line["event"])
        if "worker" in line and not text.startswith("worker "):
            text = f"worker {line['worker']}: {text}"
        if line.get("exception"):
            text += f"\n{line['exception']}"
        text = text.translate(_CONTROLS).replace("\n", "\n    ")
        shown = f"{level:<8}"
        if self._colours:
            shown = f"{_COLOURS.get(level, '')}{shown}{_PLAIN}"
        return f"{line['time']} {shown} {text}".encode("utf-8", "backslashreplace")


def _stamp(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _local_time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).astimezone().strftime("%H:%M:%S")
