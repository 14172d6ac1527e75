"""Making a stream in the account of a role, and reading it back whole: for the demo and the tests.

moto chooses the account by the access key, so both are done with keys of the role; and it reads by the stream's name
only (an iterator by ARN is given, then refused).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import boto3
from botocore.config import Config

READ_LIMIT = 10_000
"""https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html"""
_CONFIG = Config(  # type: ignore[call-arg]  # its stub does not know ignore_configured_endpoint_urls
    retries={"mode": "standard", "total_max_attempts": 3}, ignore_configured_endpoint_urls=True
)
# The pair that AWS prints in its own documentation; a stand-in takes any.
_WORKLOAD_KEY, _WORKLOAD_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class StoredRecord(NamedTuple):
    """One record as a consumer of the stream sees it; within a shard they come in the order in which they landed."""

    partition_key: str
    data: bytes
    sequence_number: str
    shard_id: str


def create_stream(moto_url: str, role_arn: str, name: str, shards: int, region: str = "eu-west-1") -> str:
    """Create a stream in the account of `role_arn` and wait until it can be used; gives its ARN."""
    kinesis = _owner(moto_url, role_arn, region)
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return str(kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"])


def read_stream(moto_url: str, role_arn: str, name: str, region: str = "eu-west-1") -> list[StoredRecord]:
    """Read everything that is in a stream, shard after shard."""
    kinesis = _owner(moto_url, role_arn, region)
    shards = kinesis.list_shards(StreamName=name)["Shards"]
    return [record for shard in shards for record in _read_shard(kinesis, name, shard["ShardId"])]


def _read_shard(kinesis: Any, name: str, shard_id: str) -> list[StoredRecord]:
    records: list[StoredRecord] = []
    first = {"StreamName": name, "ShardId": shard_id, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(**first)["ShardIterator"]
    while iterator is not None:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=READ_LIMIT)
        records += [
            StoredRecord(record["PartitionKey"], record["Data"], record["SequenceNumber"], shard_id)
            for record in answer["Records"]
        ]
        iterator = answer.get("NextShardIterator") if answer["Records"] else None
    return records


def _owner(moto_url: str, role_arn: str, region: str) -> Any:
    """Make a client with keys of the role, which at moto never end."""
    session = boto3.session.Session(_WORKLOAD_KEY, _WORKLOAD_SECRET, region_name=region)
    sts = session.client("sts", endpoint_url=moto_url, config=_CONFIG)
    issued = sts.assume_role(RoleArn=role_arn, RoleSessionName="doka-stream-owner")["Credentials"]
    sts.close()
    return session.client(
        "kinesis",
        endpoint_url=moto_url,
        config=_CONFIG,
        aws_access_key_id=issued["AccessKeyId"],
        aws_secret_access_key=issued["SecretAccessKey"],
        aws_session_token=issued["SessionToken"],
    )
