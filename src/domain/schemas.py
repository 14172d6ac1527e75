"""What a schema registry knows, as far as the domain has to know it: which schema a value names, and what reads by it.

A value names its schema in a frame in front of it, or in a header beside it. The frame is read here; what stands behind it
is read by a `Reader`, which an adapter makes of a schema that it was asked for. So nothing here knows Avro.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, Protocol

HEADER: Final = "__value_schema_id"
"""The header in which Confluent's serializers since 2025 may name the schema of a value, with the same first byte."""


class Reader(Protocol):
    """Reads by one schema."""

    def __call__(self, payloads: Sequence[bytes], *, packed: bool) -> list[bytes | None]:
        """Give each payload as JSON (UTF-8), in the same order; None where it does not fit the schema. Never raises.

        `packed`: they are compressed by zlib.
        """
        ...


@dataclass(frozen=True, slots=True)
class Unusable:
    """A schema that is there, and that nothing can read by; `why` holds nothing of a record."""

    why: str


Found = Reader | Unusable | None
"""What is known of a schema: what reads by it, why nothing can, or (None) that there is none."""

Ask = Callable[[tuple[str, ...]], Mapping[str, Found]]
"""Asks for schemas and waits; gives one of them at least. Raises UsageError where there is no answer."""


class Framing(Enum):
    """How a value names its schema."""

    CONFLUENT = "confluent"
    """By 0x00 and an id of four bytes, big endian, or by 0x01 and a GUID of sixteen, in front of it."""
    CONFLUENT_HEADER = "confluent_header"
    """By the same in a header; in front of it where there is no such header."""
    GLUE = "glue"
    """By 0x03, a byte for the compression, and a UUID of sixteen, in front of it."""


@dataclass(frozen=True, slots=True)
class Decode:
    """What a route's values are decoded by."""

    framing: Framing
    registry: str
    """Where the schemas are, for a person: a URL without anything secret, or the region of AWS Glue."""
    form: str
    """How what JSON has no form for is written, for a person."""
    ask: Ask = field(repr=False, compare=False)
    """Asks the registry, and waits for it: for commands, which may. The service asks by `FetchSchemas`."""


class Frame(NamedTuple):
    """What the first bytes of a value say."""

    schema: str
    """Its id as the registry has it: a number in decimal digits, or a UUID in its common form."""
    size: int
    """Bytes before the payload."""
    packed: bool = False
    """Whether the payload is compressed by zlib, as AWS Glue's serializers may do."""


_ID: Final = 0x00
_GUID: Final = 0x01
_GLUE: Final = 0x03
_GLUE_PLAIN: Final = 0x00
_GLUE_ZLIB: Final = 0x05

_OF_CONFLUENT: Final = {_ID: 5, _GUID: 17}
_OF_GLUE: Final = {_GLUE: 18}


def sizes_of(framing: Framing) -> dict[int, int]:
    """Give the size of a frame by its first byte."""
    return _OF_GLUE if framing is Framing.GLUE else _OF_CONFLUENT


def read_frame(head: bytes) -> Frame | None:
    """Read a whole frame, of the size that its first byte asks for; None where it is none."""
    if not head:
        return None
    match head[0]:
        case 0x00 if len(head) == _OF_CONFLUENT[_ID]:
            return Frame(str(int.from_bytes(head[1:])), len(head))
        case 0x01 if len(head) == _OF_CONFLUENT[_GUID]:
            return Frame(_uuid(head[1:]), len(head))
        case 0x03 if len(head) == _OF_GLUE[_GLUE] and head[1] in {_GLUE_PLAIN, _GLUE_ZLIB}:
            return Frame(_uuid(head[2:]), len(head), packed=head[1] == _GLUE_ZLIB)
        case _:
            return None


def _uuid(content: bytes) -> str:
    digits = content.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
