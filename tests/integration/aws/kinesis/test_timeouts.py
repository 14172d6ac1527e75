"""Time: requests that are never answered, connects that never end, and a process that was suspended."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

from doka.adapters.system.clock import SystemClock
from doka.domain.events import PutAmbiguous, PutAnswered, PutUnsent
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from tests.fake_aws import Close, FakeAws, Hold, Say
from tests.integration.aws.kinesis.conftest import MakeSink, running_kinesis
from tests.integration.aws.kinesis.puts import answer_to, answers_of, make_put
from tests.waiting import eventually

SHORT = NS_PER_SECOND  # half of it is for the connect, on a machine that may be busy


class JumpingClock(SystemClock):
    """The real clock plus what the process slept through."""

    def __init__(self) -> None:
        self.slept = 0

    def now(self) -> int:
        """Give the clock that ran on during the sleep."""
        return super().now() + self.slept


def test_a_put_that_is_never_answered_is_ambiguous_when_its_time_is_over(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """The service has it and is silent: unknown after the timeout, and neither much before nor much after."""
    sink = sink_to(kinesis.url)
    kinesis.will(Hold())
    began = time.monotonic()
    assert PutAmbiguous(1, "timeout") == answer_to(sink, make_put(timeout=SHORT))
    assert 0.9 <= time.monotonic() - began < 5.0
    assert 1 == len(kinesis.calls)
    assert PutAnswered(2) == answer_to(sink, make_put(2))


def test_an_answer_cut_off_by_the_clock_is_ambiguous(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """An answer of which only the beginning came in time says nothing."""
    kinesis.will((Say(b'HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{"FailedRecordCount"'), Hold()))
    assert PutAmbiguous(1, "timeout") == answer_to(sink_to(kinesis.url), make_put(timeout=SHORT))


def test_a_silent_put_holds_up_no_other(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """While one request hangs, the others on the same sink are answered."""
    sink = sink_to(kinesis.url)
    kinesis.will(Hold())
    sink.submit(make_put(0))
    eventually(lambda: sink.answers(0) or kinesis.calls, what="the silent server accepts")
    for number in range(1, 6):
        assert PutAnswered(number) == answer_to(sink, make_put(number))


def test_a_tls_handshake_that_never_ends_is_unsent(sink_to: MakeSink) -> None:
    """A server that takes the connection and says nothing has seen no request."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://localhost:{mute.getsockname()[1]}"
        assert PutUnsent(1, "connect_timeout") == answer_to(sink_to(url), make_put(timeout=SHORT))


def test_a_connect_that_never_ends_is_unsent_before_the_requests_time_is_over(sink_to: MakeSink) -> None:
    """A host that does not answer costs some seconds of a minute, and is known not to have it."""
    with ExitStack() as sockets:
        full = sockets.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # fill its queue, so that the kernel drops what comes next
            waiting = sockets.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(full.getsockname())
        sink = sink_to(f"http://127.0.0.1:{full.getsockname()[1]}")
        began = time.monotonic()
        assert PutUnsent(1, "connect_timeout") == answer_to(sink, make_put(timeout=60 * NS_PER_SECOND))
        assert time.monotonic() - began < 30


def test_answers_waits_as_long_as_it_was_told_and_not_longer(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """With nothing in flight and with a silent request alike: 0 returns at once, 100 ms after about that."""
    sink = sink_to(kinesis.url)
    for _ in range(2):
        for wait, least, most in ((0, 0.0, 0.5), (100 * NS_PER_MS, 0.09, 2.0)):
            began = time.monotonic()
            assert [] == list(sink.answers(wait))
            assert least <= time.monotonic() - began < most
        kinesis.will(Hold())
        sink.submit(make_put(timeout=30 * NS_PER_SECOND))


def test_an_answer_that_came_with_the_start_of_its_request_is_not_waited_for(
    kinesis: FakeAws, sink_to: MakeSink
) -> None:
    """A quick server has answered before `submit` returns; `answers` then gives it and does not wait for sockets."""
    sink = sink_to(kinesis.url)
    began = time.monotonic()
    for number in range(40):
        sink.submit(make_put(number))
        assert [PutAnswered(number)] == list(sink.answers(2 * NS_PER_SECOND))
    assert time.monotonic() - began < 10


def test_waiting_costs_no_processor_time(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """A kept connection that the far end closed does not wake whoever waits for answers, again and again."""
    sink = sink_to(kinesis.url)
    kinesis.will(Close("behind"))
    answer_to(sink, make_put())
    eventually(lambda: kinesis.closed_connections == 1, what="the far end closes")
    spent = time.thread_time()
    assert [] == list(sink.answers(500 * NS_PER_MS))
    assert time.thread_time() - spent < 0.1


def test_submit_never_waits(sink_to: MakeSink) -> None:
    """Starting a request to a mute host returns at once."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        sink = sink_to(f"https://localhost:{mute.getsockname()[1]}")
        sink.submit(make_put(0))  # the first finds the endpoint and opens the handle
        began = time.monotonic()
        sink.submit(make_put(1))
        assert time.monotonic() - began < 1.0


def test_a_request_that_slept_past_its_time_is_given_up_at_once(sink_to: MakeSink) -> None:
    """After a suspend the steady clock counts, not libcurl's, which stood still: ambiguous, and the sink goes on."""
    with running_kinesis() as kinesis:
        clock = JumpingClock()
        sink = sink_to(kinesis.url, clock=clock)
        kinesis.will(Hold())
        sink.submit(make_put(1, timeout=60 * NS_PER_SECOND))
        eventually(lambda: sink.answers(0) or kinesis.calls, what="the silent server accepts")
        assert [] == list(sink.answers(0))
        clock.slept = 61 * NS_PER_SECOND
        assert [PutAmbiguous(1, "timeout")] == list(sink.answers(0))
        assert PutAnswered(2) == answer_to(sink, make_put(2))


def test_what_is_in_flight_at_the_close_has_no_answer(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """Closing drops the connections at once; closing twice is nothing."""
    sink = sink_to(kinesis.url)
    kinesis.will(Hold())
    sink.submit(make_put())
    eventually(lambda: sink.answers(0) or kinesis.calls, what="the silent server accepts")
    sink.close()
    eventually(lambda: kinesis.closed_connections == 1, what="the connection is dropped")
    sink.close()


def test_many_mute_requests_end_each_at_its_own_time(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """Sixteen silent requests with timeouts of their own end one by one, each once."""
    sink = sink_to(kinesis.url)
    kinesis.inject(Hold(), times=None)
    for number in range(16):
        sink.submit(make_put(number, timeout=(2000 + 50 * number) * NS_PER_MS))
    events = answers_of(sink, 16)
    assert {PutAmbiguous(number, "timeout") for number in range(16)} == set(events)
