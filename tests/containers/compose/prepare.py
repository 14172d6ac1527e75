"""Makes what doka does not: the topic, and the stream in the account that doka's role belongs to.

Runs once, in doka's own image, before doka starts; a second run finds all there and changes nothing.
"""

from __future__ import annotations

import boto3
from botocore.exceptions import ClientError
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

KAFKA = "kafka:9092"
AWS = "http://moto:5000"
REGION = "eu-west-1"
ROLE = "arn:aws:iam::210987654321:role/doka-writer"
NAME = "orders"
PARTITIONS = 4
SHARDS = 2


def create_topic() -> None:
    """Create the topic unless it is there."""
    admin = AdminClient({"bootstrap.servers": KAFKA})
    topic = NewTopic(NAME, num_partitions=PARTITIONS, replication_factor=1)
    try:
        admin.create_topics([topic], operation_timeout=30)[NAME].result(timeout=60)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def create_stream() -> None:
    """Create the stream in the role's account unless it is there, and wait until it takes records."""
    sts = boto3.client("sts", region_name=REGION, endpoint_url=AWS)
    issued = sts.assume_role(RoleArn=ROLE, RoleSessionName="prepare")["Credentials"]
    kinesis = boto3.client(
        "kinesis",
        region_name=REGION,
        endpoint_url=AWS,
        aws_access_key_id=issued["AccessKeyId"],
        aws_secret_access_key=issued["SecretAccessKey"],
        aws_session_token=issued["SessionToken"],
    )
    try:
        kinesis.create_stream(StreamName=NAME, ShardCount=SHARDS)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
    kinesis.get_waiter("stream_exists").wait(StreamName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


if __name__ == "__main__":
    create_topic()
    create_stream()
