"""Looks before the start: does a broker answer, does it let us in, are the topics there, may the group be read.

For `doka check`: each obstacle is one plain sentence, and beside it what to do about it.
It joins no group and commits nothing, so it can run beside a working service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client import ClientLog, ClientUnusableError, new_consumer
from doka.adapters.kafka.client_errors import COORDINATOR_MOVES, MOVE_SECONDS
from doka.adapters.kafka.client_settings import Oauth, connection_settings
from doka.adapters.kafka.login import cure_of_login
from doka.adapters.kafka.settings import MemberSettings
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

STEP_SECONDS: Final = 1.0  # between two looks at why nobody answers

_LOGIN: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - the library's public names of these codes
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
    },
)
_HOPELESS: Final = _LOGIN | {KafkaError._SSL}  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in the way; `told` is a sentence without a full stop, `cure` what to do about it, if that is known."""

    told: str
    cure: str | None = None
    topic: str | None = None
    """The topic that it concerns; None: the cluster, or the group."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found: partitions of each topic that is there, and what stands in the way."""

    partitions: Mapping[str, int] = field(default_factory=dict)
    obstacles: tuple[Obstacle, ...] = ()


def look(settings: MemberSettings, clock: Clock, *, timeout: float = 10.0, oauth: Oauth | None = None) -> Preflight:
    """Ask the cluster, for at most about `timeout` seconds; never raises for what the cluster or the network does.

    Raises UsageError where the settings themselves cannot be.
    """
    keys = connection_settings(settings, oauth)
    said: list[KafkaError] = []
    deadline = clock.now() + int(timeout * NS_PER_SECOND)
    try:
        client = new_consumer(
            {**keys, "group.id": settings.group_id, "error_cb": said.append, "logger": ClientLog(clock)},
        )
    except ClientUnusableError as error:
        return Preflight(obstacles=(Obstacle(str(error)),))
    try:
        if not _reached(client, said, clock, deadline):
            return Preflight(obstacles=(_why_unreachable(settings, said, oauth),))
        return _ask(client, settings, clock, deadline)
    finally:
        client.close()


def _ask(client: Consumer, settings: MemberSettings, clock: Clock, deadline: int) -> Preflight:
    partitions: dict[str, int] = {}
    obstacles: list[Obstacle] = []
    for topic in sorted(settings.topics):
        try:
            found = client.list_topics(topic, timeout=seconds_left(clock, deadline)).topics[topic]
        except KafkaException as error:
            obstacles.append(Obstacle(f"Kafka did not tell about topic {topic} in time: {error}", topic=topic))
            continue
        if found.error is not None:
            obstacles.append(why_no_topic(topic, found.error, "routes", "READ"))
        else:
            partitions[topic] = len(found.partitions)
    if partitions:
        obstacles += _group_obstacles(client, settings, next(iter(partitions)), clock, deadline)
    return Preflight(partitions, tuple(obstacles))


def _reached(client: Consumer, said: list[KafkaError], clock: Clock, deadline: int) -> bool:
    """Wait for the first answer of any broker; a refused login or certificate ends the waiting early."""
    while True:
        try:
            client.list_topics(timeout=min(STEP_SECONDS, seconds_left(clock, deadline)))
        except KafkaException:
            client.poll(0)  # lets the client say why
            if clock.now() >= deadline or any(error.code() in _HOPELESS for error in said):
                return False
        else:
            return True


def _why_unreachable(settings: MemberSettings, said: list[KafkaError], oauth: Oauth | None) -> Obstacle:
    servers = ", ".join(settings.bootstrap_servers)
    for error in said:
        if error.code() in _LOGIN:
            cure = cure_of_login(error, oauth) or "check kafka.security (mechanism, username, password)"
            return Obstacle(f"Kafka refuses the login: {error.str()}", cure)
    for error in said:
        if error.code() == KafkaError._SSL:  # noqa: SLF001
            return Obstacle(
                f"no TLS connection to Kafka: {error.str()}", "check kafka.security (protocol, ca_file) and the port"
            )
    for error in said:
        if error.code() == KafkaError._RESOLVE:  # noqa: SLF001
            return Obstacle(f"no broker found: {error.str()}", "check the names in kafka.bootstrap_servers")
    last = f": {said[-1].str()}" if said else ""
    return Obstacle(
        f"no broker answers at {servers}{last}",
        "check kafka.bootstrap_servers, the network, and whether "
        f"kafka.security.protocol {settings.security.protocol} is what this port speaks",
    )


def why_no_topic(topic: str, error: KafkaError, setting: str, right: str) -> Obstacle:
    """Say why a topic is not told; `setting` names it, `right` is what is to be done with it."""
    if error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}:  # noqa: SLF001
        return Obstacle(f"topic {topic} does not exist", f"create it, or correct the name in {setting}", topic)
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        cure = f"grant this process {right} and DESCRIBE on it"
        return Obstacle(f"not authorised to see topic {topic}", cure, topic)
    return Obstacle(f"topic {topic} cannot be used: {error.str()}", topic=topic)


def _group_obstacles(
    client: Consumer, settings: MemberSettings, topic: str, clock: Clock, deadline: int
) -> list[Obstacle]:
    group = settings.group_id
    errors = _group_errors(client, topic, seconds_left(clock, deadline))
    while any(error.code() in COORDINATOR_MOVES for error in errors) and clock.now() < deadline:
        client.poll(MOVE_SECONDS)
        errors = _group_errors(client, topic, seconds_left(clock, deadline))
    for reason in errors:
        if reason.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return [Obstacle(f"not authorised to use consumer group {group}", "grant this process READ on it")]
    return [Obstacle(f"Kafka did not tell the offsets of consumer group {group}: {reason.str()}") for reason in errors]


def _group_errors(client: Consumer, topic: str, timeout: float) -> list[KafkaError]:
    """Ask for an offset of the group; give why it is not told."""
    try:
        answer = client.committed([KafkaPartition(topic, 0)], timeout=timeout)
    except KafkaException as error:
        # The client goes on asking for a coordinator that it may not use; it says why among the records.
        told = client.poll(0)
        why = None if told is None else told.error()
        return [why if why is not None else cast("KafkaError", error.args[0])]
    return [partition.error for partition in answer if partition.error is not None]


def seconds_left(clock: Clock, deadline: int) -> float:
    """Give what is left in seconds, at least a tenth: no question is asked with no time to be answered."""
    return max(0.1, (deadline - clock.now()) / NS_PER_SECOND)
