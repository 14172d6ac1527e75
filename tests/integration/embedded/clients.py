"""boto3 clients as a user would make them, for the tests of the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_sts import STSClient

WRITER = "arn:aws:iam::210987654321:role/writer"
ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})


def sts_client(url: str) -> STSClient:
    """STS, asked with the workload's own static keys."""
    session = boto3.session.Session("AKIABASE", "base secret", region_name="eu-west-1")
    return session.client("sts", endpoint_url=url, config=ONCE)


def kinesis_client(url: str, issued: Any, **changed: str) -> KinesisClient:
    """Kinesis, with issued credentials, parts of which may be changed."""
    parts = {"access_key": "AccessKeyId", "secret_key": "SecretAccessKey", "token": "SessionToken"}
    access_key, secret_key, token = (changed.get(part, issued[name]) for part, name in parts.items())
    session = boto3.session.Session(access_key, secret_key, token, region_name="eu-west-1")
    return session.client("kinesis", endpoint_url=url, config=ONCE)


def assume(url: str, role_arn: str = WRITER) -> Any:
    """Assume a role; gives the whole answer."""
    return sts_client(url).assume_role(RoleArn=role_arn, RoleSessionName="doka")


def put(client: KinesisClient, arn: str, *keys: str) -> str | None:
    """Put a record for each key; gives the code of a refusal, None when they were accepted."""
    try:
        client.put_records(StreamARN=arn, Records=[{"Data": key.encode(), "PartitionKey": key} for key in keys])
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None
