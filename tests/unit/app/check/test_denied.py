from __future__ import annotations

import pytest

from doka.app.check.denied import Denial, cure_for_policy, facts_of, read_denial

USER = (
    "User: arn:aws:sts::111122223333:assumed-role/pod/x is not authorized to perform: kinesis:PutRecords on resource: y"
)


@pytest.mark.parametrize(
    ("end", "kind", "explicit"),
    [
        ("with an explicit deny in a service control policy", "service control policy", True),
        ("with an explicit deny in a resource control policy", "resource control policy", True),
        ("with an explicit deny in an identity-based policy", "identity-based policy", True),
        ("with an explicit deny in a resource-based policy", "resource-based policy", True),
        ("with an explicit deny in a permissions boundary", "permissions boundary", True),
        ("with an explicit deny in a session policy", "session policy", True),
        ("with an explicit deny in a VPC endpoint policy", "vpc endpoint policy", True),
        ("with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o/p", "service control policy", True),
        ("because no identity-based policy allows the kinesis:PutRecords action", "identity-based policy", False),
        ("because no permissions boundary allows the kinesis:PutRecords action", "permissions boundary", False),
        ("because no VPC endpoint policy allows the kinesis:PutRecords action", "vpc endpoint policy", False),
        ("", None, False),
    ],
)  # fmt: skip
def test_awss_words_about_a_denial_are_read(end: str, kind: str | None, explicit: bool) -> None:  # noqa: FBT001 - what is expected
    """The action, the kind of policy, and whether a statement denies it, for each sentence of AWS's own page."""
    arn = "arn:aws:kinesis:eu-west-1:210987654321:stream/orders"
    message = f"{USER.replace('resource: y', f'resource: {arn}')} {end}"
    assert Denial("kinesis:PutRecords", kind, explicit, arn) == read_denial(message)


def test_words_that_are_not_awss_tell_nothing() -> None:
    """A stand-in says what it likes."""
    assert Denial(None, None, explicit=False) == read_denial("You shall not pass")


def test_the_policy_is_named_with_whose_it_is() -> None:
    """A deny is to be taken out, a missing allow to be put in; a kind without a place is named alone."""
    denied, missing = Denial("a:B", "session policy", explicit=True), Denial("a:B", "newer policy", explicit=False)
    assert (
        "take the deny of a:B out of the session policy (of x); no allow elsewhere outweighs it",
        "allow a:B in the newer policy",
        None,
    ) == (
        cure_for_policy(denied, "a:B", {"session policy": "of x"}),
        cure_for_policy(missing, "a:B", {}),
        cure_for_policy(Denial("a:B", None, explicit=False), "a:B", {}),
    )


def test_a_machine_is_told_what_aws_tells_and_else_what_was_asked() -> None:
    """The action and the ARN of the message go before those of the question."""
    told = "User: x is not authorized to perform: sts:TagSession on resource: arn:aws:iam::210987654321:role/w"
    facts = {"code": "AccessDenied", "action": "sts:TagSession", "on": "arn:aws:iam::210987654321:role/w"}
    assert facts == facts_of("AccessDenied", told, "sts:AssumeRole", "arn:aws:iam::210987654321:role/other")
    assert {"code": "AccessDenied", "action": "sts:AssumeRole", "on": None} == facts_of(
        "AccessDenied", "no", "sts:AssumeRole"
    )
