"""What a person reads when a seed fails: enough to repeat it without looking further."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace as copied
from pathlib import Path

import pytest

from doka.domain.commands import CommitOffsets
from doka.domain.partitions.commits import Commits, Watermarks
from tests.simulation import replay, swarm
from tests.simulation.invariants.violation import RULES

EVENTS = 200


@pytest.fixture
def commits_one_too_far(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plant a bug: every commit is one past the watermark."""
    honest = Commits._of

    def planted(self: Commits, partitions: Iterable[Watermarks]) -> CommitOffsets | None:
        commit = honest(self, partitions)
        return commit and copied(commit, offsets={tp: to + 1 for tp, to in commit.offsets.items()})

    monkeypatch.setattr(Commits, "_of", planted)
    return iter(())


@pytest.mark.usefixtures("commits_one_too_far")
def test_a_failing_seed_says_first_and_last_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """Seed, rule with what is expected and what was seen, and the command come first and last; the events between."""
    assert swarm.main(["--seeds", "50", "--workers", "1"]) == 1
    lines = capsys.readouterr().out.splitlines()

    seed, broken, expected, seen, command = lines[1:6]
    assert [command, seen, expected, broken, seed] == lines[-5:]
    assert lines[0].startswith(f"{seed} fails, of ")
    rule = broken.removesuffix(" is broken")
    assert f"expected: {RULES[rule]}" == expected
    assert re.match(r"seen: t\d\[\d\]: a commit to \d+|seen: t\d\[\d\] .*\d", seen), seen
    assert command.startswith("repeat it: .venv/bin/python -m tests.simulation.replay ")


@pytest.mark.usefixtures("commits_one_too_far")
def test_the_last_two_hundred_events_stand_between(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a run has seen, its last 200 events are shown, a line each, in the order of time."""
    first = 0
    while True:
        swarm.main(["--seeds", "1", "--first", str(first), "--workers", "1", "--records", "1000"])
        printed = capsys.readouterr().out
        times = [float(line.split()[0]) for line in printed.splitlines() if re.match(r" +\d+\.\d{6}  \w", line)]
        if len(times) >= EVENTS:
            break
        first += 1
        assert first < 50, "no seed fails after so many events"
    assert (EVENTS, times) == (len(times), sorted(times))


def test_the_command_of_a_failing_seed_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    """The command that was printed breaks the same rule in the same way, and breaks nothing once the bug is gone."""
    request.getfixturevalue("commits_one_too_far")
    swarm.main(["--seeds", "50", "--workers", "1"])
    lines = capsys.readouterr().out.splitlines()
    command = shlex.split(lines[5].removeprefix("repeat it: "))
    assert [".venv/bin/python", "-m", "tests.simulation.replay"] == command[:3]

    assert replay.main(command[3:]) == 1
    again = capsys.readouterr().out.splitlines()
    assert lines[1:] == again

    monkeypatch.undo()
    assert replay.main(command[3:]) == 0
    assert "no rule is broken" in capsys.readouterr().out


def test_every_rule_is_judged_where_the_judge_says(request: pytest.FixtureRequest) -> None:
    """Each of I1..I21 stands in the judge's table, and the modules named there know it by its name."""
    folder = Path(request.path).parent
    table = dict(re.findall(r"^(I\d+) .*  (\S.*)$", (folder / "checkers.py").read_text(), re.MULTILINE))
    assert [f"I{i}" for i in range(1, 22)] == list(table) == list(RULES)
    for rule, where in table.items():
        homes = [folder / name for name in re.findall(r"[\w/]+\.py", where)]
        homes = [home if home.exists() else folder / "invariants" / home.name for home in homes]
        assert homes, rule
        assert all(re.search(rf"\b{rule}\b", home.read_text()) for home in homes), f"{rule}: {where}"
