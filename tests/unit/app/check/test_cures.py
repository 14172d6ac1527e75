from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import boto3
import pytest

from doka.adapters.aws.clock import ServiceClock
from doka.adapters.aws.sts.ambient import AmbientCredentials
from doka.adapters.aws.sts.grant import RefusedError
from doka.adapters.system.clock import SystemClock
from doka.app.check.cures import cure_for_lease
from doka.app.settings.problems import SettingPath
from doka.domain.events import LeaseRefused
from tests.unit.app.settings.given import WRITER, settings

HUB = "arn:aws:iam::111122223333:role/hub"
HOPS: SettingPath = ("roles", "analytics", "hops")


@pytest.mark.parametrize(
    ("changes", "refused", "cure"),
    [
        (
            {},
            LeaseRefused("analytics", "AccessDenied", "not authorized to perform: sts:AssumeRole"),
            (
                f"check the trust policy of {WRITER}: it must allow sts:AssumeRole to this process, and if it asks for an "
                "sts:ExternalId, set roles.analytics.hops[0].external_id; and the policy of this process must allow "
                "sts:AssumeRole on that ARN"
            ),
        ),
        (
            {(*HOPS, 0, "external_id"): "ex-1", ("roles", "analytics", "tags"): {"a": "b"}},
            LeaseRefused("analytics", "AccessDenied"),
            (
                f"check the trust policy of {WRITER}: it must allow sts:AssumeRole and sts:TagSession to this process, with "
                "an sts:ExternalId equal to roles.analytics.hops[0].external_id; and the policy of this process must allow "
                "sts:AssumeRole on that ARN"
            ),
        ),
        (
            {(*HOPS,): [{"role_arn": HUB}, {"role_arn": WRITER}]},
            LeaseRefused("analytics", "AccessDenied", f"not authorized: sts:AssumeRole on resource: {HUB}"),
            (
                f"check the trust policy of {HUB}: it must allow sts:AssumeRole to this process, and if it asks for an "
                "sts:ExternalId, set roles.analytics.hops[0].external_id; and the policy of this process must allow "
                "sts:AssumeRole on that ARN"
            ),
        ),
        (
            {(*HOPS,): [{"role_arn": HUB}, {"role_arn": WRITER}]},
            LeaseRefused("analytics", "AccessDenied", ""),
            (
                f"check the trust policy of {WRITER}: it must allow sts:AssumeRole to the role of hops[0], and if it asks for "
                "an sts:ExternalId, set roles.analytics.hops[1].external_id; and the policy of the role of hops[0] must "
                "allow sts:AssumeRole on that ARN"
            ),
        ),
        (
            {},
            LeaseRefused(
                "analytics", "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration"
            ),
            (
                "lower roles.analytics.hops[].duration_seconds to the role's own maximum, or to 3600 where these credentials "
                "are a role's session (IRSA, Pod Identity and ECS are)"
            ),
        ),
        (
            {},
            LeaseRefused("analytics", "SignatureDoesNotMatch", "Signature expired", skew_seconds=-1200.0),
            "set this host's clock, which is -1200 s from that of STS; run an NTP service",
        ),
        (
            {},
            LeaseRefused("analytics", "NoCredentials"),
            "give this process credentials: IRSA, EKS Pod Identity, an ECS or EC2 role, or AWS_* variables",
        ),
        (
            {},
            LeaseRefused("analytics", "InvalidClientTokenId"),
            "renew the credentials that this process was started with; STS does not accept them",
        ),
        (
            {},
            LeaseRefused("analytics", "EndpointConnectionError"),
            "let this host reach STS (aws.region, aws.endpoint_urls.sts, proxy, security group, VPC endpoint)",
        ),
        (
            {},
            LeaseRefused("analytics", "RegionDisabledException"),
            "switch STS on for aws.region in that account, or take another region",
        ),
        (
            {},
            LeaseRefused("analytics", "PackedPolicyTooLarge"),
            "look the code up in the STS API reference (AssumeRole) and correct roles.analytics",
        ),
    ],
)
def test_a_refused_role_has_its_cure(changes: dict[SettingPath, Any], refused: LeaseRefused, cure: str) -> None:
    """It names the policy, the setting or the clock."""
    assert cure_for_lease(refused, settings(changes).roles["analytics"], "analytics") == cure


def test_ambient_credentials_have_no_trust_policy_of_ours() -> None:
    """Whatever refused them, what helps is to give the process some."""
    assert cure_for_lease(LeaseRefused("ambient", "AccessDenied"), None, "ambient") == (
        "give this process credentials: IRSA, EKS Pod Identity, an ECS or EC2 role, or AWS_* variables"
    )


def _said(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> LeaseRefused:
    """Give the refusal that the real chain comes to in this environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    clock = SystemClock()
    ambient = AmbientCredentials(clock, ServiceClock(clock), boto3.session.Session)
    with pytest.raises(RefusedError) as refused:
        ambient.current()
    return refused.value.event("analytics")


def test_half_a_key_in_the_environment_names_the_variable_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_ACCESS_KEY_ID alone: the cure is the other variable, whatever role is to be assumed."""
    half = _said({"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE"}, monkeypatch)
    expected = "set AWS_SECRET_ACCESS_KEY too, or take the other AWS_* variables of the key away, so that the next source is asked"
    assert expected == cure_for_lease(half, settings().roles["analytics"], "analytics")
    assert expected == cure_for_lease(half, None, "ambient")


def test_half_a_key_in_a_profile_names_the_line_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: FilePath
) -> None:
    """A profile with one half: the cure is the line that it lacks, and the file."""
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIDEXAMPLE\n", encoding="utf-8")
    half = _said({"AWS_SHARED_CREDENTIALS_FILE": str(file)}, monkeypatch)
    expected = (
        "add aws_secret_access_key to the profile in the shared-credentials-file, or take the profile's other half away"
    )
    assert expected == cure_for_lease(half, settings().roles["analytics"], "analytics")


def test_half_a_key_of_unknown_origin_names_both_variables() -> None:
    """Where the source says nothing, the pair is named."""
    expected = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY together, or neither, so that the next source is asked"
    assert expected == cure_for_lease(LeaseRefused("analytics", "PartialCredentialsError"), None, "ambient")
