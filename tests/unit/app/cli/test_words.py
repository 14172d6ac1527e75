from __future__ import annotations

import pytest

from tests.unit.app.cli.conftest import run


def test_help_says_what_doka_is_and_what_to_type_next(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer learns from the first screen what it does, the commands, and how to begin."""
    code, out, err = run(capsys, "--help")
    assert (code, err) == (0, "")
    flat = " ".join(out.split())
    for taught in (
        "Forwards records from Apache Kafka (Amazon MSK) to an Amazon Kinesis data stream",
        "Every record lands at least once and in the order of its key",
        "See it work doka demo",
        "Try it out doka check --config doka.yaml",
        "Run it doka run --config doka.yaml",
        "Move over doka config convert configs/dev.yaml > doka.yaml",
        "Exit codes 0 clean; 1 halted or found something wrong, and says what; 2 bad usage or configuration",
    ):
        assert taught in flat
    assert [name for name in ("run", "check", "demo", "simulate", "version", "config") if f"│ {name} " not in out] == []


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("run", "doka run --legacy-config configs/dev.yaml --allow-plaintext"),
        ("check", "doka check --config doka.yaml"),
        ("policy", "doka policy --workload irsa --out policies --config doka.yaml"),
        ("demo", "doka demo --policy never --original"),
        ("top", "doka top 127.0.0.1:9400 --json"),
        ("lag", "doka lag --config doka.yaml --watch"),
        ("tail", "doka tail --config doka.yaml --route orders --from 2h --limit 100 --json"),
        ("test", "doka test --records orders.jsonl --config doka.yaml"),
        ("plan", "doka plan --last 1d --prices prices.yaml --config doka.yaml"),
        ("replay", "doka replay --offsets orders:3:200-229 --dry-run --config doka.yaml"),
        ("config schema", "doka config schema > doka.schema.json"),
        ("config show", "DOKA_LIMITS__HELD_MIB=128 doka config show --config doka.yaml"),
        ("config convert", "doka config convert configs/dev.yaml > doka.yaml"),
    ],
)
def test_the_help_of_each_command_has_an_example(
    capsys: pytest.CaptureFixture[str], command: str, example: str
) -> None:
    """It can be copied as it stands."""
    code, out, _ = run(capsys, *command.split(), "--help")
    assert code == 0
    assert f"Example  {example}" in out
