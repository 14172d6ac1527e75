"""Orders to skip, as they stand in Kafka: `doka skip` writes them, every member of the group reads them.

An order stands in the metadata of a commit of a group of its own, which never has a member. So it can be given while the
service runs: a commit for the service's own group is refused as long as that has members, and whoever made it all the same
would move a watermark. It survives restarts, goes where its partition goes, and is deleted with its topic.

It is JSON, so that any tool that shows the metadata of a commit shows who ordered what, when and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client import ClientLog, answer_of, checked, new_admin_client, new_consumer
from doka.adapters.kafka.client_errors import COORDINATOR_MOVES
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip

ANSWER_SECONDS: Final = 5.0
FIRST_WAIT_SECONDS: Final = 0.25
"""How long a question waits before it is looked at whether it is refused; twice as long each time that it is not."""
_NOT_YET: Final = frozenset({KafkaError._TIMED_OUT, KafkaError._WAIT_COORD, *COORDINATOR_MOVES})  # noqa: SLF001 - public codes
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
    """What a group has stored, asked and written from outside; the group must have no member where it is written.

    It is asked by a consumer of the group's name that joins nothing. The client library's admin client must not be let ask:
    it ends the process, by a segmentation fault, where a coordinator that has just moved answers that it is none any more.
    """

    def __init__(self, connection: Mapping[str, Any], clock: Clock) -> None:
        """Take the keys by which a client reaches the cluster; nothing is opened yet."""
        self._connection = connection
        self._clock = clock

    def read(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, KafkaPartition]:
        """Give offset and metadata of partitions; raises KafkaException where they are not told.

        Raises ClientUnusableError where no client can be made.
        """
        asked = [KafkaPartition(*partition) for partition in partitions]
        keys = {**self._connection, "group.id": group, "enable.auto.commit": False}
        client = new_consumer({**keys, "logger": ClientLog(self._clock, quiet=True)})
        try:
            return checked(self._ask(client, asked))
        finally:
            client.close()

    def _ask(self, client: Consumer, asked: list[KafkaPartition]) -> list[KafkaPartition]:
        """Ask again and again: a client that may not ask for the coordinator says so beside, and goes on waiting for it."""
        deadline = self._clock.now() + int(ANSWER_SECONDS * NS_PER_SECOND)
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                return client.committed(asked, timeout=wait)
            except KafkaException as error:
                if (refusal := _refusal(client)) is not None:
                    raise KafkaException(refusal) from error
                left = (deadline - self._clock.now()) / NS_PER_SECOND
                if left <= 0 or error.args[0].code() not in _NOT_YET:
                    raise
                wait = min(2 * wait, max(left, FIRST_WAIT_SECONDS))

    def write(self, group: str, place: KafkaPartition) -> None:
        """Store an offset with its metadata; raises KafkaException where it is refused."""
        client = new_admin_client({**self._connection, "logger": ClientLog(self._clock, quiet=True)})
        asked = ConsumerGroupTopicPartitions(group, [place])
        (answer,) = client.alter_consumer_group_offsets([asked], request_timeout=ANSWER_SECONDS).values()
        checked(answer_of(answer, 2 * ANSWER_SECONDS).topic_partitions or [])


def _refusal(client: Consumer) -> KafkaError | None:
    """Give what a client was told about a group that it may not use; it stands where records would come."""
    while (message := client.poll(0)) is not None:
        error = message.error()
        if error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return error
    return None


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
