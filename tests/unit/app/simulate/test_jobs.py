from __future__ import annotations

import multiprocessing
import os

import pytest

from doka.app.simulate.jobs import Tell, bar, run_jobs


def square(number: int, tell: Tell) -> tuple[int, int]:
    """Square a number, and say which process did it."""
    tell(0.5)
    if number < 0:
        raise ValueError("below zero")
    return number * number, os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    """Whatever the number of processes; one is this very process."""
    told: list[float] = []
    results = run_jobs(square, [3, 1, 2], workers, told.append)
    assert [9, 1, 4] == [result for result, _ in results]
    assert (workers == 1) == ({os.getpid()} == {process for _, process in results})
    assert told == sorted(told)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_job_raises_is_raised_here(workers: int) -> None:
    """And the pool is gone afterwards."""
    with pytest.raises(ValueError, match="below zero"):
        run_jobs(square, [1, -1, 2], workers, lambda _: None)


def wait_for_ever(number: int, tell: Tell) -> int:
    """Fail at once, or never end."""
    if number < 0:
        raise ValueError("below zero")
    while True:
        tell(0.5)


def test_nobody_waits_for_results_that_nobody_reads() -> None:
    """When one job fails, the processes of the others are ended, even of one that never would."""
    with pytest.raises(ValueError, match="below zero"):
        run_jobs(wait_for_ever, [1, -1], 2, lambda _: None)
    assert [] == multiprocessing.active_children()


def test_no_bar_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets no bar, neither on stdout nor on stderr."""
    with bar("a test") as tell:
        tell(0.5)
    assert ("", "") == tuple(capsys.readouterr())
