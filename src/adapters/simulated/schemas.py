"""What is written with the registry of a simulated world, and what reads it.

Each schema reads what was written by it, and by no other: a payload names its schema at its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from doka.domain.limits import NS_PER_SECOND
from doka.domain.schemas import Decode, Found, Framing

SCHEMAS: Final = 6
"""That there are in a run, one after another; what names another one can never land."""
UNKNOWN: Final = 99
LATE_NS: Final = 3 * NS_PER_SECOND // 2
"""A registry learns of a schema at most so long after its first record was written."""


class Reads:
    """What reads by one schema; equal to any other of the same, so that traces can be compared."""

    def __init__(self, schema: str) -> None:
        self._end = b"#" + schema.encode()

    def __call__(self, payloads: Sequence[bytes], *, packed: bool = False) -> list[bytes | None]:
        """Give what was written by this schema."""
        return [None if packed or not each.endswith(self._end) else each[: -len(self._end)] for each in payloads]


def written(schema: int, value: bytes) -> bytes:
    """Give a value as a producer writes it by a schema."""
    return b"\x00" + schema.to_bytes(4) + value + b"#%d" % schema


def read_back(value: bytes) -> bytes:
    """Give what was written, as whoever decodes it has it."""
    return value[5:].rpartition(b"#")[0]


def ask(schemas: tuple[str, ...]) -> Mapping[str, Found]:
    """Answer a command, which waits for it: for these no fault is played."""
    return {schema: Reads(schema) if 0 < int(schema) <= SCHEMAS else None for schema in schemas}


DECODE: Final = Decode(Framing.CONFLUENT, "simulated", "", ask)
