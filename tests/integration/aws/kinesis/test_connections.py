"""Connections that are kept, die, and never make libcurl send a put twice."""

from __future__ import annotations

import io
import socket
from collections import Counter
from itertools import count

import pycurl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doka.adapters.aws.kinesis.request import Request
from doka.domain.events import Event, PutAmbiguous, PutAnswered, PutRefused, PutUnsent
from doka.domain.limits import NS_PER_MS
from tests.fake_aws import Action, Answer, Close, FakeAws, Hold, Refuse, Reset, Say, Step
from tests.integration.aws.kinesis.conftest import MakeSink
from tests.integration.aws.kinesis.puts import answer_to, answers_of, make_put
from tests.waiting import eventually

Outcome = PutAnswered | PutAmbiguous | PutRefused | PutUnsent
LARGE = b"x" * (4 * 1024 * 1024)


def test_a_connection_is_kept_from_put_to_put(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """Ten puts one after the other use one connection, whatever the service answers to them."""
    sink = sink_to(kinesis.url)
    kinesis.will(None, Refuse("ThrottlingException"), Refuse("InternalFailure", status=500))
    for number in range(10):
        answer_to(sink, make_put(number))
    assert (10, 1) == (len(kinesis.calls), kinesis.connections)


def test_handles_are_used_again(kinesis: FakeAws, sink_to: MakeSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty puts, at most two at a time, need two handles."""
    made: list[Request] = []

    class Counted(Request):
        def __init__(self, ca_path: str) -> None:
            super().__init__(ca_path)
            made.append(self)

    monkeypatch.setattr("doka.adapters.aws.kinesis.sink.Request", Counted)
    sink = sink_to(kinesis.url)
    for number in range(0, 20, 2):
        sink.submit(make_put(number))
        sink.submit(make_put(number + 1))
        answers_of(sink, 2)
    assert 2 == len(made)


def test_as_many_connections_as_requests_in_flight(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """Four waves of four puts need four connections, not sixteen."""
    sink = sink_to(kinesis.url)
    for wave in range(4):
        for number in range(4):
            sink.submit(make_put(4 * wave + number))
        answers_of(sink, 4)
    assert 16 == len(kinesis.calls)
    assert kinesis.connections <= 4


def test_a_kept_connection_that_dies_after_acceptance_is_ambiguous_and_never_repeated(
    kinesis: FakeAws, sink_to: MakeSink
) -> None:
    """The service accepted the put and the reused connection died before the first byte of an answer: sent once."""
    sink = sink_to(kinesis.url)
    kinesis.will(None, Close(), None, Reset())
    assert PutAnswered(1) == answer_to(sink, make_put(1))
    assert PutAmbiguous(2, "receive_failed") == answer_to(sink, make_put(2))
    assert PutAnswered(3) == answer_to(sink, make_put(3))
    assert PutAmbiguous(4, "receive_failed") == answer_to(sink, make_put(4))
    assert 4 == len(kinesis.calls)


def test_with_a_seek_function_libcurl_would_repeat_the_put_by_itself(
    kinesis: FakeAws, sink_to: MakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: give the request a way to rewind, and the service accepts the put twice."""

    class Rewinding(Request):
        def __init__(self, ca_path: str) -> None:
            super().__init__(ca_path)
            self.curl.setopt(pycurl.SEEKFUNCTION, self._seek)

        def _seek(self, offset: int, origin: int) -> int:
            self._body.seek(offset, io.SEEK_SET)
            return pycurl.SEEKFUNC_OK

    monkeypatch.setattr("doka.adapters.aws.kinesis.sink.Request", Rewinding)
    sink = sink_to(kinesis.url)
    kinesis.will(None, Close())
    answer_to(sink, make_put(1))
    assert PutAnswered(2) == answer_to(sink, make_put(2))
    assert 3 == len(kinesis.calls)


def test_a_kept_connection_that_was_closed_while_idle_costs_nothing(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """An idle connection that the far end closed is replaced before anything is sent: no ambiguity, no loss."""
    sink = sink_to(kinesis.url)
    kinesis.will(Close("behind"))
    assert PutAnswered(1) == answer_to(sink, make_put(1))
    eventually(lambda: kinesis.closed_connections == 1, what="the far end closes")
    assert PutAnswered(2) == answer_to(sink, make_put(2))
    assert (2, 2) == (len(kinesis.calls), kinesis.connections)


@pytest.mark.parametrize("act", [Reset("head"), Reset("during"), Reset(), Close()])
@pytest.mark.parametrize("value", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("reused", [False, True])
def test_a_connection_that_breaks_after_the_body_began_is_ambiguous(
    kinesis: FakeAws, sink_to: MakeSink, act: Action, value: bytes, *, reused: bool
) -> None:
    """Before, in or after the body, on a new or a kept connection: nobody knows, nothing is sent again."""
    sink = sink_to(kinesis.url)
    if reused:
        answer_to(sink, make_put(0))
    before = kinesis.landed_count("orders")
    kinesis.will(act)
    assert isinstance(answer_to(sink, make_put(1, ["k"], [value])), PutAmbiguous)
    assert kinesis.landed_count("orders") - before == (act in (Reset(), Close()))


@pytest.mark.parametrize(
    ("start", "body", "event"),
    [
        (b"HTTP/1.1 400 X", b'{"__type":"ThrottlingException"}', PutRefused(1, "ThrottlingException")),
        (
            b"HTTP/1.1 200 X",
            b'{"FailedRecordCount":0,"Records":[{"SequenceNumber":"1","ShardId":"s"}]}',
            PutAmbiguous(1, "answered_early"),
        ),
    ],
)
def test_an_answer_that_comes_before_the_body_is_sent_is_believed_only_if_it_refuses(
    kinesis: FakeAws, sink_to: MakeSink, start: bytes, body: bytes, event: Event
) -> None:
    """A refusal may come early; nobody can have stored what was not sent, so a success cannot."""
    early = start + b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
    kinesis.will((Say(early, at="head"), Hold()))
    assert event == answer_to(sink_to(kinesis.url), make_put(1, ["k"], [LARGE * 4]))


def test_nobody_listening_is_unsent(sink_to: MakeSink) -> None:
    """A refused connection left nothing behind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://localhost:{free.getsockname()[1]}"
        assert PutUnsent(1, "not_connected") == answer_to(sink_to(url), make_put())


def test_a_failure_is_logged_when_it_begins_and_again_when_it_comes_back(
    kinesis: FakeAws, sink_to: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    """Five failures alike are one line, another kind is one more, and a success in between makes it news again."""
    sink = sink_to(kinesis.url)
    lost, garbled = Refuse("InternalFailure", status=500), Answer(b"<html>")
    kinesis.will(lost, lost, garbled, garbled, lost, None, lost)
    for number in range(7):
        answer_to(sink, make_put(number))
    told = [record.getMessage().partition(":")[0].partition(" fail ")[2] for record in caplog.records]
    assert ["(InternalFailure)", "(unreadable_answer)", "(InternalFailure)", "(InternalFailure)"] == told


def test_a_name_that_does_not_exist_is_unsent(sink_to: MakeSink) -> None:
    """Without an address nothing was sent."""
    assert PutUnsent(1, "host_not_resolved") == answer_to(sink_to("http://doka.invalid"), make_put())


ACTS: dict[str, Step] = {
    "answer": None,
    "throttled": Refuse("ThrottlingException"),
    "failed": Refuse("InternalFailure", status=500),
    "garbled": (Say(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{]}"), Close()),
    "at_head": Reset("head"),
    "in_body": Reset("during"),
    "reset": Reset(),
    "closed": Close(),
    "answered_and_closed": Close("behind"),
}


def test_every_put_has_one_answer_and_no_known_answer_is_wrong(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """Whatever the far end does: one answer each, none sent twice, «answered» was accepted, «unsent» was not."""
    sink = sink_to(kinesis.url)
    numbers = count()

    @settings(max_examples=60, deadline=None)
    @given(script=st.lists(st.sampled_from(sorted(ACTS)), max_size=40), in_flight=st.integers(1, 8))
    def hold(script: list[str], in_flight: int) -> None:
        kinesis.withdraw()
        kinesis.forget()
        kinesis.will(*(ACTS[name] for name in script))
        puts = [next(numbers) for _ in range(len(script) + 5)]
        answered: list[Event] = []
        for number in puts:
            sink.submit(make_put(number, keys=[str(number)], values=[b"v"]))
            if number % in_flight == 0:
                answered += sink.answers(NS_PER_MS)
        answered += answers_of(sink, len(puts) - len(answered))
        seen = Counter(int(call.body["Records"][0]["PartitionKey"]) for call in kinesis.calls)
        outcomes = [event for event in answered if isinstance(event, Outcome)]
        assert puts == sorted(event.put for event in outcomes)
        assert set(seen.values()) <= {1}
        assert all(seen[event.put] == 1 for event in outcomes if isinstance(event, PutAnswered))
        assert not any(seen[event.put] for event in outcomes if isinstance(event, PutUnsent))

    hold()
