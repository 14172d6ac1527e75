"""A real KRaft broker in a container, on a port of this host that is known before it starts."""

from __future__ import annotations

import contextlib
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from docker.errors import APIError
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer

from tests.containers import class_archive
from tests.waiting import eventually

IMAGE = "apache/kafka:4.1.1"
READY_SECONDS = 90.0  # a JVM on two cores that other containers use as well
BEHIND_PORT = 9094
TRIES = 3  # the free port may be taken by somebody else between being found and being bound


@dataclass(frozen=True)
class KafkaBroker:
    """One running broker; `container` is there for tests that pause or stop it."""

    bootstrap_servers: str
    container: DockerContainer
    client: Mapping[str, str] = field(default_factory=dict)
    """Further keys by which a client is let in."""
    behind_port: int = 0
    """The port of this host that leads to the listener behind another one, where there is one."""

    def admin(self) -> AdminClient:
        """Give a client that may create topics."""
        return AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0, **self.client})

    def create_topic(self, partitions: int = 1, *, name: str = "", config: Mapping[str, str] | None = None) -> str:
        """Create a topic (under a fresh name, unless one is given), wait until it is there, and give its name."""
        name = name or f"topic-{uuid.uuid4().hex[:12]}"
        admin = self.admin()
        new = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
        admin.create_topics([new], operation_timeout=30)[name].result(timeout=30)

        def led() -> bool:
            topic = admin.list_topics(timeout=10).topics.get(name)
            return topic is not None and partitions == len([p for p in topic.partitions.values() if p.leader >= 0])

        eventually(led, within=30, what=f"a leader for each partition of {name}", every=0.05)
        return name

    def pause(self) -> None:
        """Freeze the broker: connections stay up and nothing answers."""
        self._bring_to("paused", self.container.get_wrapped_container().pause)

    def unpause(self) -> None:
        """Let a frozen broker go on."""
        self._bring_to("running", self.container.get_wrapped_container().unpause)

    def kill(self) -> None:
        """Kill the broker as a power cut does; its log and its offsets are kept."""
        self._bring_to("exited", self.container.get_wrapped_container().kill)

    def start(self) -> None:
        """Start a killed broker again, and wait for its first answer."""
        self._bring_to("running", self.container.get_wrapped_container().start)
        eventually(lambda: _answers(self), within=READY_SECONDS, what="an answer of the broker", every=0.2)

    def _bring_to(self, status: str, order: Callable[[], None]) -> None:
        # A busy host needs more than one try to freeze all threads of a JVM.
        container = self.container.get_wrapped_container()

        def there() -> bool:
            container.reload()
            if container.status != status:
                with contextlib.suppress(APIError):
                    order()
                container.reload()
            return bool(container.status == status)

        eventually(there, within=30, what=f"a broker that is {status}", every=0.2)


@contextlib.contextmanager
def running_broker(
    overrides: Mapping[str, str] | None = None,
    *,
    files: Mapping[str, bytes] | None = None,
    client: Mapping[str, str] | None = None,
    in_front: int | None = None,
) -> Iterator[KafkaBroker]:
    """Run a broker until the block ends.

    `overrides` are further or other KAFKA_* variables, `files` is put into the container before it starts (path to
    content), and `client` holds the keys by which a client is let in.
    With `in_front` the broker has one more listener, BEHIND, whose clients are told this port of this host: somebody
    else listens there, and hands on to `behind_port`.
    """
    container, ports = _started(overrides or {}, files or {}, in_front)
    try:
        broker = KafkaBroker(f"127.0.0.1:{ports[0]}", container, client or {}, ports[-1])
        eventually(lambda: _answers(broker), within=READY_SECONDS, what="an answer of the broker", every=0.2)
        yield broker
    finally:
        container.stop()


def _started(
    overrides: Mapping[str, str], files: Mapping[str, bytes], in_front: int | None
) -> tuple[DockerContainer, list[int]]:
    """Start a container; gives the ports of this host that lead to its listeners."""
    archive = class_archive.archive_of(IMAGE, _begun)
    shared = {} if archive is None else {"KAFKA_OPTS": class_archive.options(archive)}
    return _container(shared | dict(overrides), files, in_front)


def _begun(variables: Mapping[str, str]) -> Container:
    """Start a broker from which nothing is wanted but what it leaves in the folder of archives when it is stopped."""
    container, ports = _container(variables, {}, None, archives="rw")
    broker, wrapped = KafkaBroker(f"127.0.0.1:{ports[0]}", container), container.get_wrapped_container()

    def there_or_ended() -> bool:
        wrapped.reload()
        return wrapped.status != "running" or _answers(broker)

    try:
        eventually(there_or_ended, within=READY_SECONDS, what="an answer of the broker, or its end", every=0.2)
    except BaseException:
        container.stop()
        raise
    return wrapped


def _container(
    variables: Mapping[str, str], files: Mapping[str, bytes], in_front: int | None, *, archives: str = "ro"
) -> tuple[DockerContainer, list[int]]:
    inside = [9092] if in_front is None else [9092, BEHIND_PORT]
    for attempt in range(1, TRIES + 1):
        ports = [free_port() for _ in inside]
        container = DockerContainer(IMAGE, env=_settings(ports[0], in_front) | dict(variables))
        container.with_volume_mapping(class_archive.FOLDER, class_archive.INSIDE, archives)
        for port, outside in zip(inside, ports, strict=True):
            container.with_bind_ports(port, outside)
        for path, content in files.items():
            container.with_copy_into_container(content, path)
        try:
            container.start()
        except APIError:
            container.stop()
            if attempt == TRIES:
                raise
        else:
            return container, ports
    raise AssertionError("not reached: the last try either returns or raises")


def _settings(port: int, in_front: int | None) -> dict[str, str]:
    """Give the full set: the image's defaults hold only while no KAFKA_* variable is given."""
    behind = ("", "") if in_front is None else (f",BEHIND://:{BEHIND_PORT}", f",BEHIND://127.0.0.1:{in_front}")
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        # A broker writes transaction markers over a connection to itself: inside, the host's port leads nowhere.
        "KAFKA_LISTENERS": f"PLAINTEXT://:9092,INSIDE://localhost:19092,CONTROLLER://:9093{behind[0]}",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port},INSIDE://localhost:19092{behind[1]}",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        # Looks each second, so that what would be deleted after five minutes is missed by the test itself. Nothing is
        # deleted for its age: tests write records of fixed times, which a week's retention takes for long gone.
        "KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS": "1000",
        "KAFKA_LOG_RETENTION_MS": "-1",
        "KAFKA_LOG_CLEANER_BACKOFF_MS": "500",
        # Twice a second a controller writes that it has nothing to write, which is half of what an idle broker does.
        "KAFKA_METADATA_MAX_IDLE_INTERVAL_MS": "0",
        # A broker that lives for a minute has nothing of the second compiler, which takes a third of its start.
        "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m -XX:TieredStopAtLevel=1",
    }


def free_port() -> int:
    """Give a port of this host that nobody has at this moment: use it soon, and expect that somebody was sooner."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(broker: KafkaBroker) -> bool:
    # A new client each time: one that met a closed port backs off for longer than a broker takes to start.
    try:
        return len(broker.admin().list_topics(timeout=2).brokers) > 0
    except KafkaException:
        return False
