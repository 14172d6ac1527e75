from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

import pytest

from doka.adapters.system.clock import SystemClock
from doka.adapters.telemetry.otlp.exporter import Exporter, Exports, Signal
from doka.adapters.telemetry.otlp.posting import Answer
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from tests.waiting import eventually

TAKEN = Answer(taken=True)
AWAY = Answer(taken=False, why="Connection refused", again=True)
REFUSED = Answer(taken=False, why="HTTP 401")
MINUTE = 60 * NS_PER_SECOND


def asked_to_wait(ns: int) -> Answer:
    """Give the answer of a collector that is busy."""
    return Answer(taken=False, why="HTTP 503", again=True, after=ns)


class Far:
    """A collector that answers by script, and then by the last word of it."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.bodies: SimpleQueue[bytes] = SimpleQueue()
        self.got: list[bytes] = []
        self.within: list[int] = []
        self.closed = False

    def post(self, body: bytes, within: int) -> Answer:
        self.within.append(within)
        self.got.append(body)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def close(self) -> None:
        self.closed = True


class Counted:
    """What a run has counted, and bodies that are numbered."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.gathered = 0

    def gather(self) -> bytes:
        self.gathered += 1
        return b"%d" % self.gathered


@contextmanager
def running(
    far: Far, every: int, *, gather: Callable[[], bytes | None] | None = None, patience: int = 0
) -> Iterator[Counted]:
    """Run an exporter until the end of the block, then close it."""
    counted = Counted()
    signal = Signal("metrics", gather or counted.gather, counted.outcomes.append, every, patience)
    exports = Exports([Exporter(signal, lambda: far, SystemClock(), lambda: 0.0)])
    exports.open()
    try:
        yield counted
    finally:
        assert exports.close(within=10)
    assert far.closed


def test_figures_are_sent_each_interval_and_at_the_end() -> None:
    """The first after one interval, the last when the process ends."""
    far = Far(TAKEN)
    with running(far, 10 * NS_PER_MS) as counted:
        eventually(lambda: len(far.got) >= 3, what="three exports")
        before = len(far.got)
    assert len(far.got) > before
    assert [b"%d" % n for n in range(1, len(far.got) + 1)] == far.got
    assert {"sent"} == set(counted.outcomes)


def test_a_short_life_is_sent_too() -> None:
    """A process that ends before its first interval has sent its figures once."""
    far = Far(TAKEN)
    with running(far, MINUTE):
        pass
    assert [b"1"] == far.got


def test_what_may_be_sent_again_is_the_same() -> None:
    """A retry after as long as the collector asks for carries the same request; it is counted once."""
    far = Far(asked_to_wait(NS_PER_MS), asked_to_wait(0), TAKEN)
    with running(far, 500 * NS_PER_MS) as counted:
        eventually(lambda: counted.outcomes, what="an export")
    assert [b"1", b"1", b"1"] == far.got[:3]
    assert ["sent"] == counted.outcomes[:1]


@pytest.mark.parametrize("answer", [REFUSED, asked_to_wait(MINUTE)])
def test_what_may_not_or_not_in_time_is_given_up(answer: Answer) -> None:
    """A final refusal, or a wait beyond the interval: the next export is as good as a retry."""
    far = Far(answer)
    with running(far, 20 * NS_PER_MS) as counted:
        eventually(lambda: len(far.got) >= 2, what="two exports")
    assert far.got[:2] == [b"1", b"2"]
    assert {"failed"} == set(counted.outcomes)


def test_spans_are_tried_again_beyond_their_interval() -> None:
    """They are sent more often than figures, and what is not sent is lost."""
    far = Far(asked_to_wait(200 * NS_PER_MS), TAKEN)
    with running(far, 20 * NS_PER_MS, patience=MINUTE):
        eventually(lambda: len(far.got) >= 2, what="two tries")
    assert [b"1", b"1"] == far.got[:2]


def test_nothing_is_sent_where_there_is_nothing() -> None:
    """No request for no spans."""
    far = Far(TAKEN)
    asked = threading.Event()

    def nothing() -> None:
        asked.set()

    with running(far, NS_PER_MS, gather=nothing) as counted:
        assert asked.wait(10)
    assert ([], []) == (far.got, counted.outcomes)


def test_failing_is_told_once_and_its_end_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """Two lines for an outage of any length, though each export is counted."""
    caplog.set_level(logging.INFO, "doka.otlp")
    far = Far(REFUSED, REFUSED, REFUSED, TAKEN)
    with running(far, 5 * NS_PER_MS) as counted:
        eventually(lambda: len(far.got) >= 6, what="six exports")
    assert ["failed", "failed", "failed", "sent", "sent"] == counted.outcomes[:5]
    assert [
        (
            "WARNING",
            (
                "metrics could not be sent by OTLP: HTTP 401; forwarding goes on, what became of later ones is in "
                "doka_otlp_exports_total"
            ),
        ),
        ("INFO", "metrics are taken by OTLP again"),
    ] == [(record.levelname, record.getMessage()) for record in caplog.records]


def test_what_was_taken_in_part_is_told_and_not_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    """A collector that took some would have that twice."""
    caplog.set_level(logging.INFO, "doka.otlp")
    far = Far(Answer(taken=True, why="3 refused: too old"))
    with running(far, MINUTE) as counted:
        pass
    assert (["partly"], 1) == (counted.outcomes, len(far.got))
    assert "metrics were refused in part by OTLP: 3 refused: too old" in caplog.text


def test_an_error_of_its_own_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted as a failure, told by its class alone, and the next export is tried."""
    far = Far(TAKEN)
    tries: list[int] = []

    def gather() -> bytes:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("a-secret")
        return b"x"

    with running(far, 5 * NS_PER_MS, gather=gather) as counted:
        eventually(lambda: far.got, what="an export")
    assert ["failed", "sent"] == counted.outcomes[:2]
    assert "an unexpected ValueError inside doka" in caplog.text
    assert "a-secret" not in caplog.text


def test_a_stop_ends_a_wait_with_one_more_try() -> None:
    """What waits to be tried again is tried at once, then what is of now goes; both within what a stop grants."""
    far = Far(asked_to_wait(MINUTE // 2), TAKEN)
    with running(far, NS_PER_MS, patience=MINUTE):
        eventually(lambda: far.got, what="the first try")
    assert [b"1", b"1", b"2"] == far.got
    assert all(within <= 10 * NS_PER_SECOND for within in far.within[1:])


def test_a_collector_that_hangs_holds_a_stop_no_longer_than_it_may() -> None:
    """What cannot be sent in time is left behind; the thread is a daemon."""
    hold = threading.Event()

    class Hanging(Far):
        def post(self, body: bytes, within: int) -> Answer:
            self.got.append(body)
            hold.wait()
            return TAKEN

    far, counted = Hanging(TAKEN), Counted()
    signal = Signal("metrics", counted.gather, counted.outcomes.append, NS_PER_MS)
    exports = Exports([Exporter(signal, lambda: far, SystemClock(), lambda: 0.0) for _ in range(2)])
    exports.open()
    eventually(lambda: len(far.got) == 2, what="both to hang")
    clock = SystemClock()
    began = clock.now()
    assert not exports.close(within=0.2)
    assert clock.now() - began < 5 * NS_PER_SECOND
    hold.set()
    assert exports.close(within=10)


def test_what_was_never_opened_is_closed() -> None:
    """A service that failed to start has nothing to send."""
    counted = Counted()
    signal = Signal("metrics", counted.gather, counted.outcomes.append, MINUTE)
    assert Exports([Exporter(signal, lambda: Far(TAKEN), SystemClock(), lambda: 0.0)]).close(within=1)
    assert 0 == counted.gathered
