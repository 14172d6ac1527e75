"""The evaluation of policies: who must allow, what a deny does, and what meets a condition."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_aws.policies import Policies, Who

ROLE = "arn:aws:iam::111122223333:role/r"
OTHERS = "arn:aws:kinesis:eu-west-1:210987654321:stream/orders"
OWN = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders"
PUT = "kinesis:PutRecords"
WHO = Who(ROLE, "111122223333")


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Give a policy; a statement allows PutRecords on everything unless it says otherwise."""
    return {"Statement": [{"Effect": "Allow", "Action": PUT, "Resource": "*", **each} for each in statements]}


def objection(resource: str = OWN, *, identity: Any = None, of_resource: Any = None, who: Who = WHO) -> str | None:
    """Say why a put is denied."""
    policies = Policies()
    policies.of_roles[ROLE] = [] if identity is None else [identity]
    if of_resource is not None:
        policies.of_resources[resource] = of_resource
    return policies.objection(who, PUT, resource, {"sts:ExternalId": "seven"})


def test_within_an_account_either_side_allows() -> None:
    """And without both nothing is allowed."""
    named = policy({"Principal": {"AWS": ROLE}})
    assert None is objection(identity=policy({}))
    assert None is objection(of_resource=named)
    assert f"because no identity-based policy allows the {PUT} action" == objection()


def test_across_accounts_both_sides_must_allow() -> None:
    """The message names the side that does not."""
    named = policy({"Principal": {"AWS": ROLE}})
    assert None is objection(OTHERS, identity=policy({}), of_resource=named)
    assert f"because no resource-based policy allows the {PUT} action" == objection(OTHERS, identity=policy({}))
    assert f"because no identity-based policy allows the {PUT} action" == objection(OTHERS, of_resource=named)


def test_a_deny_outweighs_every_allow() -> None:
    """Wherever it stands, also by a wildcard."""
    denied = policy({}, {"Effect": "Deny", "Action": "kinesis:Put*"})
    assert "with an explicit deny in an identity-based policy" == objection(identity=denied)
    closed = policy({"Principal": "*", "Effect": "Deny"})
    assert "with an explicit deny in a resource-based policy" == objection(identity=policy({}), of_resource=closed)


def test_a_session_policy_and_an_endpoint_must_allow_too() -> None:
    """They narrow, and give nothing by themselves."""
    narrow = Who(ROLE, "111122223333", session_policy=policy({"Resource": OTHERS}))
    assert f"because no session policy allows the {PUT} action" == objection(identity=policy({}), who=narrow)
    policies = Policies(
        of_roles={ROLE: [policy({})]}, of_endpoints={"kinesis": policy({"Action": "kinesis:ListShards"})}
    )
    assert f"because no VPC endpoint policy allows the {PUT} action" == policies.objection(WHO, PUT, OWN, {})
    policies.of_endpoints.clear()
    assert None is policies.objection(WHO, PUT, OWN, {})


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Resource": OWN}, True),
        ({"Resource": "arn:aws:kinesis:*:111122223333:stream/o?ders"}, True),
        ({"Resource": [OTHERS, f"{OWN}-2"]}, False),
        ({"Action": ["kinesis:putrecords"]}, True),
        ({"Action": "kinesis:PutRecord"}, False),
        ({"Condition": {"StringEquals": {"sts:ExternalId": "seven"}}}, True),
        ({"Condition": {"StringEquals": {"sts:ExternalId": ["six", "Seven"]}}}, False),
        ({"Condition": {"StringLike": {"sts:ExternalId": "s*n"}}}, True),
        ({"Condition": {"StringEquals": {"sts:SourceIdentity": "doka"}}}, False),
        ({"Condition": {"ArnEquals": {"aws:PrincipalArn": ROLE}}}, True),
    ],
)
def test_a_statement_counts_where_all_of_it_fits(statement: dict[str, Any], allowed: bool) -> None:  # noqa: FBT001 - what is expected
    """Action, resource and every condition; a key that the request does not have meets none."""
    assert allowed == (objection(identity=policy(statement)) is None)


def test_a_trust_policy_is_wanted_always_and_by_a_provider_alone() -> None:
    """Within an account it is enough; a provider of identities has no policy of its own."""
    trust = {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ROLE}}}
    target = "arn:aws:iam::111122223333:role/next"
    policies = Policies(trust={target: trust})
    assert None is policies.objection(WHO, "sts:AssumeRole", target, {}, trust=True)
    policies.trust.clear()
    policies.of_roles[ROLE] = [{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": target}}]
    assert policies.objection(WHO, "sts:AssumeRole", target, {}, trust=True) is not None
    provider = Who("arn:aws:iam::111122223333:oidc-provider/x", "111122223333", kind="Federated")
    policies.trust[target] = {
        "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Federated": provider.arn}}
    }
    assert None is policies.objection(provider, "sts:AssumeRole", target, {}, trust=True)


def test_what_is_not_modelled_raises() -> None:
    """A test that leans on it would prove nothing."""
    with pytest.raises(NotImplementedError, match="NotAction"):
        objection(identity=policy({"NotAction": "x"}))
    with pytest.raises(KeyError):
        objection(identity=policy({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}))
