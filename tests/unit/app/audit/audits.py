"""Judgements for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from doka.adapters.audit.file import AuditFile
from doka.app.audit.telling import Found
from doka.domain.audit.fates import Fate, Judgement, OffsetRange, Terms
from doka.domain.audit.identity import Match

TERMS = Terms(
    "orders", "arn:stream/orders", "doka", Match.KEY_AND_DATA, "as it is", 1_785_542_400_000, 1_785_546_000_000
)

CLEAN = Judgement(
    records=1_000,
    landings=1_000,
    counts=dict.fromkeys(Fate, 0) | {Fate.IN_STREAM: 1_000},
    repeats=0,
    order_unknown=0,
    poison_codes={},
    foreign=0,
    outside=0,
    judged_from_ms=TERMS.since_ms,
    judged_until_ms=TERMS.until_ms,
    kafka_read=True,
    longest_wait_ms=250,
    buckets=(),
    bucket_ms=1_000,
)


def judged(counts: Mapping[Fate, int] | None = None, **others: Any) -> Judgement:
    """Give a clean judgement with these counts and these other changes."""
    return replace(CLEAN, counts={**CLEAN.counts, **(counts or {})}, **others)


class FileOf:
    """As much of an audit file as is asked to tell of it: the same ranges for each fate."""

    def __init__(self, ranges: Sequence[OffsetRange]) -> None:
        self._ranges = ranges

    def ranges(self, fate: Fate) -> Iterator[OffsetRange]:
        """Give the ranges."""
        del fate
        return iter(self._ranges)


def file_of(ranges: Sequence[OffsetRange] = ()) -> AuditFile:
    """Give a file that names these records, whatever is asked."""
    return cast("AuditFile", FileOf(ranges))


def found(judgement: Judgement, why_stopped: str | None = None, **others: Any) -> Found:
    """Give what is told of this judgement."""
    told: dict[str, Any] = {"broken_aggregates": 0, "not_compressed": 0, "notes": ()} | others
    return Found(Path("x.duckdb"), TERMS, judgement, why_stopped=why_stopped, **told)
