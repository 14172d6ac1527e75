"""What the command says of the cost of seeds."""

from __future__ import annotations

import re

import pytest

from tests.simulation.__main__ import main
from tests.simulation.shares import BESIDES, PARTS, shares


def test_every_part_has_its_share(capsys: pytest.CaptureFixture[str]) -> None:
    """Machine, loop, world and judges are all there, and together with what is Python's own they are the whole."""
    assert 0 == main(["shares", "--seeds", "2"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"2 seeds of 100 records, \d+\.\d ms of CPU each", head)
    found = {line[:12].strip(): int(line[12:].split("%")[0]) for line in lines}
    assert {*PARTS.values(), BESIDES} == found.keys()
    assert abs(sum(found.values()) - 100) <= len(found)  # each is rounded


def test_what_is_written_in_c_counts_for_its_caller() -> None:
    """A call of a built-in function is its caller's, with its time."""
    caller = ("/a/doka/domain/turn.py", 1, "decide")
    stats = {caller: (1, 1, 3.0, 4.0, {}), ("~", 0, "len"): (5, 5, 1.0, 1.0, {caller: (5, 5, 1.0, 1.0)})}
    assert [("the machine", 1.0, 6)] == shares(stats)
