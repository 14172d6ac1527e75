from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.unit.app.cli.conftest import run

EXAMPLES = Path(__file__).parents[4] / "examples"


def test_the_effective_configuration_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As YAML for a person and as JSON for a machine, the same values; a variable is in it, a secret is not."""
    monkeypatch.setenv("DOKA_LIMITS__HELD_MIB", "128")
    monkeypatch.setenv("DOKA_KAFKA__SECURITY", "{mechanism: plain, username: me, password: hunter2}")
    command = ["config", "show", "--config", str(EXAMPLES / "minimal.yaml")]
    code, out, err = run(capsys, *command)
    assert (code, err) == (0, "")
    shown = yaml.safe_load(out)
    assert shown["limits"]["held_mib"] == 128
    assert shown["kafka"]["security"]["password"] == "**********"
    assert "hunter2" not in out
    assert json.loads(run(capsys, *command, "--json")[1]) == shown


def test_permissions_can_be_given_as_options(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """They reach the settings like any other layer."""
    command = ["config", "show", "--legacy-config", str(EXAMPLES / "legacy" / "dev.yaml")]
    assert run(capsys, *command)[0] == 2
    code, out, _ = run(capsys, *command, "--allow-plaintext", "--allow-insecure-endpoints", "--json")
    assert code == 0
    shown = json.loads(out)
    assert (shown["kafka"]["security"]["allow_plaintext"], shown["aws"]["allow_insecure_endpoints"]) == (True, True)


def test_the_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """An editor can take it as it stands."""
    code, out, err = run(capsys, "config", "schema")
    assert (code, err) == (0, "")
    assert json.loads(out)["required"] == ["kafka", "aws", "routes"]


@pytest.mark.parametrize("name", ["dev.yaml", "prd.yaml"])
def test_an_old_file_is_converted(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    """What is printed is a configuration; shown, it is the same as the old file shown."""
    old, new = EXAMPLES / "legacy" / name, tmp_path / "doka.yaml"
    code, out, err = run(capsys, "config", "convert", str(old), "--allow-plaintext")
    assert (code, err) == (0, "")
    new.write_text(out)
    assert run(capsys, "config", "show", "--config", str(new)) == run(
        capsys, "config", "show", "--legacy-config", str(old), "--allow-plaintext"
    )


def test_a_conversion_without_the_permission_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """The page is written, the permission is left to a person."""
    code, out, err = run(capsys, "config", "convert", str(EXAMPLES / "legacy" / "dev.yaml"))
    assert code == 0
    assert "allow_plaintext: false  # set true to go on as before\n" in out
    assert err == (
        "doka: the old service spoke plaintext, and doka refuses that until it is permitted:\n"
        "      set kafka.security.allow_plaintext: true in the result, give --allow-plaintext here, "
        "or move to sasl_ssl.\n"
    )


def test_a_file_that_is_not_of_the_old_form_is_not_converted(capsys: pytest.CaptureFixture[str]) -> None:
    """One line that says which form it is of."""
    new = EXAMPLES / "minimal.yaml"
    assert run(capsys, "config", "convert", str(new)) == (
        2,
        "",
        f"doka: {new}: is of the new form; run it with --config\n",
    )
