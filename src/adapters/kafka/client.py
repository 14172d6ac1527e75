"""Makes librdkafka clients, takes answers that are due, and bridles what they write to the log.

librdkafka says the same thing at every attempt to reach a broker, many times a second; a person needs it once a minute.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition

FATAL_FACILITY: Final = "FATAL"  # librdkafka's own word for the kind of such a line
ERRORS_TOO: Final = frozenset({"FAIL", "ERROR"})  # likewise, of lines that repeat an error
SAY_AGAIN_NS: Final = 60 * NS_PER_SECOND
KINDS_MAX: Final = 1000  # texts hold addresses; whatever they hold, the memory of them is bounded
A = TypeVar("A")

_NUMBERS: Final = re.compile(r"\d+")
_log = logging.getLogger("doka.kafka.client")


class OnceAMinute:
    """Says whether something of a kind is due to be said; the kinds that it remembers are bounded."""

    def __init__(self) -> None:
        self._said: dict[Hashable, int] = {}

    def due(self, kind: Hashable, now: int) -> bool:
        """Whether a minute passed since it was due last; `now` in ns."""
        said = self._said.get(kind)
        if said is not None and now - said < SAY_AGAIN_NS:
            return False
        if len(self._said) >= KINDS_MAX:
            self._said.clear()
        self._said[kind] = now
        return True


class ClientLog:
    """Takes librdkafka's lines; each kind (the text without its numbers) is written once a minute.

    Debug lines are written as they come: somebody asked for them.
    """

    def __init__(self, clock: Clock, on_fatal: Callable[[str], None] | None = None, *, quiet: bool = False) -> None:
        """Write lines by this clock, but those of lost connections: they come as errors too (`error_cb`).

        `quiet` writes debug lines alone, for a client whose questions are asked again.

        `on_fatal` is given the words of the line that says that the client has ended.

        librdkafka serves its lines before its records, and the error itself behind all that are prefetched.
        """
        self._clock = clock
        self._said = OnceAMinute()
        self._on_fatal = on_fatal
        self._quiet = quiet

    def log(self, level: int, text: str, *words: object) -> None:
        """Take one line; librdkafka calls this inside consume, so it must not raise."""
        if self._on_fatal is not None and words and words[0] == FATAL_FACILITY:
            self._on_fatal(str(words[-1]).partition("Fatal error: ")[2] or str(words[-1]))
        if level > logging.DEBUG and (self._quiet or (words and words[0] in ERRORS_TOO)):
            return
        kind = _NUMBERS.sub("", text % words if words else text)
        if self._said.due(kind, self._clock.now()) or level <= logging.DEBUG:
            _log.log(level, text, *words)


class ClientUnusableError(Exception):
    """A client could not be made; the text is a sentence for a person."""


def new_consumer(keys: Mapping[str, Any]) -> Consumer:
    """Make a consumer; with login by tokens this waits a second for the first one to be taken.

    Raises ClientUnusableError with the reason.
    """
    try_tokens(keys)
    try:
        return Consumer(dict(keys))
    except (KafkaException, SystemError) as error:
        # SystemError: a client that gives up inside its constructor calls back with its own exception still set.
        oauth = keys.get("oauth_cb")
        reason = getattr(oauth, "last_error", None) or error.__cause__ or error
        if oauth is not None:
            raise ClientUnusableError(f"no token for Kafka within 10 s: {reason}; check the AWS credentials") from error
        raise ClientUnusableError(f"the Kafka client could not start: {reason}; check kafka.client") from error


def new_admin_client(keys: Mapping[str, Any]) -> AdminClient:
    """Make a client for questions that no consumer can ask, and for a refusal that comes at once; it joins no group.

    Raises ClientUnusableError with the reason.
    """
    try_tokens(keys)
    try:
        return AdminClient(dict(keys))
    except (KafkaException, SystemError) as error:
        raise ClientUnusableError(str(error)) from error


def answer_of(asked: Future[A], seconds: float) -> A:
    """Wait for the answer to a question of an admin client; raises KafkaException where it is an error, or does not come.

    An error is not raised out of the future: that would hold by its traceback the client, which then outlives a question
    that nobody answered, and librdkafka aborts the process when it finds the coordinator after all
    (https://github.com/confluentinc/librdkafka/issues/4605).
    """
    try:
        failed = asked.exception(seconds)
    except TimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None  # noqa: SLF001 - public name of the code
    if failed is not None:
        raise KafkaException(*failed.args)
    return asked.result()


def checked(places: Iterable[KafkaPartition]) -> dict[TopicPartition, KafkaPartition]:
    """Give places by their partitions; raises KafkaException where one of them is an error."""
    found: dict[TopicPartition, KafkaPartition] = {}
    for place in places:
        if place.error is not None:
            raise KafkaException(place.error)
        found[TopicPartition(place.topic, place.partition)] = place
    return found


def try_tokens(keys: Mapping[str, Any]) -> None:
    """See that a token can be made, where a client of these keys is to log in with one.

    Without one its constructor waits for 10 s, and a loop with it; a source of credentials mostly says at once that it has
    none. Raises ClientUnusableError with the reason.
    """
    oauth = keys.get("oauth_cb")
    if oauth is None:
        return
    try:
        oauth("")
    except Exception as error:
        raise ClientUnusableError(
            f"no token for Kafka: {oauth.last_error or error}; check the AWS credentials"
        ) from error
