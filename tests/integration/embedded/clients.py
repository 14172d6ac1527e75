"""What a user of the embedded AWS does with boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.fake_aws import Keys, sts_client

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

WRITER = "arn:aws:iam::210987654321:role/writer"


def assume(url: str, role_arn: str = WRITER) -> Any:
    """Assume a role with the workload's own static keys; gives the whole answer."""
    return sts_client(url).assume_role(RoleArn=role_arn, RoleSessionName="doka")


def keys_of(answer: Any) -> Keys:
    """Give what an answer of STS issued."""
    issued = answer["Credentials"]
    return Keys(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])


def put(client: KinesisClient, arn: str, *keys: str) -> str | None:
    """Put a record for each key; gives the code of a refusal, None when they were accepted."""
    try:
        client.put_records(StreamARN=arn, Records=[{"Data": key.encode(), "PartitionKey": key} for key in keys])
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None
