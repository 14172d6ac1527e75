"""What the tests of leases share: a fake STS, and an environment without AWS in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import formatdate

import boto3
import pytest

from doka.adapters.aws.sts.settings import AMBIENT_ROLE, Hop, RoleChain
from tests.fake_aws import SOURCE_ACCOUNT, Answer, FakeAws, Headers, Keys
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture for all of them

MIDDLE = "arn:aws:iam::111122223333:role/middle"
WRITER = "arn:aws:iam::210987654321:role/writer"
BASE = Keys("AKIABASE", "base secret")
WEB_TOKEN = "a.web.identity"


@pytest.fixture
def sts() -> Iterator[FakeAws]:
    """An STS that knows the base and both roles, and answers as it is told."""
    with FakeAws(keeps_calls=True) as fake:
        fake.admit(BASE, SOURCE_ACCOUNT)
        for arn in (MIDDLE, WRITER):
            fake.add_role(arn, web_tokens=[WEB_TOKEN])
        yield fake


def base_session() -> boto3.session.Session:
    """The workload's own credentials: a static pair."""
    return boto3.session.Session(*BASE, region_name="eu-west-1")


def spoilt(element: str, text: str) -> Answer:
    """An issue in which this element holds something else; nothing at all where the text is empty."""
    instead = f"<{element}>{text}</{element}>" if text else ""
    return Answer(lambda _, said: re.sub(f"<{element}>.*?</{element}>", instead, said.decode()))


def dated(seconds: float) -> Headers:
    """An answer of this moment, in seconds since the epoch."""
    return Headers({"Date": formatdate(seconds, usegmt=True)})


UNDATED = Headers({"Date": ""})


def chains_at(url: str | None, *chains: RoleChain) -> dict[str, RoleChain]:
    """These chains by their names, and the ambient one, which asks this STS (None: that of AWS)."""
    ambient = RoleChain(AMBIENT_ROLE, "eu-west-1", sts_endpoint_url=url)
    return {chain.name: chain for chain in (*chains, ambient)}


def chain_to(url: str, *arns: str) -> RoleChain:
    """A chain through these roles at this STS."""
    return RoleChain("analytics", "eu-west-1", tuple(Hop(arn) for arn in arns), sts_endpoint_url=url)
