"""The floor: doka's own consumer settings, and a loop that reads the fields of each record and does nothing else.

    python -m benchmarks.floor BOOTSTRAP_SERVERS TOPICS RECORDS              what consuming so many costs
    python -m benchmarks.floor BOOTSTRAP_SERVERS TOPICS RECORDS ages WARM    how late each of them is, and what those behind the
                                                                             first WARM cost

It prints its figures as JSON. What it costs, and how late a record is here, is Kafka's, the client's and the
language's: no forwarder in Python by this client can do better.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import uuid
from collections import deque
from typing import Any, TypeAlias, cast

from confluent_kafka import Consumer, Message

from benchmarks.feeding import STAMP_BYTES
from doka.adapters.kafka.client_settings import consumer_settings
from doka.adapters.kafka.settings import MemberSettings

BATCH = 1_000
FIELDS = (Message.error, Message.partition, Message.offset, Message.key, Message.value)
Messages: TypeAlias = "list[Message[Any, Any]]"


def consume(consumer: Consumer, records: int) -> dict[str, float]:
    """Give `cpu_us`, `records_per_second` and `rss_mib` from the first batch to the last."""
    first = 0
    while not first:
        first = len(_read(consumer.consume(1, 0.1)))
    begun, cpu_begun, taken = time.monotonic(), time.process_time(), 0
    while taken < records - first:
        taken += len(_read(consumer.consume(BATCH, 0.1)))
    took, cpu = time.monotonic() - begun, time.process_time() - cpu_begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu_us": cpu / taken * 1e6, "records_per_second": taken / took, "rss_mib": peak}


def watch(consumer: Consumer, records: int, warm: int) -> dict[str, Any]:
    """Give `ages`: when each stamped record was produced, and how old it was when it was consumed, in us; and `cpu_us`.

    The first `warm` records cost nothing here.
    """
    ages: list[tuple[int, int]] = []
    cpu_begun, counted_from = 0.0, 0
    while len(ages) < records:
        if not counted_from and len(ages) >= warm:
            cpu_begun, counted_from = time.process_time(), len(ages)
        messages = consumer.consume(BATCH, 0) or consumer.consume(1, 0.1)
        now = time.monotonic_ns() // 1_000
        produced = [int(cast("bytes", message.value())[:STAMP_BYTES]) for message in _read(messages)]
        ages += [(at, now - at) for at in produced]
    return {"ages": ages, "cpu_us": (time.process_time() - cpu_begun) / (len(ages) - counted_from) * 1e6}


def _read(messages: Messages) -> Messages:
    for field in FIELDS:
        deque(map(field, messages), maxlen=0)
    return messages


def main(bootstrap_servers: str, topics: str, records: str, what: str = "cost", warm: str = "0") -> None:
    """Join a group of its own, and print what was found."""
    group = f"floor-{uuid.uuid4().hex[:8]}"
    settings = consumer_settings(
        MemberSettings(tuple(bootstrap_servers.split(",")), group, frozenset(topics.split(",")))
    )
    others = {"auto.offset.reset": "earliest", "enable.partition.eof": False, "log_level": 0}
    consumer = Consumer(settings | others)
    consumer.subscribe(topics.split(","))
    found = watch(consumer, int(records), int(warm)) if what == "ages" else consume(consumer, int(records))
    consumer.close()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
