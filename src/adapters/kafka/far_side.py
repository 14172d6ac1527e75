"""Where a log can be read again behind a batch that cannot: damaged on disk, or larger than the client unpacks.

librdkafka names the first offset of such a batch and asks for it again, for ever. Its last offset nobody tells: the
batch's own header may be what is damaged. So the far side is searched for as anybody can see it, by reading at offsets
behind it: the broker gives the batch that holds the offset, and an error names the first offset of that batch.
The steps double, and then the last one is halved: some twice as many reads as the batch's size has bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client_errors import UNREADABLE
from doka.adapters.kafka.inquirer import ANSWER_SECONDS, beside, next_message
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition

READ_SECONDS: Final = 10.0  # one read at one offset; librdkafka rests half a second after each that failed
ONE_READ: Final[Mapping[str, Any]] = {
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "check.crcs": True,
    "queued.max.messages.kbytes": 1024,
    "fetch.error.backoff.ms": 20,  # it asks for itself alone, and ends soon
}
"""The client's keys by which what stands at one offset is read as the service reads it."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What cannot be read of a partition: `base` is the first offset of the batch, `first` the next one to be read."""

    partition: TopicPartition
    base: int
    first: int
    why: str
    """The client's words."""


@dataclass(frozen=True, slots=True)
class FarSide:
    """The first offset that can be read behind a damage; its `first` where it can be read by now."""

    damage: Damage
    offset: int


def far_side(connection: Mapping[str, Any], clock: Clock, damage: Damage) -> FarSide:
    """Search for the far side; raises KafkaException where the broker does not answer."""
    with beside({**connection, **ONE_READ}, clock) as client:
        place = KafkaPartition(*damage.partition)
        _, end = client.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
        inside, step = damage.first, 1
        if _readable(client, damage, inside):
            return FarSide(damage, inside)
        outside = end
        while inside + step < outside:
            if _readable(client, damage, inside + step):
                outside = inside + step
                break
            inside += step
            step *= 2
        while outside - inside > 1:
            middle = (inside + outside) // 2
            if _readable(client, damage, middle):
                outside = middle
            else:
                inside = middle
        return FarSide(damage, max(outside, damage.first + 1))


def _readable(client: Consumer, damage: Damage, offset: int) -> bool:
    """Whether reading at this offset meets another batch than the damaged one, be it a damaged one too."""
    client.assign([KafkaPartition(*damage.partition, offset)])
    message = next_message(client, READ_SECONDS)
    if message is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - the library's public code
    error = message.error()
    if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
        return True
    if error.code() in UNREADABLE:
        base = message.offset()
        return base is not None and base > damage.base
    if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the log ends below it
        return True
    raise KafkaException(error)
