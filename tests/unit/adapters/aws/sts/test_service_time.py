from __future__ import annotations

from datetime import UTC, datetime

import pytest

from doka.adapters.aws.sts.service_time import ServiceTime, read_date
from tests.manual_clock import ManualClock


def test_before_the_first_answer_the_host_is_believed() -> None:
    """There is nothing better than the host's wall clock, and no skew is claimed."""
    clock = ManualClock(ahead_seconds=1200)
    service_time = ServiceTime(clock)
    assert (clock.wall(), None) == (service_time.wall(), service_time.host_ahead_seconds())


def test_an_answer_teaches_the_time_and_the_skew() -> None:
    """After a Date twenty minutes behind the host, the service's time is that Date and the host is ahead by 1200 s."""
    clock = ManualClock()
    service_time = ServiceTime(clock)
    date = datetime.fromtimestamp(int(clock.wall()) - 1200, UTC)
    service_time.learn(date)
    assert service_time.wall() == date.timestamp() + 0.5
    ahead = service_time.host_ahead_seconds()
    assert ahead is not None
    assert round(ahead, -1) == 1200


def test_the_learned_time_goes_on_and_no_jump_of_the_wall_clock_moves_it() -> None:
    """Time that passes is added; an operator who sets the host's clock changes nothing."""
    clock = ManualClock()
    service_time = ServiceTime(clock)
    date = datetime.fromtimestamp(1_900_000_000, UTC)
    service_time.learn(date)
    clock.jump_wall(-86_400)
    clock.pass_seconds(3600)
    assert service_time.wall() == 1_900_003_600.5


def test_a_date_header_is_read_as_http_writes_it() -> None:
    """The fixed format of RFC 9110 gives its moment."""
    assert datetime(2026, 11, 22, 10, 0, 1, tzinfo=UTC) == read_date("Sun, 22 Nov 2026 10:00:01 GMT")


@pytest.mark.parametrize(
    "value", [None, "", "yesterday", 12, "Sun, 99 Nov 2026 10:00:01 GMT", "22 Nov 2026 10:00 -0000"]
)
def test_a_date_that_cannot_be_read_is_no_date(value: object) -> None:
    """Missing, garbled and zone-less dates teach nothing and raise nothing."""
    assert None is read_date(value)
