"""The service of the incident, as it was: one token for ever, errors logged and swallowed, offsets marked always.

It stands here so that anybody can see what happened on that weekend. Nothing else may ever call it.
"""

from __future__ import annotations

import threading
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from confluent_kafka import Consumer

from doka.domain.lease import Lease

BATCH = 250
WAIT_SECONDS = 0.1


class OriginalService:
    """Moves every offset, whether the record landed or not."""

    def __init__(self, client_of: Any, bootstrap_servers: str, topic: str, group: str, stream: str) -> None:
        """Take `client_of`, which makes a boto3 Kinesis client of a lease; the names as in its configuration."""
        self.consumed = 0
        self.swallowed = 0
        self.last_error: str | None = None
        self._client_of = client_of
        self._topic = topic
        self._stream = stream
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": True,
                "auto.commit.interval.ms": 500,
                "log_level": 0,
            }
        )

    def run(self, lease: Lease, stop: threading.Event) -> None:
        """Forward with this one lease until told to stop."""
        client = self._client_of(lease)
        self._consumer.subscribe([self._topic])
        while not stop.is_set():
            messages = [m for m in self._consumer.consume(BATCH, WAIT_SECONDS) if m.error() is None]
            if not messages:
                continue
            self.consumed += len(messages)
            try:
                client.put_records(
                    StreamName=self._stream,
                    Records=[{"Data": m.value(), "PartitionKey": (m.key() or b"none").decode()} for m in messages],
                )
            except (ClientError, BotoCoreError) as error:
                self.swallowed += len(messages)  # "log and go on": the offset moves all the same
                self.last_error = str(error)
        self._consumer.close()
