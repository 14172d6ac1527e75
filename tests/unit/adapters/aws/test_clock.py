from __future__ import annotations

from datetime import UTC, datetime

import pytest

from doka.adapters.aws.clock import ServiceClock, read_date
from tests.manual_clock import ManualClock


def http_date(seconds: float) -> datetime:
    """Give a moment as an HTTP date tells it."""
    return datetime.fromtimestamp(int(seconds), UTC)


def test_until_the_service_has_spoken_the_host_is_believed() -> None:
    """Without an answer the wall clock is all there is, and follows what an operator sets it to."""
    clock = ManualClock(ahead_seconds=77)
    service_clock = ServiceClock(clock)
    clock.jump_wall(-30)
    assert (clock.wall(), None) == (service_clock.wall(), service_clock.host_ahead_seconds())


@pytest.mark.parametrize("ahead", [-1200, 1200])
def test_a_wrong_host_clock_is_corrected_by_one_answer(ahead: float) -> None:
    """Twenty minutes off, one answer, and the time is right to a second, however the host's clock is set afterwards."""
    clock = ManualClock(ahead_seconds=ahead)
    true_start = clock.wall() - ahead
    service_clock = ServiceClock(clock)
    service_clock.learn(http_date(true_start), clock.now())
    assert abs(service_clock.wall() - true_start) <= 1.0
    assert ahead == pytest.approx(service_clock.host_ahead_seconds(), abs=1.0)
    clock.jump_wall(500_000)
    clock.pass_seconds(3600)
    assert abs(service_clock.wall() - (true_start + 3600)) <= 1.0


def test_a_right_clock_is_left_as_it_is() -> None:
    """An answer that agrees to the second corrects nothing."""
    clock = ManualClock()
    service_clock = ServiceClock(clock)
    before = service_clock.wall()
    service_clock.learn(http_date(before), clock.now())
    assert before == pytest.approx(service_clock.wall(), abs=1e-3)


def test_an_answer_that_waited_while_the_process_slept_corrects_nothing() -> None:
    """Twenty minutes between sending and reading widen what the date can mean; a right clock stays right."""
    clock = ManualClock()
    service_clock = ServiceClock(clock)
    sent_at = clock.now()
    dated = http_date(clock.wall())
    clock.pass_seconds(1200)
    service_clock.learn(dated, sent_at)
    assert clock.wall() == pytest.approx(service_clock.wall(), abs=1e-3)


def test_a_date_header_is_read_as_http_writes_it() -> None:
    """The fixed format of RFC 9110 gives its moment."""
    assert datetime(2026, 11, 22, 10, 0, 1, tzinfo=UTC) == read_date("Sun, 22 Nov 2026 10:00:01 GMT")


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        12,
        "Mon, 99 Nov 2026 03:40:00 GMT",
        "Mon, 23 Nov 2026 03:40:00 -0000",
        "22 Nov 2026 10:00 -0000",
        pytest.param("0" * 9999, id="9999 digits"),
    ],
)
def test_a_date_that_cannot_be_read_is_no_date(value: object) -> None:
    """Missing, garbled and zone-less dates raise nothing."""
    assert None is read_date(value)


def test_dates_are_read_once_a_second_and_at_each_refusal() -> None:
    """The first answer is due, then one a second; a refusal always is, because the clock may be its cause."""
    clock = ManualClock()
    service_clock = ServiceClock(clock)
    assert service_clock.is_due(refused=False)
    service_clock.learn(http_date(clock.wall()), clock.now())
    assert (False, True) == (service_clock.is_due(refused=False), service_clock.is_due(refused=True))
    clock.pass_seconds(1)
    assert service_clock.is_due(refused=False)
