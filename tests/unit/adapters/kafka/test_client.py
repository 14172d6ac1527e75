from __future__ import annotations

import logging

import pytest

from doka.adapters.kafka.client import (
    KINDS_MAX,
    SAY_AGAIN_NS,
    ClientLog,
    ClientUnusableError,
    OnceAMinute,
    new_consumer,
    try_tokens,
)
from tests.manual_clock import ManualClock
from tests.unit.adapters.kafka.scripted import ScriptedTokens


def test_lines_that_differ_in_numbers_are_one_kind(caplog: pytest.LogCaptureFixture) -> None:
    """What librdkafka repeats at each attempt is written once a minute."""
    clock = ManualClock()
    log = ClientLog(clock)
    with caplog.at_level(logging.INFO, "doka.kafka.client"):
        for milliseconds in range(50):
            log.log(logging.ERROR, "%s [%s] timed out (after %s ms)", "SESSTMOUT", "doka#consumer-1", milliseconds)
        clock.pass_seconds(61)
        log.log(logging.ERROR, "%s [%s] timed out (after %s ms)", "SESSTMOUT", "doka#consumer-1", 7)
        log.log(logging.ERROR, "another line")

    assert 3 == len(caplog.messages)


def test_the_line_of_the_clients_end_is_handed_on() -> None:
    """Librdkafka serves it before the records that are prefetched, and the error itself behind them."""
    told: list[str] = []
    log = ClientLog(ManualClock(), told.append)
    log.log(logging.CRITICAL, "%s [%s] %s", "FAIL", "doka#consumer-1", "connect failed")
    log.log(
        logging.CRITICAL, "%s [%s] %s", "FATAL", "doka#consumer-1", "[thrd:main]: Fatal error: Broker: fenced: so it is"
    )

    assert ["Broker: fenced: so it is"] == told


def test_lines_that_come_as_errors_too_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """A lost connection is told by the error that comes with its line; a client for questions says nothing at all."""
    log, quiet = ClientLog(ManualClock()), ClientLog(ManualClock(), quiet=True)
    with caplog.at_level(logging.INFO, "doka.kafka.client"):
        log.log(logging.ERROR, "%s [%s] %s", "FAIL", "doka#consumer-1", "connect failed")
        log.log(logging.ERROR, "%s [%s] %s", "ERROR", "doka#consumer-1", "1/1 brokers are down")
        quiet.log(logging.ERROR, "%s [%s] %s", "SESSTMOUT", "doka#consumer-1", "timed out")

    assert [] == caplog.messages


def test_debug_lines_are_written_as_they_come(caplog: pytest.LogCaptureFixture) -> None:
    """Who sets `debug` wants them all."""
    log = ClientLog(ManualClock())
    with caplog.at_level(logging.DEBUG, "doka.kafka.client"):
        for _ in range(3):
            log.log(logging.DEBUG, "a step")

    assert ["a step"] * 3 == caplog.messages


def test_a_kind_is_due_once_a_minute() -> None:
    """Counted from when it was due last; another kind has a minute of its own."""
    once = OnceAMinute()
    assert [True, False, False, True, False] == [
        once.due("down", now) for now in (0, 1, SAY_AGAIN_NS - 1, SAY_AGAIN_NS, SAY_AGAIN_NS + 1)
    ]
    assert once.due("up", 1)


def test_the_memory_of_kinds_is_bounded() -> None:
    """Texts come from outside; what is remembered of them does not grow for ever: beyond the bound all is forgotten."""
    once = OnceAMinute()
    assert all(once.due(kind, 0) for kind in range(KINDS_MAX))
    assert not once.due(0, 1)
    assert once.due("one more", 1)
    assert once.due(0, 1)


def test_a_client_that_cannot_be_made_says_why() -> None:
    """What the client refuses is one sentence that names the settings."""
    with pytest.raises(ClientUnusableError, match=r"the Kafka client could not start: .*; check kafka\.client"):
        new_consumer({"group.id": "g", "debug": "no such part"})


def test_no_client_is_made_without_a_token() -> None:
    """Its constructor would hold the loop for ten seconds; what the source of tokens says is told at once."""
    tokens = ScriptedTokens(last_error="no keys here")
    with pytest.raises(ClientUnusableError, match=r"^no token for Kafka: no keys here; check the AWS credentials$"):
        new_consumer({"group.id": "doka", "oauth_cb": tokens})

    try_tokens({"oauth_cb": ScriptedTokens()})
    try_tokens({"group.id": "doka"})
