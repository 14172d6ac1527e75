from __future__ import annotations

import pytest

from tests.unit.app.cli.conftest import run


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("incident", "doka simulate incident --report incident.html"),
        ("run", "doka simulate run --scenario sts.yaml --config doka.yaml --json"),
        ("compare", 'doka simulate compare --world "STS down 40 min" --tokens 1h'),
        ("fuzz", "doka simulate fuzz --seeds 1000 --jobs 4"),
        ("schema", "doka simulate schema > scenario.schema.json"),
    ],
)
def test_the_help_of_each_command_has_an_example(
    capsys: pytest.CaptureFixture[str], command: str, example: str
) -> None:
    """It can be copied as it stands, and stands beside what the exit codes mean here."""
    code, out, _ = run(capsys, "simulate", command, "--help")
    assert code == 0
    assert f"Example  {example}" in out
    assert ("nothing lost, in order" in out) == (command in {"run", "compare", "fuzz"})
