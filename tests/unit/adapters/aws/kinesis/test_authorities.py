from __future__ import annotations

from pathlib import Path

import botocore.httpsession
import pytest

from doka.adapters.aws.kinesis.authorities import Bundle, find_ca
from doka.domain.errors import UsageError


@pytest.fixture
def bundles(tmp_path: Path) -> dict[str, str]:
    """Three CA files to tell apart."""
    made = {}
    for name in ("aws", "requests", "profile"):
        file = tmp_path / f"{name}.pem"
        file.write_text(name)
        made[name] = str(file)
    return made


def test_without_any_setting_the_authorities_are_botocores(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user of boto3 trusts by default is what doka trusts."""
    assert botocore.httpsession.get_cert_path(verify=True) == find_ca()


def test_aws_ca_bundle_comes_before_requests_ca_bundle(
    monkeypatch: pytest.MonkeyPatch, bundles: dict[str, str]
) -> None:
    """The two variables count in boto3's order."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundles["requests"])
    assert bundles["requests"] == find_ca()
    monkeypatch.setenv("AWS_CA_BUNDLE", bundles["aws"])
    assert bundles["aws"] == find_ca()


def test_the_ca_bundle_of_the_profile_counts(
    monkeypatch: pytest.MonkeyPatch, bundles: dict[str, str], tmp_path: Path
) -> None:
    """`ca_bundle` in the AWS configuration file is honoured, as in boto3."""
    file = tmp_path / "config"
    file.write_text(f"[default]\nca_bundle = {bundles['profile']}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    assert bundles["profile"] == find_ca()


@pytest.mark.parametrize("path", ["", "  ", "/nowhere/ca.pem"])
def test_a_ca_that_is_not_there_is_a_usage_error_with_its_cure(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A path that no file is at would fail every request; it is said at the start, with the variable to set."""
    monkeypatch.setenv("AWS_CA_BUNDLE", path)
    with pytest.raises(UsageError, match="AWS_CA_BUNDLE"):
        find_ca()


def test_a_profile_that_is_not_there_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS_PROFILE that no file holds is named."""
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(UsageError, match="nowhere"):
        find_ca()


def _replace(bundle: Path) -> None:
    """Put another file in its place."""
    new = bundle.with_suffix(".new")
    new.write_text("another")
    new.replace(bundle)


def test_a_bundle_is_spelled_anew_only_after_a_refusal_and_a_change(tmp_path: Path) -> None:
    """Neither a refusal alone nor a change alone costs the connections that are there; both do, each time once."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("one")
    authorities = Bundle(str(bundle))
    first, anew = str(bundle), f"{tmp_path}/./ca.pem"
    authorities.doubt()
    assert first == authorities.path()
    _replace(bundle)
    assert [anew] * 2 == [authorities.path() for _ in range(2)]
    _replace(bundle)
    assert anew == authorities.path()
    authorities.doubt()
    assert [first] * 2 == [authorities.path() for _ in range(2)]


def test_a_bundle_that_is_gone_keeps_its_spelling(tmp_path: Path) -> None:
    """Between its removal and its return nothing is read anew, and its return is."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("one")
    authorities = Bundle(str(bundle))
    authorities.doubt()
    bundle.unlink()
    assert str(bundle) == authorities.path()
    bundle.write_text("another")
    assert f"{tmp_path}/./ca.pem" == authorities.path()
