"""What each kind of answer becomes, over a real socket."""

from __future__ import annotations

import pytest

from doka.domain.events import PutAmbiguous, PutAnswered, PutRefused
from tests.fake_aws import Answer, Close, FakeAws, Garble, Headers, Refuse, Say, Step
from tests.integration.aws.kinesis.conftest import MakeSink
from tests.integration.aws.kinesis.puts import answer_to, answers_of, make_put
from tests.unit.adapters.aws.kinesis.leases import ACCESS_KEY, TOKEN
from tests.unit.adapters.aws.kinesis.reference import ARN

THROTTLED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
LANDED = {"SequenceNumber": "49", "ShardId": "shardId-000000000000"}


@pytest.mark.parametrize(
    ("act", "event"),
    [
        (None, PutAnswered(1)),
        (
            Answer({"FailedRecordCount": 1, "Records": [LANDED, THROTTLED, LANDED]}),
            PutAnswered(1, {1: "ProvisionedThroughputExceededException"}),
        ),
        (Refuse("ExpiredTokenException", "it is expired"), PutRefused(1, "ExpiredTokenException", "it is expired")),
        (Refuse("a.b#ResourceNotFoundException", "no orders"), PutRefused(1, "ResourceNotFoundException", "no orders")),
        (Refuse("ValidationException", "Value 'a' at 'records'"), PutRefused(1, "ValidationException")),
        (Refuse("InternalFailure", status=500), PutAmbiguous(1, "InternalFailure")),
        (Refuse("ServiceUnavailable", status=503), PutAmbiguous(1, "ServiceUnavailable")),
        (Answer(b"<html>try later</html>", status=503), PutAmbiguous(1, "http_503")),
        (Answer(b"<html>denied</html>", status=403), PutAmbiguous(1, "http_403")),
        (Answer({"FailedRecordCount": 0, "Records": [LANDED]}), PutAmbiguous(1, "wrong_result_count")),
        (Answer(b'{"FailedRecordCount": 0, "Rec'), PutAmbiguous(1, "unreadable_answer")),
        (Answer(b""), PutAmbiguous(1, "unreadable_answer")),
        ((Answer(b"{}", 302), Headers({"Location": "http://localhost:1/"})), PutAmbiguous(1, "http_302")),
        (Garble("cut"), PutAmbiguous(1, "answer_cut")),
        (Close(), PutAmbiguous(1, "no_answer")),
        # libcurl takes a header block that ends in the middle for a whole answer with no body.
        ((Say(b"HTTP/1.1 200 OK\r\nContent-Le"), Close()), PutAmbiguous(1, "unreadable_answer")),
        ((Say(b"HTTP/1.1 400 Bad Request\r\nContent-Le"), Close()), PutAmbiguous(1, "http_400")),
        ((Say(b"\x00\x01garbled\r\n\r\n"), Close()), PutAmbiguous(1, "not_http")),
        (Answer(b" " * (5 * 1024 * 1024)), PutAmbiguous(1, "answer_too_large")),
    ],
)
def test_an_answer_becomes_its_event(kinesis: FakeAws, sink_to: MakeSink, act: Step, event: object) -> None:
    """Success, partial failure, refusal, 5xx, garbage, cut and oversized answers, each to its one event."""
    kinesis.will(act)
    assert event == answer_to(sink_to(kinesis.url), make_put())
    assert 1 == len(kinesis.calls)


def test_the_request_is_what_a_kinesis_expects(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """Target, content type, token, signature scope and length are there; `Expect`, chunks and extras are not."""
    sink = sink_to(kinesis.url)
    assert PutAnswered(1) == answer_to(sink, make_put(stream_arn=ARN, hash_keys=["0", None, "5"]))
    [call] = kinesis.calls
    assert "POST /" == call.start
    headers = dict(call.headers)
    assert kinesis.url.removeprefix("http://") == headers.pop("host")
    assert "Kinesis_20131202.PutRecords" == headers.pop("x-amz-target")
    assert "application/x-amz-json-1.1" == headers.pop("content-type")
    assert TOKEN == headers.pop("x-amz-security-token")
    assert headers.pop("content-length").isdecimal()
    assert f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/" == headers.pop("authorization")[: 29 + len(ACCESS_KEY)]
    assert {"user-agent", "x-amz-date"} == set(headers)
    assert [("a", "0"), ("b", None), ("c", "5")] == [
        (landed.partition_key, landed.explicit_hash_key) for landed in kinesis.landed("orders")
    ]
    assert [] == kinesis.violations()


def test_a_body_of_ten_mebibytes_arrives_whole(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """The largest request that the service takes crosses in pieces and arrives as it was built."""
    value = (bytes(range(256)) * 4096)[:-1]  # its key is the last byte of its mebibyte
    put = make_put(keys=["k"] * 10, values=[value] * 10)
    assert PutAnswered(1) == answer_to(sink_to(kinesis.url), put)
    assert [value] * 10 == kinesis.payloads("orders")


def test_each_of_many_requests_in_flight_has_its_own_answer(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """Eight requests in flight at once, eight answers, each to its own put."""
    sink = sink_to(kinesis.url)
    for number in range(8):
        sink.submit(make_put(number, keys=[f"key-{number}"], values=[b"v"]))
    answered = {event.put for event in answers_of(sink, 8) if isinstance(event, PutAnswered)}
    assert set(range(8)) == answered
    assert {f"key-{number}" for number in range(8)} == {each.partition_key for each in kinesis.landed("orders")}
