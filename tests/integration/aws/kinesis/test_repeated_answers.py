"""An answer is believed only for the request that it belongs to, at whatever moment another one comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from doka.domain.events import PutAmbiguous, PutAnswered, PutRefused
from doka.domain.limits import NS_PER_MS
from tests.certificates import make_authority
from tests.fake_aws import Answer, FakeAws, Headers, Hold, Refuse, Say
from tests.integration.aws.kinesis.conftest import MakeSink, running_kinesis
from tests.integration.aws.kinesis.puts import answer_to, answers_of, make_put
from tests.waiting import eventually

LARGE = b"x" * (1024 * 1024)
THROTTLED = "ThrottlingException"


@pytest.fixture(params=["plain", "tls"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    """A Kinesis over TCP, and one over TLS, where what waits on a connection cannot be read but seen."""
    if request.param == "plain":
        with running_kinesis() as running:
            yield running
        return
    authority = make_authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca_file))
    with running_kinesis(authority.server) as running:
        yield running


def test_what_comes_on_an_idle_connection_is_never_read(server: FakeAws, sink_to: MakeSink) -> None:
    """An answer that is repeated before the next put leaves: the put goes another way, and has its own answer."""
    sink = sink_to(server.url)
    server.will(None, Refuse(THROTTLED))
    assert PutAnswered(1) == answer_to(sink, make_put(1))
    server.say_again()
    assert PutRefused(2, THROTTLED) == answer_to(sink, make_put(2))
    assert PutAnswered(3) == answer_to(sink, make_put(3))
    assert (3, 2) == (len(server.calls), server.connections)
    eventually(lambda: server.closed_connections == 1, what="the connection is closed")


def test_several_idle_connections_are_all_looked_at(server: FakeAws, sink_to: MakeSink) -> None:
    """Where each kept connection has something on it, none is used, and no put pays for it."""
    sink = sink_to(server.url)
    server.will(*[Hold()] * 3)
    for number in range(3):
        sink.submit(make_put(number))
    eventually(lambda: sink.answers(0) or server.held() == 3, what="each is on a connection of its own")
    server.release()
    answers_of(sink, 3)
    server.say_again()
    server.will(*[Refuse(THROTTLED)] * 3)
    for number in range(3, 6):
        sink.submit(make_put(number))
    assert {PutRefused(number, THROTTLED) for number in range(3, 6)} == set(answers_of(sink, 3))
    assert (6, 6) == (len(server.calls), server.connections)


def test_an_answer_that_comes_again_after_the_put_left_is_ambiguous(server: FakeAws, sink_to: MakeSink) -> None:
    """By then only its id tells that it is another one's; its connection is used no more."""
    sink = sink_to(server.url)
    assert PutAnswered(1) == answer_to(sink, make_put(1))
    server.will((Say(server.answered), Hold()))
    assert PutAmbiguous(2, "repeated_answer") == answer_to(sink, make_put(2))
    eventually(lambda: server.closed_connections == 1, what="the connection is closed")
    assert PutAnswered(3) == answer_to(sink, make_put(3))
    assert 2 == server.connections


def test_a_refusal_that_comes_again_is_ambiguous(server: FakeAws, sink_to: MakeSink) -> None:
    """A verdict on one put's record must not fall on another's."""
    sink = sink_to(server.url)
    server.will(Refuse("ValidationException"))
    assert PutRefused(1, "ValidationException") == answer_to(sink, make_put(1))
    server.will((Say(server.answered), Hold()))
    assert PutAmbiguous(2, "repeated_answer") == answer_to(sink, make_put(2))


def test_an_answer_that_comes_again_while_the_put_is_sent_is_ambiguous(server: FakeAws, sink_to: MakeSink) -> None:
    """It is neither believed nor taken for an answer that came early."""
    sink = sink_to(server.url)
    assert PutAnswered(1) == answer_to(sink, make_put(1))
    server.will((Say(server.answered, at="head"), Hold()))
    assert PutAmbiguous(2, "repeated_answer") == answer_to(sink, make_put(2, ["k"] * 3, [LARGE] * 3))


def test_an_answer_of_another_connection_is_known_too(server: FakeAws, sink_to: MakeSink) -> None:
    """A box that keeps answers, as caches do, says them to whoever asks."""
    sink = sink_to(server.url)
    server.will(Headers({"Connection": "close"}))
    assert PutAnswered(1) == answer_to(sink, make_put(1))
    server.will((Say(server.answered), Hold()))
    assert PutAmbiguous(2, "repeated_answer") == answer_to(sink, make_put(2))
    assert 2 == server.connections


def test_an_answer_without_an_id_is_believed_on_a_connection_of_its_own_only(
    server: FakeAws, sink_to: MakeSink
) -> None:
    """It cannot be told from those before it, so there must have been none, and none comes after it."""
    sink = sink_to(server.url)
    nameless = Headers({"x-amzn-RequestId": ""})
    server.will(nameless, nameless, None, nameless)
    assert PutAnswered(1) == answer_to(sink, make_put(1))
    assert PutAnswered(2) == answer_to(sink, make_put(2))
    assert PutAnswered(3) == answer_to(sink, make_put(3))
    assert 3 == server.connections
    assert PutAmbiguous(4, "nameless_answer") == answer_to(sink, make_put(4))
    assert PutAnswered(5) == answer_to(sink, make_put(5))
    assert 4 == server.connections


def test_an_answer_that_says_too_much_ends_its_connection(server: FakeAws, sink_to: MakeSink) -> None:
    """What cannot be read as the answer to a put may be the answer to something else: the next may be shifted too."""
    sink = sink_to(server.url)
    server.will(Answer({"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1", "ShardId": "s"}]}))
    assert PutAmbiguous(1, "wrong_result_count") == answer_to(sink, make_put(1))
    assert PutAnswered(2) == answer_to(sink, make_put(2))
    assert 2 == server.connections


def test_no_put_leaves_behind_an_answer_that_nobody_has_judged(server: FakeAws, sink_to: MakeSink) -> None:
    """Libcurl has read a repeated answer and has the connection to give: the right answer comes there yet, for nobody."""
    sink = sink_to(server.url)
    assert PutAnswered(1) == answer_to(sink, make_put(1))
    server.will(Say(server.answered, at="head"), Refuse(THROTTLED))
    sink.submit(make_put(2))

    def read_by_libcurl() -> bool:
        sink._wire.step(NS_PER_MS)
        return sink._wire._running < len(sink._wire)

    eventually(read_by_libcurl, what="libcurl has an answer")
    sink.submit(make_put(3))
    assert {PutAmbiguous(2, "repeated_answer"), PutRefused(3, THROTTLED)} == set(answers_of(sink, 2))
    assert 2 == server.connections
