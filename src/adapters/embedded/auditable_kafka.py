"""A mock cluster that can be audited: a relay before its one broker, which adds the two answers that an audit needs.

The mock broker says of every time that no record is as late (ListOffsets), and names a controller that it does not have, for
which whoever asks for the ids of topics waits in vain (Metadata). All else passes as it is, but for the broker's address,
which becomes this relay's: clients go where the cluster tells them.
It must never make an answer up: the offset of a time is that of the first record, from the log's beginning, whose timestamp
is as late, read by a consumer of its own. That takes as long as the log is, so it is for the demo and the tests alone.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from types import TracebackType
from typing import Final, NamedTuple, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from doka.domain.records import TopicPartition

LIST_OFFSETS, METADATA, FIND_COORDINATOR = 2, 3, 10
VERSIONS: Final = {LIST_OFFSETS: 7, METADATA: 13}
"""Those that librdkafka speaks to its own mock brokers; to what is asked in others nothing is added."""
JOIN_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 5.0
"""For so long nothing may come while records are read; below what doka waits for an answer."""


class Found(NamedTuple):
    """The first record that is as late as a time."""

    offset: int
    timestamp_ms: int


class AuditableKafka:
    """Stands before a mock cluster of one broker from `start` to `close`; as a context manager it does both."""

    def __init__(self, bootstrap_servers: str) -> None:
        """Take the address of the one broker."""
        host, port = bootstrap_servers.split(":")
        self._broker = (host, int(port))
        self._listener = socket.create_server((host, 0))
        self._connections: list[_Connection] = []
        self._thread = threading.Thread(target=self._accept, name="auditable-kafka", daemon=True)

    @property
    def bootstrap_servers(self) -> str:
        """Give the address for clients."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def start(self) -> None:
        """Accept clients from now on."""
        self._thread.start()

    def close(self) -> None:
        """End all connections, and wait for the threads."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(JOIN_SECONDS)
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                broker = socket.create_connection(self._broker)
            except OSError:
                return
            self._connections.append(_Connection(client, broker))


class _Connection:
    """One client's: its requests go to the broker as they are, the broker's answers come back with what it lacks."""

    def __init__(self, client: socket.socket, broker: socket.socket) -> None:
        self._client = client
        self._broker = broker
        self._told = _address(broker.getpeername())
        self._ours = _address(client.getsockname())
        self._asked: dict[int, tuple[int, bytes]] = {}
        """By correlation id: requests whose answers are changed, and of which kind they are."""
        self._threads = [
            threading.Thread(target=self._pass, args=ends, name="auditable-kafka", daemon=True)
            for ends in ((client, broker, self._note), (broker, client, self._changed))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End it, and wait for its threads."""
        for end in (self._client, self._broker):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(JOIN_SECONDS)

    def _pass(self, source: socket.socket, sink: socket.socket, changed: Callable[[bytes], bytes]) -> None:
        with closing(source), suppress(OSError):
            for frame in _frames(source):
                whole = changed(frame)
                sink.sendall(struct.pack(">i", len(whole)) + whole)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def _note(self, request: bytes) -> bytes:
        """Note what has to be done to the answer."""
        kind, version, correlation = struct.unpack_from(">hhi", request)
        if kind == FIND_COORDINATOR or VERSIONS.get(kind) == version:
            self._asked[correlation] = kind, request
        return request

    def _changed(self, answer: bytes) -> bytes:
        """Give an answer with what the broker does not know."""
        (correlation,) = struct.unpack_from(">i", answer)
        if correlation not in self._asked:
            return answer
        kind, request = self._asked.pop(correlation)
        if kind == LIST_OFFSETS:
            times = {place: at_ms for place, at_ms in _times_in(request).items() if at_ms >= 0}
            host, port = self._broker.getpeername()
            return _with_offsets(answer, first_since(f"{host}:{port}", times)) if times else answer
        return (_with_controller(answer) if kind == METADATA else answer).replace(self._told, self._ours)


def first_since(bootstrap_servers: str, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, Found]:
    """Give the first record of each partition that is as late as its time, where there is one.

    Raises OSError: the cluster does not say.
    """
    found: dict[TopicPartition, Found] = {}
    left = dict(times)
    settings = {"bootstrap.servers": bootstrap_servers, "group.id": "auditable-kafka", "enable.auto.commit": False}
    consumer = Consumer({**settings, "enable.partition.eof": True, "fetch.wait.max.ms": 10, "log_level": 0})
    with closing(consumer):
        consumer.assign([KafkaPartition(*partition, OFFSET_BEGINNING) for partition in left])
        while left:
            messages = consumer.consume(1, SILENT_SECONDS) + consumer.consume(1_000, 0)
            if not messages:
                raise OSError(f"no record of {sorted(left)} came within {SILENT_SECONDS:g} s")
            for message in messages:
                error, partition = message.error(), TopicPartition(str(message.topic()), message.partition() or 0)
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    raise OSError(str(KafkaException(error)))
                timestamp_ms = message.timestamp()[1]
                if error is not None:
                    left.pop(partition, None)
                elif timestamp_ms >= left.get(partition, timestamp_ms + 1):
                    found[partition] = Found(message.offset() or 0, timestamp_ms)
                    del left[partition]
    return found


# --- the protocol: https://kafka.apache.org/protocol#The_Messages_ListOffsets -------------------------------------------


def _frames(source: socket.socket) -> Iterator[bytes]:
    """Give what arrives, message by message, until the other side has gone."""
    with source.makefile("rb") as file:
        while len(size := file.read(4)) == 4:  # noqa: PLR2004 - the length before each
            (length,) = struct.unpack(">i", size)
            frame = file.read(length)
            if len(frame) < length:
                return
            yield frame


def _address(name: tuple[str, int]) -> bytes:
    """Give an address as answers have it behind the length of its host."""
    host, port = name
    return host.encode() + struct.pack(">i", port)


class _Bytes:
    """Walks through a message of the flexible form."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.at = 0

    def skip(self, count: int) -> int:
        """Pass so many bytes; give where they began."""
        began, self.at = self.at, self.at + count
        return began

    def number(self, form: str) -> int:
        """Read one number of this form."""
        value: int = struct.unpack_from(form, self.message, self.skip(struct.calcsize(form)))[0]
        return value

    def varint(self) -> int:
        """Read a number of variable length."""
        value = shift = 0
        while True:
            byte = self.number(">B")
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - its highest bit says that another one follows
                return value
            shift += 7

    def items(self) -> range:
        """Give a range over an array that follows."""
        return range(self.varint() - 1)

    def text(self) -> str:
        """Read a text."""
        length = self.varint() - 1
        began = self.skip(length)
        return self.message[began : began + length].decode()

    def tags(self) -> None:
        """Pass the tagged fields, of which nobody here knows one."""
        for _ in range(self.varint()):
            self.varint()
            self.skip(self.varint())


def _times_in(request: bytes) -> dict[TopicPartition, int]:
    """Read the times, or edges, that a request asks for."""
    found: dict[TopicPartition, int] = {}
    read = _Bytes(request)
    read.skip(8)
    read.skip(max(0, read.number(">h")))  # the client's name
    read.tags()
    read.skip(5)  # replica, isolation
    for _ in read.items():
        topic = read.text()
        for _ in read.items():
            partition = TopicPartition(topic, read.number(">i"))
            read.skip(4)  # leader epoch
            found[partition] = read.number(">q")
            read.tags()
        read.tags()
    return found


def _with_offsets(answer: bytes, found: Mapping[TopicPartition, Found]) -> bytes:
    """Put what was found into an answer, where the broker has refused nothing."""
    changed = bytearray(answer)
    read = _Bytes(answer)
    read.skip(4)
    read.tags()
    read.skip(4)  # throttled for
    for _ in read.items():
        topic = read.text()
        for _ in read.items():
            partition = TopicPartition(topic, read.number(">i"))
            error = read.number(">h")
            place = read.skip(16)
            if not error and partition in found:
                offset, timestamp_ms = found[partition]
                struct.pack_into(">qq", changed, place, timestamp_ms, offset)
            read.skip(4)  # leader epoch
            read.tags()
        read.tags()
    return bytes(changed)


def _with_controller(answer: bytes) -> bytes:
    """Name the first broker as the controller where the one that is named is none of the brokers."""
    read = _Bytes(answer)
    read.skip(4)
    read.tags()
    read.skip(4)  # throttled for
    brokers = []
    for _ in read.items():
        brokers.append(read.number(">i"))
        read.skip(max(0, read.varint() - 1) + 4)  # host, port
        read.skip(max(0, read.varint() - 1))  # rack
        read.tags()
    read.skip(max(0, read.varint() - 1))  # the cluster's id
    changed = bytearray(answer)
    if brokers and read.number(">i") not in brokers:
        struct.pack_into(">i", changed, read.at - 4, brokers[0])
    return bytes(changed)
