"""What both stand-ins can answer, they answer alike: the same cases on moto and on the fake, through boto3."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from tests.fake_aws import DESTINATION_ACCOUNT, SOURCE_KEYS, WRITER_ROLE, FakeAws, Keys, kinesis_client, sts_client

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef, ShardTypeDef

STREAM = "orders"
ARN = f"arn:aws:kinesis:eu-west-1:{DESTINATION_ACCOUNT}:stream/{STREAM}"
SHARDS = 3


class World(NamedTuple):
    """One stand-in, and a client there whose keys come from AssumeRole in the destination account."""

    url: str
    keys: Keys
    kinesis: KinesisClient


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    """Give a moto server that the module shares; a stream of it lives for one test."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["fake", "moto"])
def world(request: pytest.FixtureRequest, moto_url: str) -> Iterator[World]:
    """Give one stand-in after the other, with the stream and the role's keys."""
    with FakeAws() as fake:
        url = fake.url if request.param == "fake" else moto_url
        answer = sts_client(url).assume_role(RoleArn=WRITER_ROLE, RoleSessionName="doka-test")["Credentials"]
        keys = Keys(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
        client = kinesis_client(url, keys)
        client.create_stream(StreamName=STREAM, ShardCount=SHARDS)
        client.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
        yield World(url, keys, client)
        client.delete_stream(StreamName=STREAM, EnforceConsumerDeletion=True)
        assert [] == fake.violations()


def entry(data: bytes, key: str, explicit: int | None = None) -> PutRecordsRequestEntryTypeDef:
    """Give one entry of a request."""
    made: PutRecordsRequestEntryTypeDef = {"Data": data, "PartitionKey": key}
    if explicit is not None:
        made["ExplicitHashKey"] = str(explicit)
    return made


def shards_of(client: KinesisClient) -> list[ShardTypeDef]:
    """Give the stream's shards, closed ones too."""
    return client.list_shards(StreamName=STREAM)["Shards"]


def read(client: KinesisClient, shard: str, **start: str) -> list[tuple[str, bytes]]:
    """Give (key, data) of a shard's records, from the start or after a sequence number."""
    kind = "AFTER_SEQUENCE_NUMBER" if start else "TRIM_HORIZON"
    iterator = client.get_shard_iterator(
        StreamName=STREAM,
        ShardId=shard,
        ShardIteratorType=kind,  # type: ignore[arg-type]  # one of two literals
        **start,  # type: ignore[arg-type]  # StartingSequenceNumber or nothing
    )["ShardIterator"]
    return [(each["PartitionKey"], each["Data"]) for each in client.get_records(ShardIterator=iterator)["Records"]]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    """Give the service's code of an error."""
    return error.value.response["Error"]["Code"]


def test_a_role_session_acts_in_the_account_of_its_role(world: World) -> None:
    """The keys of AssumeRole belong to the role's account, under the session's name."""
    identity = sts_client(world.url, world.keys).get_caller_identity()
    assert (DESTINATION_ACCOUNT, f"arn:aws:sts::{DESTINATION_ACCOUNT}:assumed-role/doka-writer/doka-test") == (
        identity["Account"],
        identity["Arn"],
    )


def test_what_was_put_by_arn_is_read_back(world: World) -> None:
    """Bytes of every value and keys beyond ASCII come back as they went in, in the order of the request."""
    sent = [("ключ", bytes(range(256))), ("ключ", b""), ("ключ", b"last")]
    answer = world.kinesis.put_records(StreamARN=ARN, Records=[entry(data, key) for key, data in sent])
    assert 0 == answer["FailedRecordCount"]
    assert sent == read(world.kinesis, answer["Records"][0]["ShardId"])


def test_a_key_goes_to_the_shard_that_holds_its_md5(world: World) -> None:
    """Records are routed by the MD5 of their key, read as a big-endian number, and by the ranges of ListShards."""
    keys = [f"key-{i}" for i in range(60)]
    answer = world.kinesis.put_records(StreamARN=ARN, Records=[entry(b"x", key) for key in keys])
    ranges = {
        each["ShardId"]: range(
            int(each["HashKeyRange"]["StartingHashKey"]), int(each["HashKeyRange"]["EndingHashKey"]) + 1
        )
        for each in shards_of(world.kinesis)
    }
    hashes = [int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest(), "big") for key in keys]
    expected = [next(shard for shard, span in ranges.items() if hashed in span) for hashed in hashes]
    assert expected == [result["ShardId"] for result in answer["Records"]]
    assert SHARDS == len(set(expected))


def test_an_explicit_hash_key_outranks_the_key(world: World) -> None:
    """A record goes to the shard of its explicit hash key, whatever its partition key hashes to."""
    starts = [int(each["HashKeyRange"]["StartingHashKey"]) for each in shards_of(world.kinesis)]
    answer = world.kinesis.put_records(StreamARN=ARN, Records=[entry(b"x", "same", start) for start in starts])
    assert [each["ShardId"] for each in shards_of(world.kinesis)] == [each["ShardId"] for each in answer["Records"]]


def test_sequence_numbers_grow_within_a_shard(world: World) -> None:
    """Of two records of one shard the later has the larger sequence number, and reading goes on after the first."""
    answer = world.kinesis.put_records(StreamARN=ARN, Records=[entry(b"1", "k"), entry(b"2", "k"), entry(b"3", "k")])
    numbers = [int(result["SequenceNumber"]) for result in answer["Records"]]
    assert sorted(set(numbers)) == numbers
    shard, first = answer["Records"][0]["ShardId"], answer["Records"][0]["SequenceNumber"]
    assert [("k", b"2"), ("k", b"3")] == read(world.kinesis, shard, StartingSequenceNumber=first)


def test_a_split_closes_the_parent_and_keeps_its_records(world: World) -> None:
    """After a split the parent is closed but readable, and its children share its range."""
    parent = shards_of(world.kinesis)[0]
    world.kinesis.put_records(StreamARN=ARN, Records=[entry(b"before", "k", 0)])
    middle = int(parent["HashKeyRange"]["EndingHashKey"]) // 2
    world.kinesis.split_shard(StreamName=STREAM, ShardToSplit=parent["ShardId"], NewStartingHashKey=str(middle))
    after = {each["ShardId"]: each for each in shards_of(world.kinesis)}
    children = [each for each in after.values() if each.get("ParentShardId") == parent["ShardId"]]
    assert "EndingSequenceNumber" in after[parent["ShardId"]]["SequenceNumberRange"]
    assert [(0, middle - 1), (middle, int(parent["HashKeyRange"]["EndingHashKey"]))] == [
        (int(each["HashKeyRange"]["StartingHashKey"]), int(each["HashKeyRange"]["EndingHashKey"])) for each in children
    ]
    assert [("k", b"before")] == read(world.kinesis, parent["ShardId"])


def test_a_merge_joins_two_neighbours(world: World) -> None:
    """After a merge one shard holds both ranges and names both parents."""
    lower, upper = shards_of(world.kinesis)[:2]
    world.kinesis.merge_shards(StreamName=STREAM, ShardToMerge=lower["ShardId"], AdjacentShardToMerge=upper["ShardId"])
    merged = [each for each in shards_of(world.kinesis) if "EndingSequenceNumber" not in each["SequenceNumberRange"]]
    joined = next(each for each in merged if each.get("ParentShardId") == lower["ShardId"])
    assert SHARDS - 1 == len(merged)
    assert upper["ShardId"] == joined.get("AdjacentParentShardId")
    assert upper["HashKeyRange"]["EndingHashKey"] == joined["HashKeyRange"]["EndingHashKey"]


def test_the_summary_says_what_the_stream_is(world: World) -> None:
    """DescribeStreamSummary by ARN names the stream, its state and its open shards."""
    summary = world.kinesis.describe_stream_summary(StreamARN=ARN)["StreamDescriptionSummary"]
    assert (STREAM, ARN, "ACTIVE", SHARDS) == (
        summary["StreamName"],
        summary["StreamARN"],
        summary["StreamStatus"],
        summary["OpenShardCount"],
    )


def test_a_stream_that_is_not_there_is_not_found(world: World) -> None:
    """A put to no stream is refused by the code that doka blocks a route on."""
    with pytest.raises(ClientError) as error:
        world.kinesis.put_records(StreamName="nowhere", Records=[entry(b"x", "k")])
    assert "ResourceNotFoundException" == code_of(error)


@pytest.mark.parametrize(
    "records",
    [
        [entry(b"x", "k")] * 501,
        [entry(b"x", "k" * 257)],
        [entry(b"x" * 2**20, "k")],
    ],
    ids=["501 entries", "a key of 257 characters", "a record of 1 MiB and a key"],
)
def test_what_breaks_a_limit_is_refused_whole(world: World, records: list[PutRecordsRequestEntryTypeDef]) -> None:
    """A request with a bad entry is refused as a whole, and it does not land."""
    with pytest.raises(ClientError) as error:
        world.kinesis.put_records(StreamARN=ARN, Records=records)
    assert code_of(error) in {"InvalidArgumentException", "ValidationException"}
    assert [] == [record for shard in shards_of(world.kinesis) for record in read(world.kinesis, shard["ShardId"])]


def test_keys_of_another_account_do_not_reach_the_stream(world: World) -> None:
    """The source account's own keys, without the role, are refused at the destination's stream."""
    with pytest.raises(ClientError) as error:
        kinesis_client(world.url, SOURCE_KEYS).put_records(StreamARN=ARN, Records=[entry(b"x", "k")])
    assert code_of(error) in {"AccessDeniedException", "ResourceNotFoundException"}
