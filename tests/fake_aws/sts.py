"""The STS API: form fields in, XML out. AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from xml.sax.saxutils import escape

from tests.fake_aws.clock import ServiceClock
from tests.fake_aws.errors import ServiceError
from tests.fake_aws.leases import Issue, Leases
from tests.fake_aws.policies import Access, Who
from tests.fake_aws.signature import Caller

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
UNSIGNED_OPERATIONS = frozenset({"AssumeRoleWithWebIdentity"})
SECONDS_MIN, SECONDS_MAX, SECONDS_DEFAULT, CHAINED_SECONDS_MAX = 900, 43_200, 3_600, 3_600
_SESSION_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}")
_ROLE_ARN = re.compile(r"arn:aws(?:-[a-z-]+)?:iam::\d{12}:role/\S+")


@dataclass(frozen=True, slots=True)
class Role:
    """A role and its trust policy: which accounts may assume it, with which external id, for how long at most."""

    arn: str
    trusted_accounts: frozenset[str]
    external_id: str | None = None
    seconds_max: int = SECONDS_DEFAULT
    web_tokens: frozenset[str] = frozenset()
    """Web identity tokens that its OIDC trust admits."""


class Sts:
    """Issues leases to proven callers; raises ServiceError for what it refuses.

    `seconds_min` may be lowered so that short leases can be asked for.
    `told_seconds` and `true_seconds` override what every lease says of its life, and how long it really lives.
    """

    def __init__(self, clock: ServiceClock, leases: Leases, access: Access) -> None:
        self.seconds_min = SECONDS_MIN
        self.told_seconds: float | None = None
        self.true_seconds: float | None = None
        self.roles: dict[str, Role] = {}
        self.web_identities: dict[str, tuple[str, Mapping[str, str]]] = {}
        """Web identity token -> the ARN of its provider, and its claims as conditions name them."""
        self._clock = clock
        self._leases = leases
        self.access = access

    def answer(self, operation: str, fields: Mapping[str, str], caller: Caller | None) -> str:
        """Do one operation and give the inside of its result element."""
        match operation:
            case "AssumeRole" if caller is not None:
                return self._assume_role(fields, caller)
            case "AssumeRoleWithWebIdentity":
                return self._assume_role_with_web_identity(fields)
            case "GetCallerIdentity" if caller is not None:
                issue = caller.issue
                return f"<Arn>{issue.arn}</Arn><UserId>AIDAFAKE</UserId><Account>{issue.account}</Account>"
            case _:
                raise ServiceError("InvalidAction", f"Could not find operation {operation} for version 2011-06-15")

    def _assume_role(self, fields: Mapping[str, str], caller: Caller) -> str:
        seconds = self._check_fields(fields)
        role = self.roles.get(fields["RoleArn"])
        self._check_policies(fields, caller.issue)
        by_policies = self.access.policies is not None
        # One answer for all of it, as the real one: an attacker learns nothing from the difference.
        if role is None or not (
            by_policies or (caller.issue.account in role.trusted_accounts and _same_external_id(role, fields))
        ):
            raise _denied(f"User: {caller.issue.arn} is not authorized to perform: sts:AssumeRole", fields["RoleArn"])
        if caller.issue.is_role_session and seconds > CHAINED_SECONDS_MAX:
            text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
            raise ServiceError("ValidationError", text)
        return self._issue(role, fields, seconds, caller.issue)

    def _check_policies(self, fields: Mapping[str, str], issue: Issue) -> None:
        """Ask for the AssumeRole, and for what it needs beside it; raises ServiceError for the first that is denied."""
        keys = {
            "ExternalId": "sts:ExternalId",
            "RoleSessionName": "sts:RoleSessionName",
            "SourceIdentity": "sts:SourceIdentity",
        }
        context = {key: fields[name] for name, key in keys.items() if name in fields}
        if issue.source_identity is not None:
            context["aws:SourceIdentity"] = issue.source_identity
        tags = [name for name in fields if name.startswith("Tags.member.") and name.endswith(".Key")]
        context |= {f"aws:RequestTag/{fields[name]}": fields[f"{name.removesuffix('Key')}Value"] for name in tags}
        needed = {
            "sts:AssumeRole": True,
            "sts:TagSession": bool(tags) or issue.brings_tags,
            "sts:SetSourceIdentity": "SourceIdentity" in fields or issue.source_identity is not None,
        }
        for action in (each for each, is_needed in needed.items() if is_needed):
            self.access.check(issue, action, fields["RoleArn"], context, code="AccessDenied")

    def _assume_role_with_web_identity(self, fields: Mapping[str, str]) -> str:
        seconds = self._check_fields(fields)
        role = self.roles.get(fields["RoleArn"])
        token = fields.get("WebIdentityToken", "")
        if not 4 <= len(token) <= 20_000:
            raise _violates("webIdentityToken", "have length between 4 and 20000")
        if role is None or not role.web_tokens or not self._admits(token, role.arn):
            raise _denied("Not authorized to perform sts:AssumeRoleWithWebIdentity", fields["RoleArn"])
        if token not in role.web_tokens:
            raise ServiceError("InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider")
        return self._issue(role, fields, seconds) + "<Provider>arn:aws:iam::fake:oidc-provider/fake</Provider>"

    def _admits(self, token: str, role_arn: str) -> bool:
        """Say whether the role's trust policy admits who holds a token, where there are policies."""
        if self.access.policies is None:
            return True
        provider, claims = self.web_identities[token]
        who = Who(provider, provider.split(":")[4], kind="Federated")
        action = "sts:AssumeRoleWithWebIdentity"
        return self.access.policies.objection(who, action, role_arn, claims, trust=True) is None

    def _check_fields(self, fields: Mapping[str, str]) -> float:
        if not _ROLE_ARN.fullmatch(fields.get("RoleArn", "")):
            raise ServiceError("ValidationError", f"{fields.get('RoleArn')} is invalid")
        if not _SESSION_NAME.fullmatch(fields.get("RoleSessionName", "")):
            raise _violates("roleSessionName", r"satisfy regular expression pattern: [\w+=,.@-]*, of length 2 to 64")
        if "ExternalId" in fields and not _EXTERNAL_ID.fullmatch(fields["ExternalId"]):
            raise _violates("externalId", r"satisfy regular expression pattern: [\w+=,.@:\/-]*, of length 2 to 1224")
        text = fields.get("DurationSeconds", str(SECONDS_DEFAULT))
        if not text.isdecimal() or not self.seconds_min <= int(text) <= SECONDS_MAX:
            raise _violates("durationSeconds", f"have value between {self.seconds_min} and {SECONDS_MAX}")
        return int(text)

    def _issue(self, role: Role, fields: Mapping[str, str], seconds: float, caller: Issue | None = None) -> str:
        if seconds > role.seconds_max:
            text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            raise ServiceError("ValidationError", text)
        told = seconds if self.told_seconds is None else self.told_seconds
        true = told if self.true_seconds is None else self.true_seconds
        issue = self._leases.issue(role.arn, fields["RoleSessionName"], told, true)
        issue.session_policy = json.loads(fields["Policy"]) if "Policy" in fields else None
        issue.source_identity = fields.get("SourceIdentity", None if caller is None else caller.source_identity)
        issue.brings_tags = caller is not None and caller.brings_tags
        return self._credentials(issue, told) + _assumed_role_user(issue) + _source_identity(fields)

    def _credentials(self, issue: Issue, told_seconds: float) -> str:
        end = self._clock.moment() + timedelta(seconds=told_seconds)
        return (
            f"<Credentials><AccessKeyId>{issue.access_key}</AccessKeyId>"
            f"<SecretAccessKey>{issue.secret_key}</SecretAccessKey>"
            f"<SessionToken>{issue.token}</SessionToken>"
            f"<Expiration>{end:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
        )


def result_xml(operation: str, inside: str, request_id: str) -> bytes:
    """Wrap a result as the query protocol does."""
    return (
        f'<{operation}Response xmlns="{NAMESPACE}"><{operation}Result>{inside}</{operation}Result>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    ).encode()


def error_xml(error: ServiceError, request_id: str) -> bytes:
    """Wrap an error as the query protocol does."""
    kind = "Receiver" if error.status >= 500 else "Sender"
    return (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>{kind}</Type><Code>{escape(error.code)}</Code>'
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


def _assumed_role_user(issue: Issue) -> str:
    session = issue.arn.rpartition("/")[2]
    return f"<AssumedRoleUser><AssumedRoleId>AROAFAKE:{session}</AssumedRoleId><Arn>{issue.arn}</Arn></AssumedRoleUser>"


def _source_identity(fields: Mapping[str, str]) -> str:
    given = fields.get("SourceIdentity")
    return "" if given is None else f"<SourceIdentity>{escape(given)}</SourceIdentity>"


def _same_external_id(role: Role, fields: Mapping[str, str]) -> bool:
    return role.external_id is None or fields.get("ExternalId") == role.external_id


def _denied(text: str, resource: str) -> ServiceError:
    return ServiceError("AccessDenied", f"{text} on resource: {resource}", 403)


def _violates(field: str, constraint: str) -> ServiceError:
    text = f"1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must {constraint}"
    return ServiceError("ValidationError", text)
