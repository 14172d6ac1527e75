"""Records for a benchmark: so many, so large, with so many keys; either all at once or at a steady rate.

Keys are drawn evenly and at random (seeded): keys in turn would flatter whatever keeps order per key, because equal
ones then never meet in one request.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from threading import Event

from confluent_kafka import Producer

from benchmarks.avro import values

STAMP_BYTES = 18
"""A record may begin with the microseconds of CLOCK_MONOTONIC at which it was produced; 18 bytes are 24 of base64."""

FLUSH_SECONDS = 120.0
TICK_SECONDS = 0.002  # a steady rate comes in portions of this length
_POOL_BYTES = 64 * 1024
_QUEUE_RECORDS = 200_000


@dataclass(frozen=True, slots=True)
class Load:
    """What records are like; `size` is of the value, in bytes."""

    size: int
    keys: int
    avro: bool = False
    """Whether values are Avro, behind the frame of a registry."""

    def __post_init__(self) -> None:
        if self.size < STAMP_BYTES:
            raise ValueError(f"a record has room for its stamp of {STAMP_BYTES} bytes")


class Feed:
    """A producer of some topics in turn; the same load and seed give the same records."""

    def __init__(self, bootstrap_servers: str, topics: Sequence[str], load: Load, *, linger_ms: int = 5) -> None:
        self._topics, self._size = cycle(topics), load.size
        self._chance = random.Random(load.size)
        self._pool = self._chance.randbytes(_POOL_BYTES // 2).hex().encode() * (load.size // _POOL_BYTES + 2)
        self._avro = values(load.size, self._chance) if load.avro else ()
        self._keys = [f"key-{number:07d}".encode() for number in range(load.keys)]
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": linger_ms,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 2 * _QUEUE_RECORDS,
                "queue.buffering.max.kbytes": 1024 * 1024,
                "log_level": 0,
            }
        )

    def fill(self, records: int) -> None:
        """Produce so many and wait until Kafka has them all. Raises OSError where it does not take them."""
        produce, pool, size = self._producer.produce, self._pool, self._size
        for first in range(0, records, 1_000):
            count = min(1_000, records - first)
            begins = self._chance.choices(range(_POOL_BYTES), k=count)
            data = self._chance.choices(self._avro, k=count) if self._avro else [pool[at : at + size] for at in begins]
            for value, key in zip(data, self._chance.choices(self._keys, k=count), strict=True):
                produce(next(self._topics), value, key)
            self._producer.poll(0)
            while len(self._producer) > _QUEUE_RECORDS:
                self._producer.poll(0.05)
        self._flush()

    def trickle(self, rate: int, seconds: float) -> int:
        """Produce stamped records at a steady rate for so long, and wait until Kafka has them; gives how many.

        A portion that comes late is produced at once, with the time of that moment: what is measured is the way of a
        record, not the pace of this loop.
        """
        pause = Event()
        tail = self._pool[: self._size - STAMP_BYTES]
        total, produced, begin = int(rate * seconds), 0, time.monotonic()
        while produced < total:
            due = min(total, int((time.monotonic() - begin) * rate))
            for key in self._chance.choices(self._keys, k=due - produced):
                stamp = b"%0*d" % (STAMP_BYTES, time.monotonic_ns() // 1_000)
                self._producer.produce(next(self._topics), stamp + tail, key)
            produced = max(produced, due)
            self._producer.poll(0)
            pause.wait(TICK_SECONDS)
        self._flush()
        return total

    def _flush(self) -> None:
        left = self._producer.flush(FLUSH_SECONDS)
        if left:
            raise OSError(f"Kafka did not take {left} records within {FLUSH_SECONDS:.0f} s")
