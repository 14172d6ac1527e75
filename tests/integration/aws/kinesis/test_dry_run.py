"""What is tried on a stream, over a real socket: nothing lands by it, and each refusal is the service's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doka.adapters.aws.kinesis.dry_run import BETWEEN_NS, STORED, DryRuns, Refused
from doka.adapters.aws.kinesis.questions import Refusal
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.system.clock import SystemClock
from tests.fake_aws import Answer, Close, FakeAws, Refuse
from tests.integration.aws.kinesis.puts import make_lease
from tests.unit.adapters.aws.kinesis.reference import ARN

KEY = "arn:aws:kms:eu-west-1:210987654321:key/11111111-2222-3333-4444-555555555555"
LEASE = make_lease(5)


def tries(kinesis: FakeAws, waited: list[int], *, stand_in: bool = True) -> DryRuns:
    """Give what asks about one stream under two routes."""
    target = StreamTarget("orders", "orders", None, "eu-west-1", kinesis.url)
    targets = {"orders": target, "again": replace(target, route="again")}
    return DryRuns(targets, SystemClock(), waited.append, stand_in=stand_in)


def test_a_put_is_one_record_that_does_not_land(kinesis: FakeAws) -> None:
    """None is for «it would be taken»."""
    assert None is tries(kinesis, []).put("orders", LEASE)
    (call,) = kinesis.calls
    assert ("PutRecords", True, 1) == (call.operation, call.body["DryRun"], len(call.body["Records"]))
    assert 0 == kinesis.landed_count("orders")
    assert [] == kinesis.violations()


def test_two_dry_runs_of_a_stream_are_a_second_apart(kinesis: FakeAws) -> None:
    """AWS takes one a second of a stream, whoever asks: the second is held back, the first is not."""
    waited: list[int] = []
    asking = tries(kinesis, waited)
    asking.put("orders", LEASE)
    assert [] == waited
    asking.put("again", LEASE)
    assert 1 == len(waited)
    assert 0 < waited[0] <= BETWEEN_NS


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (Refuse("AccessDeniedException", "no"), "AccessDeniedException"),
        (Refuse("ThrottlingException", "slow down"), "ThrottlingException"),
        (Answer(b"<html>", status=503), "http_503"),
        (Close("instead"), "no_answer"),
    ],
)
def test_a_refusal_of_the_put_is_the_services_own(kinesis: FakeAws, act: Refuse | Answer | Close, code: str) -> None:
    """Asked once, and told as it is."""
    kinesis.will(act)
    refusal = tries(kinesis, []).put("orders", LEASE)
    assert refusal is not None
    assert code == refusal.code
    assert 1 == kinesis.counts()["PutRecords"]


def test_an_answer_of_200_means_that_it_was_stored(kinesis: FakeAws) -> None:
    """A stand-in that knows no DryRun has taken the record."""
    kinesis.will(Answer({"FailedRecordCount": 0, "Records": [{"ShardId": "s", "SequenceNumber": "1"}]}))
    assert Refusal(STORED, "") == tries(kinesis, []).put("orders", LEASE)


def test_a_key_is_tried_in_the_streams_name(kinesis: FakeAws) -> None:
    """By KMS' own dry run, with the context by which policies know a stream."""
    asking = tries(kinesis, [])
    assert None is asking.encrypt("orders", LEASE, KEY, ARN)
    (call,) = kinesis.calls
    assert (KEY, True, {"aws:kinesis:arn": ARN}) == (
        call.body["KeyId"],
        call.body["DryRun"],
        call.body["EncryptionContext"],
    )
    kinesis.will(Refuse("AccessDeniedException", "no"))
    assert Refusal("AccessDeniedException", "no") == asking.encrypt("orders", LEASE, KEY, ARN)


def test_an_endpoint_of_aws_for_kinesis_is_none_for_kms(kinesis: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A VPC endpoint serves one service: KMS is asked where AWS has it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing may leave this machine
    refusal = tries(kinesis, [], stand_in=False).encrypt("orders", LEASE, KEY, ARN)
    assert refusal is not None
    assert refusal.code in {"proxy_failed", "not_connected"}
    assert [] == kinesis.calls


def test_shards_are_listed_and_what_refuses_it_is_told(kinesis: FakeAws) -> None:
    """One of them is enough."""
    asking = tries(kinesis, [])
    assert None is asking.shards("orders", LEASE)
    kinesis.will(Refuse("AccessDeniedException", "no"))
    assert Refusal("AccessDeniedException", "no") == asking.shards("orders", LEASE)


@pytest.mark.parametrize(
    ("operation", "code", "action"),
    [
        ("DescribeStreamSummary", "AccessDeniedException", "kinesis:DescribeStreamSummary"),
        ("ListShards", "AccessDeniedException", "kinesis:ListShards"),
        ("GetShardIterator", "AccessDeniedException", "kinesis:GetShardIterator"),
        ("GetRecords", "AccessDeniedException", "kinesis:GetRecords"),
        ("GetRecords", "KMSAccessDeniedException", "kms:Decrypt"),
    ],
)
def test_a_read_names_the_question_that_was_refused(kinesis: FakeAws, operation: str, code: str, action: str) -> None:
    """Each of an audit's questions is asked, one record at most is read."""
    asking = tries(kinesis, [])
    assert None is asking.read("orders", LEASE)
    assert 1 == next(call.body["Limit"] for call in kinesis.calls if call.operation == "GetRecords")
    kinesis.inject(Refuse(code, "no"), on=operation)
    assert Refused(action, Refusal(code, "no")) == asking.read("orders", LEASE)
