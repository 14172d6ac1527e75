"""`python -m tests.simulation replay SEED`: run one seed, or a plan from a file, and show what happened, a line each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from doka.adapters.simulated.faults import RECORDS_DEFAULT, aggregated, calm_plan, draw_plan, sharing, swarm_plan
from tests.simulation.plan_file import PlanFileError, read_plan
from tests.simulation.planted.bug import planted
from tests.simulation.planted.catalogue import BY_NAME
from tests.simulation.report import describe
from tests.simulation.runner import run_plan


def main(arguments: list[str]) -> int:
    """Run a seed; give 1 when it breaks a rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation replay", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?")
    parser.add_argument("--plan", type=Path, help="run the plan of this file, as minimise writes it")
    parser.add_argument("--planted", choices=sorted(BY_NAME), help="have this bug in the machine", metavar="BUG")
    parser.add_argument("--calm", action="store_true", help="the calm plan of this seed")
    parser.add_argument("--aggregated", action="store_true", help="the same run with aggregation")
    parser.add_argument("--sharing", action="store_true", help="the same run with ordering: key_in_request")
    parser.add_argument("--swarm", action="store_true", help="as the swarm runs this seed")
    parser.add_argument("--records", type=int, default=RECORDS_DEFAULT)
    parser.add_argument("--events", type=int, default=200, help="how many of the last events to show")
    chosen = parser.parse_args(arguments)
    if (chosen.seed is None) == (chosen.plan is None):
        parser.error("give a seed, or a file with --plan")
    bug = BY_NAME.get(chosen.planted or "")
    if chosen.plan is not None:
        try:
            plan = read_plan(chosen.plan)
        except PlanFileError as error:
            parser.error(str(error))
    elif bug is not None:
        plan = bug.plan(chosen.seed)
    else:
        draw = calm_plan if chosen.calm else swarm_plan if chosen.swarm else draw_plan
        plan = draw(chosen.seed, chosen.records)
    plan = aggregated(plan) if chosen.aggregated else plan
    plan = sharing(plan) if chosen.sharing else plan
    with planted(bug):
        outcome = run_plan(plan)
    print(describe(outcome, chosen.events))  # noqa: T201 - a command's output
    return 0 if outcome.violation is None else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
