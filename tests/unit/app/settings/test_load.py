from __future__ import annotations

import socket
from pathlib import Path

import pytest

from doka.app.config_options import ConfigOptions
from doka.app.settings import SettingsError, load_settings, settings_from
from doka.app.settings.load import hostname, read_configuration
from tests.unit.app.settings.given import settings

SMALLEST = """\
kafka:
  bootstrap_servers: ["b-1.example:9098"]
  group_id: doka
aws:
  region: eu-west-1
roles:
  analytics:
    hops: [{role_arn: "arn:aws:iam::210987654321:role/doka-writer"}]
routes:
  - topics: [orders]
    stream: {name: orders, role: analytics}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the smallest good configuration as a file."""
    written = tmp_path / "doka.yaml"
    written.write_text(SMALLEST)
    return written


def refusal(config: Path | None, environ: dict[str, str] | None = None) -> str:
    """Give the lines that a configuration is refused with."""
    with pytest.raises(SettingsError) as refused:
        load_settings(ConfigOptions(config), environ=environ or {}, hostname="pod-1")
    return str(refused.value)


def test_a_file_is_loaded(file: Path) -> None:
    """The same words in a file and as plain data make the same settings."""
    assert load_settings(ConfigOptions(file), environ={}, hostname="pod-1") == settings()


def test_variables_go_before_the_file_and_options_before_variables(file: Path) -> None:
    """The nearer to the person at the terminal, the stronger."""
    environ = {
        "DOKA_KAFKA__GROUP_ID": "other",
        "DOKA_KAFKA__SECURITY__PROTOCOL": "plaintext",
        "DOKA_KAFKA__SECURITY__ALLOW_PLAINTEXT": "false",
        "DOKA_AWS__ENDPOINT_URLS__STS": "http://localhost:1",
    }
    options = ConfigOptions(file, allow_plaintext=True, allow_insecure_endpoints=True)
    given = load_settings(options, environ=environ, hostname="pod-1")
    assert (given.kafka.group_id, given.kafka.security.allow_plaintext, given.aws.allow_insecure_endpoints) == (
        "other",
        True,
        True,
    )


def test_an_error_names_the_line_or_the_variable_it_comes_from(file: Path) -> None:
    """So that nobody has to look for it; everything is told at once, variables that are no settings too."""
    file.write_text(SMALLEST.replace("group_id", "groupid") + "limits:\n  held_mib: 1\n  drain_seconds: 1\n")
    environ = {"DOKA_LIMITS__DRAIN_SECONDS": "0", "DOKA_HELD_MIB": "1"}
    assert refusal(file, environ).splitlines() == [
        "DOKA_HELD_MIB: is no setting of doka; the nearest is DOKA_LIMITS__HELD_MIB",
        f"{file}:1: kafka.group_id is missing; write it like `group_id: doka`",
        f"{file}:3: kafka.groupid is unknown; did you mean kafka.group_id?",
        f"{file}:13: limits.held_mib must be from 8 to 65536",
        "DOKA_LIMITS__DRAIN_SECONDS: limits.drain_seconds must be from 1 to 3600",
    ]


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ("limit: {}\n", "12: limit is unknown; did you mean limits?"),
        ("topics: [a]\n", "12: topics is unknown; did you mean routes[0].topics?"),
        ("held_mib: 3\n", "12: held_mib is unknown; did you mean limits.held_mib?"),
        (
            "zzz: 3\n",
            "12: zzz is unknown; there is kafka, aws, roles, routes, dead_letters, audit, limits, http, log, otlp",
        ),
        ("http: {Port: 1}\n", "12: http.Port is unknown; did you mean http.port?"),
    ],
)
def test_an_unknown_setting_is_told_with_the_nearest_right_one(file: Path, added: str, expected: str) -> None:
    """Beside it, elsewhere, or else everything that is there."""
    file.write_text(SMALLEST + added)
    assert refusal(file) == f"{file}:{expected}"


def test_contradictions_name_their_line_too(file: Path) -> None:
    """Also what is found only when all of it is looked at together."""
    file.write_text(SMALLEST.replace("role: analytics", "role: analytic"))
    assert refusal(file).splitlines() == [
        f"{file}:7: roles.analytics is used by no route; name it in routes[].stream.role, or leave it out",
        f"{file}:11: routes[0].stream.role names analytic, which is not under roles (analytics); define it there",
    ]


def test_without_any_configuration_the_next_step_is_told() -> None:
    """A first `doka run` explains itself."""
    assert refusal(None) == (
        "there is no configuration: name a file with --config FILE (or --legacy-config FILE), or set DOKA_* variables; "
        "`doka config schema` lists what can be set"
    )


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    """It is most likely the wrong one."""
    empty = tmp_path / "doka.yaml"
    empty.touch()
    assert refusal(empty) == f"{empty}: is empty"


def test_two_files_are_one_too_many(file: Path) -> None:
    """Doka does not guess which one is meant."""
    with pytest.raises(SettingsError, match="--config and --legacy-config exclude each other; keep one"):
        load_settings(ConfigOptions(file, file), environ={}, hostname="pod-1")


def test_the_old_form_under_the_new_option_is_told(tmp_path: Path) -> None:
    """One line instead of a list of everything that is missing."""
    old = tmp_path / "dev.yaml"
    for text in ("msk: {topic: a}\n", "aws: {crossAccount: true}\n", "aws: {kinesis: {streamName: a}}\n"):
        old.write_text(text)
        assert refusal(old) == (
            f"{old}: is of the old service's form; run it with --legacy-config, "
            f"or write the new form: doka config convert {old}"
        )


def test_what_is_given_is_not_changed() -> None:
    """The caller's data stays the caller's."""
    given = {
        "kafka": {"bootstrap_servers": ["b-1.example:9098"], "group_id": "doka"},
        "aws": {"region": "eu-west-1"},
        "routes": [{"topics": ["orders"], "stream": {"name": "orders"}}],
    }
    before = repr(given)
    settings_from(given, hostname="pod-1")
    assert repr(given) == before


def test_the_configuration_is_read_as_this_process_sees_it(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """Its variables lie over the file, and its host's name fills session names."""
    monkeypatch.setenv("DOKA_LIMITS__HELD_MIB", "128")
    monkeypatch.setattr(socket, "gethostname", lambda: "host:1")
    assert hostname() == "host:1"
    with pytest.raises(
        SettingsError, match=r"session_name holds a character that STS refuses once \{hostname\} is filled in"
    ):
        read_configuration(ConfigOptions(file))
    monkeypatch.setenv("DOKA_ROLES__ANALYTICS__SESSION_NAME", "doka")
    assert read_configuration(ConfigOptions(file)).limits.held_mib == 128
