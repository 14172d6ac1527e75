from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from doka.adapters.talkative import PINNED
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.domain.facts import RouteBlocked
from tests.manual_clock import ManualClock
from tests.unit.adapters.telemetry.given import FACTS, Pipe, hand_clock, pipe


@contextmanager
def log_to_a_pipe(level: str = "info", style: str = "json") -> Iterator[tuple[Log, Pipe, ManualClock]]:
    """Give an open log whose stdout is a pipe; it is closed at the end."""
    with pipe() as stdout:
        clock = hand_clock()
        log = Log(clock, LineWriter(stdout.writer), level, style)
        log.open()
        try:
            yield log, stdout, clock
        finally:
            log.close(within=5)


def lines(log: Log, stdout: Pipe) -> list[dict[str, Any]]:
    """Close the log and give its JSON lines."""
    assert log.close(within=5)
    return [orjson.loads(line) for line in stdout.read().splitlines()]


def test_json_lines() -> None:
    """Every line begins with the same five keys in the same order, then has the fact's figures."""
    with log_to_a_pipe() as (log, stdout, _clock):
        for fact in FACTS:
            log.tell(fact)
        told = lines(log, stdout)
    assert len(FACTS) == len(told)
    assert {("time", "level", "logger", "event", "message")} == {tuple(line)[:5] for line in told}
    assert {
        "time": "2026-01-01T00:00:00.000Z",
        "level": "info",
        "logger": "doka",
        "event": "records_settled",
        "message": "route orders: 500 records settled (12.1 KiB, slowest put 23 ms)",
        "route": "orders",
        "records": 500,
        "payload_bytes": 12345,
        "put_seconds_max": 0.023,
    } == told[0]


def test_repetitions_are_told_at_the_tick_and_at_the_end() -> None:
    """What was gathered is told when its ten seconds are over, or when the log is closed."""
    with log_to_a_pipe() as (log, stdout, clock):
        for _ in range(3):
            log.tell(FACTS[0])
        clock.pass_seconds(10)
        log.tick()
        log.tell(FACTS[0])
        told = lines(log, stdout)
    assert [500, 1_000, 500] == [line["records"] for line in told]


def test_the_level_is_kept() -> None:
    """Below the level nothing is written, neither of facts nor of libraries."""
    with log_to_a_pipe("error") as (log, stdout, _clock):
        for fact in FACTS:
            log.tell(fact)
        logging.getLogger("somebody").warning("not this")
        told = lines(log, stdout)
    assert {"error"} == {line["level"] for line in told}
    assert "not this" not in [line["message"] for line in told]


def test_libraries_are_heard_in_the_same_form() -> None:
    """What a library logs becomes a line of the same shape, with its exception, under its own name."""
    with log_to_a_pipe() as (log, stdout, _clock):
        try:
            int("the cause")
        except ValueError:
            logging.getLogger("doka.kafka").exception("broker %s said no", "b-1")
        (told,) = lines(log, stdout)
    assert ("doka.kafka", "error", "log", "broker b-1 said no") == tuple(
        told[name] for name in ("logger", "level", "event", "message")
    )
    assert told["exception"].endswith("builtins.ValueError"), "its words may quote a record or a secret"


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
def test_aws_libraries_never_log_at_debug(level: str) -> None:
    """Whatever the level, the AWS libraries and their children stay at INFO or above: below it they write secrets."""
    with log_to_a_pipe(level) as (log, stdout, _clock):
        for name in PINNED:
            logging.getLogger(name).debug("a secret")
            logging.getLogger(f"{name}.child").debug("a secret")
        assert [] == lines(log, stdout)


@pytest.mark.parametrize("level", ["debug", "info"])
def test_where_credentials_were_found_is_not_said_at_each_question(level: str) -> None:
    """The library's line comes with every question to STS; what it warns of is still heard."""
    with log_to_a_pipe(level) as (log, stdout, _clock):
        logging.getLogger("botocore.credentials").info("Found credentials in environment variables.")
        logging.getLogger("botocore.credentials").warning("a refresh failed")
        assert ["a refresh failed"] == [told["message"] for told in lines(log, stdout)]


def test_the_root_logger_is_given_back() -> None:
    """After the close the standard library's logging is as it was before."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers), [logging.getLogger(name).level for name in PINNED])
    with log_to_a_pipe("debug"):
        assert before != (root.level, list(root.handlers), [])
    after = (root.level, list(root.handlers), [logging.getLogger(name).level for name in PINNED])
    assert before == after


def test_a_malformed_log_call_is_survived() -> None:
    """A library's wrong format string neither raises nor prints its values."""
    with log_to_a_pipe() as (log, stdout, _clock):
        (ours,) = [h for h in logging.getLogger().handlers if type(h).__module__ == Log.__module__]
        ours.handle(logging.makeLogRecord({"name": "somebody", "msg": "%d records", "args": ("not-to-be-shown",)}))
        (told,) = lines(log, stdout)
    assert "a log record of somebody could not be written" == told["message"]


def test_a_person_reads_sentences() -> None:
    """On a console a line is the time, the level and the sentence, and control characters cannot forge another."""
    with log_to_a_pipe(style="console") as (log, stdout, _clock):
        log.tell(RouteBlocked("orders", "denied", "no\r\x1b[2Jway\nerror forged"))
        assert log.close(within=5)
        first, second = stdout.read().decode().splitlines()
    assert first[8:].startswith(' error    route orders is blocked (denied): "no\\x0d\\x1b[2Jway')
    assert second.startswith("    error forged")


def test_colours_are_for_terminals() -> None:
    """Only the coloured style has escape sequences, and only doka's own."""
    for style, count in (("colour", 2), ("console", 0), ("json", 0)):
        with log_to_a_pipe(style=style) as (log, stdout, _clock):
            log.tell(FACTS[0])
            assert log.close(within=5)
            assert count == stdout.read().count(b"\x1b")


def test_own_lines() -> None:
    """The service's own lines (start, stop) have the same form, and what has a secret's name is hidden."""
    with log_to_a_pipe() as (log, stdout, _clock):
        log.say(logging.INFO, "service_started", "doka 0.1.0 started", version="0.1.0", token="t")
        (told,) = lines(log, stdout)
    assert ("service_started", "0.1.0", "[hidden]") == (told["event"], told["version"], told["token"])


def test_the_end_is_the_last_line() -> None:
    """What was gathered before a line of the service's own is told before it."""
    with log_to_a_pipe() as (log, stdout, _clock):
        for _ in range(3):
            log.tell(FACTS[0])
        log.say(logging.INFO, "ended", "doka ended")
        told = lines(log, stdout)
    assert ["records_settled", "records_settled", "ended"] == [line["event"] for line in told]


def test_dropped_lines_are_told_in_the_same_form() -> None:
    """The notice of dropped lines is a JSON line like all others."""
    with pipe() as stdout:
        writer = LineWriter(stdout.writer, limit=2)
        log = Log(hand_clock(), writer)
        for fact in FACTS:
            log.tell(fact)
        log.open()
        told = lines(log, stdout)
    assert [("log_lines_dropped", len(FACTS) - 2)] == [
        (line["event"], line["missing"]) for line in told if "missing" in line
    ]


def test_one_of_several_processes_says_which_it_is() -> None:
    """Every line has the worker's number, that of a library too; a person reads it before the sentence."""
    for style in ("json", "console"):
        with pipe() as stdout:
            log = Log(hand_clock(), LineWriter(stdout.writer), style=style, worker=2)
            log.open()
            log.tell(FACTS[0])
            logging.getLogger("botocore").warning("slow")
            log.say(logging.INFO, "ended", "done")
            log.close(within=5)
            told = stdout.read().splitlines()
        assert 3 == len(told)
        if style == "json":
            assert [2, 2, 2] == [orjson.loads(line)["worker"] for line in told]
        else:
            assert [] == [line for line in told if b" worker 2: " not in line]
