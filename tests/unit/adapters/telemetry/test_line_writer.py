from __future__ import annotations

import os
import threading
import time

from doka.adapters.telemetry.line_writer import LineWriter
from tests.unit.adapters.telemetry.given import pipe
from tests.waiting import eventually


def test_lines_leave_in_order() -> None:
    """Each line leaves once, whole, in the order in which it came, also those from before the start."""
    with pipe() as stdout:
        writer = LineWriter(stdout.writer)
        writer.write(b"one")
        writer.open()
        for n in range(100):
            writer.write(b"%d" % n)
        assert writer.close(within=5)
        assert b"one\n" + b"".join(b"%d\n" % n for n in range(100)) == stdout.read()


def test_a_stdout_that_hangs_blocks_nobody() -> None:
    """While nobody reads, writing goes on at once, what is too much is dropped and counted, and the end comes."""
    dropped: list[int] = []
    with pipe() as stdout:
        writer = LineWriter(stdout.writer, lambda: dropped.append(1), limit=100)
        writer.open()
        began = time.monotonic()
        for n in range(1_000):
            writer.write(b"%4d" % n + b"x" * 1_000)
        assert not writer.flush(within=0.05)
        assert not writer.close(within=0.05)
        assert time.monotonic() - began < 2
        assert len(dropped) >= 1_000 - 100 - 70  # the pipe itself takes 64 KiB
        eventually(lambda: writer_has_ended(stdout.read()), what="the writer's thread to end once somebody reads")


def writer_has_ended(_read: bytes) -> bool:
    """Tell whether no thread of a writer is left."""
    return not [thread for thread in threading.enumerate() if thread.name == "doka-log"]


def test_the_log_itself_says_what_is_missing() -> None:
    """Once stdout takes lines again, a line says how many were dropped, and the counts agree."""
    dropped: list[int] = []
    with pipe() as stdout:
        writer = LineWriter(stdout.writer, lambda: dropped.append(1), limit=100)
        writer.open()
        for _ in range(1_000):
            writer.write(b"x" * 1_000)
        read = bytearray()

        def all_read() -> bool:
            read.extend(stdout.read())
            return b"log lines were dropped" in read and writer.flush(0.01)

        eventually(all_read, what="the notice of dropped lines")
        writer.write(b"after")
        assert writer.close(within=5)
        read += stdout.read()
    lines = bytes(read).splitlines()
    notices = [int(line.split()[0]) for line in lines if b"were dropped" in line]
    assert b"after" == lines[-1]
    assert len(dropped) == sum(notices)
    assert 1_000 == sum(notices) + lines.count(b"x" * 1_000)


def test_a_reader_that_is_gone_ends_nothing() -> None:
    """When the other end of the pipe is closed, lines are counted as dropped and nothing raises."""
    dropped: list[int] = []
    with pipe() as stdout:
        os.close(stdout.reader)
        stdout.reader = -1
        writer = LineWriter(stdout.writer, lambda: dropped.append(1))
        writer.open()
        for _ in range(3):
            writer.write(b"x")
        assert writer.close(within=5)
    assert 3 == len(dropped)


def test_a_descriptor_that_somebody_made_non_blocking() -> None:
    """A full non-blocking stdout is waited for: no line is lost or torn."""
    with pipe() as stdout:
        os.set_blocking(stdout.writer, False)
        writer = LineWriter(stdout.writer)
        writer.open()
        for _ in range(100):
            writer.write(b"y" * 4_000)
        read = bytearray()

        def all_read() -> bool:
            read.extend(stdout.read())
            return len(read) == 100 * 4_001

        eventually(all_read, what="all lines")
        assert writer.close(within=5)
    assert [b"y" * 4_000] * 100 == bytes(read).splitlines()


def test_closing_twice_and_opening_anew() -> None:
    """Close is idempotent, and a writer can be opened again."""
    with pipe() as stdout:
        writer = LineWriter(stdout.writer)
        assert writer.close(within=1)
        writer.open()
        writer.open()
        writer.write(b"a")
        assert writer.close(within=5)
        assert writer.close(within=5)
        writer.open()
        writer.write(b"b")
        assert writer.flush(within=5)
        assert b"a\nb\n" == stdout.read()
        assert writer.close(within=5)
