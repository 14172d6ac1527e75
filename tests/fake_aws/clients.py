"""boto3 clients for tests, pointed at a stand-in: one attempt, no configuration of this host."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from tests.fake_aws.world import REGION, SOURCE_KEYS, Keys

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient
    from types_boto3_sts import STSClient

_CONFIG = Config(
    retries={"total_max_attempts": 1, "mode": "standard"},
    connect_timeout=5,
    read_timeout=10,
    ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # the stubs are older than it
    parameter_validation=False,  # what is wrong must reach the service, so that its answer is seen
)

_making = threading.Lock()  # a session makes one client at a time; the clients themselves are for any thread


@functools.cache
def _session() -> boto3.Session:
    return boto3.Session()  # its first client costs 150 ms, the later ones 5


def kinesis_client(url: str, keys: Keys = SOURCE_KEYS, region: str = REGION) -> KinesisClient:
    """Give a Kinesis client that signs with these keys."""
    with _making:
        return _session().client("kinesis", region, endpoint_url=url, config=_CONFIG, **_signing_with(keys))


def sts_client(url: str, keys: Keys = SOURCE_KEYS, region: str = REGION) -> STSClient:
    """Give an STS client that signs with these keys."""
    with _making:
        return _session().client("sts", region, endpoint_url=url, config=_CONFIG, **_signing_with(keys))


def _signing_with(keys: Keys) -> dict[str, Any]:
    return dict(zip(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), keys, strict=True))
