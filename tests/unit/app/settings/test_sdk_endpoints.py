from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.config_options import ConfigOptions
from doka.app.settings.load import load_settings
from doka.app.settings.problems import SettingsError
from doka.app.settings.sdk_endpoints import sdk_endpoints
from tests.unit.app.settings.test_load import SMALLEST

VPC = "https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com"
PROFILE = f"""\
[profile prd]
endpoint_url = https://sts.eu-west-1.amazonaws.com
services = own
[profile off]
endpoint_url = {VPC}
ignore_configured_endpoint_urls = true
[profile plain]
region = eu-west-1
[services own]
kinesis =
  endpoint_url = {VPC}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Give the path of a file with profiles."""
    file = tmp_path / "config"
    file.write_text(PROFILE, encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        ({"AWS_ENDPOINT_URL_KINESIS": ""}, {}),
        ({"AWS_ENDPOINT_URL": VPC}, {"kinesis": ("AWS_ENDPOINT_URL", VPC), "sts": ("AWS_ENDPOINT_URL", VPC)}),
        (
            {"AWS_ENDPOINT_URL": "https://a.amazonaws.com", "AWS_ENDPOINT_URL_STS": VPC},
            {"kinesis": ("AWS_ENDPOINT_URL", "https://a.amazonaws.com"), "sts": ("AWS_ENDPOINT_URL_STS", VPC)},
        ),
        ({"AWS_ENDPOINT_URL_S3": VPC}, {}),
        ({"AWS_ENDPOINT_URL": VPC, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"}, {}),
        (
            {"AWS_PROFILE": "prd"},
            {"kinesis": ("profile prd", VPC), "sts": ("profile prd", "https://sts.eu-west-1.amazonaws.com")},
        ),
        (
            {"AWS_PROFILE": "prd", "AWS_ENDPOINT_URL_KINESIS": "https://b.amazonaws.com"},
            {
                "kinesis": ("AWS_ENDPOINT_URL_KINESIS", "https://b.amazonaws.com"),
                "sts": ("profile prd", "https://sts.eu-west-1.amazonaws.com"),
            },
        ),
        ({"AWS_DEFAULT_PROFILE": "off"}, {}),
        ({"AWS_PROFILE": "plain"}, {}),
        ({"AWS_PROFILE": "nobody"}, {}),
    ],
)
def test_the_nearest_endpoint_is_found(
    config: str, environ: dict[str, str], expected: dict[str, tuple[str, str]]
) -> None:
    """Variables go before the profile, and what names a service before what names all, as in AWS's SDKs."""
    assert expected == sdk_endpoints({"AWS_CONFIG_FILE": config, **environ})


@pytest.mark.parametrize("content", ["[[[ endpoint_url", "endpoint_url = 1", "\0endpoint_url"])
def test_a_file_that_is_none_names_nothing(tmp_path: Path, content: str) -> None:
    """A broken file is told by whoever takes credentials from it; here it is no reason to fail."""
    file = tmp_path / "config"
    file.write_text(content, encoding="utf-8")
    assert {} == sdk_endpoints({"AWS_CONFIG_FILE": str(file)})


@pytest.fixture
def doka_yaml(tmp_path: Path) -> Path:
    """Give a whole configuration without endpoints."""
    file = tmp_path / "doka.yaml"
    file.write_text(SMALLEST, encoding="utf-8")
    return file


def test_an_endpoint_of_the_environment_is_used_where_the_configuration_says_nothing(doka_yaml: Path) -> None:
    """AWS_ENDPOINT_URL_KINESIS is the stream's endpoint, and a setting goes before it."""
    environ = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_ENDPOINT_URL_KINESIS": VPC}
    assert VPC == load_settings(ConfigOptions(doka_yaml), environ=environ, hostname="pod-1").aws.endpoint_urls.kinesis
    environ["DOKA_AWS__ENDPOINT_URLS__KINESIS"] = "https://kinesis.eu-west-1.amazonaws.com"
    given = load_settings(ConfigOptions(doka_yaml), environ=environ, hostname="pod-1").aws.endpoint_urls
    assert ("https://kinesis.eu-west-1.amazonaws.com", None) == (given.kinesis, given.sts)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://localhost:4566", "needs permission: http sends data unencrypted"),
        ("https://stand-in.example", "needs permission: the host is not one of AWS"),
        ("http://169.254.169.254", "leads to a link-local or metadata address"),
        ("nonsense", "must be a URL"),
    ],
)
def test_an_endpoint_of_the_environment_is_judged_like_the_setting(doka_yaml: Path, url: str, told: str) -> None:
    """It is refused by the variable's name, with the cure, and taken with the same permission where there is one."""
    environ = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_ENDPOINT_URL": url}
    with pytest.raises(SettingsError) as refused:
        load_settings(ConfigOptions(doka_yaml), environ=environ, hostname="pod-1")
    first, second = str(refused.value).splitlines()
    assert first.startswith("AWS_ENDPOINT_URL: aws.endpoint_urls.kinesis ")
    assert second.startswith("AWS_ENDPOINT_URL: aws.endpoint_urls.sts ")
    assert told in first
    if "needs permission" in told:
        given = load_settings(
            ConfigOptions(doka_yaml, allow_insecure_endpoints=True), environ=environ, hostname="pod-1"
        )
        assert (url, url) == (given.aws.endpoint_urls.kinesis, given.aws.endpoint_urls.sts)
