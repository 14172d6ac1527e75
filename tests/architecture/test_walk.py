"""How much a reader must open who follows one record through the domain."""

from __future__ import annotations

import pytest

from tests.architecture import walk
from tests.architecture.walk import DOMAIN, WAYS, Call, Stage

FILES_MAX = 12
MOVES_MAX = 70
"""Of plain `ordering: key`; h11 does its unit of work with 8 files and 61 moves, h2 with 7 and 49.

May only become lower: a new station on every record's way takes the place of another.
"""

STAGES = ["fetched", "decided: it is sent", "answered", "decided: it is committed", "commit answered"]


def test_a_record_needs_few_files_and_moves() -> None:
    """One record's way through the domain leads through no more files, and back and forth no more often, than it did."""
    found = walk.walk("key")
    assert len(found.files) <= FILES_MAX, str(found)
    assert found.moves <= MOVES_MAX, str(found)


@pytest.mark.parametrize("ordering", WAYS)
def test_every_stage_was_walked(ordering: str) -> None:
    """Each way begins and ends in the machine, passes through its sender, and names files that there are."""
    found = walk.walk(ordering)
    assert STAGES == [stage.name for stage in found.stages]
    assert {"forwarder.py"} == {stage.calls[0].file for stage in found.stages}
    assert [] == [file for file in found.files if not (DOMAIN / file).exists()]
    assert len(found.functions) > len(found.files) > 5


def test_a_move_is_a_step_into_another_file() -> None:
    """Calls that stay in a file are no moves, coming back is one; a stage without calls has none."""
    calls = [Call(file, "f") for file in ("a.py", "a.py", "b.py", "a.py")]
    assert (["a.py", "b.py", "a.py"], 2) == (Stage("", calls).way, Stage("", calls).moves)
    assert 0 == Stage("", []).moves


def test_the_command_prints_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """For each ordering there are its stages, its files in order, and the sums."""
    assert 0 == walk.main()
    printed = capsys.readouterr().out
    assert [f"{ordering}:" for ordering in WAYS] == [line for line in printed.splitlines() if line[0] != " "]
    found = walk.walk("key")
    figures = (
        f"{len(found.files)} files, {len(found.functions)} functions, {found.moves} moves, {len(found.calls)} calls"
    )
    assert f"  in all: {figures}" in printed.splitlines()
