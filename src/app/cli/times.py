"""How a person names a time to a command: as a time with its zone, or as how long ago it was."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from doka.domain.errors import UsageError

_AGO: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
TIME_SHOWN: Final = "2026-08-01T00:00:00Z, or 63h for 63 hours ago"


def time_ms(option: str, text: str, wall: float) -> int:
    """Read a time (ISO 8601 with its zone), or how long before `wall` it was (90s, 30m, 63h, 2d); give ms since the epoch.

    Raises:
        UsageError: it is no time, has no zone, or lies in the future, where nothing is yet.
    """
    said = text.strip()
    ago = _AGO.fullmatch(said)
    seconds = wall - int(ago[1]) * _SECONDS[ago[2]] if ago is not None else _moment(option, said)
    if not 0 <= seconds <= wall:
        raise UsageError(f"{option} {text!r} lies {'in the future' if seconds > wall else 'before 1970'}")
    return round(seconds * 1_000)


def span_seconds(option: str, text: str) -> int:
    """Read how long something lasts (90s, 30m, 1h, 2d); give it in seconds, at least one.

    Raises:
        UsageError: it is no such span.
    """
    found = _AGO.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise UsageError(f"{option} {text!r} is no span of time; say it like 1h, or 30m")
    return int(found[1]) * _SECONDS[found[2]]


def is_ago(text: str) -> bool:
    """Say whether a time is told as how long ago it was, so that it is another one whenever it is read."""
    return _AGO.fullmatch(text.strip()) is not None


def _moment(option: str, text: str) -> float:
    """Read a time with its zone, in seconds since the epoch."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is no time; say it like {TIME_SHOWN}") from None
    if moment.tzinfo is None:
        raise UsageError(f"{option} {text!r} has no zone; add one, like {TIME_SHOWN}")
    try:
        return moment.timestamp()
    except (OverflowError, ValueError):  # the first or the last hours of the calendar, in another zone
        raise UsageError(f"{option} {text!r} cannot be counted; say it like {TIME_SHOWN}") from None
