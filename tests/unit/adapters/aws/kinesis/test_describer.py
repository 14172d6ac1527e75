from __future__ import annotations

from collections.abc import Mapping

import pytest

from doka.adapters.aws.kinesis.describer import read_shards, read_summary
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.domain.events import ShardRange, StreamDescribed
from doka.domain.limits import RECORD_BYTES_DEFAULT, RECORD_BYTES_MAX
from tests.unit.adapters.aws.kinesis.reference import ARN

TARGET = StreamTarget("orders", "orders", ARN, "eu-west-1")


@pytest.mark.parametrize(
    ("summary", "described"),
    [
        (
            {
                "StreamARN": "arn:told",
                "StreamStatus": "ACTIVE",
                "MaxRecordSizeInKiB": 2048,
                "RecordDistributionStrategy": "USER_PARTITION_KEY",
                "OpenShardCount": 4,
            },
            StreamDescribed("orders", "arn:told", "ACTIVE", 2048 * 1024, honours_keys=True, open_shards=4),
        ),
        (
            {"StreamStatus": "CREATING"},
            StreamDescribed("orders", ARN, "CREATING", RECORD_BYTES_DEFAULT, honours_keys=True, open_shards=None),
        ),
        (
            {"StreamStatus": "ACTIVE", "RecordDistributionStrategy": "AUTO", "StreamARN": ""},
            StreamDescribed("orders", ARN, "ACTIVE", RECORD_BYTES_DEFAULT, honours_keys=False),
        ),
        (
            {"StreamStatus": "UPDATING", "MaxRecordSizeInKiB": 0, "OpenShardCount": "four"},
            StreamDescribed("orders", ARN, "UPDATING", RECORD_BYTES_DEFAULT, honours_keys=True),
        ),
        (
            {"StreamStatus": "ACTIVE", "MaxRecordSizeInKiB": 99_999_999},
            StreamDescribed("orders", ARN, "ACTIVE", RECORD_BYTES_MAX, honours_keys=True),
        ),
    ],
)
def test_what_a_summary_does_not_say_is_aws_default(summary: Mapping[str, object], described: StreamDescribed) -> None:
    """Missing or senseless fields become the defaults by which AWS creates streams; AUTO does not honour keys."""
    assert described == read_summary("orders", TARGET, summary)


def test_closed_shards_are_left_out() -> None:
    """Only shards that still take records are paced, wherever the parents of a split are listed too."""
    shard = {"ShardId": "shardId-1", "HashKeyRange": {"StartingHashKey": str(1 << 127), "EndingHashKey": "9"}}
    closed = shard | {"ShardId": "shardId-0", "SequenceNumberRange": {"EndingSequenceNumber": "7"}}
    assert [ShardRange("shardId-1", 1 << 127)] == read_shards({"Shards": [closed, shard]})
