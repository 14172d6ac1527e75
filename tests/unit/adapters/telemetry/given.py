"""What the telemetry tests share: a clock moved by hand, one fact of each kind, a status, and a pipe for stdout."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

from doka.domain.facts import (
    CommitFailed,
    Fact,
    GapSeen,
    GroupBack,
    GroupLost,
    IntakeClosed,
    IntakeOpened,
    LanesBelowShards,
    LeaseRejected,
    LeaseRenewalFailed,
    LeaseRenewed,
    LetterFailed,
    LetterStored,
    OffsetsCommitted,
    OrderBroken,
    PartitionsOwned,
    PartitionStuck,
    RecordFreed,
    RecordsFailed,
    RecordsPoisoned,
    RecordsSettled,
    RecordsSkipped,
    RecordsTransformed,
    RecordsWillRepeat,
    RouteBlocked,
    RouteOpened,
    SchemaLearned,
    StopBegan,
    StopWaits,
    StreamChanged,
    StreamFactsAssumed,
    StreamLookFailed,
    TopicsChanged,
    TopicsLeft,
    TransformRaised,
    UnreadableSeen,
)
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip
from doka.domain.status import LeaseStatus, PartitionStatus, RouteStatus, Status
from tests.manual_clock import ManualClock

ORDERS_3 = TopicPartition("orders", 3)
NEW_YEAR = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def hand_clock() -> ManualClock:
    """Give a clock that stands at the beginning of a year."""
    return ManualClock(seconds=NEW_YEAR)


FACTS: tuple[Fact, ...] = (
    RecordsSettled("orders", 500, 12_345, 23 * NS_PER_MS, {int(NEW_YEAR - 5) * 1_000: 400, -1: 100}),
    RecordsFailed("orders", "InternalFailure", 7, ambiguous=True),
    RecordsPoisoned("orders", ORDERS_3, 41, "record_too_large", "block"),
    RouteBlocked("orders", "clock_skew", "Signature expired"),
    RouteOpened("orders", 12 * NS_PER_SECOND),
    StreamFactsAssumed("orders", "AccessDeniedException"),
    LeaseRenewed("analytics", 4, 3600 * NS_PER_SECOND),
    LeaseRenewalFailed("analytics", "AccessDenied", "not authorized", NS_PER_SECOND, 90 * NS_PER_SECOND),
    LeaseRejected("analytics", 4, "ExpiredTokenException", 5 * NS_PER_SECOND),
    OffsetsCommitted(3),
    CommitFailed("REBALANCE_IN_PROGRESS"),
    PartitionsOwned("assigned", frozenset({ORDERS_3}), {ORDERS_3: 40}),
    RecordsWillRepeat(ORDERS_3, 9, "orders"),
    GapSeen(ORDERS_3, 40, 90, "block"),
    PartitionStuck(ORDERS_3, 41, stuck=True),
    LetterStored("orders", ORDERS_3, 41, "RecordTooLarge"),
    LetterFailed("orders", ORDERS_3, 41, "_MSG_TIMED_OUT", NS_PER_SECOND),
    LanesBelowShards("orders", 4, 16),
    OrderBroken("orders", "refused", 3),
    StopBegan("SIGTERM", 25 * NS_PER_SECOND),
    StopWaits(2, 900, 3),
    GroupLost(20 * NS_PER_SECOND, "b1:9092: Connection refused"),
    GroupBack(90 * NS_PER_SECOND),
    RecordsTransformed("orders", 500, 60 * NS_PER_MS),
    TransformRaised("orders", ORDERS_3, 41, "KeyError"),
    IntakeClosed("orders", "schema_registry:http_500", "it answers HTTP 500"),
    IntakeOpened("orders", 90 * NS_PER_SECOND),
    SchemaLearned("orders", "7", "unusable", "it is no Avro schema"),
    TopicsChanged("orders", frozenset({"orders.eu", "orders.us"}), frozenset({"orders.uk"}), 2),
    TopicsLeft(
        frozenset({"orders.us"}), "topic orders.us is not read, for patterns of routes a and b match it: narrow one"
    ),
    StreamChanged("orders", "record_limit", 1_048_576, 2_097_152),
    StreamLookFailed("orders", "AccessDeniedException", "not authorized"),
    RecordFreed("orders", ORDERS_3, 41),
    RecordsSkipped(ORDERS_3, 41, 42, 1, Skip(41, 42, "ada", "2026-01-01T00:00:00Z", "the order was cancelled")),
    UnreadableSeen(ORDERS_3, 40, 50, "failed CRC32C check", "block"),
)
"""One of each kind."""

assert {type(fact) for fact in FACTS} == set(get_args(Fact))


def partition_status(
    *,
    watermark: int = 100,
    unsettled: int = 0,
    age: int | None = None,
    timestamp_ms: int | None = None,
    log_end: int | None = None,
    stuck: str | None = None,
    stuck_reason: str | None = None,
    waiting: int | None = None,
) -> PartitionStatus:
    """Give one partition of route orders; what is not named is calm."""
    return PartitionStatus(
        "orders",
        watermark,
        watermark,
        unsettled,
        0,
        age,
        timestamp_ms,
        paused=False,
        stuck=stuck,
        log_end=log_end,
        stuck_reason=stuck_reason,
        waiting=waiting,
    )


def status(
    clock: ManualClock,
    *,
    partition: PartitionStatus | None = None,
    lease: LeaseStatus | None = None,
    blocked: str | None = None,
    halted: str | None = None,
) -> Status:
    """Give the state of a calm process with one partition, one lease and one route, changed as named."""
    return Status(
        clock.now(),
        held_bytes=10,
        held_bytes_max=64,
        partitions={ORDERS_3: partition or partition_status()},
        leases={"analytics": lease or LeaseStatus("analytics", "fresh", 4, 60 * NS_PER_SECOND, has_end=True)},
        routes={"orders": RouteStatus("orders", blocked, 2, 30)},
        halted=halted,
    )


@dataclass(slots=True)
class Pipe:
    """A stdout whose reader is the test."""

    reader: int
    writer: int

    def read(self) -> bytes:
        """Give all that is there now, without waiting."""
        found = b""
        while select.select([self.reader], [], [], 0)[0]:
            part = os.read(self.reader, 1 << 20)
            if not part:
                break
            found += part
        return found


@contextmanager
def pipe() -> Iterator[Pipe]:
    """Give a pipe, and close what is still open of it."""
    reader, writer = os.pipe()
    made = Pipe(reader, writer)
    try:
        yield made
    finally:
        for fd in (made.reader, made.writer):
            if fd >= 0:
                os.close(fd)


def ask(port: int, request: str, within: float = 5.0) -> str:
    """Send one raw HTTP request to this machine and give the whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=within) as sock:
        sock.sendall(request.encode("latin-1"))
        parts = []
        while part := sock.recv(1 << 16):
            parts.append(part)
    return b"".join(parts).decode()


def get(port: int, path: str) -> tuple[int, str]:
    """GET a path; gives the status code and the body."""
    head, _blank, body = ask(port, f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").partition("\r\n\r\n")
    return int(head.split(" ")[1]), body
