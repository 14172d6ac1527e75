"""The Monday after the incident: what is lost is found, sent again and found to be there, by the commands for it.

Each command is shown as a person would type it, and then typed: this file must never do by itself what a command does.
What it says of them at the end is counted elsewhere: by the gate, and from the stream.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import yaml
from rich.console import Console

from doka.adapters.audit.file import AuditFile
from doka.adapters.embedded.auditable_kafka import AuditableKafka
from doka.app.demo.orders import Tally, judge
from doka.app.demo.stage import WORKLOAD_KEY, WORKLOAD_SECRET, Stage, configuration_of
from doka.domain.audit.fates import Fate
from doka.domain.errors import UsageError

LOST_AT_LEAST: Final = 10_000
"""A recovery of fewer records shows little."""

CONFIGURATION: Final = "doka.yaml"
_FOUND, _PROOF = "monday.duckdb", "proof.duckdb"

TypeIn = Callable[[Sequence[str]], int]
"""Runs a command line of doka, given without its first word; gives its exit code."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One command: what a person wants to know, the line, and the exit code with which it goes on."""

    why: str
    line: str
    code: int


STEPS: Final = (
    _Step(
        "Monday. All offsets are committed, and lag looks healthy. Is it all in the stream?",
        f"audit --since 1h --file {_FOUND} --config {CONFIGURATION}",
        1,
    ),
    _Step(
        "Kafka still has what is lost. Send just that:", f"replay --audit {_FOUND} --yes --config {CONFIGURATION}", 0
    ),
    _Step("And now?", f"audit --since 1h --file {_PROOF} --config {CONFIGURATION}", 0),
)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What came of it."""

    lost: int
    """By the first audit."""
    replayed: int
    """Records that the stream took while the commands ran."""
    lost_after: int | None
    """By the second audit; None where it did not come to that."""
    tally: Tally
    """Of the stream itself, at the end."""
    ended_at: str | None
    """The command that ended otherwise than it should, and how; None where all went on."""

    @property
    def whole(self) -> bool:
        """Whether what was lost is in the stream, and nothing is there twice."""
        return (
            self.ended_at is None
            and self.lost_after == 0
            and LOST_AT_LEAST < self.lost == self.replayed
            and self.tally.lost == 0
            and self.tally.duplicates == 0
        )


def recover_on(stage: Stage, fed: int, type_in: TypeIn, console: Console) -> Recovery:
    """Recover from what became of `fed` records; the files are gone at the end, as both worlds are."""
    before = stage.gate.counts().records_passed
    with (
        AuditableKafka(stage.bootstrap_servers) as kafka,
        TemporaryDirectory(prefix="doka-demo-") as name,
        chdir(name),
        _shell_of_the_workload(),
    ):
        folder = Path(name)
        settings = configuration_of(stage.gate, kafka.bootstrap_servers, "before_expiry")
        (folder / CONFIGURATION).write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        console.print(
            f"\nIn {folder}, until the demo ends: {CONFIGURATION}, and what the commands write.",
            style="dim",
            highlight=False,
            soft_wrap=True,
        )
        ended_at = _type_all(type_in, console)
        lost, lost_after = _lost(folder / _FOUND), _lost(folder / _PROOF)
    replayed = stage.gate.counts().records_passed - before
    return Recovery(lost or 0, replayed, lost_after, judge(fed, stage.read_back()), ended_at)


def _type_all(type_in: TypeIn, console: Console) -> str | None:
    """Type one command after the other; say which did not end as it should, and how."""
    for step in STEPS:
        console.print(f"\n{step.why}", style="dim", highlight=False, soft_wrap=True)
        console.print(f"$ doka {step.line}", style="bold", highlight=False, markup=False, soft_wrap=True)
        try:
            code = type_in(shlex.split(step.line))
        except UsageError as error:
            return f"doka {step.line}: {error}"
        if code != step.code:
            return f"doka {step.line}: exit code {code}"
    return None


def _lost(path: Path) -> int | None:
    """Count what an audit has found to be lost; None where it did not come to a file."""
    if not path.exists():
        return None
    with AuditFile.open(path) as file:
        return sum(each.last - each.first + 1 for each in file.ranges(Fate.LOST))


@contextmanager
def _shell_of_the_workload() -> Iterator[None]:
    """Let this process have what a shell of the stage's workload has: its credentials, and no setting of another doka."""
    kept = dict(os.environ)
    for name in kept:
        if name.startswith(("AWS_", "DOKA_")):
            del os.environ[name]
    os.environ |= {"AWS_ACCESS_KEY_ID": WORKLOAD_KEY, "AWS_SECRET_ACCESS_KEY": WORKLOAD_SECRET}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= kept
