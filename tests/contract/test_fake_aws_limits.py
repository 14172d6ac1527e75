"""What PutRecords takes and what it does not, at the fake, through boto3 where boto3 can say it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from botocore.exceptions import ClientError

from tests.fake_aws import FakeAws, kinesis_client
from tests.fake_aws.streams import HASH_KEYS
from tests.unit.fake_aws.raw import put_raw

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

pytest_plugins = ["tests.fake_aws.fixtures"]


@pytest.fixture
def arn(fake_aws: FakeAws) -> str:
    """Give the ARN of a stream with two shards."""
    return fake_aws.create_stream("orders", shards=2)


@pytest.fixture
def client(fake_aws: FakeAws) -> KinesisClient:
    """Give a client with a lease of the writer role."""
    return kinesis_client(fake_aws.url, fake_aws.issue().keys)


def refusal(client: KinesisClient, **request: Any) -> str:
    """Give the code that a PutRecords is refused with."""
    with pytest.raises(ClientError) as error:
        client.put_records(**request)
    return error.value.response["Error"]["Code"]


GOOD: Any = {"Data": b"x", "PartitionKey": "k"}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"PartitionKey": ""}, "ValidationException"),
        ({"PartitionKey": "ü" * 257}, "ValidationException"),
        ({"ExplicitHashKey": "-1"}, "ValidationException"),
        ({"ExplicitHashKey": "007"}, "ValidationException"),
        ({"ExplicitHashKey": str(HASH_KEYS)}, "InvalidArgumentException"),
        ({"Data": b"x" * (1024 * 1024)}, "InvalidArgumentException"),
        ({"Data": b"x" * (10 * 1024 * 1024 + 1)}, "ValidationException"),
    ],
)
def test_one_bad_entry_refuses_the_whole_request(
    fake_aws: FakeAws, client: KinesisClient, arn: str, bad: dict[str, Any], code: str
) -> None:
    """Whatever is wrong with one entry, nothing of its request lands."""
    assert code == refusal(client, StreamARN=arn, Records=[GOOD, GOOD | bad, GOOD])
    assert (0, [3]) == (fake_aws.landed_count("orders"), [refused.entries for refused in fake_aws.refused()])


@pytest.mark.parametrize(
    "edge",
    [
        {"PartitionKey": "ü" * 256},
        {"ExplicitHashKey": "0"},
        {"ExplicitHashKey": str(HASH_KEYS - 1)},
        {"Data": b""},
        {"Data": b"x" * (1024 * 1024 - 1)},
    ],
)
def test_what_just_fits_lands(fake_aws: FakeAws, client: KinesisClient, arn: str, edge: dict[str, Any]) -> None:
    """Each limit is taken to its edge."""
    assert 0 == client.put_records(StreamARN=arn, Records=[GOOD | edge])["FailedRecordCount"]
    assert [(GOOD | edge)["Data"]] == fake_aws.payloads("orders")


def test_a_stream_may_allow_larger_records(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """UpdateMaxRecordSize moves the limit, and DescribeStreamSummary says so."""
    client.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=2048)
    large = GOOD | {"Data": b"x" * (2 * 1024 * 1024 - 1)}
    client.put_records(StreamARN=arn, Records=[large])
    assert "InvalidArgumentException" == refusal(client, StreamARN=arn, Records=[large | {"PartitionKey": "kk"}])
    assert 2048 == client.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]["MaxRecordSizeInKiB"]
    assert 1 == fake_aws.landed_count("orders")


def test_a_request_is_ten_mebibytes_keys_included(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """Ten records that fill the request exactly are taken; one byte more and none is."""
    exact = [GOOD | {"Data": b"x" * (1024 * 1024 - 1)}] * 10
    assert 0 == client.put_records(StreamARN=arn, Records=exact)["FailedRecordCount"]
    over = [*exact, GOOD | {"Data": b""}]
    assert "InvalidArgumentException" == refusal(client, StreamARN=arn, Records=over)
    assert 10 == fake_aws.landed_count("orders")


@pytest.mark.parametrize("count", [0, 501])
def test_a_request_has_one_to_500_entries(client: KinesisClient, arn: str, count: int) -> None:
    """No entry and 501 entries are refused."""
    assert "ValidationException" == refusal(client, StreamARN=arn, Records=[GOOD] * count)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "SerializationException"),
        (b"[]", "UnknownOperationException"),
        ({"Records": {}}, "SerializationException"),
        ({"Records": ["x"]}, "SerializationException"),
        ({"Records": [{"Data": "eA==", "PartitionKey": 7}]}, "SerializationException"),
        ({"Records": [{"Data": "e", "PartitionKey": "k"}]}, "SerializationException"),
        ({"Records": [{"Data": "e?==", "PartitionKey": "k"}]}, "SerializationException"),
        ({"Records": [{"Data": None, "PartitionKey": "k"}]}, "ValidationException"),
        ({"Records": [{"Data": "eA=="}]}, "ValidationException"),
        ({}, "ValidationException"),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused(
    fake_aws: FakeAws, arn: str, body: bytes | dict[str, Any], code: str
) -> None:
    """A hand-built body gets no kinder reading than the real service gives it."""
    raw = body if isinstance(body, bytes) else orjson.dumps({"StreamARN": arn} | body)
    assert (400, code) == put_raw(fake_aws.url, fake_aws.issue().keys, raw)
    assert 0 == fake_aws.landed_count("orders")


def test_a_member_that_nobody_knows_is_kept_as_a_violation(fake_aws: FakeAws, arn: str) -> None:
    """A misspelt member is ignored by the service and told by the fake."""
    entry = {"Data": base64.b64encode(b"x").decode(), "PartitionKey": "k", "ExplicitHashkey": "1"}
    raw = orjson.dumps({"StreamARN": arn, "Records": [entry], "Dryrun": True})
    assert (200, "") == put_raw(fake_aws.url, fake_aws.issue().keys, raw)
    assert [("unknown_member", "Dryrun, ExplicitHashkey")] == [(v.kind, v.detail) for v in fake_aws.violations()]


@pytest.mark.parametrize("status", ["CREATING", "DELETING"])
def test_a_stream_that_is_not_ready_is_not_found(
    fake_aws: FakeAws, client: KinesisClient, arn: str, status: str
) -> None:
    """Puts to a stream on its way in or out are refused, describing it says its state, and it heals."""
    fake_aws.change_stream("orders", status=status)
    assert "ResourceNotFoundException" == refusal(client, StreamARN=arn, Records=[GOOD])
    assert status == client.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]["StreamStatus"]
    fake_aws.change_stream("orders", status="ACTIVE")
    assert 0 == client.put_records(StreamARN=arn, Records=[GOOD])["FailedRecordCount"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ({}, "InvalidArgumentException"),
        (
            {"StreamName": "other", "StreamARN": "arn:aws:kinesis:eu-west-1:210987654321:stream/orders"},
            "InvalidArgumentException",
        ),
        ({"StreamARN": "orders"}, "ValidationException"),
        ({"StreamARN": "arn:aws:kinesis:eu-west-1:210987654321:stream/other"}, "ResourceNotFoundException"),
        ({"StreamARN": "arn:aws:kinesis:us-east-1:210987654321:stream/orders"}, "ResourceNotFoundException"),
        ({"StreamARN": "arn:aws:kinesis:eu-west-1:999999999999:stream/orders"}, "AccessDeniedException"),
    ],
)
def test_a_stream_is_named_rightly_or_not_at_all(
    client: KinesisClient, arn: str, name: dict[str, str], code: str
) -> None:
    """Wrong name, wrong region, wrong account, contradiction: each has its code."""
    assert code == refusal(client, **name, Records=[GOOD])


def test_a_stream_is_found_in_the_region_that_the_request_is_signed_for(fake_aws: FakeAws) -> None:
    """An ARN of another region than the endpoint's is not found, and a name means the stream of its own region."""
    far = fake_aws.create_stream("orders", region="us-east-1")
    keys = fake_aws.issue().keys
    assert "ResourceNotFoundException" == refusal(kinesis_client(fake_aws.url, keys), StreamARN=far, Records=[GOOD])
    kinesis_client(fake_aws.url, keys, "us-east-1").put_records(StreamName="orders", Records=[GOOD])
    assert 1 == fake_aws.landed_count(far)


def test_dry_run_lands_nothing(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """DryRun answers that it would have worked, or the real error, and takes no record."""
    codes = [refusal(client, StreamARN=target, Records=[GOOD], DryRun=True) for target in (arn, f"{arn}-not")]
    assert ["DryRunOperationException", "ResourceNotFoundException"] == codes
    assert 0 == fake_aws.landed_count("orders")


def test_a_shard_takes_a_thousand_records_a_second(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """Beyond its rate a shard refuses entries one by one, its neighbour goes on, and a second later it takes more."""
    fake_aws.change_stream("orders", rate_limited=True)
    hot, cold = GOOD | {"ExplicitHashKey": "0"}, GOOD | {"ExplicitHashKey": str(HASH_KEYS - 1)}
    answers = [client.put_records(StreamARN=arn, Records=[hot] * 480 + [cold] * 20) for _ in range(3)]
    answer = answers[-1]
    failed = [entry.get("ErrorCode") for entry in answer["Records"]]
    assert 0 < answer["FailedRecordCount"] == failed.count("ProvisionedThroughputExceededException") <= 440
    assert [None] * 20 == failed[480:]
    assert "shardId-000000000000 in stream orders" in answer["Records"][479]["ErrorMessage"]
    fake_aws.advance(1)
    assert 0 == client.put_records(StreamARN=arn, Records=[hot] * 480)["FailedRecordCount"]


def test_auto_distribution_ignores_keys(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """In the AUTO strategy one key is spread over all shards, and the summary says so."""
    client.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="AUTO")
    answer = client.put_records(StreamARN=arn, Records=[GOOD] * 10)
    assert 2 == len({entry["ShardId"] for entry in answer["Records"]})
    summary = client.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]
    assert "AUTO" == summary["RecordDistributionStrategy"]


def test_after_a_split_records_go_to_the_children(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """A closed shard takes nothing more, its end is told to its reader, and merged children take what they should."""
    low = GOOD | {"ExplicitHashKey": "0"}
    first = client.put_records(StreamARN=arn, Records=[low])["Records"][0]["ShardId"]
    children = fake_aws.split_shard("orders", first)
    assert children[0] == client.put_records(StreamARN=arn, Records=[low])["Records"][0]["ShardId"]
    iterator = client.get_shard_iterator(StreamARN=arn, ShardId=first, ShardIteratorType="TRIM_HORIZON")
    read = client.get_records(ShardIterator=iterator["ShardIterator"])
    assert (1, False, list(children)) == (
        len(read["Records"]),
        "NextShardIterator" in read,
        [child["ShardId"] for child in read["ChildShards"]],
    )
    merged = fake_aws.merge_shards("orders", *children)
    assert merged == client.put_records(StreamARN=arn, Records=[low])["Records"][0]["ShardId"]


def test_shards_come_in_pages(client: KinesisClient, fake_aws: FakeAws) -> None:
    """ListShards gives as many as asked for, and the rest by its token alone."""
    fake_aws.create_stream("wide", shards=5)
    first = client.list_shards(StreamName="wide", MaxResults=3)
    rest = client.list_shards(NextToken=first["NextToken"], MaxResults=3)
    assert [0, 1, 2, 3, 4] == [int(each["ShardId"][-3:]) for page in (first, rest) for each in page["Shards"]]
    assert "NextToken" not in rest


def test_a_record_can_be_put_alone(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """PutRecord goes the same way as PutRecords."""
    answer = client.put_record(StreamARN=arn, **GOOD)
    assert [(answer["ShardId"], answer["SequenceNumber"])] == [
        (record.shard, record.sequence_number) for record in fake_aws.landed("orders")
    ]
    assert [] == fake_aws.violations()


def test_an_iterator_lives_for_five_minutes(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """One that is older is refused by its own code; a new one goes on."""
    shard = "shardId-000000000000"
    iterator = client.get_shard_iterator(StreamARN=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    next_iterator = client.get_records(ShardIterator=iterator["ShardIterator"])["NextShardIterator"]
    fake_aws.advance(301)
    client = kinesis_client(fake_aws.url, fake_aws.issue().keys)
    fake_aws.set_skew(-301)  # a host that is on time
    with pytest.raises(ClientError, match="ExpiredIteratorException"):
        client.get_records(ShardIterator=next_iterator)


def test_a_listing_can_begin_at_a_time(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """Shards that closed before it are left out, open ones and those that closed later are not."""
    before = datetime.fromtimestamp(fake_aws.clock.wall(), UTC)
    fake_aws.split_shard("orders", "shardId-000000000000")
    for since, shards in ((before, 4), (before + timedelta(minutes=1), 3)):
        listed = client.list_shards(StreamARN=arn, ShardFilter={"Type": "FROM_TIMESTAMP", "Timestamp": since})
        assert shards == len(listed["Shards"])


def test_a_shard_gives_its_readers_no_more_than_it_can(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """The sixth answer of a second is refused."""
    fake_aws.change_stream("orders", rate_limited=True)
    shard = "shardId-000000000000"
    iterator = client.get_shard_iterator(StreamARN=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")

    def read_often() -> None:
        for _ in range(50):
            client.get_records(ShardIterator=iterator["ShardIterator"])

    with pytest.raises(ClientError, match="ProvisionedThroughputExceededException"):
        read_often()
