"""The words and figures of which lines about outcomes are made: counts, sizes, durations, what a service said, what was changed."""

from __future__ import annotations

import logging
from typing import Final

from doka.domain.facts import Fact, StreamChanged
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import AUTO

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


def _changed_limit(fact: StreamChanged) -> tuple[int, str]:
    before, after = (value if isinstance(value, int) else 0 for value in (fact.before, fact.after))
    sizes = f"from {size(before)} to {size(after)}"
    if after < before:
        return logging.WARNING, f"record limit was lowered {sizes}: larger records can never land, see on_poison"
    return logging.INFO, f"record limit was raised {sizes}: what waited and fits now is sent"


def _changed_distribution(fact: StreamChanged) -> tuple[int, str]:
    if fact.after == AUTO:
        return logging.WARNING, "record distribution was set to AUTO: it places records without regard to their keys"
    return logging.INFO, "record distribution goes by partition keys again"


def _changed_encryption(fact: StreamChanged) -> tuple[int, str]:
    if fact.after is None:
        return logging.WARNING, f"encryption by the KMS key {fact.before} was turned off"
    now = f"encryption was changed: to the KMS key {fact.after}, from {fact.before or 'none'}"
    return logging.WARNING, f"{now}; the role needs kms:GenerateDataKey on it"


def _changed_shards(fact: StreamChanged) -> tuple[int, str]:
    before, after = (many(of, "open shard") if isinstance(of, int) else "not told" for of in (fact.before, fact.after))
    return logging.INFO, f"shards were changed: {after}, before {before}"


_CHANGED: Final = {
    "record_limit": _changed_limit,
    "distribution": _changed_distribution,
    "encryption": _changed_encryption,
    "shards": _changed_shards,
}


def changed(fact: StreamChanged) -> tuple[int, str]:
    """Give how loud it is that a stream was changed, and what was."""
    return _CHANGED[fact.what](fact)
