"""Every AWS that there is, at the level of the request that leaves: its host, and the scope of its signature.

What is expected stands here in words, by AWS's own lists of endpoints; what is made of it goes through doka's own parts, and
botocore's rules behind them. No request leaves: botocore's connection is answered here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.credentials import SSOProvider
from botocore.httpsession import URLLib3Session

from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.endpoint import Endpoints
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.session import AwsSessions
from doka.adapters.aws.signing import sign
from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.aws.sts.settings import AMBIENT_ROLE, Hop, RoleChain
from doka.adapters.system.clock import SystemClock
from doka.app.settings.arn import parse_role_arn, parse_stream_arn, partition_of
from doka.app.settings.endpoints import objection, parse_endpoint
from doka.domain.commands import DescribeStream
from doka.domain.errors import UsageError
from doka.domain.events import LeaseIssued
from doka.domain.lease import Lease, Secrets
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture for all of them

OWNER, WRITER = "210987654321", "111122223333"
SECRETS = Secrets("AKID", "secret", "token")
SESSIONS = AwsSessions()
LATER = "2036-01-01T00:00:00Z"
ISSUE = f"<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{LATER}</Expiration>"
XMLNS = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'


@dataclass(frozen=True)
class Aws:
    """One partition: a region of it, and what stands behind a service's and a region's name in its hosts."""

    partition: str
    region: str
    usual: str
    dual_stack: str | None
    accounts: bool = True
    """Whether a stream's account is a part of the host."""

    @property
    def arn(self) -> str:
        """A stream of it."""
        return f"arn:{self.partition}:kinesis:{self.region}:{OWNER}:stream/orders"

    @property
    def role(self) -> str:
        """A role of it."""
        return f"arn:{self.partition}:iam::{OWNER}:role/writer"


EVERY = (
    Aws("aws", "eu-west-1", "amazonaws.com", "api.aws"),
    Aws("aws-cn", "cn-north-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    Aws("aws-us-gov", "us-gov-west-1", "amazonaws.com", "api.aws"),
    Aws("aws-iso", "us-iso-east-1", "c2s.ic.gov", "api.aws.ic.gov", accounts=False),
    Aws("aws-iso-b", "us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud", accounts=False),
    Aws("aws-iso-e", "eu-isoe-west-1", "cloud.adc-e.uk", None),
    Aws("aws-iso-f", "us-isof-south-1", "csp.hci.ic.gov", None),
    Aws("aws-eusc", "eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu"),
)
BY_NAME = pytest.mark.parametrize("aws", EVERY, ids=lambda aws: aws.partition)

Left = tuple[str, str]
"""Host, and scope without the date."""


class Body:
    """The bytes of an answer, as botocore reads them."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        """Give them."""
        yield self._content


Answering = Callable[[AWSPreparedRequest], bytes]


class Wire:
    """What botocore sends, which is answered by `answers`: the text that a URL must hold -> the body."""

    def __init__(self) -> None:
        self.sent: list[AWSPreparedRequest] = []
        self.answers: dict[str, bytes] = {}

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Answer a request."""
        self.sent.append(request)
        url = str(request.url)
        body = next((body for part, body in self.answers.items() if part in url), b"{}")
        return AWSResponse(url, 200, HTTPHeaders(), Body(body))

    @property
    def hosts(self) -> list[str]:
        """Whom it asked."""
        return [str(urlsplit(str(request.url)).hostname) for request in self.sent]

    @property
    def left(self) -> list[Left]:
        """Host and scope of each."""
        return [
            (host, scope_in(headers_of(request)["authorization"]))
            for host, request in zip(self.hosts, self.sent, strict=True)
        ]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """Everything that botocore would send."""
    made = Wire()
    monkeypatch.setattr(URLLib3Session, "send", lambda _, request: made.send(request))
    return made


def headers_of(request: AWSPreparedRequest) -> dict[str, str]:
    """Give a request's headers, their names in lower case."""
    return {name.lower(): _text(value) for name, value in request.headers.items()}


def _text(value: str | bytes) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value


def scope_in(authorization: str) -> str:
    """Give region and service of a signature."""
    _, _, region, service, _ = authorization.split("Credential=")[1].split(",", maxsplit=1)[0].split("/")
    return f"{region}/{service}"


def sts_says(operation: str) -> bytes:
    """Give an answer of STS."""
    role = f"<AssumedRoleUser><Arn>arn:aws:sts::{OWNER}:assumed-role/writer/doka</Arn></AssumedRoleUser>"
    result = f"<{operation}Result><Credentials>{ISSUE}</Credentials>{role}</{operation}Result>"
    return f"<{operation}Response {XMLNS}>{result}</{operation}Response>".encode()


def put_leaves(aws: Aws, *, by_arn: bool, url: str | None = None) -> Left:
    """Give where a put goes, signed by doka's own signer."""
    arn = aws.arn if by_arn else None
    target = StreamTarget("orders", "orders", arn, aws.region, url)
    endpoint = Endpoints([target], SESSIONS).find(target, arn, None)
    headers = sign(endpoint, b"{}", SECRETS, 0)
    host = str(urlsplit(endpoint.url).hostname)
    assert headers["Host"] == host  # which is what is signed
    return host, scope_in(headers["Authorization"])


def description_leaves(aws: Aws, wire: Wire, *, by_arn: bool, url: str | None = None) -> Left:
    """Give where the description of a stream is asked for."""
    target = StreamTarget("orders", "orders", aws.arn if by_arn else None, aws.region, url)
    describer = KinesisDescriber({"orders": target}, SystemClock(), SESSIONS)
    describer.describe(DescribeStream("orders", Lease(1, "r", SECRETS, 0, None, WRITER)))
    return wire.left[-1]


def role_leaves(aws: Aws, wire: Wire, monkeypatch: pytest.MonkeyPatch, url: str | None = None) -> Left:
    """Give where a role is asked for."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    wire.answers["sts"] = sts_says("AssumeRole")
    chains = {"w": RoleChain("w", aws.region, (Hop(aws.role),), sts_endpoint_url=url)}
    ambient = {AMBIENT_ROLE: RoleChain(AMBIENT_ROLE, aws.region, sts_endpoint_url=url)}
    issued = StsAuthority(ambient | chains, SystemClock(), new_session=SESSIONS).issue("w")
    assert isinstance(issued, LeaseIssued), issued
    return wire.left[-1]


def switch(monkeypatch: pytest.MonkeyPatch, *, fips: bool, dual_stack: bool) -> None:
    """Choose by the variables of AWS's SDKs."""
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", str(fips).lower())
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", str(dual_stack).lower())


class TestPartitions:
    """Each has its own suffix, and a request is signed for its own region."""

    @BY_NAME
    def test_puts_descriptions_and_roles_stay_in_it(
        self, aws: Aws, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By name the shared host of the region; by ARN, where there is one, that of the stream's account; STS in the region."""
        signed, end = f"{aws.region}/kinesis", f"{aws.region}.{aws.usual}"
        shared = f"kinesis.{end}"
        of_owner = (
            (f"{OWNER}.data-kinesis.{end}", f"{OWNER}.control-kinesis.{end}") if aws.accounts else (shared, shared)
        )
        assert (shared, signed) == put_leaves(aws, by_arn=False)
        assert (of_owner[0], signed) == put_leaves(aws, by_arn=True)
        assert (of_owner[1], signed) == description_leaves(aws, wire, by_arn=True)
        assert (f"sts.{end}", f"{aws.region}/sts") == role_leaves(aws, wire, monkeypatch)

    @BY_NAME
    def test_names_of_it_are_taken_apart(self, aws: Aws) -> None:
        """ARNs of each are known, and a region tells its partition."""
        stream, role = parse_stream_arn(aws.arn), parse_role_arn(aws.role)
        assert (aws.partition, aws.region, OWNER) == (stream.partition, stream.region, stream.account)
        assert (aws.partition, aws.partition) == (role.partition, partition_of(aws.region))

    @BY_NAME
    def test_its_hosts_need_no_permission(self, aws: Aws) -> None:
        """An endpoint that is named in the settings is one of AWS in each: the usual ones, and those of VPC endpoints."""
        ends = [aws.usual, *([aws.dual_stack] if aws.dual_stack else [])]
        hosts = [f"kinesis.{aws.region}.{end}" for end in ends] + [f"vpce-1-a.kinesis.{aws.region}.vpce.{aws.usual}"]
        assert [None] * len(hosts) == [objection(f"https://{host}") for host in hosts]


class TestKindsOfEndpoints:
    """FIPS, dual stack and VPC endpoints, chosen as AWS's SDKs choose them."""

    @pytest.mark.parametrize(
        ("aws", "shared", "sts"),
        [
            (EVERY[0], "kinesis-fips", "sts-fips"),
            (EVERY[2], "kinesis", "sts"),
        ],  # of which the usual ones are such already
        ids=["aws", "aws-us-gov"],
    )
    def test_fips(self, aws: Aws, shared: str, sts: str, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        """Puts, descriptions and STS go by endpoints of that kind, signed as ever."""
        switch(monkeypatch, fips=True, dual_stack=False)
        end, signed = f"{aws.region}.{aws.usual}", f"{aws.region}/kinesis"
        assert (f"{shared}.{end}", signed) == put_leaves(aws, by_arn=False)
        assert (f"{OWNER}.data-kinesis-fips.{end}", signed) == put_leaves(aws, by_arn=True)
        assert (f"{OWNER}.control-kinesis-fips.{end}", signed) == description_leaves(aws, wire, by_arn=True)
        assert (f"{sts}.{end}", f"{aws.region}/sts") == role_leaves(aws, wire, monkeypatch)

    @BY_NAME
    def test_dual_stack(self, aws: Aws, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        """IPv6 by the partition's other suffix; where there is none that is said, with the variable, before anything is sent."""
        switch(monkeypatch, fips=False, dual_stack=True)
        if aws.dual_stack is None:
            with pytest.raises(UsageError, match="AWS_USE_DUALSTACK_ENDPOINT"):
                put_leaves(aws, by_arn=True)
            return
        end = f"{aws.region}.{aws.dual_stack}"
        data, control = ("data-kinesis", "control-kinesis") if aws.accounts else ("kinesis", "kinesis")
        owner = f"{OWNER}." if aws.accounts else ""
        assert (f"{owner}{data}.{end}", f"{aws.region}/kinesis") == put_leaves(aws, by_arn=True)
        assert f"{owner}{control}.{end}" == description_leaves(aws, wire, by_arn=True)[0]
        assert f"sts.{end}" == role_leaves(aws, wire, monkeypatch)[0]

    @BY_NAME
    def test_a_vpc_endpoint_is_signed_for_the_region_behind_it(
        self, aws: Aws, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its host names another zone, and the signature is for the stream's region; STS goes by its own."""
        kinesis, sts = (f"vpce-0a-{name}.{name}.{aws.region}.vpce.{aws.usual}" for name in ("kinesis", "sts"))
        assert kinesis == parse_endpoint(f"https://{kinesis}").hostname
        signed = f"{aws.region}/kinesis"
        for by_arn in (False, True):
            assert (kinesis, signed) == put_leaves(aws, by_arn=by_arn, url=f"https://{kinesis}")
            assert (kinesis, signed) == description_leaves(aws, wire, by_arn=by_arn, url=f"https://{kinesis}")
        assert (sts, f"{aws.region}/sts") == role_leaves(aws, wire, monkeypatch, url=f"https://{sts}")

    def test_private_names_need_no_setting(self) -> None:
        """A VPC endpoint with private DNS answers under the usual names, all three of them."""
        aws = EVERY[0]
        names = {put_leaves(aws, by_arn=by_arn)[0].partition(".")[0] for by_arn in (False, True)}
        assert {"kinesis", OWNER} == names


class TestSources:
    """Where a process has its credentials from: whom it asks, and how it proves who asks."""

    def ambient(self, region: str = "eu-west-1") -> Lease:
        """Give what is found."""
        chains = {AMBIENT_ROLE: RoleChain(AMBIENT_ROLE, region)}
        issued = StsAuthority(chains, SystemClock(), new_session=SESSIONS).issue(AMBIENT_ROLE)
        assert isinstance(issued, LeaseIssued), issued
        return issued.lease

    @staticmethod
    def issue(key: str = "ASIA") -> dict[str, str]:
        """Give credentials as a container or an instance is given them."""
        return {"AccessKeyId": key, "SecretAccessKey": "s", "Token": "t", "Expiration": LATER, "Code": "Success"}

    @BY_NAME
    def test_web_identity_asks_sts_of_its_region_unsigned(
        self, aws: Aws, wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """EKS with IRSA: the token is all the proof, in every partition."""
        (tmp_path / "token").write_text("a.web.identity")
        monkeypatch.setenv("AWS_ROLE_ARN", aws.role)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        wire.answers["sts"] = sts_says("AssumeRoleWithWebIdentity")
        assert "ASIA" == self.ambient(aws.region).secrets.access_key
        (request,) = wire.sent
        asked = parse_qs(str(request.body, "ascii") if isinstance(request.body, bytes) else str(request.body))
        assert [f"sts.{aws.region}.{aws.usual}"] == wire.hosts
        assert (["a.web.identity"], [aws.role]) == (asked["WebIdentityToken"], asked["RoleArn"])
        assert "authorization" not in headers_of(request)

    @pytest.mark.parametrize(
        ("variables", "url"),
        [
            ({"RELATIVE_URI": "/v2/credentials/x"}, "http://169.254.170.2/v2/credentials/x"),
            ({"FULL_URI": "http://169.254.170.23/v1/credentials"}, "http://169.254.170.23/v1/credentials"),
            ({"FULL_URI": "http://[fd00:ec2::23]/v1/credentials"}, "http://[fd00:ec2::23]/v1/credentials"),
        ],
        ids=["ECS", "Pod Identity", "Pod Identity by IPv6"],
    )
    def test_a_container_asks_its_agent(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: Mapping[str, str], url: str
    ) -> None:
        """ECS and Pod Identity: the agent's own address, with the token of the pod's file where it has one."""
        for name, value in variables.items():
            monkeypatch.setenv(f"AWS_CONTAINER_CREDENTIALS_{name}", value)
        token = tmp_path / "token"
        token.write_text("pod-token\n")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
        wire.answers["/credentials"] = json.dumps(self.issue()).encode()
        assert ("ASIA", "t") == (self.ambient().secrets.access_key, self.ambient().secrets.token)
        assert {url} == {str(request.url) for request in wire.sent}
        assert {"pod-token"} == {headers_of(request)["authorization"] for request in wire.sent}

    def test_an_instance_is_asked_by_a_session_of_its_metadata(
        self, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """EC2 with IMDSv2: a PUT for a token, which each GET shows."""
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        wire.answers = {
            "/latest/api/token": b"a-session",
            "/security-credentials/writer": json.dumps(self.issue()).encode(),
            "/security-credentials/": b"writer",
        }
        assert "ASIA" == self.ambient().secrets.access_key
        first, *rest = wire.sent
        assert {"169.254.169.254"} == set(wire.hosts)
        assert ("PUT", "21600") == (first.method, headers_of(first)["x-aws-ec2-metadata-token-ttl-seconds"])
        assert {("GET", "a-session")} == {(each.method, headers_of(each)["x-aws-ec2-metadata-token"]) for each in rest}

    @BY_NAME
    def test_a_profile_that_assumes_a_role_asks_sts_of_its_region(
        self, aws: Aws, wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """`role_arn` and `source_profile`: boto3's own AssumeRole goes where doka's does, not to another partition."""
        (tmp_path / "config").write_text(
            f"[profile writer]\nrole_arn = {aws.role}\nsource_profile = base\nregion = us-east-1\n"
            "[profile base]\naws_access_key_id = AKIA\naws_secret_access_key = s\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_PROFILE", "writer")
        wire.answers["sts"] = sts_says("AssumeRole")
        assert "ASIA" == self.ambient(aws.region).secrets.access_key
        assert [(f"sts.{aws.region}.{aws.usual}", f"{aws.region}/sts")] == wire.left

    def test_a_process_is_run(self, wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """`credential_process`: what it prints, and nobody is asked."""
        told = {"Version": 1, "AccessKeyId": "ASIAP", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": LATER}
        (tmp_path / "told").write_text(json.dumps(told))
        (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {tmp_path / 'told'}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        lease = self.ambient()
        assert ("ASIAP", True, []) == (lease.secrets.access_key, lease.life is not None, wire.sent)

    @pytest.mark.parametrize("aws", [EVERY[0], EVERY[1], EVERY[2]], ids=lambda aws: aws.partition)
    def test_single_sign_on_asks_the_portal_of_its_region(
        self, aws: Aws, wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A profile of IAM Identity Center shows the token of `aws sso login`, unsigned."""
        start = "https://example.awsapps.com/start"
        (tmp_path / "config").write_text(
            f"[default]\nsso_start_url = {start}\nsso_region = {aws.region}\nsso_account_id = {OWNER}\nsso_role_name = w\n"
        )
        cache = tmp_path / "cache"
        cache.mkdir()
        token = {"startUrl": start, "region": aws.region, "accessToken": "portal-token", "expiresAt": LATER}
        name = sha1(start.encode(), usedforsecurity=False).hexdigest()
        (cache / f"{name}.json").write_text(json.dumps(token))
        monkeypatch.setattr(SSOProvider, "_SSO_TOKEN_CACHE_DIR", str(cache))  # else that of whoever runs the tests
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        ends = 2_082_758_400_000
        role = {"accessKeyId": "ASIAS", "secretAccessKey": "s", "sessionToken": "t", "expiration": ends}
        wire.answers["portal.sso"] = json.dumps({"roleCredentials": role}).encode()
        assert "ASIAS" == self.ambient(aws.region).secrets.access_key
        (request,) = wire.sent
        assert [f"portal.sso.{aws.region}.{aws.usual}"] == wire.hosts
        assert "portal-token" == headers_of(request)["x-amz-sso_bearer_token"]
        assert "authorization" not in headers_of(request)
