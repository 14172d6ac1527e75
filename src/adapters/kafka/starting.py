"""Asks the cluster what `domain.start_positions` needs to decide, inside the assign callback.

Inside a callback the consumer itself may be asked only what needs no state of its own call: `committed`,
`offsets_for_times`, `get_watermark_offsets`. After its `list_topics` the next callback of the same `consume` aborts the
process, so the number of partitions is asked by a client beside it, which lives as long as the question.

A question that fails is asked again until the deadline; without an answer nothing is assumed, because any guess either
skips records or reads a whole topic again. Where a stop is asked for meanwhile, nobody needs the answer any more.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client import ClientUnusableError, checked
from doka.adapters.kafka.client_errors import is_fatal
from doka.adapters.kafka.commits import committed_in
from doka.adapters.kafka.inquirer import beside, size_of
from doka.adapters.kafka.skip_orders import Orders
from doka.domain.limits import NS_PER_SECOND
from doka.domain.partitions.start_positions import (
    Birth,
    Committed,
    LogEdge,
    Sight,
    StartFrom,
    birth_of,
    first_birth,
    start_of,
    topics_to_ask,
)
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip

ANSWER_SECONDS: Final = 5.0  # one question; signal handlers wait for it
DEADLINE_NS: Final = 30 * NS_PER_SECOND  # all of them; a tenth of the shortest poll interval
RETRY_SECONDS: Final = 0.1  # a refusal may come at once

T = TypeVar("T")
_log = logging.getLogger("doka.kafka")


class StartUnknownError(Exception):
    """The cluster did not say where to start; the text is a sentence for a person."""


class NotNeededError(Exception):
    """The answer is not needed any more: this process is to stop."""


@dataclass(frozen=True, slots=True)
class Starts:
    """Where assigned partitions begin."""

    positions: Mapping[TopicPartition, int]
    fresh: frozenset[TopicPartition]
    """Those without a committed offset: their position is to be committed at once."""
    births: Mapping[TopicPartition, Birth] = field(default_factory=dict)
    topic_ids: Mapping[TopicPartition, str] = field(default_factory=dict)
    """Of the topic that each committed offset was made on, where the commit says it."""
    skips: Mapping[TopicPartition, tuple[Skip, ...]] = field(default_factory=dict)
    """What somebody has ordered to skip."""


class Starting:
    """Finds starting positions for one group; keeps nothing between two assignments."""

    def __init__(
        self,
        group_id: str,
        start_from: StartFrom,
        connection: Mapping[str, Any],
        clock: Clock,
        *,
        asked_to_stop: Callable[[], bool],
        orders: Callable[[Sequence[TopicPartition]], Mapping[TopicPartition, Orders]],
        sight: Callable[[str], Sight] = lambda _: Sight(),
    ) -> None:
        """Prepare for the group; `connection` are the keys by which another client reaches the same cluster.

        `orders` gives what shall be skipped of partitions, `sight` what this process has seen of a topic.
        """
        self._group_id = group_id
        self._start_from = start_from
        self._connection = connection
        self._clock = clock
        self._asked_to_stop = asked_to_stop
        self._orders = orders
        self._sight = sight
        self._pause = threading.Event()  # never set: its wait lets signals in, and ends by itself

    def find(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> Starts:
        """Give a position for every partition.

        Raises StartUnknownError when the deadline passes without answers, and NotNeededError where a question would have
        to be asked again after a stop was asked for.
        """
        deadline = self._clock.now() + DEADLINE_NS
        group = self._committed(consumer, partitions, deadline)
        # Before anything is read: what shall be skipped must not be sent first.
        orders = self._insist(lambda: self._orders(partitions), "what shall be skipped", deadline)
        skips = {p: found.of_topic(group[p].topic_id if p in group else None) for p, found in orders.items()}
        fresh = [partition for partition in partitions if partition not in group]
        if not fresh:
            return Starts(
                {p: group[p].offset for p in partitions},
                frozenset(),
                _births(group, partitions),
                _topic_ids(group, partitions),
                skips,
            )
        sizes = self._sizes(topics_to_ask(partitions, group), deadline)
        others = [p for p in _all_of(sizes) if p not in group]
        group = {**self._committed(consumer, others, deadline), **group}
        sights = {topic: self._sight(topic) for topic in sizes}
        beside = self._beside(consumer, sights, group, deadline)
        wanted = {p: start_of(p, {**beside, **group}, self._start_from, sights[p.topic]) for p in fresh}
        offsets = self._offsets(consumer, wanted, deadline)
        births = dict(_births(group, partitions))
        for partition in fresh:
            birth = self._birth(partition, group, sizes[partition.topic], wanted[partition])
            if birth is not None:
                births[partition] = birth
        known = {partition: group[partition].offset for partition in partitions if partition in group}
        return Starts({**known, **offsets}, frozenset(fresh), births, _topic_ids(group, known), skips)

    def _beside(
        self,
        consumer: Consumer,
        sights: Mapping[str, Sight],
        group: Mapping[TopicPartition, Committed],
        deadline: int,
    ) -> Mapping[TopicPartition, Committed]:
        """Give what the group has committed on the topics beside those on which it has nothing, where that decides."""
        if self._start_from is LogEdge.EARLIEST:
            return {}
        known = {partition.topic for partition in group}
        bare = [sight for topic, sight in sights.items() if topic not in known and not sight.newcomer]
        beside = frozenset[str]().union(*(sight.beside for sight in bare))
        return self._committed(consumer, _all_of(self._sizes(beside, deadline)), deadline) if beside else {}

    def _birth(
        self,
        partition: TopicPartition,
        group: Mapping[TopicPartition, Committed],
        size: int,
        start: StartFrom,
    ) -> Birth | None:
        on_topic = [committed for other, committed in group.items() if other.topic == partition.topic]
        return first_birth(on_topic) if on_topic else birth_of(start, int(self._clock.wall() * 1000), size)

    def _committed(
        self,
        consumer: Consumer,
        partitions: Iterable[TopicPartition],
        deadline: int,
    ) -> dict[TopicPartition, Committed]:
        asked = [KafkaPartition(*partition) for partition in partitions]
        if not asked:
            return {}

        def ask() -> dict[TopicPartition, Committed]:
            return committed_in(checked(consumer.committed(asked, timeout=ANSWER_SECONDS)))

        return self._insist(ask, f"the committed offsets of group {self._group_id}", deadline)

    def _sizes(self, topics: Iterable[str], deadline: int) -> dict[str, int]:
        with beside(self._connection, self._clock) as client:
            return {
                topic: self._insist(
                    partial(size_of, client, topic, ANSWER_SECONDS),
                    f"the number of partitions of topic {topic}",
                    deadline,
                )
                for topic in sorted(topics)
            }

    def _offsets(
        self,
        consumer: Consumer,
        wanted: Mapping[TopicPartition, StartFrom],
        deadline: int,
    ) -> dict[TopicPartition, int]:
        """Turn places into numbers, all partitions in one request to each broker."""

        def ask(places: Mapping[TopicPartition, StartFrom]) -> dict[TopicPartition, int]:
            question = [KafkaPartition(p.topic, p.partition, _as_timestamp(place)) for p, place in places.items()]
            answer = consumer.offsets_for_times(question, timeout=ANSWER_SECONDS)
            return {partition: place.offset for partition, place in checked(answer).items()}

        what = "where the logs of assigned partitions begin and end"
        found = self._insist(lambda: ask(wanted), what, deadline)
        # No record as late as the time asked for: the next one to be written will be the first.
        too_late = {partition: LogEdge.LATEST for partition, offset in found.items() if offset < 0}
        return {**found, **self._insist(lambda: ask(too_late), what, deadline)} if too_late else found

    def _insist(self, ask: Callable[[], T], what: str, deadline: int) -> T:
        while True:
            try:
                return ask()
            except (KafkaException, ClientUnusableError) as error:
                if isinstance(error.args[0], KafkaError) and is_fatal(error.args[0]):
                    raise  # asking again cannot help
                if self._clock.now() >= deadline:
                    raise StartUnknownError(f"Kafka did not tell {what} within 30 s: {error}") from error
                if self._asked_to_stop():
                    raise NotNeededError from error
                _log.warning("asking again for %s: %s", what, error)
                self._pause.wait(RETRY_SECONDS)


def _all_of(sizes: Mapping[str, int]) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic, size in sizes.items() for number in range(size)]


def _births(
    group: Mapping[TopicPartition, Committed],
    partitions: Iterable[TopicPartition],
) -> Mapping[TopicPartition, Birth]:
    return {p: birth for p in partitions if p in group and (birth := group[p].birth) is not None}


def _topic_ids(
    group: Mapping[TopicPartition, Committed],
    partitions: Iterable[TopicPartition],
) -> Mapping[TopicPartition, str]:
    return {p: topic_id for p in partitions if p in group and (topic_id := group[p].topic_id) is not None}


def _as_timestamp(place: StartFrom) -> int:
    """Put a place as Kafka's ListOffsets wants it: a time, or one of two numbers that stand for the log's ends."""
    if isinstance(place, int):
        return place
    return int(OFFSET_BEGINNING if place is LogEdge.EARLIEST else OFFSET_END)
