"""Whom the sink trusts, and by which way it goes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from doka.domain.events import PutAnswered, PutUnsent
from tests.certificates import Authority, make_authority
from tests.fake_aws import Close, FakeAws, Say
from tests.integration.aws.kinesis.conftest import MakeSink, running_kinesis
from tests.integration.aws.kinesis.puts import answer_to, make_put


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
