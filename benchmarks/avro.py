"""Records of Avro for the case avro, and the registry that has their schema."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_writer

from tests.schema_registry import framed, schema_registry

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "customer", "type": "string"},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID", "SENT"]}},
        {"name": "items", "type": "int"},
        {"name": "rebate", "type": ["null", "long"]},
        {"name": "note", "type": "string"},
    ],
}
_SCHEMA_ID = 1
_VALUES = 5_000


def values(size: int, chance: random.Random) -> Sequence[bytes]:
    """Give different values of six fields, each of nearly so many bytes with its frame."""
    schema, found = parse_schema(SCHEMA), []
    for number in range(_VALUES):
        customer = f"customer-{chance.randrange(100_000):05d}"
        out = BytesIO()
        schemaless_writer(
            out,
            schema,
            {
                "id": 10**9 + number,
                "customer": customer,
                "state": chance.choice(("NEW", "PAID", "SENT")),
                "items": chance.randrange(1, 60),
                "rebate": chance.choice((None, chance.randrange(1_000))),
                "note": chance.randbytes(size).hex()[: max(0, size - len(customer) - 18)],
            },
        )
        found.append(framed(_SCHEMA_ID, out.getvalue()))
    return found


@contextmanager
def running_registry() -> Iterator[str]:
    """Run a registry that has the schema; give its URL."""
    with schema_registry() as running:
        if running.register("orders-value", SCHEMA) != _SCHEMA_ID:
            raise ValueError("the schema has another id than values name")
        yield running.url
