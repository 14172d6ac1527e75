"""`python -m tests.simulation MODE ...`: every way to run the simulator, as one command.

swarm       as many seeds as the time allows, stopping at the first broken rule
replay      one seed again, or a plan from a file, with its last events
planted     bugs on purpose, each of which must be found
exhaustive  a world so small that everything that can happen in it is tried
shares      what seeds cost, and which part of it is whose
minimise    the smallest plan that still breaks the rule that a seed breaks
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from tests.simulation import exhaustive, minimise, replay, shares, swarm
from tests.simulation.planted import command as planted

MODES: Mapping[str, Callable[[list[str]], int]] = {
    "swarm": swarm.main,
    "replay": replay.main,
    "planted": planted.main,
    "exhaustive": exhaustive.main,
    "shares": shares.main,
    "minimise": minimise.main,
}


def main(arguments: list[str]) -> int:
    """Run the mode that is named first; give its exit code, or 2 where there is none of that name."""
    mode = MODES.get(arguments[0]) if arguments else None
    if mode is None:
        print(__doc__, file=sys.stderr)  # noqa: T201 - a command's help
        return 2
    return mode(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
