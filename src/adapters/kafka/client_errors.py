"""What is not a record: reads librdkafka's errors, and says which of them end this process.

Most errors heal by themselves (a broker restarts, a leader moves) and librdkafka goes on trying; they are logged, once
a minute for each kind. Refused credentials are given a minute, because rights and secrets change while a process runs,
and count as lasting only while they are refused again and again: an idle topic brings nothing that would prove the
contrary, and one refusal of one broker is soon mended. Only what cannot heal here is `SourceFailed`.

What is fatal to the client is told once, and in four ways: among the records and behind all that are prefetched, as code
`_FATAL` whose `fatal()` is False; in the answer of each commit, without words; raised by whatever is asked; and, first
of all, as a line of the log, which librdkafka gives before the records. Each of them ends the process.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaError

from doka.adapters.kafka.client import OnceAMinute
from doka.domain.limits import NS_PER_SECOND

REFUSED_FOR_NS: Final = 60 * NS_PER_SECOND
REFUSED_AGAIN_NS: Final = 50 * NS_PER_SECOND  # a broker that refuses is tried again much sooner

_REFUSED: Final = {
    KafkaError._AUTHENTICATION: "Kafka refuses the login",  # noqa: SLF001 - these names are the library's public codes
    KafkaError.SASL_AUTHENTICATION_FAILED: "Kafka refuses the login",
    KafkaError.UNSUPPORTED_SASL_MECHANISM: "Kafka does not know this mechanism of login",
    KafkaError.ILLEGAL_SASL_STATE: "Kafka expects another way of login",
    KafkaError._SSL: "the TLS connection to Kafka fails",  # noqa: SLF001
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "this process may not use the cluster",
}
_TOLD_ONCE: Final = {
    # The client goes on asking in silence, so this refusal lasts until the group or a record proves the contrary.
    KafkaError.GROUP_AUTHORIZATION_FAILED: "this process may not read as its consumer group",
}
ANOTHER_PRINCIPAL: Final = "Cannot change principals during re-authentication"
"""A broker's words, and the end of a connection whose next token is that of another session: EKS Pod Identity and others
name each anew (https://github.com/aws/containers-roadmap/issues/2362). The same token is good on the next connection."""
FATAL: Final = frozenset(
    {
        KafkaError._FATAL,  # noqa: SLF001
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.UNRELEASED_INSTANCE_ID,
    },
)
_CURES: Final = (
    # The words of librdkafka and the broker; the code beneath `_FATAL` is not given to a Python client.
    (
        "same group.instance.id",
        "another member has the same kafka.group_instance_id and took its place; give each member its own",
    ),
    (
        "instance ID is still used",
        (
            "another member has the same kafka.group_instance_id; give each member its own, or wait until the group has "
            "given up one that was killed (45 s)"
        ),
    ),
    (
        "ConsumerGroupHeartbeat fatal error: Broker: API version not supported",
        "the cluster does not offer this group protocol; set kafka.group_protocol: classic",
    ),
)
MISSING_TOPIC: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    },
)
UNREADABLE: Final = frozenset(
    {
        # After each of these librdkafka goes on behind the record or batch that it could not read.
        KafkaError._BAD_MSG,  # noqa: SLF001
        KafkaError._BAD_COMPRESSION,  # noqa: SLF001
        KafkaError._UNDERFLOW,  # noqa: SLF001
        KafkaError._NOT_IMPLEMENTED,  # noqa: SLF001
        KafkaError._CRIT_SYS_RESOURCE,  # noqa: SLF001
        KafkaError.INVALID_MSG,
        KafkaError.MSG_SIZE_TOO_LARGE,
    },
)

COORDINATOR_MOVES: Final = frozenset(
    {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS}
)
"""What a broker says for a moment: after the first question of a new cluster, while it starts, or when the group moves."""
MOVE_SECONDS: Final = 0.1  # between two questions to a coordinator that is on its way

_AWAY: Final = frozenset({KafkaError._TRANSPORT, KafkaError._RESOLVE})  # noqa: SLF001
_ADDRESS: Final = re.compile(r"[\w.-]+:\d+")
_BARE: Final = "Local: Fatal error"  # what a commit is answered with

_log = logging.getLogger("doka.kafka")


def is_fatal(error: KafkaError) -> bool:
    """Whether the client cannot go on after this error."""
    return error.fatal() or error.code() in FATAL


class ClientErrors:
    """Remembers what is wrong with the client as a whole, and since when."""

    def __init__(self, cure_of_login: Callable[[KafkaError], str | None] = lambda _: None) -> None:
        """Take what knows a cure of a refused login that is better than to look at the settings."""
        self._cure_of_login = cure_of_login
        self._refused_with: KafkaError | None = None
        self._refused_since: int | None = None
        self._refused_last = 0
        self._refusal = ""
        self._shut_out_since: int | None = None
        self._shut_out = ""
        self._fatal: str | None = None
        self._names_a_cause = False
        self._said = OnceAMinute()
        self.last_words = ""
        """What the client said last of what is wrong; as long as nothing arrives, it is why."""
        self.broker_refused_at: int | None = None
        """When a broker last answered with an error, and did not merely stay out of reach."""

    @property
    def shut_out_since(self) -> int | None:
        """Since when the group refuses this process; None while it does not."""
        return self._shut_out_since

    def note(self, error: KafkaError, now: int, where: str = "") -> None:
        """Take an error of the client, or one that came among the records (of `where`)."""
        if is_fatal(error):
            self.fatal(error.str(), error.name())
        elif (what := _TOLD_ONCE.get(error.code())) is not None:
            self._shut_out = f"{what}: {error.str()}"
            if self._shut_out_since is None:
                self._shut_out_since = now
        elif (what := _REFUSED.get(error.code())) is not None and ANOTHER_PRINCIPAL not in error.str():
            self._refusal = f"{what}: {error.str()}"
            self._refused_with = error
            if self._refused_since is None or now - self._refused_last > REFUSED_AGAIN_NS:
                self._refused_since = now
            self._refused_last = now
        if error.code() > 0:
            self.broker_refused_at = now
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self.last_words:  # noqa: SLF001 - which says why of none
            self.last_words = f"{where}: {error.str()}" if where else error.str()
        self._say(error, now, where)

    def no_token(self, why: str, now: int) -> None:
        """Take notice that no new token to log in with could be made; the one before is good for a while."""
        if self._said.due("no token", now):
            _log.warning("no new token for Kafka: %s; the one before is used as long as it lasts", why)

    def fatal(self, text: str, name: str = "_FATAL") -> None:
        """Take the end of the client, as librdkafka words it; the first to name a cause is kept."""
        if self._fatal is not None and self._names_a_cause:
            return
        text = text.removeprefix("Fatal error: ")
        self._names_a_cause = text != _BARE
        cure = next((cure for words, cure in _CURES if words in text), None)
        self._fatal = f"the Kafka client cannot go on: {text} ({name})" + (f"; {cure}" if cure else "")

    def healthy(self) -> None:
        """Forget refusals: something of the cluster arrived."""
        self._refused_since = self._shut_out_since = None
        self.last_words = ""

    def end(self, now: int) -> str | None:
        """Say why the consumer cannot go on, as a sentence; None while it can."""
        if self._fatal is not None:
            return self._fatal
        if self._refused_since is not None and self._refused_last - self._refused_since >= REFUSED_FOR_NS:
            cure = None if self._refused_with is None else self._cure_of_login(self._refused_with)
            return f"{self._refusal}, for a minute now; {cure or 'check kafka.security and the rights of this process'}"
        if self._shut_out_since is not None and now - self._shut_out_since >= REFUSED_FOR_NS:
            return f"{self._shut_out}, for a minute now; grant READ on the group, or correct kafka.group_id"
        return None

    def _say(self, error: KafkaError, now: int, where: str) -> None:
        code = error.code()
        if code == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - each of them has said why
            return
        kind: tuple[object, ...] = (code, where)
        if code in _AWAY and (address := _ADDRESS.search(error.str())) is not None:
            kind = (_AWAY, address[0])  # one broker has several connections, each with its own words
        if self._said.due(kind, now):
            _log.warning("%s%s (%s)", f"{where}: " if where else "", error.str(), error.name())
