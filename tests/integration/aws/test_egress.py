"""Which hosts of AWS are asked, derived from boto3's own rules, and that the page about running names all of them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.httpsession import URLLib3Session

from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.endpoint import Endpoints
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.aws.sts.settings import AMBIENT_ROLE, RoleChain
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import DescribeStream
from doka.domain.events import StreamDescribed
from doka.domain.lease import Lease, Secrets
from tests.architecture.source_tree import ROOT
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture for all of them

REGION, ACCOUNT = "eu-west-1", "210987654321"
ARN = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/orders"
SUMMARY = {"StreamARN": ARN, "StreamStatus": "ACTIVE", "OpenShardCount": 1}
SHARD = {"ShardId": "s", "HashKeyRange": {"StartingHashKey": "0"}, "SequenceNumberRange": {}}


class _Body:
    """The bytes of an answer, as botocore reads them."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        """Give them."""
        yield self._content


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The hosts that botocore would ask; Kinesis answers them with a stream whose shards fill two pages."""
    hosts: set[str] = set()
    tokens = itertools.cycle(["more", None])

    def answer(_: object, request: AWSPreparedRequest) -> AWSResponse:
        hosts.add(str(urlsplit(str(request.url)).hostname))
        listing = "ListShards" in str(request.headers.get("X-Amz-Target"))
        told = {"Shards": [SHARD], "NextToken": next(tokens)} if listing else {"StreamDescriptionSummary": SUMMARY}
        return AWSResponse(str(request.url), 200, HTTPHeaders(), _Body(json.dumps(told).encode()))

    monkeypatch.setattr(URLLib3Session, "send", answer)
    return hosts


def named() -> set[str]:
    """Give the hosts in the table of docs/operating.md, with REGION and ACCOUNT filled in."""
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.-]+\.amazonaws\.com)` \|", page, re.MULTILINE)
    return {row.replace("REGION", REGION).replace("ACCOUNT", ACCOUNT) for row in rows}


def test_the_page_names_every_host_and_no_other(
    asked: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By name and by ARN, with an account in the credentials and without: STS, the description, its pages, the puts."""
    for arn, account in itertools.product((None, ARN), (None, ACCOUNT)):
        target = StreamTarget("orders", "orders", arn, REGION)
        lease = Lease(1, "role", Secrets("AKID", "secret", "token"), 0, None, account)
        found = KinesisDescriber({"orders": target}, SystemClock()).describe(DescribeStream("orders", lease))
        assert isinstance(found, StreamDescribed)
        assert 2 == len(found.shards)
        for put_arn in (arn, found.arn):  # before the description, and after it
            asked.add(str(urlsplit(Endpoints([target]).find(target, put_arn, account).url).hostname))
    token = tmp_path_factory.mktemp("pod") / "token"
    token.write_text("a.web.identity")
    monkeypatch.setenv("AWS_ROLE_ARN", f"arn:aws:iam::{ACCOUNT}:role/pod")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    StsAuthority({AMBIENT_ROLE: RoleChain(AMBIENT_ROLE, REGION)}, SystemClock()).issue(AMBIENT_ROLE)
    assert asked == named()
