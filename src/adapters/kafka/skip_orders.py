"""Orders to skip, as they stand in Kafka: `doka skip` writes them, every member of the group reads them.

An order stands in the metadata of a commit of a group of its own, which never has a member. So it can be given while the
service runs: a commit for the service's own group is refused as long as that has members, and whoever made it all the same
would move a watermark. It survives restarts, goes where its partition goes, and is deleted with its topic.

It is JSON, so that any tool that shows the metadata of a commit shows who ordered what, when and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client import ClientLog, answer_of, new_admin_client
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip

ANSWER_SECONDS: Final = 5.0
METADATA_BYTES_MAX: Final = 4096
"""`offset.metadata.max.bytes` of a broker, by default: https://kafka.apache.org/documentation/#brokerconfigs_offset.metadata.max.bytes"""


def skips_group(group_id: str) -> str:
    """Name the group in whose commits the orders for another group stand."""
    return f"{group_id}-skips"


@dataclass(frozen=True, slots=True)
class Orders:
    """All orders that were given for one partition, oldest first; those that are carried out stay as long as there is room."""

    topic_id: str | None
    """Of the topic that they were given for, where the cluster tells ids."""
    skips: tuple[Skip, ...]

    def of_topic(self, topic_id: str | None) -> tuple[Skip, ...]:
        """Give them for the topic of this id; none where they were given for another one of the same name."""
        return () if None not in (topic_id, self.topic_id) and topic_id != self.topic_id else self.skips

    def __str__(self) -> str:
        said = {"topic_id": self.topic_id, "skips": [asdict(skip) for skip in self.skips]}
        return json.dumps(said, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def parse(cls, metadata: str | None) -> Orders | None:
        """Read a commit's metadata; None where it holds no orders: another tool's commit."""
        try:
            said: Any = json.loads(metadata or "")
            skips = tuple(Skip(**each) for each in said["skips"])
            orders = cls(said["topic_id"], skips)
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        sound = all(
            type(s.first) is type(s.far) is int and all(type(text) is str for text in (s.by, s.at, s.reason))
            for s in skips
        )
        return orders if sound and isinstance(orders.topic_id, str | None) else None


class StoredCommits:
    """What a group has stored, asked and written from outside; the group must have no member where it is written."""

    def __init__(self, connection: Mapping[str, Any], clock: Clock) -> None:
        """Make the client; raises ClientUnusableError. A consumer would wait for a coordinator that it may not ask for."""
        self._client = new_admin_client({**connection, "logger": ClientLog(clock, quiet=True)})

    def read(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, KafkaPartition]:
        """Give offset and metadata of partitions; raises KafkaException where they are not told."""
        asked = ConsumerGroupTopicPartitions(group, [KafkaPartition(*partition) for partition in partitions])
        (answer,) = self._client.list_consumer_group_offsets([asked], request_timeout=ANSWER_SECONDS).values()
        return _told(answer)

    def write(self, group: str, place: KafkaPartition) -> None:
        """Store an offset with its metadata; raises KafkaException where it is refused."""
        asked = ConsumerGroupTopicPartitions(group, [place])
        (answer,) = self._client.alter_consumer_group_offsets([asked], request_timeout=ANSWER_SECONDS).values()
        _told(answer)


def _told(answer: Future[ConsumerGroupTopicPartitions]) -> dict[TopicPartition, KafkaPartition]:
    """Give what an answer tells; raises KafkaException where it tells an error."""
    places = answer_of(answer, 2 * ANSWER_SECONDS).topic_partitions or []
    for place in places:
        if place.error is not None:
            raise KafkaException(place.error)
    return {TopicPartition(place.topic, place.partition): place for place in places}


def orders_in(
    commits: StoredCommits, group_id: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, Orders]:
    """Read the orders for partitions of a group; raises KafkaException where they are not told."""
    stored = commits.read(skips_group(group_id), partitions)
    found = {partition: Orders.parse(place.metadata) for partition, place in stored.items()}
    return {partition: orders for partition, orders in found.items() if orders is not None}


def standing_orders(
    connection: Mapping[str, Any], clock: Clock, group_id: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, Orders]:
    """Read them for a member of the group; raises KafkaException or ClientUnusableError where nobody answers.

    There are none where the group of the orders may not be read: then they could not have been given by this login either.
    """
    try:
        return orders_in(StoredCommits(connection, clock), group_id, partitions)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return {}
        raise
