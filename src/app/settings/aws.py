"""The settings of the AWS side: region, endpoints, and the chains of roles that lead to the streams."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from doka.app.settings.fields import (
    EndpointUrl,
    ExternalId,
    Flag,
    Region,
    RoleArnText,
    RoleSeconds,
    Section,
    SourceIdentity,
    TagKey,
    TagValue,
    Text,
)
from doka.app.settings.session import check_session_policy

# Inline session policy: 2,048 characters of plain text (STS AssumeRole API reference, Policy).
SessionPolicy = Annotated[str, Field(min_length=1, max_length=2_048), AfterValidator(check_session_policy)]


class EndpointUrls(Section):
    """Endpoints other than the ones that the region gives."""

    kinesis: EndpointUrl | None = Field(default=None, description="URL for Kinesis, such as that of a VPC endpoint.")
    sts: EndpointUrl | None = Field(default=None, description="URL for STS, such as that of a VPC endpoint.")


class AwsSettings(Section):
    """Where the services are."""

    region: Region = Field(description="Region of STS, of MSK, and of streams that name none.", examples=["eu-west-1"])
    endpoint_urls: EndpointUrls = Field(default=EndpointUrls(), description="Endpoints other than the usual.")
    allow_insecure_endpoints: Flag = Field(
        default=False, description="Permit http and hosts outside AWS; for tests only."
    )


class HopSettings(Section):
    """One AssumeRole."""

    role_arn: RoleArnText = Field(
        description="The role to assume.", examples=["arn:aws:iam::210987654321:role/doka-writer"]
    )
    external_id: ExternalId | None = Field(
        default=None, description="What the role's trust policy asks for, if anything."
    )
    duration_seconds: RoleSeconds = Field(
        default=3_600, description="Life to ask for; at most 3600 for a hop that is made with a role's session."
    )


class Rotation(Section):
    """When the lease of a role is renewed. A rejected lease is renewed at once under every policy."""

    policy: Literal["before_expiry", "interval", "on_demand", "never"] = Field(
        default="before_expiry", description="When to renew; never is for `doka demo` and the simulator only."
    )
    margin_seconds: Annotated[float, Field(strict=True, ge=0, le=43_200)] = Field(
        default=600.0,
        description="before_expiry: how long before its end a lease is renewed (a third of its life at most).",
    )
    interval_minutes: Annotated[float, Field(strict=True, gt=0, le=720)] = Field(
        default=30.0, description="interval: how often a lease is renewed."
    )


class RoleSettings(Section):
    """A chain of roles; the last hop signs the puts. Routes that name the same role share its lease."""

    hops: tuple[HopSettings, ...] = Field(
        min_length=1,
        max_length=8,
        description="The roles to assume, in turn.",
        examples=[[{"role_arn": "arn:aws:iam::210987654321:role/doka-writer"}]],
    )
    session_name: Text = Field(
        default="doka-{hostname}",
        description="Shown in CloudTrail; {hostname} becomes this host's name, cut to fit, with a hash.",
    )
    source_identity: SourceIdentity | None = Field(
        default=None, description="Set on the session; persists through hops."
    )
    tags: dict[TagKey, TagValue] = Field(
        default_factory=dict, max_length=50, description="Session tags; the trust policy must allow sts:TagSession."
    )
    session_policy: SessionPolicy | None = Field(
        default=None, description="Inline policy, as JSON text, that narrows the session further."
    )
    rotation: Rotation = Field(default=Rotation(), description="When the lease is renewed.")
