"""A whole Kafka cluster inside this process: librdkafka's own mock brokers, reached through the bundled library.

`doka demo` and the tests need a cluster in a fraction of a second and without a container; real clients of any process
of this host connect to it over TCP.
It must never be offered as a place for anybody's data: records live in memory (at most 5 MiB or 100,000 batches a
partition, older ones vanish in silence), it speaks no TLS, shows aborted transactions, and answers no offsets for times
(auditable_kafka.py adds them).
The calls behind it are experimental in librdkafka and may change with its version; tests/integration pins them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from confluent_kafka import cimpl

_PRODUCER: Final = 0  # rd_kafka_type_t; the cluster needs any client to live in
ALL_BROKERS: Final = -1
HEARTBEAT_MS: Final = 100


class KafkaCluster:
    """A running mock cluster; it ends, with all it holds, when it is closed."""

    def __init__(self, brokers: int = 1, *, rebalance_delay_ms: int = 0) -> None:
        """Start brokers 1 to `brokers`; a new group waits `rebalance_delay_ms` for its first members (librdkafka: 3 s)."""
        self._library = _library()
        self._client: int | None = self._new_client()
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, brokers)
        if not self._cluster:
            self.close()
            raise OSError("librdkafka could not start its mock cluster")
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, rebalance_delay_ms)
        # Members of the newer group protocol hear of a rebalance with their next heartbeat.
        self._library.rd_kafka_mock_set_group_consumer_heartbeat_interval_ms(self._cluster, HEARTBEAT_MS)

    def _new_client(self) -> int:
        configuration = self._library.rd_kafka_conf_new()
        why = ctypes.create_string_buffer(512)
        self._library.rd_kafka_conf_set(configuration, b"log_level", b"0", why, len(why))
        client: int | None = self._library.rd_kafka_new(_PRODUCER, configuration, why, len(why))
        if not client:
            raise OSError(f"librdkafka gave no client for its mock cluster: {why.value.decode()}")
        return client

    @property
    def bootstrap_servers(self) -> str:
        """Give the addresses of all brokers on 127.0.0.1, as clients want them."""
        answer: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return answer.decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic of so many partitions, each with one replica."""
        self._checked(self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1))

    def delete_topic(self, name: str) -> None:
        """Delete a topic with its records."""
        self._checked(self._library.rd_kafka_mock_topic_delete(self._cluster, name.encode()))

    def fail_topic(self, name: str, error: int) -> None:
        """Answer metadata requests for a topic with this error code from now on; 0 ends it."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, name.encode(), error)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Delete the records of a partition below the offset `before`, as retention does."""
        self._checked(
            self._library.rd_kafka_mock_partition_delete_records(self._cluster, topic.encode(), partition, before),
        )

    def push_errors(self, api_key: int, errors: Sequence[int]) -> None:
        """Answer the next requests of this kind with these error codes, one each; -195 (transport) disconnects."""
        array = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, api_key, len(errors), array)

    def clear_errors(self, api_key: int) -> None:
        """Forget the errors that were pushed for this kind of request and not yet answered."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, api_key)

    def set_rtt(self, milliseconds: int, broker: int = ALL_BROKERS) -> None:
        """Delay every answer of a broker."""
        self._checked(self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, milliseconds))

    def set_down(self, broker: int = ALL_BROKERS) -> None:
        """Drop a broker's connections and accept no new ones; its records and groups stay."""
        self._checked(self._library.rd_kafka_mock_broker_set_down(self._cluster, broker))

    def set_up(self, broker: int = ALL_BROKERS) -> None:
        """Let a broker accept connections again."""
        self._checked(self._library.rd_kafka_mock_broker_set_up(self._cluster, broker))

    def set_coordinator(self, group: str, broker: int) -> None:
        """Let a broker coordinate a group; else it is drawn by the group's name."""
        self._checked(self._library.rd_kafka_mock_coordinator_set(self._cluster, b"group", group.encode(), broker))

    def close(self) -> None:
        """Stop the brokers; a second call does nothing."""
        if self._client is None:
            return
        if self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)
        self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _checked(self, error: int) -> None:
        if error:
            reason: bytes = self._library.rd_kafka_err2str(error)
            raise OSError(f"the mock cluster refused: {reason.decode()}")


def _library() -> ctypes.CDLL:
    """Open the librdkafka that confluent-kafka itself uses: a symbol is looked for in what the module is linked to."""
    library = ctypes.CDLL(cimpl.__file__)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures = {
        "rd_kafka_conf_new": (pointer, ()),
        "rd_kafka_conf_set": (number, (pointer, text, text, text, ctypes.c_size_t)),
        "rd_kafka_new": (pointer, (number, pointer, text, ctypes.c_size_t)),
        "rd_kafka_destroy": (None, (pointer,)),
        "rd_kafka_err2str": (text, (number,)),
        "rd_kafka_mock_cluster_new": (pointer, (pointer, number)),
        "rd_kafka_mock_cluster_destroy": (None, (pointer,)),
        "rd_kafka_mock_cluster_bootstraps": (text, (pointer,)),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, (pointer, ctypes.c_int32)),
        "rd_kafka_mock_set_group_consumer_heartbeat_interval_ms": (None, (pointer, number)),
        "rd_kafka_mock_topic_create": (number, (pointer, text, number, number)),
        "rd_kafka_mock_topic_delete": (number, (pointer, text)),
        "rd_kafka_mock_topic_set_error": (None, (pointer, text, number)),
        "rd_kafka_mock_partition_delete_records": (number, (pointer, text, ctypes.c_int32, ctypes.c_int64)),
        "rd_kafka_mock_push_request_errors_array": (None, (pointer, ctypes.c_int16, ctypes.c_size_t, pointer)),
        "rd_kafka_mock_clear_request_errors": (None, (pointer, ctypes.c_int16)),
        "rd_kafka_mock_broker_set_rtt": (number, (pointer, ctypes.c_int32, number)),
        "rd_kafka_mock_broker_set_down": (number, (pointer, ctypes.c_int32)),
        "rd_kafka_mock_broker_set_up": (number, (pointer, ctypes.c_int32)),
        "rd_kafka_mock_coordinator_set": (number, (pointer, text, text, ctypes.c_int32)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
