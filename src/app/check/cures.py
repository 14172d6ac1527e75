"""What to do about each refusal of AWS: which policy, which name, which account to look at."""

from __future__ import annotations

import re

from doka.app.settings.aws import RoleSettings
from doka.app.settings.model import Settings
from doka.app.settings.routes import RouteSettings
from doka.domain.events import LeaseRefused, StreamRefused
from doka.domain.limits import CHAINED_ROLE_SECONDS_MAX

_NO_ANSWER = frozenset(
    {
        "EndpointConnectionError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ProxyConnectionError",
        "ConnectionClosedError",
    }
)
_NO_CREDENTIALS = frozenset({"NoCredentials", "NoCredentialsError", "CredentialRetrievalError", "ExpiredAtIssue"})
_BAD_CREDENTIALS = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "ExpiredToken", "ExpiredTokenException"}
)
_BAD_SIGNATURE = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature"})


def cure_for_lease(refused: LeaseRefused, role: RoleSettings | None, name: str) -> str:
    """Say what to do when a role gave no lease; `role` is None for the ambient credentials."""
    if refused.skew_seconds is not None:
        return f"set this host's clock, which is {refused.skew_seconds:+.0f} s from that of STS; run an NTP service"
    if refused.code in _NO_ANSWER:
        return "let this host reach STS (aws.region, aws.endpoint_urls.sts, proxy, security group, VPC endpoint)"
    if refused.code == "PartialCredentialsError":
        return _cure_for_half(refused.message)
    if refused.code in _NO_CREDENTIALS or role is None:
        return "give this process credentials: IRSA, EKS Pod Identity, an ECS or EC2 role, or AWS_* variables"
    if refused.code in _BAD_CREDENTIALS or refused.code in _BAD_SIGNATURE:
        return "renew the credentials that this process was started with; STS does not accept them"
    if refused.code == "AccessDenied":
        return _cure_for_denied(refused, role, name)
    if refused.code in {"ValidationError", "ValidationException"} and "DurationSeconds" in refused.message:
        return (
            f"lower roles.{name}.hops[].duration_seconds to the role's own maximum, or to {CHAINED_ROLE_SECONDS_MAX} "
            "where these credentials are a role's session (IRSA, Pod Identity and ECS are)"
        )
    if refused.code == "RegionDisabledException":
        return "switch STS on for aws.region in that account, or take another region"
    return f"look the code up in the STS API reference (AssumeRole) and correct roles.{name}"


def _cure_for_half(message: str) -> str:
    """Name what is missing of a key: the answer of the source says where it looked and what it did not find there."""
    found = re.search(r"found in ([\w-]+), missing: (\w+)", message)
    if found is None:
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY together, or neither, so that the next source is asked"
    source, missing = found.groups()
    if source == "env":
        return f"set {missing} too, or take the other AWS_* variables of the key away, so that the next source is asked"
    return f"add {missing} to the profile in the {source}, or take the profile's other half away"


def _cure_for_denied(refused: LeaseRefused, role: RoleSettings, name: str) -> str:
    """Name the hop, if the answer does, and the three policies that can deny it, which look the same from here."""
    index = next((i for i, hop in enumerate(role.hops) if hop.role_arn in refused.message), len(role.hops) - 1)
    hop = role.hops[index]
    path = f"roles.{name}.hops[{index}]"
    external = (
        f"with an sts:ExternalId equal to {path}.external_id"
        if hop.external_id is not None
        else f"and if it asks for an sts:ExternalId, set {path}.external_id"
    )
    who = "this process" if index == 0 else f"the role of hops[{index - 1}]"
    extra = " and sts:TagSession" if role.tags and index == len(role.hops) - 1 else ""
    return (
        f"check the trust policy of {hop.role_arn}: it must allow sts:AssumeRole{extra} to {who}, {external}; "
        f"and the policy of {who} must allow sts:AssumeRole on that ARN"
    )


def cure_for_stream(refused: StreamRefused, settings: Settings, route: RouteSettings, index: int, region: str) -> str:
    """Say what to do when a stream could not be described."""
    path = f"routes[{index}].stream"
    if refused.code == "ResourceNotFoundException":
        account = "the account of the ARN" if route.stream.arn is not None else "the account of those credentials"
        return (
            f"check the name ({route.stream.called}), the region ({region}) and that it is in {account}; "
            f"a stream of another account needs {path}.arn or a role there"
        )
    if refused.code in {"AccessDeniedException", "AccessDenied"}:
        return (
            "allow kinesis:DescribeStreamSummary on the stream beside kinesis:PutRecords "
            "(role policy, or the stream's resource policy); without it doka assumes records of 1 MiB at most"
        )
    if refused.code.startswith("KMS"):
        return "let the role use the stream's KMS key (kms:GenerateDataKey), in the key policy too"
    if refused.code in _BAD_CREDENTIALS:
        return "the credentials ended or are not valid in this partition; check aws.region and the role"
    if settings.aws.endpoint_urls.kinesis is not None:
        return "check aws.endpoint_urls.kinesis, and that this host may reach it"
    return f"let this host reach Kinesis in {region} (proxy, security group, VPC endpoint, egress rules)"
