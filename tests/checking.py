"""Judging what landed: every payload says which record it is, so losses, repeats and order are arithmetic.

`Production` hands out payloads and remembers how many it gave for each (topic, partition, key).
`judge` compares them with what landed, in the order in which it landed, and never passes for having looked at nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

EXAMPLES_MAX = 10
_SEPARATOR = b"/"
_FILLER = b"."


class KeyLog(NamedTuple):
    """One key of one source partition: the unit within which order is promised."""

    topic: str
    partition: int
    key: str


class Stamp(NamedTuple):
    """Which record a payload is: the `sequence`-th of its key in its partition, counted from 0."""

    log: KeyLog
    sequence: int


def encode(stamp: Stamp, size: int = 100) -> bytes:
    """Give a payload that says which record it is, filled up to `size` bytes.

    Raises ValueError for a topic or key with a slash, which would not be read back, and for too small a size.
    """
    log, sequence = stamp
    if "/" in log.topic or "/" in log.key:
        raise ValueError(f"a slash in {log} could not be told from a separator")
    payload = f"{log.topic}/{log.partition}/{log.key}/{sequence}/".encode()
    if len(payload) > size:
        raise ValueError(f"{log} does not fit into {size} bytes")
    return payload.ljust(size, _FILLER)


def decode(payload: bytes) -> Stamp:
    """Read a payload of `encode`. Raises ValueError for any other."""
    topic, partition, key, sequence, filler = payload.split(_SEPARATOR, 4)
    if filler.strip(_FILLER):
        raise ValueError("the filler was changed")
    return Stamp(KeyLog(topic.decode(), int(partition), key.decode()), int(sequence))


class Production:
    """What was produced: for each key of each partition the sequences 0, 1, 2, ... without a hole."""

    def __init__(self) -> None:
        self.counts: Counter[KeyLog] = Counter()

    def payload(self, topic: str, partition: int, key: str, size: int = 100) -> bytes:
        """Give the next payload of a key; from now on it counts as produced, so produce it."""
        log = KeyLog(topic, partition, key)
        sequence = self.counts[log]
        self.counts[log] = sequence + 1
        return encode(Stamp(log, sequence), size)

    def __len__(self) -> int:
        return self.counts.total()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of everything produced. The lists hold the first few examples, the counts all."""

    produced: int
    landed: int
    """Landings, repeats included."""
    lost: int
    duplicates: int
    """Landings beyond the first of each record."""
    out_of_order: int
    """Records whose first landing came after the first landing of a later record of their key."""
    unknown: int
    """Landings of what was never produced."""
    examples: Mapping[str, list[Stamp | bytes]] = field(default_factory=dict)

    def __str__(self) -> str:
        figures = (
            f"produced {self.produced}, landed {self.landed}, lost {self.lost}, duplicates {self.duplicates}, "
            f"out of order {self.out_of_order}, unknown {self.unknown}"
        )
        return figures + "".join(f"\n  {what}: {found}" for what, found in self.examples.items() if found)

    def assert_kept(self, *, at_least: int, duplicates_max: int = 0) -> None:
        """Assert that nothing was lost, swapped or invented, and that at least so many records were looked at."""
        assert self.produced >= at_least > 0, f"only {self.produced} records were produced: this proves nothing"
        assert self.lost == 0, f"records were lost: {self}"
        assert self.unknown == 0, f"landed what nobody produced: {self}"
        assert self.out_of_order == 0, f"order of first landings was broken: {self}"
        assert self.duplicates <= duplicates_max, f"more than {duplicates_max} duplicates: {self}"


def judge(produced: Production | Mapping[KeyLog, int], landed: Iterable[bytes]) -> Verdict:
    """Compare what was produced with the payloads that landed, in the order in which they landed.

    Payloads of one key must come in the order of their stream; those of different shards may be chained in any order,
    as long as a key stayed on one shard or its shards come parents first.
    """
    counts = produced.counts if isinstance(produced, Production) else produced
    seen = {log: bytearray(count) for log, count in counts.items()}
    highest: dict[KeyLog, int] = {}
    examples: dict[str, list[Stamp | bytes]] = {"lost": [], "duplicates": [], "out of order": [], "unknown": []}
    tally: Counter[str] = Counter()

    def note(what: str, example: Stamp | bytes) -> None:
        tally[what] += 1
        if len(examples[what]) < EXAMPLES_MAX:
            examples[what].append(example)

    for payload in landed:
        tally["landed"] += 1
        try:
            log, sequence = stamp = decode(payload)
        except ValueError:
            note("unknown", payload[:80])
            continue
        marks = seen.get(log)
        if marks is None or not 0 <= sequence < len(marks):
            note("unknown", stamp)
        elif marks[sequence]:
            note("duplicates", stamp)
        else:
            marks[sequence] = 1
            if sequence < highest.get(log, -1):
                note("out of order", stamp)
            else:
                highest[log] = sequence
    for log, marks in seen.items():
        for sequence in (at for at, mark in enumerate(marks) if not mark):
            note("lost", Stamp(log, sequence))
    return Verdict(
        produced=sum(counts.values()),
        landed=tally["landed"],
        lost=tally["lost"],
        duplicates=tally["duplicates"],
        out_of_order=tally["out of order"],
        unknown=tally["unknown"],
        examples=examples,
    )
