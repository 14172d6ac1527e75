from __future__ import annotations

from email.utils import formatdate

import pytest

from doka.adapters.aws.kinesis.skew import SkewedClock
from tests.manual_clock import ManualClock


def http_date(seconds: float) -> str:
    """Give an HTTP date."""
    return formatdate(seconds, usegmt=True)


def test_until_the_service_has_spoken_the_host_is_believed() -> None:
    """Without an answer the wall clock is all there is, and follows what an operator sets it to."""
    clock = ManualClock(ahead_seconds=77)
    skewed = SkewedClock(clock)
    clock.jump_wall(-30)
    assert (clock.wall(), 0.0) == (skewed.wall(), skewed.skew_seconds)


@pytest.mark.parametrize("ahead", [-1200, 1200])
def test_a_wrong_host_clock_is_corrected_by_one_answer(ahead: float) -> None:
    """Twenty minutes off, one answer, and the time is right to a second, however the host's clock is set afterwards."""
    clock = ManualClock(ahead_seconds=ahead)
    true_start = clock.wall() - ahead
    skewed = SkewedClock(clock)
    skewed.learn(http_date(true_start), clock.now())
    assert abs(skewed.wall() - true_start) <= 1.0
    assert abs(skewed.skew_seconds - ahead) <= 1.0
    clock.jump_wall(500_000)
    clock.pass_seconds(3600)
    assert abs(skewed.wall() - (true_start + 3600)) <= 1.0


def test_a_right_clock_is_left_as_it_is() -> None:
    """An answer that agrees to the second corrects nothing."""
    clock = ManualClock()
    skewed = SkewedClock(clock)
    before = skewed.wall()
    skewed.learn(http_date(before), clock.now())
    assert before == pytest.approx(skewed.wall(), abs=1e-3)


def test_an_answer_that_waited_while_the_process_slept_corrects_nothing() -> None:
    """Twenty minutes between sending and reading widen what the date can mean; a right clock stays right."""
    clock = ManualClock()
    skewed = SkewedClock(clock)
    sent_at = clock.now()
    dated = http_date(clock.wall())
    clock.pass_seconds(1200)
    skewed.learn(dated, sent_at)
    assert clock.wall() == pytest.approx(skewed.wall(), abs=1e-3)


@pytest.mark.parametrize(
    "date", ["", "soon", "Mon, 99 Nov 2026 03:40:00 GMT", "Mon, 23 Nov 2026 03:40:00 -0000", "0" * 9999]
)
def test_a_date_that_cannot_be_read_is_passed_over(date: str) -> None:
    """Garbage in the header neither raises nor moves the clock."""
    clock = ManualClock()
    skewed = SkewedClock(clock)
    skewed.learn(date, clock.now())
    assert clock.wall() == skewed.wall()


def test_dates_are_read_once_a_second_and_at_each_refusal() -> None:
    """The first answer is due, then one a second; a refusal always is, because the clock may be its cause."""
    clock = ManualClock()
    skewed = SkewedClock(clock)
    assert skewed.is_due(refused=False)
    skewed.learn(http_date(clock.wall()), clock.now())
    assert (False, True) == (skewed.is_due(refused=False), skewed.is_due(refused=True))
    clock.pass_seconds(1)
    assert skewed.is_due(refused=False)
