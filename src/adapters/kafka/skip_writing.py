"""What `doka skip` asks of the cluster: how the partition stands, what is at the offset; and the order that it writes.

It joins no group, and moves no offset of the service's group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client import ClientUnusableError
from doka.adapters.kafka.client_errors import UNREADABLE
from doka.adapters.kafka.client_settings import Oauth, connection_settings
from doka.adapters.kafka.far_side import ONE_READ, Damage, far_side
from doka.adapters.kafka.inquirer import beside, next_message, size_of
from doka.adapters.kafka.rights import OPERATORS_POLICY, Right, cure_of_command
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.skip_orders import METADATA_BYTES_MAX, Orders, StoredCommits, orders_in, skips_group
from doka.adapters.kafka.topic_ids import topic_ids
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip, offsets_shown, place_shown

ANSWER_SECONDS: Final = 10.0


class SkipRefusedError(Exception):
    """A skip that cannot be ordered; the text is a sentence for a person, and what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """How a partition stands, and what is to be skipped of it."""

    group: str
    committed: int
    end: int
    topic_id: str | None
    key_bytes: int | None = None
    """Of the first record; None where it has no key, or cannot be read."""
    value_bytes: int | None = None
    timestamp_ms: int | None = None
    unreadable: str | None = None
    """Why what stands there cannot be read, in the client's words."""
    standing: tuple[Skip, ...] = ()
    """Orders that were given for this partition before."""

    @property
    def lag(self) -> int:
        """How many offsets wait."""
        return max(self.end - self.committed, 0)


class SkipWriting:
    """One look and one order; each call waits for the cluster, some ten seconds at most for each question."""

    def __init__(self, settings: MemberSettings, clock: Clock, oauth: Oauth | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._connection = connection_settings(settings, oauth)

    def look(self, partition: TopicPartition, first: int, far: int) -> Found:
        """Say what stands at these offsets of a partition.

        Raises:
            SkipRefusedError: nothing there can be skipped, or the cluster does not say.
        """
        with _in_words(self._settings.group_id):
            commits = StoredCommits(self._connection, self._clock)
            found = self._place(commits, partition, first, far)
            standing = self._standing(commits, partition, found.topic_id)
            return replace(self._record(found, partition, first, far), standing=standing)

    def _place(self, commits: StoredCommits, partition: TopicPartition, first: int, far: int) -> Found:
        topic, number = partition
        group = self._settings.group_id
        with beside(self._connection, self._clock) as client:
            size = size_of(client, topic, ANSWER_SECONDS)
            if number >= size:
                there = f"has {size} partitions, counted from 0" if size else "does not exist"
                raise SkipRefusedError(f"topic {topic} {there}")
            start, end = client.get_watermark_offsets(KafkaPartition(topic, number), timeout=ANSWER_SECONDS)
        committed = commits.read(group, [partition])[partition].offset
        if committed < 0:
            raise SkipRefusedError(f"group {group} has committed nothing of {partition} yet: start doka run first")
        lowest = max(start, committed)
        if first < lowest:
            why = f"the group has committed {committed}" if lowest == committed else f"the log begins at {start}"
            raise SkipRefusedError(f"offset {first} of {partition} is passed already: {why}")
        if far > end:
            raise SkipRefusedError(f"offset {far - 1} of {partition} is not written yet: the log ends at {end}")
        ids = topic_ids(self._connection, self._clock, (topic,))
        return Found(group, committed, end, ids.get(topic))

    def _record(self, found: Found, partition: TopicPartition, first: int, far: int) -> Found:
        """Look at what stands at `first`."""
        with beside({**self._connection, **ONE_READ}, self._clock) as client:
            client.assign([KafkaPartition(*partition, first)])
            message = next_message(client, ANSWER_SECONDS)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - the library's public code
        error, offset = message.error(), message.offset()
        if error is not None and error.code() in UNREADABLE:
            base = first if offset is None else offset
            return self._damage(found, Damage(partition, base, max(base, found.committed), error.str()), first, far)
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
            raise KafkaException(error)
        if error is not None or offset is None or offset >= far:
            there = "" if error is not None or offset is None else f"; the next one is at {offset}"
            raise SkipRefusedError(f"no record of {partition} stands at offset {offsets_shown(first, far)}{there}")
        key, value = message.key(), message.value()
        kind, stamp = message.timestamp()
        return replace(
            found,
            key_bytes=None if key is None else len(key),
            value_bytes=None if value is None else len(value),
            timestamp_ms=stamp if kind else None,
        )

    def _damage(self, found: Found, damage: Damage, first: int, far: int) -> Found:
        """Find the far side of what cannot be read: it is passed as a whole, or not at all."""
        behind = far_side(self._connection, self._clock, damage).offset
        if first > damage.first or far < behind:
            whole = place_shown(damage.partition, damage.first, behind)
            raise SkipRefusedError(
                f"what stands at offset {first} of {damage.partition} cannot be read ({damage.why}), and nothing of its "
                f"batch can: pass all of it: doka skip {whole}"
            )
        return replace(found, unreadable=damage.why)

    def _standing(self, commits: StoredCommits, partition: TopicPartition, topic_id: str | None) -> tuple[Skip, ...]:
        given = orders_in(commits, self._settings.group_id, [partition]).get(partition)
        return () if given is None else given.of_topic(topic_id)

    def order(self, partition: TopicPartition, found: Found, skip: Skip) -> None:
        """Write an order beside those that stand, and read it again; those that are carried out make room for it.

        Raises:
            SkipRefusedError: it has no room, or the cluster did not take it.
        """
        orders = Orders(found.topic_id, (*found.standing, skip))
        while len(str(orders).encode()) > METADATA_BYTES_MAX:
            passed = next((each for each in orders.skips if each.far <= found.committed), None)
            if passed is None:
                over = len(str(orders).encode()) - METADATA_BYTES_MAX
                raise SkipRefusedError(
                    f"the orders that stand for {partition} have no room for this one: a broker keeps {METADATA_BYTES_MAX} "
                    f"bytes beside a commit (offset.metadata.max.bytes); shorten --reason by {over} bytes"
                )
            orders = replace(orders, skips=tuple(each for each in orders.skips if each is not passed))
        with _in_words(self._settings.group_id):
            commits = StoredCommits(self._connection, self._clock)
            place = KafkaPartition(*partition, skip.first, metadata=str(orders))
            commits.write(skips_group(self._settings.group_id), place)
            if skip not in self._standing(commits, partition, found.topic_id):
                raise SkipRefusedError(
                    "the order was stored, and is not there: somebody gave another one just now; try again"
                )


_WORDS: Final[Mapping[int, Callable[[str], str]]] = {
    KafkaError.GROUP_AUTHORIZATION_FAILED: lambda group: (
        f"this login may not use the groups {group} and {skips_group(group)}: grant READ on both, "
        "to the service as well, which reads the order there; "
        f"on MSK with IAM {Right.SEE_GROUP.value} on both and {Right.BE_MEMBER.value} on the second, "
        f"as {OPERATORS_POLICY} prints"
    ),
    KafkaError.TOPIC_AUTHORIZATION_FAILED: lambda _: (
        f"this login may not read the topic: {cure_of_command('READ', Right.READ, Right.SEE_TOPIC)}"
    ),
    KafkaError.OFFSET_METADATA_TOO_LARGE: lambda _: (
        "the broker keeps less beside a commit than this (offset.metadata.max.bytes): shorten --reason"
    ),
}


@contextmanager
def _in_words(group: str) -> Iterator[None]:
    """Let what the cluster refuses, or does not answer, end as a sentence."""
    try:
        yield
    except ClientUnusableError as error:
        raise SkipRefusedError(str(error)) from error
    except KafkaException as error:
        told: KafkaError = error.args[0]
        words = _WORDS.get(told.code())
        said = f"Kafka did not answer as it should: {told.str()}; try: doka check" if words is None else words(group)
        raise SkipRefusedError(said) from error
