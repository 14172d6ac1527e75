"""The words and figures of which lines about outcomes are made: counts, sizes, durations, what a service said."""

from __future__ import annotations

from doka.domain.facts import Fact
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.records import TopicPartition

Value = str | int | float | bool | None | list[str]

PARTITIONS_SHOWN_MAX = 20  # in one line; the count beside them is always whole
MESSAGE_CHARACTERS_MAX = 500  # of what a service said


def many(count: int, noun: str) -> str:
    """Say a count of something: 1 record, 12,000 records."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def span(ns: int) -> str:
    """Say a duration for a person: 5 ms, 1.2 s, 12 min, 3 h."""
    if abs(ns) < NS_PER_SECOND:
        return f"{ns / NS_PER_MS:.0f} ms"
    whole = ns / NS_PER_SECOND
    if abs(whole) < 120:  # noqa: PLR2004 - up to two minutes people think in seconds
        return f"{whole:.1f}".removesuffix(".0") + " s"
    return f"{whole / 60:.0f} min" if abs(whole) < 7200 else f"{whole / 3600:.1f}".removesuffix(".0") + " h"  # noqa: PLR2004 - two hours


def size(count: int) -> str:
    """Say a number of bytes for a person: 512 B, 3.4 KiB, 2.0 MiB."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:  # noqa: PLR2004 - what a KiB is
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def seconds(ns: int) -> float:
    """Give a duration in seconds, to the millisecond."""
    return round(ns / NS_PER_SECOND, 3)


def figures(fact: Fact, *names: str, **more: Value) -> dict[str, Value]:
    """Give fields of a fact under their own names, a partition as the two that name it, and then more."""
    found: dict[str, Value] = {}
    for name in names:
        value = getattr(fact, name)
        found |= value._asdict() if isinstance(value, TopicPartition) else {name: value}
    return found | more


def shortened(text: str) -> str:
    """Cut what a service said to what a line can bear."""
    return text if len(text) <= MESSAGE_CHARACTERS_MAX else f"{text[:MESSAGE_CHARACTERS_MAX]}..."


def quoted(message: str) -> str:
    """Give what a service said as the end of a clause; nothing where it said nothing."""
    return f': "{shortened(message)}"' if message else ""
