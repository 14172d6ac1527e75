"""How much is searched: enough for every commit by default, and as much as a night allows by DOKA_PROPERTY=night."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, Phase, settings

NIGHT: Final = os.environ.get("DOKA_PROPERTY") == "night"
"""A night draws anew each time; by default a run repeats the last one, so that a commit cannot fail by chance."""

MACHINE: Final = settings(
    max_examples=20_000 if NIGHT else 400,
    stateful_step_count=80 if NIGHT else 50,
    derandomize=not NIGHT,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
STORM_SEEDS: Final = 100_000 if NIGHT else 600
"""Seeds of 100 steps each, and a tenth as many of 400."""
