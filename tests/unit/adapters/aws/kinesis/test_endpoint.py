from __future__ import annotations

import socket
from typing import NoReturn

import pytest
from botocore.exceptions import BotoCoreError

from doka.adapters.aws.kinesis.endpoint import Endpoints
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.signing import PER_REQUEST_HEADERS
from doka.domain.errors import UsageError
from tests.unit.adapters.aws.kinesis.reference import ARN, Reference, sent_headers

BY_NAME = StreamTarget("orders", "orders", None, "eu-west-1")
ONE_RECORD: list[dict[str, object]] = [{"Data": b"", "PartitionKey": "0"}]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let any attempt to use the network fail the test."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize("account", [None, "111122223333"])
@pytest.mark.parametrize("by_arn", [False, True])
def test_url_headers_and_scope_are_those_of_boto3(region: str, account: str | None, *, by_arn: bool) -> None:
    """By name or ARN, with or without an account in the credentials, in every partition: boto3's URL and headers."""
    partition = {"us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn"}.get(region, "aws")
    arn = f"arn:{partition}:kinesis:{region}:210987654321:stream/orders" if by_arn else None
    target = StreamTarget("orders", "orders", None, region)
    found = Endpoints([target]).find(target, arn, account)
    boto3 = Reference(region_name=region, aws_account_id=account)
    boto3.put(ONE_RECORD, ("StreamARN", arn) if arn else ("StreamName", "orders"))
    assert boto3.sent is not None
    wanted = sent_headers(boto3.sent)
    assert boto3.sent.url == found.url
    assert (region, "kinesis") == (found.region, found.service)
    fixed = {name for name in wanted if name.lower() not in PER_REQUEST_HEADERS}
    assert fixed | {"Host"} == {name for name, _ in found.headers}
    headers = dict(found.headers)
    assert ("Kinesis_20131202.PutRecords", wanted["Content-Type"]) == (headers["X-Amz-Target"], headers["Content-Type"])
    assert found.url.removeprefix("https://").rstrip("/") == headers["Host"]


@pytest.mark.parametrize(
    ("arn", "account", "host"),
    [
        (None, None, "kinesis.eu-west-1.amazonaws.com"),
        (None, "111122223333", "111122223333.data-kinesis.eu-west-1.amazonaws.com"),
        (ARN, None, "210987654321.data-kinesis.eu-west-1.amazonaws.com"),
        (ARN, "111122223333", "210987654321.data-kinesis.eu-west-1.amazonaws.com"),
    ],
)
def test_the_host_follows_the_account_that_aws_rules_name(arn: str | None, account: str | None, host: str) -> None:
    """The account of the ARN comes first, then that of the credentials, else the region's shared host."""
    assert f"https://{host}/" == Endpoints([BY_NAME]).find(BY_NAME, arn, account).url


def test_an_endpoint_url_of_the_settings_wins_and_one_of_the_environment_is_not_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only our own setting may send requests elsewhere: AWS_ENDPOINT_URL could name a metadata service."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://169.254.169.254")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KINESIS", "http://169.254.169.254")
    elsewhere = StreamTarget("elsewhere", "orders", None, "eu-west-1", "http://localhost:4567")
    endpoints = Endpoints([BY_NAME, elsewhere])
    found = endpoints.find(elsewhere, ARN, None)
    assert ("http://localhost:4567/", "localhost:4567") == (found.url, dict(found.headers)["Host"])
    assert endpoints.find(BY_NAME, None, None).url == "https://kinesis.eu-west-1.amazonaws.com/"


def test_an_endpoint_is_found_once_for_each_route_arn_and_account() -> None:
    """The rules are asked once; the same question gives the same object, another account another one."""
    endpoints = Endpoints([BY_NAME])
    first = endpoints.find(BY_NAME, ARN, "1" * 12)
    assert endpoints.find(BY_NAME, ARN, "1" * 12) is first
    assert endpoints.find(BY_NAME, None, "1" * 12) is not first
    assert endpoints.find(BY_NAME, None, "1" * 12).url != endpoints.find(BY_NAME, None, "2" * 12).url


def test_a_rule_that_gives_no_endpoint_is_an_error_of_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where accounts are required and none is known, there is no endpoint, and that is said, not guessed."""
    monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "required")
    with pytest.raises(BotoCoreError):
        Endpoints([BY_NAME]).find(BY_NAME, None, None)


@pytest.mark.parametrize(
    "target",
    [
        StreamTarget("orders", "orders", None, "not a region"),
        StreamTarget("orders", "orders", None, "eu-west-1", "no-url"),
    ],
)
def test_a_region_or_url_that_cannot_be_is_a_usage_error_that_names_the_route(target: StreamTarget) -> None:
    """What the operator mistyped is said at the start, with the route."""
    with pytest.raises(UsageError, match="route orders"):
        Endpoints([target])


def test_a_profile_that_is_not_there_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_PROFILE with a name that no file holds is the operator's error, not a traceback."""
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(UsageError, match="nowhere"):
        Endpoints([BY_NAME])
