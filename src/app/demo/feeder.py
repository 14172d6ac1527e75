"""Feeds the demo's orders into Kafka, evenly over its time, on a thread of its own."""

from __future__ import annotations

import threading

from confluent_kafka import KafkaError, Message, Producer

from doka.app.demo.orders import orders
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

TURN_SECONDS = 0.02


class Feeder:
    """Produces a fixed number of orders; `fed` counts those that Kafka acknowledged."""

    def __init__(self, bootstrap_servers: str, topic: str, records: int, seconds: float, clock: Clock) -> None:
        """Feed `records` orders over `seconds`."""
        self.records = records
        self.fed = 0
        self.failed: str | None = None
        self._topic = topic
        self._seconds = seconds
        self._clock = clock
        self._stop = threading.Event()
        self._producer = Producer(
            {"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "linger.ms": 5, "log_level": 0}
        )
        self._thread = threading.Thread(target=self._feed, name="demo-feeder", daemon=True)

    @property
    def done(self) -> bool:
        """Whether every order is in Kafka."""
        return self.fed == self.records

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop feeding and wait for the thread."""
        self._stop.set()
        self._thread.join()

    def _feed(self) -> None:
        began = self._clock.now()
        produced = 0
        traffic = orders(self.records)
        while not self._stop.is_set() and produced < self.records:
            elapsed = (self._clock.now() - began) / NS_PER_SECOND
            due = min(self.records, int(self.records * elapsed / self._seconds))
            for _ in range(due - produced):
                key, value = next(traffic)
                self._producer.produce(self._topic, value, key, on_delivery=self._acknowledged)
            produced = max(produced, due)
            self._producer.poll(0)
            self._stop.wait(TURN_SECONDS)
        self._producer.flush(10)

    def _acknowledged(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self.fed += 1
        else:
            self.failed = str(error)
