"""What each kind of answer becomes, over a real socket."""

from __future__ import annotations

import pytest

from doka.domain.events import PutAmbiguous, PutAnswered, PutRefused
from tests.integration.aws.kinesis.conftest import MakeSink
from tests.integration.aws.kinesis.puts import answer_to, answers_of, make_put
from tests.integration.aws.kinesis.scripted_kinesis import Act, ScriptedKinesis, answer, raw, refuse
from tests.unit.adapters.aws.kinesis.leases import ACCESS_KEY, TOKEN
from tests.unit.adapters.aws.kinesis.reference import ARN

THROTTLED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
LANDED = {"SequenceNumber": "49", "ShardId": "shardId-000000000000"}


@pytest.mark.parametrize(
    ("act", "event"),
    [
        (answer(), PutAnswered(1)),
        (
            answer({"FailedRecordCount": 1, "Records": [LANDED, THROTTLED, LANDED]}),
            PutAnswered(1, {1: "ProvisionedThroughputExceededException"}),
        ),
        (refuse("ExpiredTokenException", "it is expired"), PutRefused(1, "ExpiredTokenException", "it is expired")),
        (refuse("a.b#ResourceNotFoundException", "no orders"), PutRefused(1, "ResourceNotFoundException", "no orders")),
        (refuse("ValidationException", "Value 'a' at 'records'"), PutRefused(1, "ValidationException")),
        (refuse("InternalFailure", status=500), PutAmbiguous(1, "InternalFailure")),
        (refuse("ServiceUnavailable", status=503), PutAmbiguous(1, "ServiceUnavailable")),
        (answer(b"<html>try later</html>", status=503), PutAmbiguous(1, "http_503")),
        (answer(b"<html>denied</html>", status=403), PutAmbiguous(1, "http_403")),
        (answer({"FailedRecordCount": 0, "Records": [LANDED]}), PutAmbiguous(1, "wrong_result_count")),
        (answer(b'{"FailedRecordCount": 0, "Rec'), PutAmbiguous(1, "unreadable_answer")),
        (answer(b""), PutAmbiguous(1, "unreadable_answer")),
        (answer(b"{}", status=302, headers={"Location": "http://localhost:1/"}), PutAmbiguous(1, "http_302")),
        (answer(cut_to=10), PutAmbiguous(1, "answer_cut")),
        (raw(b""), PutAmbiguous(1, "no_answer")),
        # libcurl takes a header block that ends in the middle for a whole answer with no body.
        (raw(b"HTTP/1.1 200 OK\r\nContent-Le"), PutAmbiguous(1, "unreadable_answer")),
        (raw(b"HTTP/1.1 400 Bad Request\r\nContent-Le"), PutAmbiguous(1, "http_400")),
        (raw(b"\x00\x01garbled\r\n\r\n"), PutAmbiguous(1, "not_http")),
        (answer(b" " * (5 * 1024 * 1024)), PutAmbiguous(1, "answer_too_large")),
    ],
)
def test_an_answer_becomes_its_event(kinesis: ScriptedKinesis, sink_to: MakeSink, act: Act, event: object) -> None:
    """Success, partial failure, refusal, 5xx, garbage, cut and oversized answers, each to its one event."""
    kinesis.will(act)
    assert event == answer_to(sink_to(kinesis.url), make_put())
    assert 1 == len(kinesis.accepted)


def test_the_request_is_what_a_kinesis_expects(kinesis: ScriptedKinesis, sink_to: MakeSink) -> None:
    """Target, content type, token, signature scope and length are there; `Expect`, chunks and extras are not."""
    sink = sink_to(kinesis.url)
    assert PutAnswered(1) == answer_to(sink, make_put(stream_arn=ARN, hash_keys=["0", None, "5"]))
    [request] = kinesis.accepted
    assert "POST / HTTP/1.1" == request.start
    headers = dict(request.headers)
    assert f"localhost:{kinesis.port}" == headers.pop("host")
    assert "Kinesis_20131202.PutRecords" == headers.pop("x-amz-target")
    assert "application/x-amz-json-1.1" == headers.pop("content-type")
    assert TOKEN == headers.pop("x-amz-security-token")
    assert str(len(request.body)) == headers.pop("content-length")
    assert f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/" == headers.pop("authorization")[: 29 + len(ACCESS_KEY)]
    assert {"user-agent", "x-amz-date"} == set(headers)
    assert [("a", "0"), ("b", None), ("c", "5")] == [
        (r["PartitionKey"], r.get("ExplicitHashKey")) for r in request.records
    ]


def test_a_body_of_ten_mebibytes_arrives_whole(kinesis: ScriptedKinesis, sink_to: MakeSink) -> None:
    """The largest request that the service takes crosses in pieces and arrives as it was built."""
    value = bytes(range(256)) * 4096
    put = make_put(keys=["k"] * 10, values=[value] * 10)
    assert PutAnswered(1) == answer_to(sink_to(kinesis.url), put)
    [request] = kinesis.accepted
    assert 10 == len(request.records)
    assert len({record["Data"] for record in request.records}) == 1


def test_each_of_many_requests_in_flight_has_its_own_answer(kinesis: ScriptedKinesis, sink_to: MakeSink) -> None:
    """Eight requests in flight at once, eight answers, each to its own put."""
    sink = sink_to(kinesis.url)
    for number in range(8):
        sink.submit(make_put(number, keys=[f"key-{number}"], values=[b"v"]))
    answered = {event.put for event in answers_of(sink, 8) if isinstance(event, PutAnswered)}
    assert set(range(8)) == answered
    assert {f"key-{number}" for number in range(8)} == {r.records[0]["PartitionKey"] for r in kinesis.accepted}
