"""What to do about each refusal: which policy, which name, which variable, which host to look at.

The tables hold every refusal that botocore's models of STS, Kinesis and IAM Identity Center know, the errors that all of
AWS shares, and what boto3's sources of credentials raise; tests/unit/app/check/test_cures.py draws them anew from botocore.
"""

from __future__ import annotations

import builtins
import re

from doka.adapters.aws.kinesis.reader import OVERTAKEN
from doka.app.check.denied import cure_for_policy, read_denial
from doka.app.settings.aws import RoleSettings
from doka.app.settings.model import Settings
from doka.app.settings.routes import RouteSettings
from doka.domain.events import LeaseRefused, StreamRefused
from doka.domain.limits import CHAINED_ROLE_SECONDS_MAX

_NO_ANSWER = frozenset(
    {
        "CapacityNotAvailableError",
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "ConnectionError",
        "EndpointConnectionError",
        "HTTPClientError",
        "IncompleteReadError",
        "ProxyConnectionError",
        "ReadTimeoutError",
        "ResponseStreamingError",
        # The same of a question to Kinesis, by the words of adapters/aws/kinesis/failures.py.
        "connect_timeout",
        "no_answer",
        "not_connected",
        "proxy_failed",
        "timeout",
    }
)
_NO_TRUST = frozenset({"SSLError", "certificate_refused", "tls_failed"})
_NO_CREDENTIALS = frozenset({"NoCredentials", "NoCredentialsError"})
_BAD_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "UnrecognizedClient",
        "UnrecognizedClientException",
    }
)
_BAD_SIGNATURE = frozenset(
    {
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidSignature",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
    }
)
_BAD_DATE = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"})
_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "SlowDownException",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsError",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_FAILING = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalFailureException",
        "InternalServerError",
        "InternalServerException",
        "RequestAbortedException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
_NOT_THE_SERVICE = frozenset(
    {"UnreadableAnswer", "unreadable_answer", "ResponseParserError", "UnknownOperationException"}
)
_MALFORMED = frozenset(
    {
        "InvalidAction",
        "InvalidArgumentException",
        "InvalidParameterCombination",
        "InvalidParameterValue",
        "InvalidQueryParameter",
        "MalformedHttpRequestException",
        "MalformedQueryString",
        "MissingAction",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "MissingParameter",
        "RequestEntityTooLargeException",
    }
)
"""Refusals of requests that botocore does not make: something between has changed them, or answers for the service."""

_SSO = "log in with `aws sso login` for this profile, or give the process a role, which needs nobody to log in"
_PROFILE = "correct the profile in AWS's config file (AWS_CONFIG_FILE, AWS_PROFILE), or unset AWS_PROFILE"
_WEB_IDENTITY = "the role of AWS_ROLE_ARN must trust the OIDC provider that issues AWS_WEB_IDENTITY_TOKEN_FILE"
_FILE = (
    "let this process read the file that is named; AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE "
    "or the profile names it"
)

_OF_SOURCES = {
    "ConfigNotFound": _PROFILE,
    "ConfigParseError": _PROFILE,
    "InfiniteLoopConfigError": _PROFILE,
    "InvalidConfigError": _PROFILE,
    "InvalidDefaultsMode": _PROFILE,
    "InvalidMaxRetryAttemptsError": _PROFILE,
    "InvalidRetryConfigurationError": _PROFILE,
    "InvalidRetryModeError": _PROFILE,
    "InvalidSTSRegionalEndpointsConfigError": _PROFILE,
    "InvalidProxiesConfigError": _PROFILE,
    "ProfileNotFound": "name a profile that is there in AWS_PROFILE, or unset it",
    "UnknownCredentialError": "correct credential_source in the profile: Environment, Ec2InstanceMetadata or EcsContainer",
    "MfaCodeNeeded": (
        "take mfa_serial out of the profile, or another source of credentials: a service has nobody to type a code"
    ),
    "RefreshWithMFAUnsupportedError": (
        "take mfa_serial out of the profile, or another source of credentials: a service has nobody to type a code"
    ),
    "MissingDependencyException": "install botocore[crt], which this profile's log-in needs, or give the process a role",
    "SSOError": _SSO,
    "SSOTokenLoadError": _SSO,
    "UnauthorizedSSOTokenError": _SSO,
    "UnauthorizedException": _SSO,
    "NoAuthTokenError": _SSO,
    "TokenRetrievalError": _SSO,
    "UnknownTokenProviderError": _SSO,
    "InvalidGrantException": _SSO,
    "InvalidClientException": _SSO,
    "UnauthorizedClientException": _SSO,
    "UnsupportedGrantTypeException": _SSO,
    "InvalidScopeException": _SSO,
    "AuthorizationPendingException": _SSO,
    "ForbiddenException": "check sso_account_id and sso_role_name in the profile: this user may not take that role",
    "InvalidRequestException": f"check sso_start_url, sso_account_id and sso_role_name in the profile, and {_SSO}",
    "LoginError": "log in with `aws login` for this profile, or give the process a role, which needs nobody to log in",
    "LoginRefreshRequired": "log in with `aws login` again, or give the process a role, which needs nobody to log in",
    "LoginTokenLoadError": "log in with `aws login` for this profile, or give the process a role",
    "LoginInsufficientPermissions": "allow signin:CreateOAuth2Token to that user, or give the process a role",
    "LoginAuthorizationCodeError": "log in with `aws login` for this profile, or give the process a role",
    "ResourceNotFoundException": "check sso_account_id and sso_role_name in the profile: there is no such role for this user",
    "IDPRejectedClaim": f"{_WEB_IDENTITY}, and the token must be young and for its audience (aud)",
    "IDPCommunicationError": f"{_WEB_IDENTITY}, whose keys AWS must be able to fetch; it is tried again",
    "InvalidIdentityToken": (
        f"{_WEB_IDENTITY}: an IAM OIDC provider for the token's issuer (iss), in the role's account, with its audience (aud)"
    ),
    "UnknownRole": "define the role under roles",
    "ExpiredAtIssue": "compare this host's clock with the true time; else the source gives credentials that are over",
    "EndsTooSoon": "wait for the next ones of that source; if it goes on, compare this host's clock with the true time",
    "UnusableCredentials": (
        "write the value anew, in one line and without blanks around it; pasted secrets are often wrapped"
    ),
}
"""Refusals of the sources of credentials, by botocore's classes and the services that they ask."""

_OF_METADATA = {
    "container-role": (
        "look at what serves AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI: the EKS Pod Identity agent and its "
        "association, or the ECS task role"
    ),
    "iam-role": "give the instance a role, and let the container reach its metadata service (hop limit 2 for IMDSv2)",
    "custom-process": "run the profile's credential_process as this user: it must end with 0 and print JSON of Version 1",
    "sso": _SSO,
    "assume-role": _PROFILE,
}
_ANY_METADATA = "look at the source that is named (container, instance or process), or give the process another one"

_PLACES = frozenset(
    {
        "BadIMDSRequestError",
        "CredentialRetrievalError",
        "InvalidIMDSEndpointError",
        "InvalidIMDSEndpointModeError",
        "MetadataRetrievalError",
    }
)
_WRONG_PLACE = frozenset(
    {
        "EndpointProviderError",
        "EndpointResolutionError",
        "EndpointVariantError",
        "InvalidEndpointConfigurationError",
        "InvalidHostLabelError",
        "InvalidRegionError",
        "NoRegionError",
        "UnknownEndpointError",
        "UnknownFIPSEndpointError",
        "UnknownRegionError",
        "UnknownServiceError",
    }
)
"""What botocore raises where it finds no endpoint for a region."""

_POLICIES_OF_A_STREAM = {
    "identity-based policy": "of the role that signs",
    "permissions boundary": "of the role that signs",
    "resource-based policy": "of the stream",
    "session policy": "of the last hop, roles.*.session_policy",
    "vpc endpoint policy": "of the VPC endpoint for Kinesis",
}
"""Whose policy of a kind it is that denies a question about a stream."""

UNKNOWN_LEASE = "look the code up in the STS API reference (AssumeRole) and correct roles"
UNKNOWN_STREAM = "look the code up in the Kinesis API reference (DescribeStreamSummary)"
"""For codes that are newer than the tables."""


def cure_for_lease(refused: LeaseRefused, role: RoleSettings | None, name: str) -> str:
    """Say what to do when a role gave no lease; `role` is None for the ambient credentials."""
    if refused.skew_seconds is not None:
        return f"set this host's clock, which is {refused.skew_seconds:+.0f} s from that of STS; run an NTP service"
    code = refused.code
    if code == "PartialCredentialsError":
        return _cure_for_half(refused.message)
    if code in _NO_CREDENTIALS:
        return "give this process credentials: IRSA, EKS Pod Identity, an ECS or EC2 role, or AWS_* variables"
    if code in _OF_SOURCES:
        return _OF_SOURCES[code]
    if code in _PLACES:
        source = re.search(r"credentials from ([a-z-]+)", refused.message)
        return _OF_METADATA.get(source[1] if source else "", _ANY_METADATA)
    if code in _BAD_CREDENTIALS or code in _BAD_SIGNATURE:
        return "renew the credentials that this process was started with; STS does not accept them"
    if code in _DENIED:
        return _cure_for_denied(refused, role, name)
    return _cure_for_sts(refused, role, name) or _cure_for_library(code, "STS") or f"{UNKNOWN_LEASE}.{name}"


def _cure_for_sts(refused: LeaseRefused, role: RoleSettings | None, name: str) -> str | None:
    """Give the cure for what STS refuses of an AssumeRole that is allowed."""
    code, message = refused.code, refused.message
    if code in {"ValidationError", "ValidationException", "InvalidParameterValue"} and "DurationSeconds" in message:
        return (
            f"lower roles.{name}.hops[].duration_seconds to the role's own maximum, or to {CHAINED_ROLE_SECONDS_MAX} "
            "where these credentials are a role's session (IRSA, Pod Identity and ECS are)"
        )
    if code in {"ValidationError", "ValidationException", "ParamValidationError"}:
        if role is None:
            return f"{_PROFILE}; AWS_ROLE_ARN and AWS_ROLE_SESSION_NAME must be as STS takes them"
        return (
            f"correct what STS names of roles.{name}: role_arn, external_id, session_name, source_identity, tags, "
            "session_policy or duration_seconds"
        )
    if code == "MalformedPolicyDocument":
        return f"correct roles.{name}.session_policy: it must be a policy in JSON, as IAM takes it"
    if code == "PackedPolicyTooLarge":
        return (
            f"shorten roles.{name}.session_policy, or take fewer or shorter roles.{name}.tags: STS packs both together"
        )
    if code == "RegionDisabledException":
        return "switch STS on for aws.region in that account, or take another region"
    if code == "OptInRequired":
        return "finish the sign-up of that account, or switch aws.region on in it"
    if code == "NoSuchEntity":
        return f"create the role that STS does not find, or correct roles.{name}.hops[].role_arn"
    return None


def _cure_for_library(code: str, service: str) -> str | None:
    """Give the cure for what all services refuse alike, and for what fails on this side of them."""
    setting = f"aws.endpoint_urls.{service.lower()}"
    status = re.fullmatch(r"http_([0-9]{3})", code)
    if code in _NO_ANSWER:
        return f"let this host reach {service} (aws.region, {setting}, proxy, security group, VPC endpoint)"
    if code in _NO_TRUST:
        return f"trust the authority of what answers for {service} (AWS_CA_BUNDLE), or correct {setting}"
    if code == "http_407":
        return "give HTTPS_PROXY the user and the password that the proxy asks for"
    if code in _FAILING or (status is not None and status[1].startswith("5")):
        return f"wait: {service}, or what answers for it, fails for now; it is tried again"
    if code in _THROTTLED or code == "http_429":
        return f"wait: {service} throttles this account, and it is tried again; fewer processes and a longer lease ask less"
    if code in _BAD_DATE:
        return "set this host's clock; run an NTP service"
    if status is not None or code in _NOT_THE_SERVICE or code in _MALFORMED:
        return f"correct {setting} or the proxy: what answers there is not {service}, or changes what it is asked"
    if code in _WRONG_PLACE:
        return f"correct aws.region and {setting}: there is no such endpoint for {service}"
    raised = getattr(builtins, code, None)
    if isinstance(raised, type) and issubclass(raised, OSError):
        return _FILE
    if isinstance(raised, type) and issubclass(raised, ValueError):
        return (
            "correct the variable or the file that is named: AWS_CONTAINER_*, AWS_WEB_IDENTITY_TOKEN_FILE, the profile"
        )
    if isinstance(raised, type) and issubclass(raised, Exception):
        return "report this with the version: it is a fault of doka or of botocore, and nothing in your settings"
    return None


def _cure_for_half(message: str) -> str:
    """Name what is missing of a key: the answer of the source says where it looked and what it did not find there."""
    found = re.search(r"found in ([\w-]+), missing: (\w+)", message)
    if found is None:
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY together, or neither, so that the next source is asked"
    source, missing = found.groups()
    if source == "env":
        return f"set {missing} too, or take the other AWS_* variables of the key away, so that the next source is asked"
    return f"add {missing} to the profile in the {source}, or take the profile's other half away"


def _cure_for_denied(refused: LeaseRefused, role: RoleSettings | None, name: str) -> str:
    """Name the hop, if the answer does, and the policy that denied it; three that look alike where it does not say."""
    denial = read_denial(refused.message)
    if denial.action == "sts:AssumeRoleWithWebIdentity":
        return (
            "check the trust policy of the role in AWS_ROLE_ARN: it must allow sts:AssumeRoleWithWebIdentity to the "
            "cluster's OIDC provider, for this service account (sub) and audience (aud)"
        )
    if role is None:
        return (
            "check the trust policy of the profile's role_arn, and the policy of what assumes it: both must allow "
            "sts:AssumeRole; or give this process other credentials"
        )
    index = next((i for i, hop in enumerate(role.hops) if hop.role_arn in refused.message), len(role.hops) - 1)
    hop, last = role.hops[index], index == len(role.hops) - 1
    path = f"roles.{name}.hops[{index}]"
    who = "this process" if index == 0 else f"the role of hops[{index - 1}]"
    action = denial.action or "sts:AssumeRole"
    by_kind = cure_for_policy(
        denial,
        action,
        {
            "identity-based policy": f"of {who}",
            "permissions boundary": f"of {who}",
            "resource-based policy": f"the trust policy of {hop.role_arn}",
            "role trust policy": f"that of {hop.role_arn}",
            "session policy": f"with which {who} was assumed",
            "vpc endpoint policy": "of the VPC endpoint for STS",
        },
    )
    if by_kind is not None:
        return by_kind
    if action in {"sts:TagSession", "sts:SetSourceIdentity"}:
        setting = "tags" if action == "sts:TagSession" else "source_identity"
        own = role.tags if setting == "tags" else role.source_identity
        spare = f"; or leave roles.{name}.{setting} out" if own else "; its credentials bring that along"
        return (
            f"allow {action} beside sts:AssumeRole to {who}, in the trust policy of {hop.role_arn} and in the policy of {who}"
            f"{spare}"
        )
    external = (
        f"with an sts:ExternalId equal to {path}.external_id"
        if hop.external_id is not None
        else f"and if it asks for an sts:ExternalId, set {path}.external_id"
    )
    extra = ""
    if denial.action is None:  # AWS names the one that it misses
        extra = " and sts:SetSourceIdentity" if role.source_identity is not None else ""
        extra += " and sts:TagSession" if role.tags and last else ""
    return (
        f"check the trust policy of {hop.role_arn}: it must allow sts:AssumeRole{extra} to {who}, {external}; "
        f"and the policy of {who} must allow sts:AssumeRole on that ARN"
    )


READER_POLICY = "doka policy --for reader"
"""Prints what a role needs that reads a stream back."""


def cure_for_reading(refused: StreamRefused, settings: Settings, route: RouteSettings, index: int, region: str) -> str:
    """Say what to do when a stream could not be read back."""
    if refused.code in _DENIED:
        denial = read_denial(refused.message)
        action = denial.action or "kinesis:ListShards, kinesis:GetShardIterator and kinesis:GetRecords"
        named = "name another in audit.role" if settings.audit.role else "name a role that may read in audit.role"
        cure = cure_for_policy(denial, action, _POLICIES_OF_A_STREAM) or (
            f"allow {action} on the stream to the role that reads ({READER_POLICY})"
        )
        return f"{cure}, or {named}"
    if refused.code == OVERTAKEN:
        return "take a larger --read-share, or give the stream a longer retention (IncreaseStreamRetentionPeriod), and audit anew"
    if refused.code.startswith("KMS"):
        return f"let the role that reads decrypt by the stream's KMS key (kms:Decrypt), in the key policy too ({READER_POLICY})"
    return cure_for_stream(refused, settings, route, index, region)


def cure_for_stream(refused: StreamRefused, settings: Settings, route: RouteSettings, index: int, region: str) -> str:
    """Say what to do when a stream could not be described."""
    path, code = f"routes[{index}].stream", refused.code
    if code == "ResourceNotFoundException":
        account = "the account of the ARN" if route.stream.arn is not None else "the account of those credentials"
        return (
            f"check the name ({route.stream.called}), the region ({region}) and that it is in {account}; "
            f"a stream of another account needs {path}.arn or a role there"
        )
    if code in _DENIED:
        return _cure_for_denied_stream(refused)
    if code.startswith("KMS"):
        return "let the role use the stream's KMS key (kms:GenerateDataKey), in the key policy too"
    if code == "ResourceInUseException":
        return "wait until the stream is ACTIVE; it is tried again"
    if code in _BAD_CREDENTIALS or code in _BAD_SIGNATURE:
        return "the credentials ended or are not valid in this partition; check aws.region and the role"
    if code in {"InvalidArgumentException", "ValidationException", "ValidationError", "ParamValidationError"}:
        return f"correct {path}: Kinesis does not take its name or ARN so; a stand-in may know no StreamARN, then use the name"
    if code == "OptInRequired":
        return "finish the sign-up of that account, or switch the region on in it"
    if settings.aws.endpoint_urls.kinesis is not None and code in _NO_ANSWER:
        return "check aws.endpoint_urls.kinesis, and that this host may reach it"
    if code in _NO_ANSWER:
        return f"let this host reach Kinesis in {region} (proxy, security group, VPC endpoint, egress rules)"
    return _cure_for_library(code, "Kinesis") or UNKNOWN_STREAM


_PRINTED_BY = {"resource-based policy": "stream", "vpc endpoint policy": "endpoints"}
"""What `doka policy --for` prints of a kind of policy; of every other it is the writer's."""
DENIED = _DENIED
THROTTLED = _THROTTLED


def cure_for_use(refused: StreamRefused, action: str) -> str:
    """Say what to do where the role that signs may not do `action` on the stream, or on its key."""
    denial = read_denial(refused.message)
    action = denial.action or action
    of_key = action.startswith("kms:")
    places = _POLICIES_OF_A_STREAM | ({"resource-based policy": "of the key"} if of_key else {})
    by_kind = cure_for_policy(denial, action, places)
    if denial.explicit and by_kind is not None:
        return by_kind
    printed = _PRINTED_BY.get(denial.kind or "", "writer")
    if of_key and printed == "stream":
        printed = "kms"
    where = "key, in its own policy and in that of the role" if of_key else "stream"
    return f"{by_kind or f'allow {action} on the {where}'}; doka policy --for {printed} prints it"


def _cure_for_denied_stream(refused: StreamRefused) -> str:
    denial = read_denial(refused.message)
    action = denial.action or "kinesis:DescribeStreamSummary"
    by_kind = cure_for_policy(denial, action, _POLICIES_OF_A_STREAM)
    assumed = "without it doka assumes records of 1 MiB at most"
    if by_kind is not None:
        return f"{by_kind}; {assumed}"
    return f"allow {action} on the stream beside kinesis:PutRecords (role policy, or the stream's resource policy); {assumed}"
