"""Looks before the start: does a broker answer, does it let us in, are the topics there, may the group be read.

For `doka check`: each obstacle is one plain sentence, and beside it what to do about it.
It joins no group and commits nothing, so it can run beside a working service: whether it might is asked by committing
an offset of a partition that there is not, which a broker refuses after it has looked at the rights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client import ClientLog, ClientUnusableError, answer_of, new_admin_client, new_consumer
from doka.adapters.kafka.client_errors import COORDINATOR_MOVES, MOVE_SECONDS
from doka.adapters.kafka.client_settings import Oauth, connection_settings
from doka.adapters.kafka.login import cure_of_login
from doka.adapters.kafka.rights import Right, action_of, cure_of
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.skip_orders import skips_group
from doka.domain.events import TopicsMatched
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock
from doka.domain.routes.topic_watch import TopicWatch

NO_PARTITION: Final = 2**31 - 1  # the last number that a partition could have, which no topic reaches
COMMIT_POLL_SECONDS: Final = 0.05
RACK_SECONDS: Final = 5.0
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
    action: str | None = None
    """The action of IAM that is missing, where the login is by IAM."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found: partitions of each topic that is there, and what stands in the way."""

    partitions: Mapping[str, int] = field(default_factory=dict)
    obstacles: tuple[Obstacle, ...] = ()
    doubts: tuple[Obstacle, ...] = ()
    """What the service can do without, and some command cannot."""
    matched: TopicsMatched | None = None
    """What patterns bring; None where there are none, or nobody has told the topics."""


def look(settings: MemberSettings, clock: Clock, *, timeout: float = 10.0, oauth: Oauth | None = None) -> Preflight:
    """Ask the cluster, for at most about `timeout` seconds; never raises for what the cluster or the network does.

    Raises UsageError where the settings themselves cannot be.
    """
    keys = {**connection_settings(settings, oauth), "logger": ClientLog(clock)}
    said: list[KafkaError] = []
    deadline = clock.now() + int(timeout * NS_PER_SECOND)
    try:
        group = _Group(settings.group_id, {**keys, "error_cb": said.append}, settings, clock, deadline)
    except ClientUnusableError as error:
        return Preflight(obstacles=(Obstacle(str(error)),))
    try:
        if not _reached(group.client, said, clock, deadline):
            return Preflight(obstacles=(_why_unreachable(settings, said, oauth),))
        found = _ask(group, settings, clock, deadline)
    finally:
        group.client.close()
    if not found.partitions:
        return found
    doubts = (*_of_skips(keys, found, settings, clock, deadline), *_of_rack(keys, settings))
    return replace(found, doubts=doubts)


def _ask(group: _Group, settings: MemberSettings, clock: Clock, deadline: int) -> Preflight:
    partitions: dict[str, int] = {}
    obstacles: list[Obstacle] = []
    matched = None
    if settings.routes:
        try:
            listed = group.client.list_topics(timeout=seconds_left(clock, deadline)).topics
        except KafkaException as error:
            return Preflight(obstacles=(Obstacle(f"Kafka did not tell its topics in time: {error}"),))
        matched = TopicWatch(settings.routes).look(listed.keys())
    for topic in sorted(settings.topics.union(*(() if matched is None else matched.taken.values()))):
        try:
            found = group.client.list_topics(topic, timeout=seconds_left(clock, deadline)).topics[topic]
        except KafkaException as error:
            obstacles.append(Obstacle(f"Kafka did not tell about topic {topic} in time: {error}", topic=topic))
            continue
        if found.error is not None:
            obstacles.append(why_no_topic(topic, found.error, "routes", "READ", settings))
        else:
            partitions[topic] = len(found.partitions)
    if partitions:
        obstacles += group.obstacles(list(partitions))
    return Preflight(partitions, tuple(obstacles), matched=matched)


def _of_skips(
    keys: Mapping[str, Any], found: Preflight, settings: MemberSettings, clock: Clock, deadline: int
) -> tuple[Obstacle, ...]:
    """Look at the group of orders to skip: the service reads it, and `doka skip` writes to it."""
    try:
        group = _Group(skips_group(settings.group_id), keys, settings, clock, deadline)
    except ClientUnusableError as error:
        return (Obstacle(str(error)),)
    try:
        # What is wrong with topics was told of the group itself.
        return tuple(each for each in group.obstacles(list(found.partitions)) if each.topic is None)
    finally:
        group.client.close()


def _of_rack(keys: Mapping[str, Any], settings: MemberSettings) -> tuple[Obstacle, ...]:
    """Look whether a broker is in this process's rack: a zone that is called otherwise there would show nowhere else."""
    if settings.rack is None:
        return ()
    try:
        client = new_admin_client(keys)  # which must outlive its question
        asked = client.describe_cluster(request_timeout=RACK_SECONDS)
        racks = sorted({node.rack for node in answer_of(asked, 2 * RACK_SECONDS).nodes or [] if node.rack})
    except (ClientUnusableError, KafkaException):
        return ()  # it may not be asked everywhere, and nothing leans on it
    if settings.rack in racks:
        return ()
    there = f"they are in {', '.join(racks)}" if racks else "none tells a rack (broker.rack)"
    told = f"no broker is in rack {settings.rack}: {there}, so all records are read from leaders"
    return (Obstacle(told, "correct kafka.rack, or kafka.racks; on MSK racks are ids of zones, like euw1-az1"),)


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


def why_no_topic(topic: str, error: KafkaError, setting: str, acl: str, settings: MemberSettings) -> Obstacle:
    """Say why a topic is not told; `setting` names it, `acl` is what is to be done with it."""
    if error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC}:  # noqa: SLF001
        return Obstacle(f"topic {topic} does not exist", f"create it, or correct the name in {setting}", topic)
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return denied(f"not authorised to see topic {topic}", Right.SEE_TOPIC, f"{acl} and DESCRIBE", settings, topic)
    return Obstacle(f"topic {topic} cannot be used: {error.str()}", topic=topic)


def denied(told: str, right: Right, acl: str, settings: MemberSettings, topic: str | None = None) -> Obstacle:
    """Give what stands in the way where a right is missing."""
    return Obstacle(told, cure_of(right, acl, settings), topic, action_of(right, settings))


class _Group:
    """Asks as one group, without being a member of it. Raises ClientUnusableError."""

    def __init__(
        self, name: str, keys: Mapping[str, Any], settings: MemberSettings, clock: Clock, deadline: int
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._deadline = deadline
        self._answers: list[list[tuple[str, int]]] = []
        """Of each commit by topic why the offset was not stored."""
        self.client = new_consumer({**keys, "group.id": name, "on_commit": self._committed})

    def obstacles(self, topics: Sequence[str]) -> list[Obstacle]:
        """Say what the group, or a topic in its name, may not be used for."""
        errors = self._errors(topics[0])
        while any(error.code() in COORDINATOR_MOVES for error in errors) and self._clock.now() < self._deadline:
            self.client.poll(MOVE_SECONDS)
            errors = self._errors(topics[0])
        told = f"not authorised to use consumer group {self._name}"
        for reason in errors:
            if reason.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                return [denied(told, Right.SEE_GROUP, "READ", self._settings)]
        if errors:
            return [
                Obstacle(f"Kafka did not tell the offsets of consumer group {self._name}: {e.str()}") for e in errors
            ]
        found = []
        for topic, code in self._refusals(topics):
            if code == KafkaError.GROUP_AUTHORIZATION_FAILED:
                return [
                    denied(
                        f"not authorised to commit as consumer group {self._name}",
                        Right.BE_MEMBER,
                        "READ",
                        self._settings,
                    )
                ]
            if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                found.append(denied(f"not authorised to read topic {topic}", Right.READ, "READ", self._settings, topic))
        return found

    def _errors(self, topic: str) -> list[KafkaError]:
        """Ask for an offset of the group; give why it is not told."""
        try:
            answer = self.client.committed(
                [KafkaPartition(topic, 0)], timeout=seconds_left(self._clock, self._deadline)
            )
        except KafkaException as error:
            # The client goes on asking for a coordinator that it may not use; it says why among the records.
            told = self.client.poll(0)
            why = None if told is None else told.error()
            return [why if why is not None else cast("KafkaError", error.args[0])]
        return [partition.error for partition in answer if partition.error is not None]

    def _refusals(self, topics: Sequence[str]) -> list[tuple[str, int]]:
        """Give why an offset of a partition that there is not is refused, by topic; nothing where nobody answers in time."""
        try:
            self.client.commit(offsets=[KafkaPartition(topic, NO_PARTITION, 0) for topic in topics], asynchronous=True)
            while not self._answers and self._clock.now() < self._deadline:
                self.client.poll(COMMIT_POLL_SECONDS)
        except KafkaException:
            return []
        return [each for answer in self._answers for each in answer]

    def _committed(self, error: KafkaError | None, partitions: Sequence[KafkaPartition]) -> None:
        why = {each.topic: each.error or error for each in partitions}
        self._answers.append([(topic, found.code()) for topic, found in why.items() if found is not None])


def seconds_left(clock: Clock, deadline: int) -> float:
    """Give what is left in seconds, at least a tenth: no question is asked with no time to be answered."""
    return max(0.1, (deadline - clock.now()) / NS_PER_SECOND)
