"""What the tests of leases share: a scripted STS, a moto behind the gate, and an environment without AWS in it."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from doka.adapters.aws.sts.settings import AMBIENT_ROLE, Hop, RoleChain
from doka.adapters.embedded.moto_server import EmbeddedMoto
from tests.integration.aws.sts.scripted_sts import ScriptedSts, scripted_sts
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture for all of them

MIDDLE = "arn:aws:iam::111122223333:role/middle"
WRITER = "arn:aws:iam::210987654321:role/writer"


@pytest.fixture
def sts() -> Iterator[ScriptedSts]:
    """An STS that answers as it is told."""
    with scripted_sts() as running:
        yield running


@pytest.fixture(scope="session")
def moto() -> Iterator[EmbeddedMoto]:
    """One moto for all tests of a process."""
    with EmbeddedMoto() as running:
        yield running


def base_session() -> boto3.session.Session:
    """The workload's own credentials: a static pair."""
    return boto3.session.Session("AKIABASE", "base secret", region_name="eu-west-1")


def chains_at(url: str | None, *chains: RoleChain) -> dict[str, RoleChain]:
    """These chains by their names, and the ambient one, which asks this STS (None: that of AWS)."""
    ambient = RoleChain(AMBIENT_ROLE, "eu-west-1", sts_endpoint_url=url)
    return {chain.name: chain for chain in (*chains, ambient)}


def chain_to(url: str, *arns: str) -> RoleChain:
    """A chain through these roles at this STS."""
    return RoleChain("analytics", "eu-west-1", tuple(Hop(arn) for arn in arns), sts_endpoint_url=url)
