"""`python -m tests.simulation.replay SEED`: run one seed again and show what happened, a line each."""

from __future__ import annotations

import argparse
import sys

from adapters.simulated.faults import RECORDS_DEFAULT, aggregated, calm_plan, draw_plan
from tests.simulation.report import describe
from tests.simulation.runner import run_plan


def main(arguments: list[str]) -> int:
    """Run a seed; give 1 when it breaks a rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.replay", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--calm", action="store_true", help="the calm plan of this seed")
    parser.add_argument("--aggregated", action="store_true", help="the same run with aggregation")
    parser.add_argument("--records", type=int, default=RECORDS_DEFAULT)
    parser.add_argument("--events", type=int, default=200, help="how many of the last events to show")
    chosen = parser.parse_args(arguments)
    draw = calm_plan if chosen.calm else draw_plan
    plan = draw(chosen.seed, chosen.records)
    outcome = run_plan(aggregated(plan) if chosen.aggregated else plan)
    print(describe(outcome, chosen.events))  # noqa: T201 - a command's output
    return 0 if outcome.violation is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
