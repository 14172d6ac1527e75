"""What a login must be allowed, under both its names: the operation of Kafka's ACLs, and the action of IAM on MSK.

MSK translates each request's operation into its own action (Amazon MSK developer guide, kafka-actions), so what a broker
refuses names the action; who logs in another way is told the ACL.
"""

from __future__ import annotations

from enum import Enum

from doka.adapters.kafka.settings import MemberSettings

POLICY = "doka policy --for msk"
"""Prints the document that allows all of them."""
OPERATORS_POLICY = "doka policy --for operator"
"""Prints what who types commands needs of them."""


class Right(Enum):
    """One right; its value is IAM's action."""

    SEE_TOPIC = "kafka-cluster:DescribeTopic"
    READ = "kafka-cluster:ReadData"
    SEE_GROUP = "kafka-cluster:DescribeGroup"
    BE_MEMBER = "kafka-cluster:AlterGroup"
    WRITE = "kafka-cluster:WriteData"
    WRITE_IDEMPOTENTLY = "kafka-cluster:WriteDataIdempotently"
    SEE_SETTINGS = "kafka-cluster:DescribeTopicDynamicConfiguration"


def action_of(right: Right, settings: MemberSettings) -> str | None:
    """Give IAM's action, where this login is IAM's business."""
    return right.value if settings.security.mechanism == "aws_msk_iam" else None


def cure_of(right: Right, acl: str, settings: MemberSettings) -> str:
    """Say what to grant; `acl` are the operations of an ACL that hold the right, since some imply others."""
    action = action_of(right, settings)
    return f"grant this process {acl} on it" if action is None else f"allow {action} on it ({POLICY} prints it)"


def cure_of_command(acl: str, *rights: Right) -> str:
    """Say what to grant to the login of a command; who is refused by IAM finds the action, who is by an ACL its operations."""
    called = " and ".join(right.value for right in rights)
    return f"grant {acl} on it; on MSK with IAM {called}, as {OPERATORS_POLICY} prints"
