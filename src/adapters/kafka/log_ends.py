"""Asks brokers where logs end, beside the loop, also of partitions that bring nothing: blocked, paused, out of reach.

What the consumer itself knows of an end is what its last fetch told, without a date; where nothing is fetched it stays
as it was for ever, and looks like a lag of zero. So the ends are asked for, every ten seconds, by a client of its own that
lives as long as the source, on a thread that lives as long as the question.

One question goes to one broker, for all partitions that it leads: the client library gives the answers of all brokers or
none, so one broker that is out of reach would hide the ends of the others.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client import ClientUnusableError, new_consumer
from doka.adapters.kafka.inquirer import NO_GROUP
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition

ASK_EVERY_NS: Final = 10 * NS_PER_SECOND
ASK_AGAIN_NS: Final = 2 * NS_PER_SECOND  # while an owned partition has no end yet
ANSWER_SECONDS: Final = 3.0
REFUSALS_MAX: Final = 2  # in one round, so that a round with brokers out of reach ends before the next is due

Leaders = Mapping[Hashable, Sequence[TopicPartition]]
"""Partitions by the broker that leads them, as far as that is known."""


class LogEnds:
    """The ends that were told, each with the moment before it was asked for; one round of questions at a time."""

    def __init__(self, connection: Mapping[str, Any], clock: Clock) -> None:
        """Take the keys by which a client reaches the cluster."""
        # Where the log ends is where records are written, below open transactions and above them. What the consumer
        # says of a broker out of reach need not be said twice.
        self.keys = {**connection, "group.id": NO_GROUP, "isolation.level": "read_uncommitted", "log_level": 0}
        self.keys["error_cb"] = _leave_out
        self._clock = clock
        self._told: dict[TopicPartition, tuple[int, int]] = {}
        self._answers: SimpleQueue[dict[TopicPartition, tuple[int, int]] | None] = SimpleQueue()
        self._busy = False
        self._asked_at: int | None = None
        self.client: Consumer | None = None
        self._closed = threading.Event()
        self._last: list[Hashable] = []  # leaders that did not answer, the last one last: they are asked last

    def told(self) -> Mapping[TopicPartition, tuple[int, int]]:
        """Give each end that was ever told, with when: (end, ns)."""
        while True:
            try:
                answer = self._answers.get_nowait()
            except Empty:
                return self._told
            if answer is None:
                self._busy = False
            else:
                self._told |= answer

    def forget(self, partitions: frozenset[TopicPartition]) -> None:
        """Forget what was told of partitions that are not owned any more."""
        for partition in partitions:
            self._told.pop(partition, None)

    def due(self, partitions: Iterable[TopicPartition], now: int) -> bool:
        """Say whether it is time to ask for the ends of these logs; not before the last round has ended."""
        told = self.told()
        if self._busy:
            return False
        since = ASK_EVERY_NS if self._asked_at is None else now - self._asked_at
        return since >= ASK_EVERY_NS or (since >= ASK_AGAIN_NS and any(p not in told for p in partitions))

    def ask(self, leaders: Leaders, now: int) -> None:
        """Ask for the ends of all these logs, as they were due."""
        if not leaders:
            return
        self._busy, self._asked_at = True, now
        threading.Thread(target=self._round, args=(dict(leaders),), name="doka-kafka-ends", daemon=True).start()

    def close(self) -> None:
        """Ask nothing more; what is under way ends by itself."""
        self._closed.set()
        if not self._busy and self.client is not None:
            self.client.close()

    def _round(self, leaders: Leaders) -> None:
        try:
            self._ask_all(leaders)
        except ClientUnusableError:
            pass  # no token for a client at the moment: it is asked again
        finally:
            if self._closed.is_set() and self.client is not None:
                self.client.close()
            self._answers.put(None)

    def _ask_all(self, leaders: Leaders) -> None:
        client = self.client = self.client or new_consumer(self.keys)
        refusals = 0
        for leader in sorted(leaders, key=lambda one: self._last.index(one) if one in self._last else -1):
            if self._closed.is_set() or refusals == REFUSALS_MAX:
                break
            if leader in self._last:
                self._last.remove(leader)
            asked_at = self._clock.now()
            try:
                ends = _ends(client, leaders[leader])
            except KafkaException:
                self._last.append(leader)
                refusals += 1
                continue
            self._answers.put({partition: (end, asked_at) for partition, end in ends.items()})
        with suppress(KafkaException):
            client.consume(100, 0)  # takes away what the client would tell: nobody else reads it, and it would pile up


def _ends(client: Consumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Give the ends that were told; raises KafkaException where there was no answer."""
    asked = [KafkaPartition(*partition, OFFSET_END) for partition in partitions]
    answers = client.offsets_for_times(asked, timeout=ANSWER_SECONDS)
    return {TopicPartition(a.topic, a.partition): a.offset for a in answers if a.error is None and a.offset >= 0}


def _leave_out(_error: KafkaError) -> None:
    """Say nothing: the consumer says the same of the same brokers."""
