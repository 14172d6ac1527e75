from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from doka.app.workers.health import WorkerReport
from doka.app.workers.process import LINE_BYTES_MAX, WorkerProcess, _whole_lines
from doka.app.workers.setup import Setup
from tests.integration.app.workers.conftest import lonely_settings
from tests.integration.app.workers.processes import ended, stands_still
from tests.waiting import eventually


class Begun:
    """A worker that was started by this test, and what was heard of it."""

    def __init__(self, setup: Setup) -> None:
        self.reports: list[WorkerReport] = []
        self.lines: list[bytes] = []
        self.process = WorkerProcess(setup, 1, reported=self.reports.append, line=self.lines.append)

    def wait(self) -> int:
        """Wait until it has ended, let go of it, and give its exit code."""
        eventually(lambda: self.process.poll() is not None, within=30, what="its end")
        self.process.close()
        code = self.process.poll()
        assert code is not None
        return code


@pytest.fixture
def begun(setup: Setup) -> Iterator[Begun]:
    """Give a worker that runs; it is killed at the end unless it has ended."""
    made = Begun(setup)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
            made.wait()


def test_a_worker_runs_reports_shows_its_metrics_and_stops(begun: Begun) -> None:
    """The whole life of a worker without brokers: it says why it is not ready, and a stop ends it with 0."""
    eventually(lambda: begun.reports, within=30, what="a report")
    assert begun.reports[0].stalled is None
    begun.process.ask("/metrics")
    page = begun.process.page("/metrics", 10)
    assert page is not None
    assert b"doka_build_info{" in page
    begun.process.terminate()
    assert 0 == begun.wait()
    told = [orjson.loads(line) for line in begun.lines]
    assert {1} == {line["worker"] for line in told}
    assert ("started", "ended") == (told[0]["event"], told[-1]["event"])
    assert ended(begun.process.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_at_birth_is_held_back_and_heeded(
    setup: Setup, number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    """Within its first moments a worker has no handlers: the signal neither kills it nor is lost, and it ends at once."""
    begun = Begun(setup)
    os.kill(begun.process.pid, number)
    assert 0 == begun.wait()
    assert f"doka: stopped by {number.name} before anything was started\n" == capfd.readouterr().err


def test_this_process_heeds_signals_as_before(begun: Begun) -> None:
    """Starting a worker holds stops back for the worker only."""
    assert set() == signal.pthread_sigmask(signal.SIG_BLOCK, []) & {signal.SIGTERM, signal.SIGINT}


def test_a_worker_that_stands_still_gives_no_page_and_is_asked_once(begun: Begun) -> None:
    """Whoever asks waits as long as it said; once it goes on, the figures are fresh ones."""
    eventually(lambda: begun.reports, within=30, what="a report")
    os.kill(begun.process.pid, signal.SIGSTOP)
    eventually(lambda: stands_still(begun.process.pid), within=10, what="all threads to have stopped")
    for _ in range(3):
        begun.process.ask("/metrics")
        assert begun.process.page("/metrics", 0.05) is None
    os.kill(begun.process.pid, signal.SIGCONT)

    def page() -> bytes | None:
        begun.process.ask("/metrics")
        return begun.process.page("/metrics", 0.2)

    assert b"doka_build_info{" in (eventually(page, within=10, what="a page") or b"")


def test_a_killed_worker_is_told_by_its_signal_and_gives_no_page(begun: Begun) -> None:
    """Nobody waits for the page of a process that is gone."""
    eventually(lambda: begun.reports, within=30, what="a report")
    begun.process.kill()
    assert -signal.SIGKILL == begun.wait()
    begun.process.ask("/metrics")
    assert begun.process.page("/metrics", 10) is None


def test_a_configuration_that_only_a_worker_can_judge_ends_it_with_2(
    setup: Setup, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A file of secrets that is not there: one line on stderr that names the setting, and no restart would help."""
    missing = {
        "protocol": "sasl_plaintext",
        "mechanism": "plain",
        "username": "u",
        "password_file": str(tmp_path / "x"),
    }
    begun = Begun(replace(setup, settings=lonely_settings(**missing)))
    assert 2 == begun.wait()
    told = "doka: worker 1: kafka.security.password_file names a file that cannot be read; check the path and its"
    assert capfd.readouterr().err.startswith(told)


def test_lines_come_whole_and_half_a_line_is_dropped() -> None:
    """Whatever the pieces in which they arrive; what has no end when the writer dies is no line."""
    reading, writing = os.pipe()
    long = b"x" * 300_000
    sent = b"one\ntwo\n" + long + b"\n\nhalf"

    def write() -> None:
        rest = sent
        while rest:
            rest = rest[os.write(writing, rest[:777]) :]
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert [b"one", b"two", long, b""] == list(_whole_lines(reading))
    finally:
        os.close(reading)
        writer.join()


def test_what_never_ends_a_line_cannot_fill_the_memory() -> None:
    """Beyond a mebibyte it is given on as it is."""
    reading, writing = os.pipe()
    count = LINE_BYTES_MAX + 100_000

    def write() -> None:
        rest = b"x" * count
        while rest:
            rest = rest[os.write(writing, rest) :]
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        (line,) = _whole_lines(reading)
        assert LINE_BYTES_MAX < len(line) <= LINE_BYTES_MAX + 65_536
    finally:
        os.close(reading)
        writer.join()
