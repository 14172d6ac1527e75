"""Looks at the dead-letter topic before the start: is it there, may it be written, and would it keep what it is given.

A letter keeps its record's time, and Kafka deletes by that time unless the topic says otherwise: a letter of an old
record can so be gone on its first day, although it was acknowledged. Nobody would notice, so it is said here.
It changes nothing and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined] # public by its documentation

from doka.adapters.kafka.client import ClientLog, ClientUnusableError, new_admin_client
from doka.adapters.kafka.client_settings import Oauth, connection_settings
from doka.adapters.kafka.letter_settings import letter_settings
from doka.adapters.kafka.preflight import Obstacle, denied, seconds_left, why_no_topic
from doka.adapters.kafka.rights import Right, action_of, cure_of
from doka.adapters.kafka.settings import MemberSettings
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

MS_PER_DAY: Final = 86_400_000
FIGURES_MS: Final = 100
DENIED: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})


@dataclass(frozen=True, slots=True)
class LetterTopic:
    """What was found; `partitions` is None where that was not told."""

    partitions: int | None = None
    obstacles: tuple[Obstacle, ...] = ()
    """Why letters would not be taken, or not be kept."""
    doubts: tuple[Obstacle, ...] = ()
    """What could lose a letter, or could not be looked at."""


def look_at_letters(
    settings: MemberSettings, topic: str, clock: Clock, *, timeout: float = 10.0, oauth: Oauth | None = None
) -> LetterTopic:
    """Ask the cluster, for at most about `timeout` seconds; never raises for what the cluster or the network does.

    Raises UsageError where the settings themselves cannot be.
    """
    keys: dict[str, Any] = {**connection_settings(settings, oauth), "error_cb": _nothing}
    deadline = clock.now() + int(timeout * NS_PER_SECOND)
    try:
        client = new_admin_client({**keys, "logger": ClientLog(clock)})
        found = client.list_topics(topic, timeout=seconds_left(clock, deadline)).topics[topic]
    except ClientUnusableError as error:
        return LetterTopic(obstacles=(Obstacle(str(error), topic=topic),))
    except KafkaException as error:
        return LetterTopic(
            obstacles=(Obstacle(f"Kafka did not tell about topic {topic} in time: {error}", topic=topic),)
        )
    if found.error is not None:
        return LetterTopic(obstacles=(why_no_topic(topic, found.error, "dead_letters.topic", "WRITE", settings),))
    shut_out = _is_shut_out(settings, oauth, clock, deadline)
    if not _may_write(client, topic, seconds_left(clock, deadline)):
        told = f"not authorised to write to topic {topic}"
        return LetterTopic(obstacles=(denied(told, Right.WRITE, "WRITE", settings, topic),))
    if shut_out:  # which a producer without the right to write may be, too
        told = f"not authorised to write idempotently to topic {topic}"
        return LetterTopic(obstacles=(denied(told, Right.WRITE_IDEMPOTENTLY, "IDEMPOTENT_WRITE", settings, topic),))
    try:
        configuration = _configuration(client, topic, seconds_left(clock, deadline))
    except KafkaException as error:
        is_denied = isinstance(error.args[0], KafkaError) and error.args[0].code() in DENIED
        why = error.args[0].name() if error.args and isinstance(error.args[0], KafkaError) else str(error)
        doubt = Obstacle(
            f"the settings of topic {topic} could not be read ({why})",
            f"{cure_of(Right.SEE_SETTINGS, 'DESCRIBE_CONFIGS', settings)}, or see to it that it keeps what it is given",
            topic,
            action_of(Right.SEE_SETTINGS, settings) if is_denied else None,
        )
        return LetterTopic(len(found.partitions), doubts=(doubt,))
    return LetterTopic(
        len(found.partitions),
        tuple(_obstacles(topic, configuration)),
        tuple(_doubts(topic, configuration)),
    )


def _may_write(client: AdminClient, topic: str, timeout: float) -> bool:
    """Say whether the broker counts writing among our rights; one that does not tell leaves it open."""
    try:
        asked = client.describe_topics(
            TopicCollection([topic]), include_authorized_operations=True, request_timeout=timeout
        )
        allowed = asked[topic].result(timeout).authorized_operations
    except (KafkaException, TimeoutError):
        return True
    return not allowed or bool({AclOperation.WRITE, AclOperation.ALL} & set(allowed))


def _is_shut_out(settings: MemberSettings, oauth: Oauth | None, clock: Clock, deadline: int) -> bool:
    """Say whether the cluster gives an idempotent producer no id, without which it writes nothing; it asks by itself."""
    given: list[bool] = []

    def look_at(figures: str) -> None:
        if json.loads(figures).get("eos", {}).get("idemp_state") == "Assigned":
            given.append(True)

    keys = {**letter_settings(settings, oauth), "error_cb": _nothing, "logger": ClientLog(clock, quiet=True)}
    try:
        producer = Producer({**keys, "statistics.interval.ms": FIGURES_MS, "stats_cb": look_at})
        while not given and clock.now() < deadline:
            producer.poll(FIGURES_MS / 1_000)
    except KafkaException as error:  # that it is refused ends the client
        return bool(error.args[0].code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED)
    return False


def _configuration(client: AdminClient, topic: str, timeout: float) -> Mapping[str, str]:
    """Give the topic's settings; raises KafkaException where they are not told."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        entries = client.describe_configs([resource], request_timeout=timeout)[resource].result(timeout)
    except TimeoutError as error:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from error  # noqa: SLF001 - public name of the code
    return {name: entry.value for name, entry in entries.items() if entry.value is not None}


def _obstacles(topic: str, configuration: Mapping[str, str]) -> Iterator[Obstacle]:
    if "compact" in configuration.get("cleanup.policy", ""):
        yield Obstacle(
            f"topic {topic} is compacted, so a letter replaces the one before of its key, and one without a key is "
            "refused",
            "set cleanup.policy=delete on it",
            topic,
        )


def _doubts(topic: str, configuration: Mapping[str, str]) -> Iterator[Obstacle]:
    kept_ms = int(configuration.get("retention.ms", "-1"))
    if kept_ms >= 0 and configuration.get("message.timestamp.type") == "CreateTime":
        yield Obstacle(
            f"topic {topic} deletes letters {kept_ms / MS_PER_DAY:.3g} days after the time of their records, which may "
            "be long ago",
            "set message.timestamp.type=LogAppendTime or retention.ms=-1 on it",
            topic,
        )
    if configuration.get("min.insync.replicas") == "1":
        yield Obstacle(
            f"topic {topic} lets one replica alone acknowledge a letter",
            "give it three replicas and min.insync.replicas=2",
            topic,
        )


def _nothing(_error: Any) -> None:
    """Take what the client says: the answers, or their absence, are what counts."""
