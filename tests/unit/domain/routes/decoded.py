"""Values that name schemas, and what reads by those, for the tests of what is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from doka.domain.records import Chunk
from doka.domain.schemas import Decode, Found, Framing
from tests.unit.domain.builders import chunk


def framed(schema: int, payload: str = "x") -> bytes:
    """Give a value as Confluent's serializers frame it; the readers here take `bad` for what does not fit."""
    return b"\x00" + schema.to_bytes(4) + payload.encode()


def reader(payloads: Sequence[bytes], *, packed: bool) -> list[bytes | None]:
    """Give each payload in quotes."""
    end = b'-packed"' if packed else b'"'
    return [None if each == b"bad" else b'"' + each + end for each in payloads]


def decode(framing: Framing = Framing.CONFLUENT, knows: Mapping[str, Found] | None = None) -> Decode:
    """Give the rules of a route that decodes; a command that asks is answered by what `knows`."""
    there = knows or {}
    return Decode(framing, "http://registry", "", lambda schemas: {schema: there.get(schema) for schema in schemas})


def framed_chunk(*schemas: int, start: int = 0, payload: str = "x") -> Chunk:
    """Give a chunk of a record for each of these schemas, under keys of their own."""
    keys = [f"k{start + place}" for place in range(len(schemas))]
    return chunk(keys, start=start, values=[framed(schema, payload) for schema in schemas])
