"""IAM as far as the documents of doka use it: actions, resources with wildcards, conditions, and explicit denies.

The rules are those of the IAM user guide, "Policy evaluation logic": a deny anywhere decides; across accounts both sides
must allow; within one account either side does, but a role's trust policy must always. What is not modelled raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tests.fake_aws.errors import ServiceError
from tests.fake_aws.leases import Issue

Statement = Mapping[str, Any]
Policy = Mapping[str, Any]
Context = Mapping[str, str]

IDENTITY, RESOURCE, SESSION, ENDPOINT = (
    "identity-based policy",
    "resource-based policy",
    "session policy",
    "VPC endpoint policy",
)
"""Kinds of policy, in the words of AWS's messages."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: the role of a session (or a user), or a service or identity provider that has no identity yet."""

    arn: str
    account: str
    session_policy: Policy | None = None
    kind: str = "AWS"
    """The key under which a policy names it: AWS, Service or Federated."""


@dataclass(slots=True)
class Policies:
    """Every policy there is; each may be replaced while requests arrive."""

    of_roles: dict[str, list[Policy]] = field(default_factory=dict)
    """ARN of the role -> what it may do."""
    trust: dict[str, Policy] = field(default_factory=dict)
    """ARN of the role -> who may assume it."""
    of_resources: dict[str, Policy] = field(default_factory=dict)
    """ARN of a stream or a key -> its policy."""
    of_endpoints: dict[str, Policy] = field(default_factory=dict)
    """Service (kinesis, sts) -> the policy of the VPC endpoint that every request passes; none: there is no endpoint."""

    def objection(self, who: Who, action: str, resource: str, context: Context, *, trust: bool = False) -> str | None:
        """Say why it is denied, as the end of AWS's message; None: it is allowed. With `trust` the resource is a role."""
        context = {"aws:PrincipalArn": who.arn, **context}
        service = action.partition(":")[0]
        on = self.trust.get(resource) if trust else self.of_resources.get(resource)
        given: list[tuple[str, Iterable[Policy], str | None]] = [
            (IDENTITY, self.of_roles.get(who.arn, ()), resource),
            # A trust policy names no resource, and in the policy of a key it is the key itself.
            (RESOURCE, () if on is None else [on], None if trust else resource),
        ]
        if service in self.of_endpoints:
            given.append((ENDPOINT, [self.of_endpoints[service]], resource))
        if who.session_policy is not None:
            given.append((SESSION, [who.session_policy], resource))
        effects = {
            kind: {
                statement["Effect"]
                for policy in policies
                for statement in _listed(policy["Statement"])
                if _meets(statement, who, action, about, context)
            }
            for kind, policies, about in given
        }
        denied = next((kind for kind, found in effects.items() if "Deny" in found), None)
        if denied is not None:
            return f"with an explicit deny in a{'n' if denied[0] in 'aeiou' else ''} {denied}"
        allowed = {kind for kind, found in effects.items() if "Allow" in found}
        other_account = who.account != resource.split(":")[4]
        if who.kind != "AWS" or (trust and not other_account):
            missing = {RESOURCE} - allowed
        elif other_account:
            missing = {IDENTITY, RESOURCE} - allowed
        else:
            missing = set() if allowed & {IDENTITY, RESOURCE} else {IDENTITY}
        missing |= effects.keys() - {IDENTITY, RESOURCE} - allowed
        return f"because no {min(missing)} allows the {action} action" if missing else None


class Access:
    """Asks the policies, where there are any; without them whatever the fake admits by itself is allowed."""

    def __init__(self) -> None:
        self.policies: Policies | None = None

    def check(
        self,
        issue: Issue,
        action: str,
        resource: str,
        context: Context | None = None,
        *,
        code: str = "AccessDeniedException",
    ) -> None:
        """Raise ServiceError, in AWS's words, where the holder of a lease may not do this."""
        if self.policies is None:
            return
        who = Who(issue.role_arn or issue.arn, issue.account, issue.session_policy)
        why = self.policies.objection(who, action, resource, context or {}, trust=action.startswith("sts:"))
        if why is not None:
            # STS does not say what is missing: an attacker learns nothing from the difference.
            end = "" if action.startswith("sts:") else f" {why}"
            told = f"User: {issue.arn} is not authorized to perform: {action} on resource: {resource}{end}"
            raise ServiceError(code, told, 403 if action.startswith("sts:") else 400)


def _meets(statement: Statement, who: Who, action: str, resource: str | None, context: Context) -> bool:
    unknown = statement.keys() - {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
    if unknown:
        raise NotImplementedError(f"this IAM knows no {', '.join(sorted(unknown))}")
    return (
        any(fnmatchcase(action.lower(), wanted.lower()) for wanted in _listed(statement["Action"]))
        and ("Principal" not in statement or _is_named(who, statement["Principal"]))
        and (resource is None or any(_like(resource, wanted) for wanted in _listed(statement["Resource"])))
        and all(
            _OPERATORS[operator](context.get(key), [str(each) for each in _listed(wanted)])
            for operator, conditions in statement.get("Condition", {}).items()
            for key, wanted in conditions.items()
        )
    )


def _is_named(who: Who, principal: Any) -> bool:
    if principal == "*":
        return True
    named = _listed(principal.get(who.kind, []))
    return who.arn in named or (who.kind == "AWS" and f"arn:aws:iam::{who.account}:root" in named)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _like(value: str, pattern: str) -> bool:
    """Match as IAM does: only * and ? are wild."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value) is not None


# A key that is not in the request meets no condition.
_OPERATORS: Mapping[str, Callable[[str | None, list[str]], bool]] = {
    "StringEquals": lambda value, wanted: value is not None and value in wanted,
    "StringLike": lambda value, wanted: value is not None and any(_like(value, each) for each in wanted),
    "ArnEquals": lambda value, wanted: value is not None and any(_like(value, each) for each in wanted),
}
