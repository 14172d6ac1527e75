"""The same readings at the fake AWS and at moto, which judge each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest
from moto.server import ThreadedMotoServer

from tests.fake_aws import SOURCE_KEYS, WRITER_ROLE, FakeAws, Keys, kinesis_client, sts_client
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture for all of them
from tests.stream_reading import SkippingClock, collect, reader_of

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

STREAM = "orders"
RECORDS = 1_200


class World(NamedTuple):
    """One stand-in, and a client there of the writer's account."""

    url: str
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
def world(request: pytest.FixtureRequest, moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Give one stand-in after the other, with the stream and the credentials that lead to its role."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    with FakeAws() as fake:
        url = fake.url if request.param == "fake" else moto_url
        answer = sts_client(url).assume_role(RoleArn=WRITER_ROLE, RoleSessionName="doka-test")["Credentials"]
        keys = Keys(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
        client = kinesis_client(url, keys)
        client.create_stream(StreamName=STREAM, ShardCount=3)
        client.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
        yield World(url, client)
        client.delete_stream(StreamName=STREAM, EnforceConsumerDeletion=True)
        assert [] == fake.violations()


def put(world: World, first: int, count: int) -> list[bytes]:
    """Put numbered records under a hundred keys; gives their data."""
    numbers = range(first, first + count)
    for some in (numbers[at : at + 400] for at in range(0, count, 400)):
        answer = world.kinesis.put_records(
            StreamName=STREAM, Records=[{"Data": b"%d" % each, "PartitionKey": f"k{each % 100}"} for each in some]
        )
        assert 0 == answer["FailedRecordCount"]
    return [b"%d" % each for each in numbers]


def test_all_that_landed_is_read(world: World) -> None:
    """Each record comes once, with its key, in its shard's order; an idle stream is at its end at once."""
    reader = reader_of(world.url, SkippingClock())
    assert [] == collect(reader).rows
    data = put(world, 0, RECORDS)
    found = collect(reader)
    assert sorted(data) == sorted(found.data)
    assert {(f"k{int(each) % 100}", each) for each in data} == {(key, each) for _, key, each, _ in found.rows}
    assert 3 == len(found.ended)


def test_the_span_says_what_the_stream_holds(world: World) -> None:
    """Its shards, and since when it holds records: both keep them for a day."""
    span = reader_of(world.url, SkippingClock()).span(0)
    assert 3 == len(span.shards)
    assert 24 * 3_600_000 == span.now_ms - (span.held_since_ms or 0)


def test_a_reading_goes_on_where_another_was_killed(world: World) -> None:
    """Behind the last record of each shard nothing comes again, and nothing is missing."""
    reader = reader_of(world.url, SkippingClock())
    first = put(world, 0, RECORDS)
    found = collect(reader)
    second = put(world, RECORDS, RECORDS)
    behind = {shard: reached.sequence_number or "" for shard, reached in found.reached.items()}
    assert sorted(first + second) == sorted(found.data + collect(reader, behind=behind).data)


def test_closed_shards_are_read_too(world: World) -> None:
    """What landed before, between and after a split and a merge comes, wherever the stand-in keeps it."""
    reader = reader_of(world.url, SkippingClock())
    data = put(world, 0, RECORDS)
    shards = world.kinesis.list_shards(StreamName=STREAM)["Shards"]
    middle = int(shards[0]["HashKeyRange"]["EndingHashKey"]) // 2
    world.kinesis.split_shard(StreamName=STREAM, ShardToSplit=shards[0]["ShardId"], NewStartingHashKey=str(middle))
    data += put(world, RECORDS, RECORDS)
    world.kinesis.merge_shards(
        StreamName=STREAM, ShardToMerge=shards[1]["ShardId"], AdjacentShardToMerge=shards[2]["ShardId"]
    )
    data += put(world, 2 * RECORDS, RECORDS)
    found = collect(reader)
    assert 6 == len(found.ended)
    # Moto copies what it merges into the new shard and leaves it in the old ones as well.
    assert sorted(data) == sorted(set(found.data))
