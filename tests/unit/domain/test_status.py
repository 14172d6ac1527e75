from __future__ import annotations

from dataclasses import replace

import pytest

from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import GROUP_LOST_NS, GroupStatus, RouteStatus, Status
from tests.unit.domain.builders import partition

NOW = 1_000 * NS_PER_SECOND

READY = Status(
    at=0,
    held_bytes=0,
    held_bytes_max=1,
    partitions={TopicPartition("orders", 0): partition().status(0, None)},
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
        refused_topics=frozenset({"c"}),
        halted="a rule was broken",
    )
    assert (
        "halted: a rule was broken",
        "draining: this process is about to end",
        "route orders is blocked: AccessDeniedException",
        "topic a does not exist",
        "topic b does not exist",
        "topic c may not be read: grant READ on it",
        "partition orders[0] waits: a gap",
    ) == status.reasons()


@pytest.mark.parametrize(
    ("group", "reasons"),
    [
        (None, ()),
        (GroupStatus(joined=True), ()),
        (GroupStatus(joined=True, lost_since=NOW - GROUP_LOST_NS + 1, why="gone"), ()),
        (
            GroupStatus(joined=True, lost_since=NOW - GROUP_LOST_NS, why="b1:9092: Connection refused"),
            ("the consumer group is lost since 20 s: b1:9092: Connection refused",),
        ),
        (GroupStatus(joined=True, lost_since=NOW - GROUP_LOST_NS), ("the consumer group is lost since 20 s",)),
        (
            GroupStatus(joined=False, lost_since=NOW - 3 * NS_PER_SECOND, why="Group authorization failed"),
            ("the consumer group has given no assignment, for 3 s: Group authorization failed",),
        ),
        (GroupStatus(joined=False), ("the consumer group has given no assignment, for 0 s",)),
    ],
    ids=["not known", "a member", "lost just now", "lost", "lost without a word", "never joined", "just started"],
)
def test_ready_means_the_group(group: GroupStatus | None, reasons: tuple[str, ...]) -> None:
    """Not before an assignment, and not when the group is lost for long; with the client's own words, where it has any."""
    assert reasons == replace(READY, at=NOW, group=group).reasons()


def test_the_group_is_left_at_the_end() -> None:
    """While it drains, a group that is lost is no further reason."""
    status = replace(READY, at=NOW, group=GroupStatus(joined=False), draining=True)
    assert ("draining: this process is about to end",) == status.reasons()
