"""The sink and the describer against moto, as boto3's users would use it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import boto3
import pytest

from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.embedded.moto_server import EmbeddedMoto
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import DescribeStream
from doka.domain.events import PutAnswered, PutRefused, ShardRange, StreamDescribed, StreamRefused
from doka.domain.limits import RECORD_BYTES_DEFAULT
from tests.integration.aws.kinesis.conftest import MakeSink
from tests.integration.aws.kinesis.puts import answer_to, make_lease, make_put


@pytest.fixture
def client(moto: EmbeddedMoto) -> Any:
    """A boto3 client of the same moto."""
    return boto3.client(
        "kinesis",
        region_name="eu-west-1",
        endpoint_url=moto.url,
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="test",
    )


@pytest.fixture
def stream(client: Any) -> str:
    """A stream of two shards."""
    name = f"orders-{uuid4().hex[:8]}"
    client.create_stream(StreamName=name, ShardCount=2)
    return name


def read_back(client: Any, stream: str) -> list[tuple[str, bytes]]:
    """Give key and value of all that the stream holds, shard by shard."""
    found = []
    for shard in client.list_shards(StreamName=stream)["Shards"]:
        iterator = client.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found += [(r["PartitionKey"], r["Data"]) for r in client.get_records(ShardIterator=iterator)["Records"]]
    return found


def test_what_was_put_is_what_is_read(moto: EmbeddedMoto, client: Any, stream: str, sink_to: MakeSink) -> None:
    """Awkward keys and any bytes come out of the stream as they went in."""
    keys = ["plain", 'é"\\\n', "\U0001f600", "a" * 256]
    values = [b"\x00\xff", b"", b"value", bytes(range(256))]
    assert PutAnswered(1) == answer_to(sink_to(moto.url, stream=stream), make_put(1, keys, values))
    assert sorted(zip(keys, values, strict=True)) == sorted(read_back(client, stream))


def test_an_explicit_hash_key_places_the_record(
    moto: EmbeddedMoto, client: Any, stream: str, sink_to: MakeSink
) -> None:
    """Two records of one key land in two shards where their hash keys say so."""
    put = make_put(1, ["k", "k"], [b"low", b"high"], hash_keys=["0", str(2**127 + 1)])
    assert PutAnswered(1) == answer_to(sink_to(moto.url, stream=stream), put)
    assert [("k", b"low"), ("k", b"high")] == read_back(client, stream)


def test_where_entries_came_to_lie(moto: EmbeddedMoto, client: Any, stream: str, sink_to: MakeSink) -> None:
    """Shard and sequence number of each entry are those by which the stream gives it back, and ascend within a shard."""
    put = make_put(1, ["a", "b", "a", "a"], [b"0", b"1", b"2", b"3"], wants_landings=True)
    answer = answer_to(sink_to(moto.url, stream=stream), put)
    assert isinstance(answer, PutAnswered)
    assert answer.landings is not None
    shards, numbers = answer.landings
    assert [int(numbers[i]) for i in (0, 2, 3)] == sorted(int(numbers[i]) for i in (0, 2, 3))
    for shard, number, value in zip(shards, numbers, put.values, strict=True):
        iterator = client.get_shard_iterator(
            StreamName=stream, ShardId=shard, ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=number
        )["ShardIterator"]
        assert value == client.get_records(ShardIterator=iterator)["Records"][0]["Data"]


def test_a_stream_that_is_not_there_refuses_and_describes_alike(moto: EmbeddedMoto, sink_to: MakeSink) -> None:
    """Put and describe both name the code by which the route is blocked."""
    event = answer_to(sink_to(moto.url, stream="nowhere"), make_put())
    assert isinstance(event, PutRefused)
    assert "ResourceNotFoundException" == event.code
    target = StreamTarget("orders", "nowhere", None, "eu-west-1", moto.url)
    refused = KinesisDescriber({"orders": target}, SystemClock()).describe(DescribeStream("orders", make_lease(4)))
    assert isinstance(refused, StreamRefused)
    assert ("ResourceNotFoundException", 4) == (refused.code, refused.lease)


@pytest.mark.parametrize("by_arn", [False, True])
def test_a_stream_is_described_by_name_or_arn(moto: EmbeddedMoto, client: Any, stream: str, *, by_arn: bool) -> None:
    """Its ARN, status, shards and limits arrive, the last by default where moto says nothing."""
    arn = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    target = StreamTarget("orders", None if by_arn else stream, arn if by_arn else None, "eu-west-1", moto.url)
    described = KinesisDescriber({"orders": target}, SystemClock()).describe(DescribeStream("orders", make_lease()))
    shards = (ShardRange("shardId-000000000000", 0), ShardRange("shardId-000000000001", 1 << 127))
    expected = StreamDescribed("orders", arn, "ACTIVE", RECORD_BYTES_DEFAULT, honours_keys=True, open_shards=2)
    assert replace(expected, shards=shards) == described
