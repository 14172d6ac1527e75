"""Letters for tests: made by hand, and read back from a topic as anybody would read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from confluent_kafka import Consumer, Message, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.letter_headers import letter_headers
from doka.domain.commands import SendLetter
from doka.domain.records import TopicPartition
from tests.waiting import eventually

Headers: TypeAlias = "Sequence[tuple[str, bytes | None]] | None"
ORDERS_3 = TopicPartition("orders", 3)


@dataclass(frozen=True)
class Original:
    """A record as a source gives it (`domain.records.Original`)."""

    own_key: bytes | None = b"key"
    own_value: bytes | None = b"value"
    own_headers: Headers = None
    stamp: tuple[int, int] = (1, 1_700_000_000_123)

    def key(self) -> bytes | None:
        return self.own_key

    def value(self) -> bytes | None:
        return self.own_value

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return None if self.own_headers is None else list(self.own_headers)

    def timestamp(self) -> tuple[int, int]:
        return self.stamp


def letter(
    number: int,
    original: Any = None,
    *,
    source: TopicPartition = ORDERS_3,
    offset: int = 41,
    code: str = "record_too_large",
    attempts: int = 2,
    route: str = "orders",
) -> SendLetter:
    """Make a command to send a letter."""
    # A message of the client library is false when its value is empty.
    return SendLetter(number, source, offset, Original() if original is None else original, code, attempts, route)


def write_letters(
    servers: str, topic: str, letters: Sequence[tuple[int, SendLetter]], *, wall: float = 1_800_000_000
) -> None:
    """Write letters to partitions as the service does, one a second from `wall` on, and wait until the brokers have them."""
    keys = {"bootstrap.servers": servers, "message.max.bytes": 20_000_000, "compression.type": "zstd", "log_level": 0}
    producer = Producer(keys)
    for second, (partition, command) in enumerate(letters):
        original = command.original
        producer.produce(
            topic,
            value=original.value(),
            key=original.key(),
            headers=[*letter_headers(command, wall + second)],
            timestamp=original.timestamp()[1],
            partition=partition,
        )
    assert producer.flush(60) == 0


@dataclass(frozen=True)
class Found:
    """A letter as it stands in its topic; `ours` are the headers that say why it is there."""

    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Sequence[tuple[str, bytes | None]] = field(default=())
    partition: int = 0

    @property
    def ours(self) -> dict[str, str]:
        """Give the last of each `doka-*` header as text."""
        return {name: (value or b"").decode() for name, value in self.headers if name.startswith("doka-")}


def read_topic(servers: str, topic: str, count: int, *, partitions: int = 1, within: float = 60) -> list[Found]:
    """Read a topic from its beginning until there are `count` records in it."""
    found: list[Found] = []
    reader: Consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": "reader", "auto.offset.reset": "earliest", "log_level": 0}
    )
    reader.assign([KafkaPartition(topic, number, 0) for number in range(partitions)])

    def read() -> bool:
        found.extend(found_in(m) for m in reader.consume(100, 0.1) if m.error() is None)
        return len(found) >= count

    try:
        eventually(read, within=within, what=f"{count} records in {topic}")
    finally:
        reader.close()
    return found


def found_in(message: Message[Any, Any]) -> Found:
    """Take a message for what it holds."""
    headers = cast("Headers", message.headers())  # of what is read, values are bytes or null
    return Found(message.key(), message.value(), message.timestamp()[1], headers or (), message.partition() or 0)
