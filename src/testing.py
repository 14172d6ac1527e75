"""For the test suites of those who run doka: one line simulates a scenario, and fails the test where it does not hold.

Nothing else imports this module: pytest is the suite's, not doka's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from doka.app.simulate.engine import run_side
from doka.app.simulate.history import Side
from doka.app.simulate.own_settings import configured_rules
from doka.app.simulate.scenario import read_scenario, scene_of
from doka.app.simulate.scene import DOKA
from doka.domain.forwarder import Forwarder


class Simulate(Protocol):
    """What the fixture `simulate` gives."""

    def __call__(self, scenario: str | Path, *, config: str | Path | None = None, seed: int = 1) -> Side:
        """Run a scenario, as `simulated`."""
        ...


def simulated(
    scenario: str | Path,
    *,
    config: str | Path | None = None,
    seed: int = 1,
    forwarder: type[Forwarder] = Forwarder,
) -> Side:
    """Run a scenario file, by the rules of a configuration if one is named, and give what doka's side came to.

    Raises:
        AssertionError: something was lost, out of order, doubled without a reason, or not within the stated bound.
        SettingsError: the scenario or the configuration is not one.
    """
    wanted = read_scenario(Path(scenario), configured=config is not None)
    configured = None if config is None else configured_rules(Path(config))[0]
    side = run_side(scene_of(wanted, seed, configured), DOKA, forwarder=forwarder)
    if side.failed:
        raise AssertionError(f"{scenario}, seed {seed}: {side.verdict}: {'; '.join(side.reasons)}")
    return side


@pytest.fixture
def simulate() -> Simulate:
    """Give `simulated`: `simulate("sts-outage.yaml", config="doka.yaml")`."""
    return simulated
