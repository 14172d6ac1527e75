"""Whom the sink trusts, and by which way it goes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.aws.sts.settings import Hop, RoleChain
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import DescribeStream
from doka.domain.events import LeaseRefused, PutAnswered, PutUnsent, StreamRefused
from tests.certificates import Authority, make_authority
from tests.fake_aws import Close, FakeAws, Say
from tests.integration.aws.kinesis.conftest import MakeSink, running_kinesis
from tests.integration.aws.kinesis.puts import answer_to, make_put
from tests.unit.adapters.aws.kinesis.leases import make_lease

WRITER = "arn:aws:iam::210987654321:role/writer"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A CA that nobody knows yet."""
    return make_authority(tmp_path)


@pytest.fixture
def tls_kinesis(authority: Authority) -> Iterator[FakeAws]:
    """A Kinesis behind TLS."""
    with running_kinesis(authority.server) as running:
        yield running


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_an_authority_of_the_environment_is_trusted(
    tls_kinesis: FakeAws,
    authority: Authority,
    sink_to: MakeSink,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """With the CA in either of boto3's variables puts land, over one kept connection."""
    monkeypatch.setenv(variable, str(authority.ca_file))
    sink = sink_to(tls_kinesis.url)
    assert [PutAnswered(number) for number in range(3)] == [answer_to(sink, make_put(number)) for number in range(3)]
    assert 1 == tls_kinesis.connections


def test_a_folder_of_authorities_is_trusted(
    tls_kinesis: FakeAws,
    authority: Authority,
    sink_to: MakeSink,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A directory in OpenSSL's form serves as well as a file."""
    folder = tmp_path / "authorities"
    folder.mkdir()
    hashed = subprocess.run(
        ["openssl", "x509", "-noout", "-hash", "-in", str(authority.ca_file)],
        check=True,
        capture_output=True,
        text=True,
    )
    shutil.copy(authority.ca_file, folder / f"{hashed.stdout.strip()}.0")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(folder))
    assert PutAnswered(1) == answer_to(sink_to(tls_kinesis.url), make_put())


def _replace(bundle: Path, by: Path) -> None:
    """Put another file in its place in one step, as a trust manager does."""
    new = bundle.with_suffix(".new")
    shutil.copy(by, new)
    new.replace(bundle)


def _point_elsewhere(bundle: Path, by: Path) -> None:
    """Let the link lead to another file, as a mounted ConfigMap does."""
    new = bundle.with_suffix(".new")
    new.symlink_to(by)
    new.replace(bundle)


@pytest.mark.parametrize("renew", [_replace, _point_elsewhere])
@pytest.mark.parametrize("spelled", ["{folder}/bundle.pem", "bundle.pem"])
def test_a_bundle_that_is_replaced_is_read_again(
    *,
    tls_kinesis: FakeAws,
    authority: Authority,
    sink_to: MakeSink,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    renew: Callable[[Path, Path], None],
    spelled: str,
) -> None:
    """After the servers' authority has changed and the bundle with it, the next put lands."""
    (tmp_path / "another").mkdir()
    other, bundle = make_authority(tmp_path / "another"), tmp_path / "bundle.pem"
    renew(bundle, other.ca_file)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", spelled.format(folder=tmp_path))
    sink = sink_to(tls_kinesis.url)
    assert [PutUnsent(1, "certificate_refused")] * 3 == [answer_to(sink, make_put()) for _ in range(3)]
    renew(bundle, authority.ca_file)
    assert [PutAnswered(number) for number in range(2)] == [answer_to(sink, make_put(number)) for number in range(2)]
    assert 3 + 1 == tls_kinesis.connections  # those refused, and one that is kept


def test_a_bundle_that_stays_the_same_costs_no_connection(
    tls_kinesis: FakeAws,
    authority: Authority,
    sink_to: MakeSink,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A refusal by one server, whose authority is not in it, leaves the connections to others as they are."""
    (tmp_path / "another").mkdir()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca_file))
    with running_kinesis(make_authority(tmp_path / "another").server) as foreign:
        sink = sink_to(tls_kinesis.url, foreign=foreign.url)
        for number in range(3):
            assert PutAnswered(number) == answer_to(sink, make_put(number))
            assert PutUnsent(1, "certificate_refused") == answer_to(sink, make_put(1, route="foreign"))
    assert 1 == tls_kinesis.connections


def test_a_server_of_an_unknown_authority_is_refused(tls_kinesis: FakeAws, sink_to: MakeSink) -> None:
    """A self-signed world is not believed: nothing is sent to it."""
    assert PutUnsent(1, "certificate_refused") == answer_to(sink_to(tls_kinesis.url), make_put())
    assert [] == tls_kinesis.calls


def test_a_certificate_of_another_host_is_refused(
    sink_to: MakeSink, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A trusted authority's certificate for another name is not this host's."""
    elsewhere = make_authority(tmp_path, host="elsewhere.example")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(elsewhere.ca_file))
    with running_kinesis(elsewhere.server) as kinesis:
        assert PutUnsent(1, "certificate_refused") == answer_to(sink_to(kinesis.url), make_put())
        assert [] == kinesis.calls


def test_a_server_that_speaks_no_tls_is_unsent(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """An https address at a plain server fails before anything of the put is sent."""
    event = answer_to(sink_to(kinesis.url.replace("http://", "https://")), make_put(timeout=2_000_000_000))
    assert isinstance(event, PutUnsent)
    assert [] == kinesis.calls


def test_a_proxy_of_the_environment_is_asked_and_its_refusal_is_unsent(
    kinesis: FakeAws, sink_to: MakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY leads to a CONNECT; a proxy that refuses the tunnel has seen nothing of the put."""
    kinesis.will((Say(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), Close()))
    monkeypatch.setenv("HTTPS_PROXY", kinesis.url)
    event = answer_to(sink_to("https://kinesis.example:8443"), make_put())
    assert isinstance(event, PutUnsent)
    assert ["CONNECT kinesis.example:8443"] == [call.start for call in kinesis.calls]


def test_no_proxy_leads_past_the_proxy(
    tls_kinesis: FakeAws, authority: Authority, sink_to: MakeSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host in NO_PROXY is reached directly though HTTPS_PROXY points at nobody."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.ca_file))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert PutAnswered(1) == answer_to(sink_to(tls_kinesis.url), make_put())


PROXY_REFUSES = (Say(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"), Close())


@pytest.mark.parametrize(("login", "shown"), [("", None), ("ada:p%40ss@", "Basic YWRhOnBAc3M=")])
def test_everything_goes_through_the_proxy_and_shows_its_login(
    kinesis: FakeAws, sink_to: MakeSink, monkeypatch: pytest.MonkeyPatch, login: str, shown: str | None
) -> None:
    """Puts by libcurl, descriptions and STS by botocore: one CONNECT each, with the name and password of HTTPS_PROXY."""
    for _ in range(3):
        kinesis.will(PROXY_REFUSES)
    monkeypatch.setenv("HTTPS_PROXY", kinesis.url.replace("http://", f"http://{login}"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    put = answer_to(sink_to(None), make_put())
    target = StreamTarget("orders", "orders", None, "eu-west-1")
    told = KinesisDescriber({"orders": target}, SystemClock()).describe(DescribeStream("orders", make_lease()))
    chains = {name: RoleChain(name, "eu-west-1", hops) for name, hops in (("ambient", ()), ("w", (Hop(WRITER),)))}
    lease = StsAuthority(chains, SystemClock()).issue("w")
    assert (PutUnsent, StreamRefused, LeaseRefused) == (type(put), type(told), type(lease))
    hosts = ("kinesis.eu-west-1.amazonaws.com", "kinesis.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com")
    assert [f"CONNECT {host}:443" for host in hosts] == [call.start for call in kinesis.calls]
    assert [shown] * 3 == [call.headers.get("proxy-authorization") for call in kinesis.calls]
    said = f"{put} {told} {lease}"
    assert "p%40ss" not in said
    assert "p@ss" not in said
