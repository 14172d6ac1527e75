"""What the describer makes of every kind of answer, over a real socket."""

from __future__ import annotations

import socket

import pytest

from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import DescribeStream
from doka.domain.events import StreamDescribed, StreamRefused
from tests.fake_aws import Action, Answer, Close, FakeAws, Refuse, Reset
from tests.integration.aws.kinesis.puts import lease_of, make_lease
from tests.unit.adapters.aws.kinesis.leases import TOKEN
from tests.unit.adapters.aws.kinesis.reference import ARN

SUMMARY = {"StreamARN": ARN, "StreamStatus": "ACTIVE", "OpenShardCount": 3, "MaxRecordSizeInKiB": 10240}


def describe(url: str, lease: int = 5) -> StreamDescribed | StreamRefused:
    """Ask once."""
    target = StreamTarget("orders", "orders", None, "eu-west-1", url)
    return KinesisDescriber({"orders": target}, SystemClock()).describe(DescribeStream("orders", make_lease(lease)))


def test_limits_and_strategy_are_read_and_the_lease_signs(kinesis: FakeAws) -> None:
    """Ten MiB records, AUTO distribution, three shards: as told; the request carries the lease's token."""
    kinesis.will(Answer({"StreamDescriptionSummary": SUMMARY | {"RecordDistributionStrategy": "AUTO"}}))
    kinesis.inject(Refuse("AccessDeniedException"), on="ListShards")  # to list the shards, which is not needed
    expected = StreamDescribed("orders", ARN, "ACTIVE", 10 * 1024 * 1024, honours_keys=False, open_shards=3)
    assert expected == describe(kinesis.url)
    call = kinesis.calls[0]
    assert {"StreamName": "orders"} == call.body
    assert ("DescribeStreamSummary", TOKEN) == (call.operation, call.headers["x-amz-security-token"])


@pytest.mark.parametrize(
    ("act", "code", "message"),
    [
        (Refuse("AccessDeniedException", "arn:x may not"), "AccessDeniedException", "arn:x may not"),
        (Refuse("ExpiredTokenException", "it is over"), "ExpiredTokenException", "it is over"),
        (Refuse("InvalidSignatureException", f"x-amz-security-token:{TOKEN}"), "InvalidSignatureException", ""),
        (Refuse("InternalFailure", "oops", status=500), "InternalFailure", "oops"),
        (Answer(b"<html>", status=503), "http_503", "the answer holds no error code of the service"),
        (Answer({}), "unreadable_answer", "the answer holds no description of the stream"),
        (
            Answer({"StreamDescriptionSummary": {"StreamStatus": 7}}),
            "unreadable_answer",
            "the answer holds no description of the stream",
        ),
        (Answer(b"<html>"), "unreadable_answer", "the answer holds no description of the stream"),
        (Answer(b"[]"), "unreadable_answer", "AttributeError"),
    ],
)
def test_an_answer_that_describes_nothing_is_a_refusal(kinesis: FakeAws, act: Action, code: str, message: str) -> None:
    """Codes of the service, of a proxy, and garbage: refused with a code, asked once, the lease named."""
    kinesis.will(act)
    assert StreamRefused("orders", code, message, 5) == describe(kinesis.url)
    assert 1 == len(kinesis.calls)


@pytest.mark.parametrize("act", [Reset(), Close()])
def test_a_connection_that_dies_is_a_refusal_by_its_kind(kinesis: FakeAws, act: Action) -> None:
    """No answer is told by the word that puts have for it, after one attempt."""
    kinesis.will(act)
    event = describe(kinesis.url)
    assert isinstance(event, StreamRefused)
    assert ("no_answer", 1) == (event.code, len(kinesis.calls))


def test_nobody_listening_is_a_refusal_by_its_kind() -> None:
    """No connection is told by the word that puts have for it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        event = describe(f"http://127.0.0.1:{free.getsockname()[1]}")
    assert isinstance(event, StreamRefused)
    assert "not_connected" == event.code


def test_a_connection_is_kept_and_each_question_signed_by_its_own_lease(kinesis: FakeAws) -> None:
    """One client serves every lease: the second question leaves by the first one's connection, with its own token."""
    target = StreamTarget("orders", "orders", None, "eu-west-1", kinesis.url)
    describer = KinesisDescriber({"orders": target}, SystemClock())
    leases = [kinesis.issue().keys for _ in range(2)]
    for keys in leases:
        assert isinstance(describer.describe(DescribeStream("orders", lease_of(keys))), StreamDescribed)
    described = [call for call in kinesis.calls if call.operation == "DescribeStreamSummary"]
    assert [keys.token for keys in leases] == [call.headers["x-amz-security-token"] for call in described]
    assert 1 == kinesis.connections


def test_the_shards_are_listed_for_pacing() -> None:
    """The ranges of the open shards come along, also after a split."""
    with FakeAws() as fake:
        fake.create_stream("orders", shards=2)
        lease = lease_of(fake.issue().keys)
        target = StreamTarget("orders", "orders", None, "eu-west-1", fake.url)
        describer = KinesisDescriber({"orders": target}, SystemClock())
        told = describer.describe(DescribeStream("orders", lease))
        assert isinstance(told, StreamDescribed)
        assert [0, 1 << 127] == [shard.first_hash_key for shard in told.shards]
        fake.split_shard("orders", told.shards[0].shard)
        told = describer.describe(DescribeStream("orders", lease))
        assert isinstance(told, StreamDescribed)
        assert [0, 1 << 126, 1 << 127] == sorted(shard.first_hash_key for shard in told.shards)
