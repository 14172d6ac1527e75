"""Reads what was written by a JSON Schema: JSON behind the frame. It is not held to the schema, which its producer did."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from doka.adapters.registry.unpacking import unpacked


def json_reader(payloads: Sequence[bytes], *, packed: bool = False) -> list[bytes | None]:
    """Give each payload as it stands there; None where it is no JSON."""
    return [_one(unpacked(each) if packed else each) for each in payloads]


def _one(payload: bytes | None) -> bytes | None:
    if payload is None:
        return None
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    return payload
