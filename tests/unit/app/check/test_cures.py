from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import Any

import boto3
import pytest
from botocore import exceptions as of_botocore
from botocore.loaders import create_loader
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from doka.adapters.aws.clock import ServiceClock
from doka.adapters.aws.sts.ambient import AmbientCredentials
from doka.adapters.aws.sts.grant import RefusedError
from doka.adapters.aws.words import words_of
from doka.adapters.system.clock import SystemClock
from doka.app.check.cures import UNKNOWN_LEASE, UNKNOWN_STREAM, cure_for_lease, cure_for_reading, cure_for_stream
from doka.app.settings.problems import SettingPath
from doka.domain.events import LeaseRefused, StreamRefused
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
            LeaseRefused("analytics", "NewerThanThisVersion"),
            "look the code up in the STS API reference (AssumeRole) and correct roles.analytics",
        ),
        (
            {},
            LeaseRefused("analytics", "PackedPolicyTooLarge"),
            (
                "shorten roles.analytics.session_policy, or take fewer or shorter roles.analytics.tags: STS packs both "
                "together"
            ),
        ),
        (
            {},
            LeaseRefused("analytics", "Throttling", "Rate exceeded"),
            ("wait: STS throttles this account, and it is tried again; fewer processes and a longer lease ask less"),
        ),
        (
            {("roles", "analytics", "tags"): {"team": "data"}},
            LeaseRefused(
                "analytics",
                "AccessDenied",
                f"User: arn:aws:sts::111122223333:assumed-role/pod/x is not authorized to perform: sts:TagSession on resource: {WRITER}",
            ),
            (
                f"allow sts:TagSession beside sts:AssumeRole to this process, in the trust policy of {WRITER} and in the "
                "policy of this process; or leave roles.analytics.tags out"
            ),
        ),
        (
            {("roles", "analytics", "source_identity"): "doka"},
            LeaseRefused(
                "analytics",
                "AccessDenied",
                f"User: arn:aws:iam::111122223333:user/u is not authorized to perform: sts:SetSourceIdentity on resource: {WRITER}",
            ),
            (
                f"allow sts:SetSourceIdentity beside sts:AssumeRole to this process, in the trust policy of {WRITER} and in "
                "the policy of this process; or leave roles.analytics.source_identity out"
            ),
        ),
        (
            {},
            LeaseRefused(
                "analytics",
                "AccessDenied",
                f"User: x is not authorized to perform: sts:SetSourceIdentity on resource: {WRITER}",
            ),
            (
                f"allow sts:SetSourceIdentity beside sts:AssumeRole to this process, in the trust policy of {WRITER} and in "
                "the policy of this process; its credentials bring that along"
            ),
        ),
        (
            {},
            LeaseRefused(
                "analytics",
                "AccessDenied",
                f"User: x is not authorized to perform: sts:AssumeRole on resource: {WRITER} with an explicit deny in a "
                "service control policy: arn:aws:organizations::111122223333:policy/o-1/service_control_policy/p-1",
            ),
            (
                "take the deny of sts:AssumeRole out of the service control policy (AWS Organizations has it, for the account "
                "of who asks); no allow elsewhere outweighs it"
            ),
        ),
        (
            {},
            LeaseRefused(
                "analytics",
                "AccessDenied",
                f"User: x is not authorized to perform: sts:AssumeRole on resource: {WRITER} because no permissions boundary "
                "allows the sts:AssumeRole action",
            ),
            "allow sts:AssumeRole in the permissions boundary (of this process)",
        ),
        (
            {},
            LeaseRefused(
                "analytics",
                "AccessDenied",
                f"User: x is not authorized to perform: sts:AssumeRole on resource: {WRITER} because no session policy allows "
                "the sts:AssumeRole action",
            ),
            "allow sts:AssumeRole in the session policy (with which this process was assumed)",
        ),
        (
            {},
            LeaseRefused("analytics", "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
            (
                "check the trust policy of the role in AWS_ROLE_ARN: it must allow sts:AssumeRoleWithWebIdentity to the "
                "cluster's OIDC provider, for this service account (sub) and audience (aud)"
            ),
        ),
        (
            {},
            LeaseRefused("analytics", "UnauthorizedSSOTokenError"),
            "log in with `aws sso login` for this profile, or give the process a role, which needs nobody to log in",
        ),
        (
            {},
            LeaseRefused("analytics", "http_403"),
            ("correct aws.endpoint_urls.sts or the proxy: what answers there is not STS, or changes what it is asked"),
        ),
        (
            {},
            LeaseRefused("analytics", "http_502"),
            "wait: STS, or what answers for it, fails for now; it is tried again",
        ),
        (
            {},
            LeaseRefused("analytics", "UnusableCredentials"),
            "write the value anew, in one line and without blanks around it; pasted secrets are often wrapped",
        ),
    ],
)
def test_a_refused_role_has_its_cure(changes: dict[SettingPath, Any], refused: LeaseRefused, cure: str) -> None:
    """It names the policy, the setting or the clock."""
    assert cure_for_lease(refused, settings(changes).roles["analytics"], "analytics") == cure


def test_ambient_credentials_have_no_trust_policy_of_ours() -> None:
    """A refused AssumeRole without hops of ours is the profile's: its role is named, or other credentials are."""
    assert (
        "check the trust policy of the profile's role_arn, and the policy of what assumes it: both must allow "
        "sts:AssumeRole; or give this process other credentials"
    ) == cure_for_lease(LeaseRefused("ambient", "AccessDenied"), None, "ambient")


MODELS = create_loader()
COMMON = """AccessDenied AccessDeniedException ExpiredToken ExpiredTokenException IncompleteSignature InternalError
    InternalFailure InvalidAction InvalidClientTokenId InvalidParameterCombination InvalidParameterValue
    InvalidQueryParameter InvalidSignatureException MalformedHttpRequestException MalformedQueryString MissingAction
    MissingAuthenticationToken MissingParameter NotAuthorized OptInRequired RequestAbortedException
    RequestEntityTooLargeException RequestExpired RequestTimeTooSkewed RequestTimeoutException ServiceUnavailable
    SignatureDoesNotMatch Throttling ThrottlingException UnknownOperationException UnrecognizedClientException
    ValidationError ValidationException unreadable_answer"""
"""What AWS's page of common errors lists, and those that services of AWS share without it."""
SHARED = {
    *vars(ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"],
    *vars(TransientRetryableChecker)["_TRANSIENT_ERROR_CODES"],
    *COMMON.split(),
    *(f"http_{status}" for status in (301, 400, 401, 403, 404, 405, 407, 413, 429, 500, 502, 503, 504, 509)),
}
"""With what botocore repeats, and doka's own names for answers without a code."""
OF_PYTHON = {"UnicodeDecodeError", "ValueError", "OSError", "FileNotFoundError", "PermissionError", "KeyError"}
SELDOM = re.compile(
    "S3|Waiter|Pagination|Checksum|Chunked|EventStream|Stub|Unseekable|DNSName|Outpost|Signature|MD5|Pageable|ServiceStyle"
    "|Discovery|Expression|ClientMethod|DataNotFound|ApiVersion|ClientError|Alias|Undefined|MissingServiceId|UnknownKey"
    "|UnknownParameter|RangeError|MissingParameters|InvalidS3|BuiltInName|Resolver|Protocols|ServiceNotInRegion|BotoCoreError"
)
"""Classes of botocore that are of other services, of its own making, or bases of others."""


def _modelled(service: str, *operations: str) -> set[str]:
    """Give the codes that botocore's model of a service knows for these operations."""
    model = MODELS.load_service_model(service, "service-2")
    shapes = [error["shape"] for name in operations for error in model["operations"][name].get("errors", ())]
    return {model["shapes"][shape].get("error", {}).get("code", shape) for shape in shapes}


def _raised() -> set[str]:
    """Give the classes that botocore and what it stands on raise while credentials are looked for."""
    classes = {
        name
        for name, kind in vars(of_botocore).items()
        if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
    }
    return {name for name in classes if not SELDOM.search(name)}


LEASES = (
    _modelled("sts", "AssumeRole", "AssumeRoleWithWebIdentity")
    | _modelled("sso", "GetRoleCredentials")
    | _modelled("sso-oidc", "CreateToken")
    | _modelled("signin", "CreateOAuth2Token")
    | _raised()
    | SHARED
    | {
        "NoCredentials",
        "ExpiredAtIssue",
        "EndsTooSoon",
        "UnusableCredentials",
        "UnreadableAnswer",
        "UnknownRole",
        "MfaCodeNeeded",
    }
    | OF_PYTHON
)
STREAMS = (
    (_modelled("kinesis", "PutRecords", "DescribeStreamSummary") - {"DryRunOperationException"})
    | SHARED
    | {"not_connected", "connect_timeout", "timeout", "proxy_failed", "no_answer", "certificate_refused", "tls_failed"}
    | {"HTTPClientError", "EndpointResolutionError", "ParamValidationError"}
)


@pytest.mark.parametrize("code", sorted(LEASES))
def test_each_refusal_of_credentials_has_a_cure_of_its_own(code: str) -> None:
    """Whatever STS, the sign-on services and boto3's sources are known to say, nobody is sent to look it up."""
    for role, name in ((settings().roles["analytics"], "analytics"), (None, "ambient")):
        cure = cure_for_lease(LeaseRefused(name, code, "no"), role, name)
        assert not cure.startswith(UNKNOWN_LEASE), code


@pytest.mark.parametrize("code", sorted(STREAMS))
def test_each_refusal_of_a_stream_has_a_cure_of_its_own(code: str) -> None:
    """Whatever Kinesis is known to say of a stream, and what fails on the way, nobody is sent to look it up."""
    given = settings()
    cure = cure_for_stream(StreamRefused("orders", code, "no", 1), given, given.routes[0], 0, "eu-west-1")
    assert cure != UNKNOWN_STREAM, code


@pytest.mark.parametrize(
    ("code", "message", "cure"),
    [
        (
            "AccessDeniedException",
            (
                "User: x is not authorized to perform: kinesis:DescribeStreamSummary on resource: y because no "
                "resource-based policy allows the kinesis:DescribeStreamSummary action"
            ),
            (
                "allow kinesis:DescribeStreamSummary in the resource-based policy (of the stream); without it doka assumes "
                "records of 1 MiB at most"
            ),
        ),
        (
            "LimitExceededException",
            "Rate exceeded",
            (
                "wait: Kinesis throttles this account, and it is tried again; fewer processes and a longer lease ask less"
            ),
        ),
        ("http_503", "", "wait: Kinesis, or what answers for it, fails for now; it is tried again"),
        ("NewerThanThisVersion", "", "look the code up in the Kinesis API reference (DescribeStreamSummary)"),
    ],
)
def test_a_refused_stream_has_its_cure(code: str, message: str, cure: str) -> None:
    """What AWS says of the policy is used; what passes by itself is said to."""
    given = settings()
    assert cure == cure_for_stream(StreamRefused("orders", code, message, 1), given, given.routes[0], 0, "eu-west-1")


@pytest.mark.parametrize(
    ("code", "message", "cure"),
    [
        (
            "AccessDeniedException",
            (
                "User: x is not authorized to perform: kinesis:GetRecords on resource: y because no "
                "identity-based policy allows the kinesis:GetRecords action"
            ),
            (
                "allow kinesis:GetRecords in the identity-based policy (of the role that signs), or name a role that may "
                "read in audit.role"
            ),
        ),
        (
            "AccessDeniedException",
            "",
            (
                "allow kinesis:ListShards, kinesis:GetShardIterator and kinesis:GetRecords on the stream to the role that "
                "reads (doka policy --for reader), or name a role that may read in audit.role"
            ),
        ),
        (
            "KMSAccessDeniedException",
            "",
            (
                "let the role that reads decrypt by the stream's KMS key (kms:Decrypt), in the key policy too "
                "(doka policy --for reader)"
            ),
        ),
        (
            "overtaken_by_retention",
            "",
            "take a larger --read-share, or give the stream a longer retention (IncreaseStreamRetentionPeriod), and audit anew",
        ),
        ("http_503", "", "wait: Kinesis, or what answers for it, fails for now; it is tried again"),
    ],
)
def test_a_stream_that_cannot_be_read_back_has_its_cure(code: str, message: str, cure: str) -> None:
    """Other rights are needed than for puts; the rest is as for any question."""
    given = settings()
    assert cure == cure_for_reading(StreamRefused("orders", code, message, 1), given, given.routes[0], 0, "eu-west-1")


@pytest.mark.parametrize(
    ("source", "start"),
    [
        ("container-role", "look at what serves AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        ("iam-role", "give the instance a role"),
        ("custom-process", "run the profile's credential_process as this user"),
        ("newer", "look at the source that is named"),
    ],
)
def test_a_source_that_fails_has_its_own_cure(source: str, start: str) -> None:
    """Which source of boto3's chain has failed stands in its error, and decides what to look at."""
    error = of_botocore.CredentialRetrievalError(provider=source, error_msg="no")
    refused = LeaseRefused("ambient", "CredentialRetrievalError", words_of(error))
    assert cure_for_lease(refused, None, "ambient").startswith(start)


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
