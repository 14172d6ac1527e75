"""The floor: doka's own consumer settings, and a loop that reads the fields of each record and does nothing else.

    python -m benchmarks.floor BOOTSTRAP_SERVERS TOPIC RECORDS      prints its figures as JSON

What it costs is librdkafka's and the language's; no forwarder in Python by this client can cost less.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import uuid
from collections import deque

from confluent_kafka import Consumer, Message

from adapters.kafka.client_settings import consumer_settings
from adapters.kafka.settings import KafkaSettings

BATCH = 1_000
FIELDS = (Message.error, Message.partition, Message.offset, Message.key, Message.value)


def main(bootstrap_servers: str, topic: str, records: int) -> dict[str, float]:
    """Consume so many records; gives the figures from the first batch to the last."""
    group = f"floor-{uuid.uuid4().hex[:8]}"
    settings = KafkaSettings(tuple(bootstrap_servers.split(",")), group, frozenset([topic]))
    consumer = Consumer(
        consumer_settings(settings) | {"auto.offset.reset": "earliest", "enable.partition.eof": False, "log_level": 0}
    )
    consumer.subscribe([topic])
    first = 0
    while not first:
        first = _take(consumer, 1)
    begun, cpu_begun, taken = time.monotonic(), time.process_time(), 0
    while taken < records - first:
        taken += _take(consumer, BATCH)
    took, cpu = time.monotonic() - begun, time.process_time() - cpu_begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    consumer.close()
    return {"cpu_us": cpu / taken * 1e6, "records_per_second": taken / took, "rss_mib": peak}


def _take(consumer: Consumer, limit: int) -> int:
    messages = consumer.consume(limit, 0.1)
    for field in FIELDS:
        deque(map(field, messages), maxlen=0)
    return len(messages)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
