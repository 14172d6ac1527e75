"""Aggregates on both stand-ins: placed by their hash keys, read back record by record by the public module."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from aws_kinesis_agg.deaggregator import deaggregate_records

from doka.adapters.embedded.moto_server import EmbeddedMoto
from doka.domain.events import PutAnswered
from doka.domain.sending.aggregate import encode
from doka.domain.sending.aggregated_outbox import OUTER_KEY
from doka.domain.sending.slices import Slices
from tests.fake_aws import FakeAws, Keys, kinesis_client
from tests.integration.aws.kinesis.conftest import MakeSink
from tests.integration.aws.kinesis.puts import answer_to, lease_of, make_lease, make_put

LANES = 4
SHARDS = 2


@pytest.fixture(params=["fake", "moto"])
def account(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any, Any]]:
    """Give the URL of each stand-in in turn, a client of it, and the secrets that sign there."""
    if request.param == "moto":
        moto: EmbeddedMoto = request.getfixturevalue("moto")
        keys = Keys("AKIATEST", "test", "")
        yield moto.url, kinesis_client(moto.url, keys), make_lease()
        return
    with FakeAws() as fake:
        issued = fake.issue().keys
        yield fake.url, kinesis_client(fake.url, issued), lease_of(issued)
        assert [] == fake.violations()


def test_each_lane_lands_whole_in_its_shard(account: tuple[str, Any, Any], sink_to: MakeSink) -> None:
    """Every inner record comes out in order, with its own key, from the shard of its lane; a large one by itself too."""
    url, client, lease = account
    stream = f"orders-{uuid4().hex[:8]}"
    client.create_stream(StreamName=stream, ShardCount=SHARDS)
    client.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    slices = Slices(LANES)
    keys = [f"key-{i % 40}" for i in range(400)]
    lanes = [[(key, b"%d" % i) for i, key in enumerate(keys) if slices.of(key) == lane] for lane in range(LANES)]
    places = [str(slices.middle(lane)) for lane in range(LANES)]
    values = [
        encode([key for key, _ in of_lane], [value for _, value in of_lane], place)
        for of_lane, place in zip(lanes, places, strict=True)
    ]
    large = ("key-0", b"by itself")
    put = make_put(
        1,
        [OUTER_KEY] * LANES + [large[0]],
        [*values, large[1]],
        lease=lease,
        hash_keys=[*places, places[slices.of(large[0])]],
    )
    assert PutAnswered(1) == answer_to(sink_to(url, stream=stream), put)
    found = [list(read(client, stream, shard["ShardId"])) for shard in client.list_shards(StreamName=stream)["Shards"]]
    low = [*lanes[0], *lanes[1]]
    high = [*lanes[2], *lanes[3]]
    (low if slices.of(large[0]) < LANES // SHARDS else high).append(large)
    assert [low, high] == found


def read(client: Any, stream: str, shard: str) -> Iterator[tuple[str, bytes]]:
    """Give key and data of each user record of a shard, as the public module reads them."""
    asked = client.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    for record in client.get_records(ShardIterator=asked["ShardIterator"])["Records"]:
        wrapped = {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "approximateArrivalTimestamp": 0,
            "data": base64.b64encode(record["Data"]),
        }
        for each in deaggregate_records([{"kinesis": wrapped}]):
            yield each["kinesis"]["partitionKey"], base64.b64decode(each["kinesis"]["data"])
