"""Making a stream in the account of a role, and reading it back whole: for the demo and the tests.

moto chooses the account by the access key, so both are done with keys of the role; and it reads by the stream's name
only (an iterator by ARN is given, then refused).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

READ_LIMIT = 10_000
"""https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html"""
_CONFIG = Config(  # type: ignore[call-arg]  # its stub does not know ignore_configured_endpoint_urls
    retries={"mode": "standard", "total_max_attempts": 3}, ignore_configured_endpoint_urls=True
)
# The pair that AWS prints in its own documentation; a stand-in takes any.
_WORKLOAD_KEY, _WORKLOAD_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

T = TypeVar("T")


class StoredRecord(NamedTuple):
    """One record as a consumer of the stream sees it; within a shard they come in the order in which they landed."""

    partition_key: str
    data: bytes
    sequence_number: str
    shard_id: str


def create_stream(endpoint_url: str, role_arn: str, name: str, shards: int, region: str = "eu-west-1") -> str:
    """Create a stream in the account of `role_arn` and wait until it can be used; gives its ARN.

    `endpoint_url` is moto's or the gate's.
    """
    owner = _Owner(endpoint_url, role_arn, region)
    owner.ask(lambda kinesis: kinesis.create_stream(StreamName=name, ShardCount=shards))
    owner.ask(lambda kinesis: kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1}))
    summary = owner.ask(lambda kinesis: kinesis.describe_stream_summary(StreamName=name))
    return str(summary["StreamDescriptionSummary"]["StreamARN"])


def read_stream(endpoint_url: str, role_arn: str, name: str, region: str = "eu-west-1") -> list[StoredRecord]:
    """Read everything that is in a stream, shard after shard."""
    owner = _Owner(endpoint_url, role_arn, region)
    shards = owner.ask(lambda kinesis: kinesis.list_shards(StreamName=name))["Shards"]
    return [record for shard in shards for record in _read_shard(owner, name, shard["ShardId"])]


def _read_shard(owner: _Owner, name: str, shard_id: str) -> list[StoredRecord]:
    records: list[StoredRecord] = []
    first = {"StreamName": name, "ShardId": shard_id, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = owner.ask(lambda kinesis: kinesis.get_shard_iterator(**first))["ShardIterator"]
    while iterator is not None:
        answer = owner.ask(partial(_get_records, iterator))
        records += [
            StoredRecord(record["PartitionKey"], record["Data"], record["SequenceNumber"], shard_id)
            for record in answer["Records"]
        ]
        iterator = answer.get("NextShardIterator") if answer["Records"] else None
    return records


def _get_records(iterator: str, kinesis: Any) -> Any:
    return kinesis.get_records(ShardIterator=iterator, Limit=READ_LIMIT)


class _Owner:
    """A client with keys of the role, which are renewed whenever the gate says that they have expired."""

    def __init__(self, endpoint_url: str, role_arn: str, region: str) -> None:
        self._session = boto3.session.Session(_WORKLOAD_KEY, _WORKLOAD_SECRET, region_name=region)
        self._endpoint_url = endpoint_url
        self._role_arn = role_arn
        self._kinesis = self._client()

    def ask(self, question: Callable[[Any], T]) -> T:
        try:
            return question(self._kinesis)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ExpiredTokenException":
                raise
        self._kinesis = self._client()
        return question(self._kinesis)

    def _client(self) -> Any:
        sts = self._session.client("sts", endpoint_url=self._endpoint_url, config=_CONFIG)
        answer = sts.assume_role(RoleArn=self._role_arn, RoleSessionName="doka-stream-owner")
        sts.close()
        issued = answer["Credentials"]
        return self._session.client(
            "kinesis",
            endpoint_url=self._endpoint_url,
            config=_CONFIG,
            aws_access_key_id=issued["AccessKeyId"],
            aws_secret_access_key=issued["SecretAccessKey"],
            aws_session_token=issued["SessionToken"],
        )
