"""The dead-letter topic behind `domain.ports.DeadLetters`.

Theory of operation. librdkafka's producer sends on its own threads; its delivery reports, errors and log lines wait in a
queue that is served by `answers`, on the loop's thread. A letter is acknowledged only by a report without an error.
Whatever else happens is a refusal with Kafka's name of the error, also where nobody knows whether the letter was stored:
the domain sends it again, and a letter may so stand there twice.

Letters under way are bounded in number and bytes; what finds no room waits for it, in order, and holds nothing that the
domain does not hold anyway.

The producer is made with the first letter, for most services never meet one. Logging in by tokens makes that call wait
for the first of them to be taken: 1 s, measured.
A fatal error ends a producer for good (a sequence that the broker lost, a right that is missing): its letters are
refused, and a later one gets a new producer.

It must never acknowledge what not all in-sync replicas hold, never change the record that it carries, never write a
payload into a log, and never lean on the topic being created for it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer

from doka.adapters.kafka.client import ClientLog, ClientUnusableError, try_tokens
from doka.adapters.kafka.client_settings import Oauth
from doka.adapters.kafka.columns import AnyMessage
from doka.adapters.kafka.letter_headers import Headers, UnreadableHeadersError, letter_headers
from doka.adapters.kafka.letter_settings import HELD_SHARE, LETTERS_MAX, letter_settings
from doka.adapters.kafka.login import Login
from doka.adapters.kafka.settings import MemberSettings
from doka.domain.commands import SendLetter
from doka.domain.errors import invariant
from doka.domain.events import Event, LetterAcknowledged, LetterRefused
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

FULL: Final = "_QUEUE_FULL"  # librdkafka's own name
UNREADABLE: Final = "HEADERS_UNREADABLE"  # ours
NO_LOGIN: Final = "_AUTHENTICATION"
OPEN_AGAIN_NS: Final = 5 * NS_PER_SECOND  # after a fatal error: what caused it mostly needs a moment, or a person
LOG_IN_AGAIN_NS: Final = 60 * NS_PER_SECOND
"""After a producer that could not be made: each try may hold the loop for as long as a source of credentials takes."""
REPORTS_AT_ONCE_MAX: Final = 100  # a fatal error comes once; the bound is for a library that thinks otherwise

_log = logging.getLogger("doka.kafka.letters")


class KafkaLetters:
    """Sends letters until `close`; not for more than one thread. Each letter is answered exactly once."""

    def __init__(self, settings: MemberSettings, topic: str, clock: Clock, oauth: Oauth | None = None) -> None:
        """Prepare; nothing is opened yet. Raises UsageError for settings that cannot be."""
        self._topic = topic
        self._clock = clock
        self._keys = letter_settings(settings, oauth)
        self._login = Login(settings.security, oauth, self._keys)
        self._log = ClientLog(clock)
        self._bytes_max = settings.held_bytes // HELD_SHARE
        self._producer: Producer | None = None
        self._under_way: dict[int, int] = {}  # letter -> bytes
        self._bytes = 0
        self._waiting: deque[tuple[SendLetter, Headers, int]] = deque()
        self._answers: list[Event] = []
        self._closed = False
        self._unusable = ""  # the name of the error that ended the last producer
        self._open_again_at: int | None = None

    def submit(self, command: SendLetter) -> None:
        """Start one letter; what the client refuses at once is an answer like any other."""
        invariant(not self._closed, "a letter was submitted after the dead letters were closed")
        try:
            headers = letter_headers(command, self._clock.wall())
        except UnreadableHeadersError:
            self._refuse(command.letter, UNREADABLE)
            return
        size = _size(command, headers)
        if self._waiting or not self._has_room(size):
            self._waiting.append((command, headers, size))  # for room of our own, which is no failure
            return
        self._send(command, headers, size)

    def _has_room(self, size: int) -> bool:
        """Whether a letter may go; one of any size goes when it is alone."""
        few = len(self._under_way) < LETTERS_MAX and self._bytes + size <= self._bytes_max
        return few or not self._under_way

    def _send(self, command: SendLetter, headers: Headers, size: int) -> None:
        producer = self._opened()
        if producer is None:
            self._refuse(command.letter, self._unusable)
            return
        original = command.original
        _, timestamp_ms = original.timestamp()  # -1 where it has none; only exactly 0 becomes the present
        self._under_way[command.letter] = size
        self._bytes += size
        try:
            producer.produce(
                self._topic,
                value=original.value(),
                key=original.key(),
                headers=list(headers),
                timestamp=timestamp_ms,
                on_delivery=partial(self._reported, command.letter),
            )
        except BufferError:  # never met: its bounds are wider than ours
            self._answer(command.letter, FULL)
        except KafkaException as error:
            self._after(error, producer, command.letter)

    def answers(self) -> Sequence[Event]:
        """Give the answers that have arrived, without waiting.

        To be called in each turn also when no letter is under way: what the client has to say waits for it.
        """
        if self._producer is not None:
            try:
                self._producer.poll(0)
            except KafkaException as error:  # only a fatal one is raised here
                self._after(error, self._producer)
        self._login.renew(self._producer)
        while self._waiting and self._has_room(self._waiting[0][2]):
            self._send(*self._waiting.popleft())
        taken, self._answers = self._answers, []
        return taken

    def close(self) -> None:
        """Give up what is still under way; never waits for a broker."""
        producer, self._producer, self._closed = self._producer, None, True
        if producer is not None:
            self._end(producer)
        self._answers.clear()
        self._waiting.clear()

    def __repr__(self) -> str:
        return f"KafkaLetters({self._topic}, {len(self._under_way)} under way)"

    # --- the producer's life -----------------------------------------------------------------------------------------

    def _opened(self) -> Producer | None:
        """Give the producer, a new one where there is none; None while it is too early to try again."""
        if self._producer is not None:
            return self._producer
        now = self._clock.now()
        if self._open_again_at is not None and now < self._open_again_at:
            return None
        try:
            try_tokens(self._keys)
            self._producer = Producer({**self._keys, "error_cb": self._note, "logger": self._log})
        except (ClientUnusableError, KafkaException, SystemError) as error:
            # SystemError: a client that gives up inside its constructor calls back with its own exception still set.
            reason = error if isinstance(error, ClientUnusableError) else error.__cause__ or error
            _log.error("no connection for dead letters: %s", reason)
            self._unusable = _name_of(error, NO_LOGIN)
            self._open_again_at = self._clock.now() + LOG_IN_AGAIN_NS
        return self._producer

    def _after(self, error: KafkaException, producer: Producer, letter: int | None = None) -> None:
        """Take an error that the client raised, at a letter or while it was served."""
        code = _name_of(error, "_FAIL")
        if _is_fatal(error):
            self._producer = None
            self._unusable = code
            self._open_again_at = self._clock.now() + OPEN_AGAIN_NS
            self._end(producer)
        elif letter is not None:
            self._answer(letter, code)

    def _end(self, producer: Producer) -> None:
        """Take the last reports of a producer, and answer for it what it has not reported."""
        producer.purge(blocking=False)
        for _ in range(REPORTS_AT_ONCE_MAX):
            try:
                producer.poll(0)
            except KafkaException as error:
                self._unusable = _name_of(error, self._unusable)  # the cause, where `produce` only said _FATAL
            else:
                break
        for letter in list(self._under_way):
            self._answer(letter, self._unusable)

    def _note(self, error: KafkaError) -> None:
        """Take an error of the client as a whole; it goes on trying, and its letters tell of their own fate."""
        self._login.note(error)
        self._log.log(logging.WARNING, "dead letters: %s (%s)", error.str(), error.name())

    # --- answers -----------------------------------------------------------------------------------------------------

    def _reported(self, letter: int, error: KafkaError | None, _message: AnyMessage) -> None:
        """Take a delivery report; called by the client, so it must not raise."""
        if error is not None and error.code() in _PURGED:
            self._answer(letter, self._unusable or error.name())
        else:
            self._answer(letter, None if error is None else error.name())

    def _answer(self, letter: int, code: str | None) -> None:
        size = self._under_way.pop(letter, None)
        if size is None:
            return
        self._bytes -= size
        if code is None:
            self._answers.append(LetterAcknowledged(letter))
        else:
            self._refuse(letter, code)

    def _refuse(self, letter: int, code: str) -> None:
        self._answers.append(LetterRefused(letter, code))


_PURGED: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001 - public names of codes


def _size(command: SendLetter, headers: Headers) -> int:
    """Give the bytes that a letter takes."""
    own = len(command.original.key() or b"") + len(command.original.value() or b"")
    return own + sum(len(name) + len(value or b"") for name, value in headers)


def _reason(error: BaseException) -> KafkaError | None:
    reason = error.args[0] if error.args else None
    return reason if isinstance(reason, KafkaError) else None


def _name_of(error: BaseException, otherwise: str) -> str:
    reason = _reason(error)
    return otherwise if reason is None else reason.name()


def _is_fatal(error: KafkaException) -> bool:
    reason = _reason(error)
    return reason is not None and (reason.fatal() or reason.code() == KafkaError._FATAL)  # noqa: SLF001 - as above
