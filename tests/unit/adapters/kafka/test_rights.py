from __future__ import annotations

from dataclasses import replace

import pytest

from doka.adapters.kafka.rights import OPERATORS_POLICY, POLICY, Right, action_of, cure_of
from doka.adapters.kafka.settings import KafkaSecurity
from doka.app.cli.policy import kinds_named
from doka.app.iam.calls import CALLS
from tests.integration.kafka.group import settings_for


@pytest.mark.parametrize("right", Right)
def test_a_right_is_told_as_the_login_knows_it(right: Right) -> None:
    """IAM's action where IAM decides, else the operations of an ACL."""
    by_acl = settings_for("b-1.example:9098", "orders")
    by_iam = replace(by_acl, security=KafkaSecurity("sasl_ssl", "aws_msk_iam"))
    assert (None, "grant this process READ on it") == (action_of(right, by_acl), cure_of(right, "READ", by_acl))
    assert (right.value, f"allow {right.value} on it ({POLICY} prints it)") == (
        action_of(right, by_iam),
        cure_of(right, "READ", by_iam),
    )


def test_every_right_is_in_the_documents() -> None:
    """What is asked for is what `doka policy` allows, by the command that is named."""
    assert [] == sorted({right.value for right in Right} - {call.action for call in CALLS})
    assert ("msk",) == kinds_named(POLICY.split()[-1:])
    assert ("operator",) == kinds_named(OPERATORS_POLICY.split()[-1:])
