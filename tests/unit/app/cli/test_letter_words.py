"""What the help of `doka letters` teaches."""

from __future__ import annotations

import pytest

from tests.unit.app.cli.conftest import run


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("list", "doka letters list --code RecordTooLarge --since 2d --json --config doka.yaml"),
        ("show", "doka letters show dead:0:17 --config doka.yaml"),
        ("resend", "doka letters resend --route orders --receipts sent.jsonl --config doka.yaml"),
    ],
)
def test_the_help_of_each_command_has_an_example(
    capsys: pytest.CaptureFixture[str], command: str, example: str
) -> None:
    """It can be copied as it stands."""
    code, out, _ = run(capsys, "letters", command, "--help")
    assert (0, True) == (code, f"Example  {example}" in out)
