"""A producer that keeps writing while the service dies and comes back, and remembers what was acknowledged, and where."""

from __future__ import annotations

import threading
from collections import defaultdict
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, Message, Producer

from tests.checking import KeyLog, Production, decode

SLICE = 50
EVERY_SECONDS = 0.02
FLUSH_SECONDS = 60.0


class Writer:
    """Writes to all partitions in turn, on a thread of its own, as much as it is allowed; every key has one partition."""

    def __init__(self, bootstrap_servers: str, topic: str, partitions: int, keys: int) -> None:
        self.production = Production()
        self.acknowledged: dict[KeyLog, list[int]] = defaultdict(list)
        self._topic, self._partitions, self._keys = topic, partitions, keys
        self._allowed = 0
        self._trouble: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name=f"writer of {topic}")
        # An idempotent producer keeps the order of a partition, whatever it has to send again.
        self._producer = Producer(
            {"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "linger.ms": 2, "log_level": 0}
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def allow(self, records: int) -> None:
        """Let it write so many more, a slice at a time."""
        self._allowed += records

    @property
    def idle(self) -> bool:
        """Whether all that it may write is written."""
        return len(self.production) >= self._allowed

    def finish(self) -> None:
        """Stop writing and wait until all is acknowledged; raises AssertionError where something was not."""
        self._stop.set()
        self._thread.join()
        left = self._producer.flush(FLUSH_SECONDS)
        assert (0, None) == (left, self._trouble), f"{left} records were not acknowledged: {self._trouble}"
        assert len(self.production) == sum(map(len, self.acknowledged.values()))

    def _write(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            for _ in range(min(SLICE, self._allowed - len(self.production))):
                number = len(self.production)
                partition = number % self._partitions
                key = f"{partition}-k{number // self._partitions % self._keys}"
                payload = self.production.payload(self._topic, partition, key)
                self._producer.produce(self._topic, payload, key, partition, on_delivery=self._delivered)
            self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        value, offset = message.value(), message.offset()
        if error is not None or value is None or offset is None:
            self._trouble = str(error)
            return
        log, sequence = decode(value)
        offsets = self.acknowledged[log]
        if sequence != len(offsets):
            self._trouble = f"{log} {sequence} was acknowledged after {len(offsets)} of its key"
        offsets.append(offset)
