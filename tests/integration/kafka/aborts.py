"""Run by a test in a process of its own: what the client library does when a callback calls what it must not."""

from __future__ import annotations

import sys

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition


def main(servers: str, call: str) -> None:
    """Call `consume` or `list_topics` of the same consumer inside its assign callback, then consume on."""

    def assigned(consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        consumer.incremental_assign([KafkaPartition(p.topic, p.partition, 0) for p in partitions])
        if call == "consume":
            consumer.consume(1, 0.1)
        elif call == "list_topics":
            consumer.list_topics("orders", timeout=5)
        # Its answer is the next callback of the same `consume`.
        consumer.commit(offsets=[KafkaPartition("orders", 0, 0)], asynchronous=True)

    answers: list[object] = []
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"aborts-{call}",
            "auto.offset.reset": "error",
            "enable.auto.commit": False,
            "partition.assignment.strategy": "cooperative-sticky",
            "on_commit": lambda _error, partitions: answers.append(partitions),
        },
    )
    consumer.subscribe(["orders"], on_assign=assigned)
    while not answers:
        consumer.consume(1000, 0.5 if call == "nothing" else 20)
    consumer.close()
    sys.stdout.write("alive\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
