from __future__ import annotations

import gc
import sys
from pathlib import Path

import certifi
import pycurl
import pytest

from doka.adapters.aws.kinesis.request import CONNECT_TIMEOUT_MS, Request
from doka.domain.commands import SendPut
from doka.domain.limits import NS_PER_SECOND
from tests.unit.adapters.aws.kinesis.leases import make_lease

PUT = SendPut(1, "orders", make_lease(), ["k"], [b"v"], 10 * NS_PER_SECOND)


def test_a_request_that_ended_holds_nothing_of_its_request() -> None:
    """Between two requests an idle handle keeps neither the body nor the command, whatever their size."""
    request = Request(certifi.where())
    body = b"x" * 1_000_000
    before = sys.getrefcount(body)
    request.load(PUT, "http://localhost/", {"Host": "localhost"}, body, now=5)
    assert (PUT, 5) == (request.command, request.sent_at)
    outcome = request.unload()
    gc.collect()
    assert (None, before) == (request.command, sys.getrefcount(body))
    assert (0, b"", b"", False, False) == (
        outcome.status,
        outcome.head,
        outcome.body,
        outcome.started,
        outcome.sent_whole,
    )
    request.close()


@pytest.mark.parametrize("taken", [1, 999, 1000])
def test_an_outcome_says_how_much_of_the_body_was_taken(taken: int) -> None:
    """Started means a byte was taken, whole means all were."""
    request = Request(certifi.where())
    request.load(PUT, "http://localhost/", {}, b"x" * 1000, now=0)
    assert b"x" * taken == request._read(taken)  # what libcurl calls
    outcome = request.unload()
    assert (True, taken == 1000) == (outcome.started, outcome.sent_whole)
    request.close()


def test_a_connect_is_given_less_time_than_its_request() -> None:
    """Half of a short request's time, and never more than the limit of a long one's."""
    seen: dict[int, int] = {}

    class Spy:
        def setopt(self, option: int, value: object) -> None:
            if isinstance(value, int):
                seen[option] = value

    request = Request(certifi.where())
    real = request.curl
    try:
        for timeout, connect in ((NS_PER_SECOND, 500), (60 * NS_PER_SECOND, CONNECT_TIMEOUT_MS), (1, 1)):
            request.curl = Spy()  # type: ignore[assignment]
            request.load(SendPut(1, "orders", make_lease(), ["k"], [b"v"], timeout), "http://h/", {}, b"{}", now=0)
            assert connect == seen[pycurl.CONNECTTIMEOUT_MS]
            assert max(1, timeout // 1_000_000) == seen[pycurl.TIMEOUT_MS]
    finally:
        request.curl = real
        request.close()


def test_a_folder_of_authorities_is_taken_as_one(tmp_path: Path) -> None:
    """A directory does not make the handle fail at birth."""
    Request(str(tmp_path)).close()
