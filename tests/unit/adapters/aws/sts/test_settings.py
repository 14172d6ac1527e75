from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from doka.adapters.aws.sts.settings import AMBIENT_ROLE, Hop, RoleChain
from doka.domain.limits import CHAINED_ROLE_SECONDS_MAX, ROLE_SECONDS_MIN

WRITER = "arn:aws:iam::210987654321:role/writer"


def test_a_hop_is_good_anywhere_in_a_chain() -> None:
    """Its default life is one that STS gives on a chained hop too, and no external id is made up."""
    hop = Hop(WRITER)

    assert ROLE_SECONDS_MIN <= hop.duration_seconds <= CHAINED_ROLE_SECONDS_MAX
    assert None is hop.external_id


def test_a_chain_that_says_nothing_is_the_ambient_credentials() -> None:
    """No hop, nothing that narrows the session, and the endpoint of AWS."""
    chain = RoleChain(AMBIENT_ROLE, "eu-west-1")

    assert ((), (), None, None, None) == (
        chain.hops,
        chain.tags,
        chain.session_policy,
        chain.source_identity,
        chain.sts_endpoint_url,
    )


@pytest.mark.parametrize("value", [Hop(WRITER), RoleChain("writer", "eu-west-1", (Hop(WRITER),))])
def test_what_a_chain_is_made_of_never_changes(value: Any) -> None:
    """Several threads read it while they renew; a chain that is as another one is that one."""
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, "other")

    assert {value} == {value, dataclasses.replace(value)}
