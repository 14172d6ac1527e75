"""Real messages of the client library, made by hand."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message

from doka.adapters.kafka.columns import AnyMessage


def record(
    offset: int,
    *,
    topic: str = "orders",
    partition: int = 0,
    key: bytes | None = b"key",
    value: bytes | None = b"value",
    timestamp: tuple[int, int] = (1, 1000),
    headers: list[tuple[str, str | bytes | None]] | None = None,
) -> AnyMessage:
    """Make a record."""
    message: AnyMessage = Message(
        topic=topic, partition=partition, offset=offset, key=key, value=value, timestamp=timestamp, headers=headers
    )
    return message


def failure(code: int, offset: int = -1001, *, topic: str = "orders", partition: int = 0) -> AnyMessage:
    """Make what librdkafka puts among the records: an error with a text as its value, and no offset (-1001) or one."""
    error = KafkaError(code, "told by a test")
    return Message(topic=topic, partition=partition, offset=offset, value=b"told by a test", error=error)
