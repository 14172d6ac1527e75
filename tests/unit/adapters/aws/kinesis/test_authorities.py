from __future__ import annotations

from pathlib import Path

import botocore.httpsession
import pytest

from doka.adapters.aws.kinesis.authorities import find_ca
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
