"""Writes records to a topic and waits for the word that all in-sync replicas hold them, one lot at a time.

It must never call a record stored of which nobody knows, and never let a later record of a key pass one that failed: what comes
behind a record that is not stored counts as not stored, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from doka.adapters.kafka.client import ClientLog, try_tokens
from doka.adapters.kafka.client_settings import Oauth
from doka.adapters.kafka.columns import AnyMessage
from doka.adapters.kafka.letter_settings import DELIVERY_MS, letter_settings
from doka.adapters.kafka.login import Login
from doka.adapters.kafka.not_told import in_words
from doka.adapters.kafka.settings import MemberSettings
from doka.domain.limits import NS_PER_MS
from doka.domain.ports import Clock
from doka.domain.records import Original, TopicPartition, ask_headers

POLL_SECONDS: Final = 0.1
GIVEN_UP_NS: Final = 2 * DELIVERY_MS * NS_PER_MS  # the client itself gives up at half of it


class Stored(NamedTuple):
    """Where a record stands now."""

    partition: TopicPartition
    offset: int


class TopicWriter:
    """One idempotent producer, of the same kind as that of dead letters, for one topic."""

    def __init__(self, settings: MemberSettings, topic: str, clock: Clock, oauth: Oauth | None = None) -> None:
        """Open it; raises NotToldError where no client can be made, UsageError for settings that cannot be."""
        keys = letter_settings(settings, oauth)
        with in_words():
            try_tokens(keys)
            self._producer = Producer({**keys, "logger": ClientLog(clock, quiet=True), "error_cb": self._note})
        self._login = Login(settings.security, oauth, keys)
        self._topic = topic
        self._clock = clock
        self._told: dict[int, Stored | str] = {}

    def write(self, records: Sequence[Original]) -> list[Stored | str]:
        """Give for each record where it stands, or Kafka's name of the error; behind an error all are errors."""
        self._told.clear()
        for number, record in enumerate(records):
            try:
                self._producer.produce(
                    self._topic,
                    value=record.value(),
                    key=record.key(),
                    headers=[*(ask_headers(record) or ())],
                    timestamp=record.timestamp()[1],
                    on_delivery=partial(self._reported, number),
                )
            except (KafkaException, BufferError) as error:
                reason = error.args[0] if error.args else None
                self._told[number] = reason.name() if isinstance(reason, KafkaError) else "_QUEUE_FULL"
        deadline = self._clock.now() + GIVEN_UP_NS
        while len(self._told) < len(records) and self._clock.now() < deadline:
            self._producer.poll(POLL_SECONDS)
            self._login.renew(self._producer)
        return self._in_order(len(records))

    def _in_order(self, count: int) -> list[Stored | str]:
        found: list[Stored | str] = []
        for number in range(count):
            before = found[-1] if found else None
            found.append(before if isinstance(before, str) else self._told.get(number, "_TIMED_OUT"))
        return found

    def _reported(self, number: int, error: KafkaError | None, message: AnyMessage) -> None:
        """Take a delivery report; called by the client, so it must not raise."""
        if error is not None:
            self._told[number] = error.name()
            return
        partition = TopicPartition(self._topic, message.partition() or 0)
        self._told[number] = Stored(partition, message.offset() or 0)

    def _note(self, error: KafkaError) -> None:
        """Take an error of the client as a whole; it goes on trying, and its records tell of their own fate."""
        self._login.note(error)

    def close(self) -> None:
        """Give up what is still under way."""
        self._producer.purge()
        self._producer.flush(0)
