"""The bare wire: each request comes back once, and no number of descriptors is too high."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import certifi
import pytest

from doka.adapters.aws.kinesis.request import Request
from doka.adapters.aws.kinesis.wire import Wire
from doka.adapters.system.clock import SystemClock
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from tests.fake_aws import FakeAws, Hold
from tests.integration.aws.kinesis.puts import make_put
from tests.waiting import eventually

BODY = b'{"Records": []}'
FD_SETSIZE = 1024


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A wire that is closed at the end."""
    made = Wire(SystemClock())
    yield made
    made.close()


def loaded(url: str, timeout: int = 10 * NS_PER_SECOND, now: int | None = None) -> Request:
    """Give a request that is ready to start."""
    request = Request(certifi.where())
    began = SystemClock().now() if now is None else now
    request.load(make_put(timeout=timeout), url, {"Content-Type": "application/json"}, BODY, began)
    return request


def run(wire: Wire) -> list[tuple[Request, int, str]]:
    """Drive the wire until it is empty."""
    found: list[tuple[Request, int, str]] = []

    def drained() -> bool:
        wire.step(10 * NS_PER_MS)
        found.extend(wire.finished())
        return len(wire) == 0

    eventually(drained, what="the wire is empty")
    return found


def test_it_waits_as_long_as_it_was_told_where_nothing_is_in_flight(wire: Wire, kinesis: FakeAws) -> None:
    """Not up to the next millisecond, as `poll` does: a put that lingers is not to leave later than it may."""
    wire.start(loaded(kinesis.url))
    run(wire)
    clock, wait, took = SystemClock(), NS_PER_MS // 5, []

    def in_time() -> bool:
        begun = clock.now()
        wire.step(wait)
        took.append(clock.now() - begun)
        return took[-1] < NS_PER_MS  # beside other work not each time; by `poll` never

    eventually(in_time, what="a wait that is no longer than it should be", every=0)
    assert min(took) >= wait


def test_each_request_comes_back_once(wire: Wire, kinesis: FakeAws) -> None:
    """Three that succeed and two that nobody listens to: five come back, each once, and then none."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
        started = [loaded(url) for url in (kinesis.url, nobody, kinesis.url, nobody, kinesis.url)]
        for request in started:
            wire.start(request)
        assert 5 == len(wire)
        ended = run(wire)
    assert {id(request) for request in started} == {id(request) for request, _, _ in ended}
    assert [False, False, False, True, True] == sorted(error != 0 for _, error, _ in ended)
    assert 5 == len(ended)
    assert [] == list(wire.finished())


def test_an_overdue_request_comes_back_once_and_its_connection_is_closed(wire: Wire, kinesis: FakeAws) -> None:
    """By the steady clock its time is over: given up here, gone there, and never handed back again."""
    kinesis.will(Hold())
    request = loaded(kinesis.url, timeout=NS_PER_SECOND, now=0)
    wire.start(request)

    def accepted() -> bool:
        wire.step(NS_PER_MS)
        return bool(kinesis.calls)

    eventually(accepted, what="the silent server accepts")
    assert [] == list(wire.overdue(request.overdue_at - 1))
    assert [request] == [late for late, _, _ in wire.overdue(request.overdue_at)]
    assert (0, []) == (len(wire), [*wire.overdue(request.overdue_at), *wire.finished()])
    eventually(lambda: kinesis.closed_connections == 1, what="the connection is closed")


def test_descriptors_above_those_that_select_can_name_work(wire: Wire, kinesis: FakeAws) -> None:
    """A process that holds a thousand connections to brokers still gets its answers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FD_SETSIZE + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    with ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= FD_SETSIZE:
            held.callback(os.close, descriptor)
        held.callback(os.close, descriptor)
        wire.start(loaded(kinesis.url))
        [(_, error, _)] = run(wire)
    assert (0, 1) == (error, len(kinesis.calls))
