from __future__ import annotations

from dataclasses import replace

from doka.domain.records import TopicPartition
from doka.domain.status import RouteStatus, Status
from tests.unit.domain.builders import partition

READY = Status(
    at=0,
    held_bytes=0,
    held_bytes_max=1,
    partitions={TopicPartition("orders", 0): partition().status(0, None, blocked=False)},
    routes={"orders": RouteStatus("orders", None, 0, 0)},
)


def test_ready_has_no_reasons() -> None:
    """A process that may do all it should names nothing."""
    assert () == READY.reasons()


def test_every_reason_is_named() -> None:
    """Each thing that keeps the process from its work is a sentence of its own, and none hides another."""
    gap = replace(READY.partitions[TopicPartition("orders", 0)], stuck="a gap")
    status = replace(
        READY,
        partitions={TopicPartition("orders", 0): gap},
        routes={"orders": RouteStatus("orders", "AccessDeniedException", 0, 0)},
        draining=True,
        missing_topics=frozenset({"b", "a"}),
        halted="a rule was broken",
    )
    assert (
        "halted: a rule was broken",
        "draining: this process is about to end",
        "route orders is blocked: AccessDeniedException",
        "topic a does not exist",
        "topic b does not exist",
        "partition orders[0] waits: a gap",
    ) == status.reasons()
