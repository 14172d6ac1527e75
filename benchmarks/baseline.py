"""The baseline: the loop that one writes in an afternoon, `consume` and boto3's `put_records`, with its defaults.

    python -m benchmarks.baseline BOOTSTRAP_SERVERS TOPICS ENDPOINT_URL     runs until it is killed

It commits after each answer and sends refused entries again. It keeps no order when entries are refused, and one
expired token ends it: it is here for its cost alone.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from typing import Any

import boto3
from confluent_kafka import Consumer

from benchmarks.null_kinesis import STREAM
from tests.fake_aws import DESTINATION_ACCOUNT, REGION, SOURCE_KEYS, WRITER_ROLE

BATCH = 500


def main(bootstrap_servers: str, topics: str, url: str) -> None:
    """Forward for ever."""
    sts = boto3.client(
        "sts",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=SOURCE_KEYS.access_key,
        aws_secret_access_key=SOURCE_KEYS.secret_key,
    )
    lease = sts.assume_role(RoleArn=WRITER_ROLE, RoleSessionName="baseline")["Credentials"]
    kinesis = boto3.client(
        "kinesis",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=lease["AccessKeyId"],
        aws_secret_access_key=lease["SecretAccessKey"],
        aws_session_token=lease["SessionToken"],
    )
    stream_arn = f"arn:aws:kinesis:{REGION}:{DESTINATION_ACCOUNT}:stream/{STREAM}"
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"baseline-{uuid.uuid4().hex[:8]}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    consumer.subscribe(topics.split(","))
    while True:
        messages = consumer.consume(BATCH, 0.1)
        entries: Sequence[Any] = [
            {"Data": m.value(), "PartitionKey": (m.key() or b"").decode()} for m in messages if not m.error()
        ]
        if not entries:
            continue
        while entries:
            answer = kinesis.put_records(StreamARN=stream_arn, Records=entries)
            results = zip(entries, answer["Records"], strict=True)
            entries = [entry for entry, result in results if "ErrorCode" in result]
        consumer.commit(asynchronous=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
