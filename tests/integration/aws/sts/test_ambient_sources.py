"""The sources of boto3's own chain, as they are: web identity (EKS) and a container endpoint (ECS, Pod Identity)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.embedded.gate import ExpiringGate
from doka.adapters.embedded.moto_server import EmbeddedMoto
from doka.adapters.system.clock import SystemClock
from doka.domain.events import LeaseIssued
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND
from tests.integration.aws.sts.conftest import MIDDLE, WRITER, chain_to


@pytest.fixture
def web_identity(moto: EmbeddedMoto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ExpiringGate]:
    """What EKS gives a pod: a role and a token file; and an AWS for it."""
    token = tmp_path / "token"
    token.write_text("a.web.identity")
    with ExpiringGate(moto.url, SystemClock(), token_seconds=3600) as gate:
        monkeypatch.setenv("AWS_ROLE_ARN", MIDDLE)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
        monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "doka-pod-0")
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", gate.url)  # where boto3's own chain asks; ours is set apart
        yield gate


def lease_of(authority: StsAuthority, role: str) -> Lease:
    """Issue a lease that must be there."""
    event = authority.issue(role)
    assert isinstance(event, LeaseIssued), event
    return event.lease


def seconds_left(lease: Lease) -> float:
    """Tell how long a lease lives that must have an end."""
    assert lease.life is not None
    return lease.life / NS_PER_SECOND


def test_web_identity_is_the_ambient_lease(web_identity: ExpiringGate) -> None:
    """It ends an hour less a minute after its issue, belongs to its role's account, and the next is a new one."""
    authority = StsAuthority({}, SystemClock())
    first, second = lease_of(authority, "ambient"), lease_of(authority, "ambient")
    assert 3530 < seconds_left(first) <= 3540
    assert "111122223333" == first.account_id
    assert first.secrets != second.secrets
    assert web_identity.counts().leases_issued == 2


def test_web_identity_is_the_base_of_a_chain(web_identity: ExpiringGate) -> None:
    """Its credentials sign the hop into the writer's account, and a later lease does not ask for them again."""
    authority = StsAuthority({"analytics": chain_to(web_identity.url, WRITER)}, SystemClock())
    leases = [lease_of(authority, "analytics") for _ in range(2)]
    assert [("210987654321", 3600.0)] * 2 == [(lease.account_id, seconds_left(lease)) for lease in leases]
    assert web_identity.counts().leases_issued == 3


def test_web_identity_without_its_token_file_is_a_refusal(web_identity: ExpiringGate, tmp_path: Path) -> None:
    """A projected token that is not there yet is an answer, and once it is there the lease comes."""
    authority = StsAuthority({}, SystemClock())
    (tmp_path / "token").rename(tmp_path / "elsewhere")
    refused = authority.issue("ambient")
    assert not isinstance(refused, LeaseIssued)
    (tmp_path / "elsewhere").rename(tmp_path / "token")
    lease_of(authority, "ambient")


@pytest.fixture
def container_url() -> Iterator[str]:
    """What ECS and Pod Identity give a container: an endpoint with credentials."""

    class Handler(BaseHTTPRequestHandler):
        issued = 0

        def do_GET(self) -> None:
            """Issue the next credentials."""
            Handler.issued += 1
            ends = datetime.now(UTC) + timedelta(hours=6)
            body = json.dumps(
                {
                    "AccessKeyId": f"ASIA{Handler.issued}",
                    "SecretAccessKey": "secret",
                    "Token": "token",
                    "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_container_endpoint_is_the_ambient_lease(container_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends when the endpoint said, less a minute, and the next question brings a new issue."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container_url)
    authority = StsAuthority({}, SystemClock())
    leases = [lease_of(authority, "ambient") for _ in range(2)]
    assert ["ASIA1", "ASIA2"] == [lease.secrets.access_key for lease in leases]
    assert 6 * 3600 - 70 < seconds_left(leases[0]) <= 6 * 3600 - 60


def test_nothing_around_is_a_refusal_that_names_the_cure() -> None:
    """A process without credentials is told what to give it."""
    refused = StsAuthority({}, SystemClock()).issue("ambient")
    assert not isinstance(refused, LeaseIssued)
    assert ("NoCredentials", True) == (refused.code, "IRSA" in refused.message)
