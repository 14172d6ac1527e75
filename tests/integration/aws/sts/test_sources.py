"""The sources of boto3's own chain, as they are: web identity (EKS) and a container endpoint (ECS, Pod Identity)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ConnectTimeoutError
from botocore.httpsession import URLLib3Session

from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.system.clock import SystemClock
from doka.app.settings.mapping import to_oauth
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND
from tests.fake_aws import Answer, Call, FakeAws
from tests.integration.aws.sts.conftest import MIDDLE, WEB_TOKEN, WRITER, chain_to, chains_at
from tests.unit.app.settings.given import settings


@pytest.fixture
def web_identity(sts: FakeAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeAws:
    """What EKS gives a pod, with the name of its session; and an AWS for it."""
    in_pod(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "doka-pod-0")
    return sts


def lease_of(authority: StsAuthority, role: str) -> Lease:
    """Issue a lease that must be there."""
    event = authority.issue(role)
    assert isinstance(event, LeaseIssued), event
    return event.lease


def seconds_left(lease: Lease) -> float:
    """Tell how long a lease lives that must have an end."""
    assert lease.life is not None
    return lease.life / NS_PER_SECOND


def test_web_identity_is_the_ambient_lease(web_identity: FakeAws) -> None:
    """It ends an hour less a minute after its issue, belongs to its role's account, and the next is a new one."""
    authority = StsAuthority(chains_at(web_identity.url), SystemClock())
    first, second = lease_of(authority, "ambient"), lease_of(authority, "ambient")
    assert 3530 < seconds_left(first) <= 3540
    assert "111122223333" == first.account_id
    assert first.secrets != second.secrets
    assert 2 == len(web_identity.issues())


def test_a_line_break_at_the_end_of_a_web_identity_is_harmless(web_identity: FakeAws, tmp_path: Path) -> None:
    """A token that somebody wrote by hand ends with one, and is the same token."""
    (tmp_path / "token").write_text(f"{WEB_TOKEN}\r\n")
    lease_of(StsAuthority(chains_at(web_identity.url), SystemClock()), "ambient")


def test_web_identity_is_the_base_of_a_chain(web_identity: FakeAws) -> None:
    """Its credentials sign the hop into the writer's account, and a later lease does not ask for them again."""
    authority = StsAuthority(chains_at(web_identity.url, chain_to(web_identity.url, WRITER)), SystemClock())
    leases = [lease_of(authority, "analytics") for _ in range(2)]
    assert [("210987654321", 3600.0)] * 2 == [(lease.account_id, seconds_left(lease)) for lease in leases]
    assert 3 == len(web_identity.issues())


def test_web_identity_without_its_token_file_is_a_refusal(web_identity: FakeAws, tmp_path: Path) -> None:
    """A projected token that is not there yet is an answer, and once it is there the lease comes."""
    authority = StsAuthority(chains_at(web_identity.url), SystemClock())
    (tmp_path / "token").rename(tmp_path / "elsewhere")
    refused = authority.issue("ambient")
    assert not isinstance(refused, LeaseIssued)
    (tmp_path / "elsewhere").rename(tmp_path / "token")
    lease_of(authority, "ambient")


@pytest.fixture
def container() -> Iterator[FakeAws]:
    """What ECS and Pod Identity give a container: an endpoint with credentials, the next ones to each question."""
    numbers = itertools.count(1)

    def issue(_: Call, __: bytes) -> object:
        ends = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
        key = f"ASIA{next(numbers)}"
        return {"AccessKeyId": key, "SecretAccessKey": "secret", "Token": "token", "Expiration": ends}

    with FakeAws(keeps_calls=True) as endpoint:
        endpoint.inject(Answer(issue), on="*", times=None)
        yield endpoint


def test_a_container_endpoint_is_the_ambient_lease(container: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends when the endpoint said, less a minute, and the next question brings a new issue."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.url)
    authority = StsAuthority(chains_at(None), SystemClock())
    leases = [lease_of(authority, "ambient") for _ in range(2)]
    assert ["ASIA1", "ASIA2"] == [lease.secrets.access_key for lease in leases]
    assert 6 * 3600 - 70 < seconds_left(leases[0]) <= 6 * 3600 - 60


def test_nothing_around_is_a_refusal_that_names_the_cure() -> None:
    """A process without credentials is told what to give it."""
    refused = StsAuthority(chains_at(None), SystemClock()).issue("ambient")
    assert not isinstance(refused, LeaseIssued)
    assert ("NoCredentials", True) == (refused.code, "IRSA" in refused.message)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where requests of botocore would go: each is kept from leaving, as a host that does not answer would."""
    urls: list[str] = []

    def keep(_: object, request: AWSPreparedRequest) -> None:
        urls.append(str(request.url))
        raise ConnectTimeoutError(endpoint_url=request.url)

    monkeypatch.setattr(URLLib3Session, "send", keep)
    return urls


def in_pod(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What EKS gives a pod by IRSA: a role, a token file, AWS_REGION, and no AWS_DEFAULT_REGION."""
    (folder / "token").write_text(WEB_TOKEN)
    monkeypatch.setenv("AWS_ROLE_ARN", MIDDLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "token"))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (None, "https://sts.eu-west-1.amazonaws.com/"),
        ("https://vpce-1.sts.eu-west-1.vpce.amazonaws.com", "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com/"),
    ],
)
def test_a_pods_own_credentials_are_asked_for_where_the_settings_say(
    sent: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint: str | None, expected: str
) -> None:
    """aws.region and aws.endpoint_urls.sts hold for them too, not the global STS and not AWS_ENDPOINT_URL_STS."""
    in_pod(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://sts.nobody.example")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://nobody.example")
    refused = StsAuthority(chains_at(endpoint), SystemClock()).issue("ambient")
    assert not isinstance(refused, LeaseIssued)
    assert ({expected}, "ConnectTimeoutError") == (set(sent), refused.code)


def test_the_log_in_of_msk_asks_where_the_settings_say(
    sent: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The token for Kafka is signed with the same credentials, which come from the same place."""
    in_pod(monkeypatch, tmp_path)
    given = settings({("kafka", "security"): {"protocol": "sasl_ssl", "mechanism": "aws_msk_iam"}})
    tokens = to_oauth(given, SystemClock())
    assert tokens is not None
    with pytest.raises(ConnectTimeoutError):
        tokens("")
    assert {"https://sts.eu-west-1.amazonaws.com/"} == set(sent)


@pytest.mark.parametrize("by_file", [True, False])
def test_a_line_break_at_the_end_of_a_containers_token_is_harmless(
    container: FakeAws,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    by_file: bool,  # noqa: FBT001 - the case
) -> None:
    """An editor or `echo` puts it there; the endpoint gets the token without."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.url)
    if by_file:
        (tmp_path / "token").write_text("a-token\n")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    else:
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a-token\n")
    lease_of(StsAuthority(chains_at(None), SystemClock()), "ambient")
    assert ["a-token"] == [call.headers["authorization"] for call in container.calls]


def test_a_containers_token_file_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is told, since nobody can guess it."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/var/run/no-such-token")
    refused = StsAuthority(chains_at(None), SystemClock()).issue("ambient")
    expected = LeaseRefused("ambient", "FileNotFoundError", "/var/run/no-such-token: No such file or directory")
    assert expected == refused


def test_a_containers_endpoint_that_is_not_allowed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boto's own reason is told, with the host and the cure, and not that something unexpected happened."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://credentials.example/")
    refused = StsAuthority(chains_at(None), SystemClock()).issue("ambient")
    expected = (
        "Unsupported host 'credentials.example'; AWS_CONTAINER_CREDENTIALS_FULL_URI must name a loopback address, "
        "one of AWS's own, or be https"
    )
    assert LeaseRefused("ambient", "ValueError", expected) == refused


def test_a_profile_that_asks_for_a_code_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody sits at a service's keyboard: it says so, and reads nothing from stdin."""
    config = tmp_path / "config"
    config.write_text(
        f"[default]\nrole_arn = {WRITER}\nsource_profile = base\nmfa_serial = arn:aws:iam::111122223333:mfa/me\n"
        "[profile base]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = example\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    refused = StsAuthority(chains_at("http://127.0.0.1:1"), SystemClock()).issue("ambient")
    words = "the profile asks for a code of a device (mfa_serial), and a service has nobody to type it"
    assert LeaseRefused("ambient", "MfaCodeNeeded", words) == refused
