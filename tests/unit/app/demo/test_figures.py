import logging

import pytest

from doka.app.demo.figures import Figures
from doka.domain.facts import OffsetsCommitted, RecordsSettled, RouteBlocked, RouteOpened
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import LeaseStatus, PartitionStatus, Status


def _status(at: int, committed: int, left: int | None) -> Status:
    partition = PartitionStatus("orders", committed, committed, 0, 0, None, None, paused=False, stuck=None)
    return Status(
        at,
        0,
        0,
        {TopicPartition("orders", 0): partition, TopicPartition("orders", 1): partition},
        {"writer": LeaseStatus("writer", "fresh", 1, left, has_end=left is not None)},
    )


def test_a_block_shows_until_the_route_opens() -> None:
    """The reason of a block stands until the route may send again."""
    figures = Figures()

    figures.tell(RouteBlocked("orders", "lease_ended", "the lease has ended"))
    assert figures.blocked == "lease_ended"
    figures.tell(RouteOpened("orders", 5))
    assert figures.blocked is None


def test_only_what_a_person_wants_to_see_becomes_a_line() -> None:
    """Commits and settled records make no line; what happens to leases and routes does."""
    figures = Figures()

    figures.tell(OffsetsCommitted(3))
    figures.tell(RecordsSettled("orders", 1, 1, 1))
    figures.tell(RouteOpened("orders", 0))

    assert len(figures.lines) == 1


def test_committed_offsets_add_up_over_partitions() -> None:
    """The demo's topic begins at 0, so the offsets are counts."""
    figures = Figures()
    assert figures.committed() == 0

    figures.publish(_status(0, 40, None))

    assert figures.committed() == 80


def test_a_lease_ages_between_two_statuses() -> None:
    """What is left of the lease shrinks with the clock and ends at zero."""
    figures = Figures()
    assert figures.lease_left(0) is None

    figures.publish(_status(10 * NS_PER_SECOND, 0, 4 * NS_PER_SECOND))

    assert figures.lease_left(11 * NS_PER_SECOND) == 3.0
    assert figures.lease_left(20 * NS_PER_SECOND) == 0.0


def test_warnings_of_the_adapters_are_shown_and_nothing_goes_to_standard_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What an adapter logs appears among the lines while the demo runs, and the log is left as it was."""
    figures = Figures()
    figures.open()
    logging.getLogger("doka.kinesis").warning("puts of route %s fail", "orders")
    figures.close(0)

    assert list(figures.lines) == ["puts of route orders fail"]
    assert capfd.readouterr().err == ""
