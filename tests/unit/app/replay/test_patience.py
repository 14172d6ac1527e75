"""When a command that sends gives up."""

from __future__ import annotations

import pytest

from doka.adapters.system.inbox import ThreadInbox
from doka.app.replay.patience import Patience
from doka.domain.events import StopRequested
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import RouteStatus, Status
from tests.unit.adapters.telemetry.given import partition_status

LIMIT = 60 * NS_PER_SECOND


def status(at: int, blocked: str | None = None, stuck: str | None = None) -> Status:
    """Give the state of a route and a partition."""
    route = RouteStatus("orders", blocked, in_flight=0, waiting=1)
    partitions = {TopicPartition("orders", 3): partition_status(stuck=stuck)}
    return Status(at, 0, 1, routes={"orders": route}, partitions=partitions)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"blocked": "denied"}, "route orders is blocked: denied"),
        ({"stuck": "a gap"}, "partition orders[3] waits: a gap"),
    ],
)
def test_it_gives_up_when_nothing_lands_for_so_long(given: dict[str, str], told: str) -> None:
    """Once, with the reason of /readyz; until then it says how long it still waits."""
    inbox = ThreadInbox()
    patience = Patience(LIMIT, inbox)
    for at in (0, LIMIT - 1):
        patience.look(status(at, **given), 0)
    assert ([], 1, told) == (list(inbox.drain()), patience.left(LIMIT - 1), status(0, **given).in_the_way())
    for at in (LIMIT, LIMIT + 1):
        patience.look(status(at, **given), 0)
    assert [StopRequested(f"its own limit, since nothing landed for 60 s: {told}")] == list(inbox.drain())


def test_the_time_begins_anew_with_each_block_and_with_all_that_lands() -> None:
    """What goes on is not given up."""
    inbox = ThreadInbox()
    patience = Patience(LIMIT, inbox)
    for at, blocked, landed in (
        (0, "denied", 0),
        (LIMIT - 1, "denied", 0),
        (LIMIT, None, 0),
        (LIMIT + 1, "denied", 0),
        (2 * LIMIT, "denied", 5),
        (3 * LIMIT - 1, "denied", 5),
    ):
        patience.look(status(at, blocked), landed)
    assert [] == list(inbox.drain())
    patience.look(status(4 * LIMIT, None), 5)
    assert patience.left(4 * LIMIT) is None
