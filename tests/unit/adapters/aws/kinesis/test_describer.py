from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest

from doka.adapters.aws.kinesis.describer import LeaseCredentials, read_shards, read_summary
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.domain.events import ShardRange, StreamDescribed
from doka.domain.limits import RECORD_BYTES_DEFAULT, RECORD_BYTES_MAX
from tests.unit.adapters.aws.kinesis.leases import ACCESS_KEY, SECRET_KEY, TOKEN, make_lease
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


def test_credentials_are_the_lease_of_the_asking_thread() -> None:
    """Two threads that ask at once each sign with their own lease, and nothing is left of it afterwards."""
    credentials = LeaseCredentials()
    inside, go_on = threading.Event(), threading.Event()
    seen: list[str | None] = []

    def ask_beside() -> None:
        with credentials.of(make_lease(2, account_id="2" * 12)):
            inside.set()
            assert go_on.wait(10)
            seen.append(credentials.account_id)

    beside = threading.Thread(target=ask_beside)
    with credentials.of(make_lease(1, account_id="1" * 12)):
        beside.start()
        assert inside.wait(10)
        assert "1" * 12 == credentials.account_id
        frozen = credentials.get_frozen_credentials()
        assert (ACCESS_KEY, SECRET_KEY, TOKEN) == (frozen.access_key, frozen.secret_key, frozen.token)
        go_on.set()
        beside.join(10)
    assert ["2" * 12] == seen
    with pytest.raises(LookupError):
        credentials.get_frozen_credentials()
