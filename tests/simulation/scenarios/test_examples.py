from __future__ import annotations

from pathlib import Path

import pytest

from doka.app.simulate.engine import run_side
from doka.app.simulate.history import CLEAN
from doka.app.simulate.scenario import read_scenario, scene_of
from doka.app.simulate.scene import DOKA
from tests.architecture.source_tree import ROOT

EXAMPLES = sorted((ROOT / "examples/scenarios").glob("*.yaml"))


def test_the_examples_are_there() -> None:
    """Each of the promised scenarios has its file."""
    wanted = {"friday", "sts-outage", "clock-wrong", "revoked", "laptop-sleep", "throttled-shard", "bad-hour"}
    assert set() == wanted - {file.stem for file in EXAMPLES}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_ends_as_it_says(file: Path) -> None:
    """Everything is delivered, in order, within the bound that the file states."""
    scene = scene_of(read_scenario(file))
    side = run_side(scene, DOKA)
    assert (CLEAN, ()) == (side.verdict, side.reasons)
    assert side.totals.produced == side.totals.delivered
    assert scene.delay_seconds is not None
    assert side.totals.longest_delay < scene.delay_seconds
