"""The demo's traffic, and the verdict over what became of it.

Each record is one order of one customer and carries its number among that customer's orders:
whatever is lost, doubled or out of order can be counted from the stream alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

CUSTOMERS = 1_000


@dataclass(frozen=True, slots=True)
class Tally:
    """What was fed against what the stream holds. Keys are out of order by their first landings."""

    fed: int
    landed: int
    lost: int
    duplicates: int
    keys_out_of_order: int

    @property
    def clean(self) -> bool:
        """Whether every record landed exactly once and in order."""
        return not (self.lost or self.duplicates or self.keys_out_of_order)


def orders(count: int) -> Iterator[tuple[str, bytes]]:
    """Give `count` records (key, value): customers take turns, each counting its own orders from 0."""
    for number in range(count):
        customer, order = number % CUSTOMERS, number // CUSTOMERS
        key = f"customer-{customer:04d}"
        value = {"customer": key, "order": order, "number": number, "item": "a thing worth forwarding"}
        yield key, json.dumps(value).encode()


def judge(fed: int, landed: Iterable[tuple[str, bytes]]) -> Tally:
    """Compare `fed` orders with the stream's records (partition key, data), each shard's in its order."""
    seen: set[int] = set()
    last: dict[str, int] = {}
    out_of_order: set[str] = set()
    total = duplicates = 0
    for key, data in landed:
        record = json.loads(data)
        total += 1
        if record["number"] in seen:
            duplicates += 1
            continue
        seen.add(record["number"])
        if key != record["customer"] or record["order"] < last.get(key, -1):
            out_of_order.add(key)
        last[key] = record["order"]
    return Tally(fed, total, fed - len(seen), duplicates, len(out_of_order))
