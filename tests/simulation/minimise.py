"""`python -m tests.simulation minimise SEED`: the smallest plan that still breaks the rule that a seed breaks.

Theory of operation. A plan is a value, and each way of making it smaller gives candidates, the boldest first: half of
the incidents, no rates, half of the records, one partition, the default of a limit. A candidate that still breaks the
same rule takes the plan's place. When no way gives one any more, what is left is what the bug needs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from doka.adapters.simulated.faults import RECORDS_DEFAULT, aggregated, draw_plan, sharing
from doka.adapters.simulated.plan import CALM, Delays, Incident, Plan, Rates, Sick, Work
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.rules import LimitRules, OnGap, OnPoison
from tests.simulation.checkers import ViolationError
from tests.simulation.plan_file import write_plan
from tests.simulation.planted.bug import planted
from tests.simulation.planted.catalogue import BY_NAME
from tests.simulation.runner import run_plan

RUNS_MAX = 3_000
Way = Callable[[Plan], Iterator[Plan]]
T = TypeVar("T")


def broken_by(plan: Plan) -> str | None:
    """Run a plan; give the rule that it breaks (of an error that is no rule, its name), or None."""
    violation = run_plan(plan).violation
    if violation is None:
        return None
    return violation.rule if isinstance(violation, ViolationError) else type(violation).__name__


@dataclass
class Minimised:
    """What came of making a plan smaller."""

    plan: Plan
    rule: str
    runs: int


def minimise(plan: Plan, rule: str, runs_max: int = RUNS_MAX) -> Minimised:
    """Make a plan smaller for as long as it breaks the same rule; at most `runs_max` runs."""
    found = Minimised(plan, rule, 0)
    smaller = True
    while smaller and found.runs < runs_max:
        smaller = False
        for way in WAYS:
            while found.runs < runs_max and _step(found, way, runs_max):
                smaller = True
    return found


def _step(found: Minimised, way: Way, runs_max: int) -> bool:
    """Take the first candidate of a way that breaks the rule; False when none does."""
    for candidate in way(found.plan):
        if candidate == found.plan or found.runs >= runs_max:
            continue
        found.runs += 1
        if broken_by(candidate) == found.rule:
            found.plan = candidate
            return True
    return False


# --- ways to make a plan smaller, the boldest first ------------------------------------------------------------------


def without(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Leave out everything, then each half, each quarter, ..., each single one."""
    size = len(items)
    while size:
        for first in range(0, len(items), size):
            yield (*items[:first], *items[first + size :])
        size //= 2


def towards(value: int, least: int, finest: int = 1) -> Iterator[int]:
    """Come down to the least at once, else by half the way, by a quarter, ..., by `finest`."""
    step = value - least
    while step >= finest:
        yield value - step
        step //= 2


def fewer_incidents(plan: Plan) -> Iterator[Plan]:
    """Leave incidents out."""
    for kept in without(plan.incidents):
        yield replace(plan, incidents=kept)


def fewer_crashes(plan: Plan) -> Iterator[Plan]:
    """Leave crashes out."""
    for kept in without(sorted(plan.crash_steps)):
        yield replace(plan, crash_steps=frozenset(kept))


def fewer_rates(plan: Plan) -> Iterator[Plan]:
    """Let entries, requests, commits and questions fail in fewer ways."""
    named = [field.name for field in fields(Rates) if getattr(plan.rates, field.name)]
    for kept in without(named):
        yield replace(plan, rates=replace(CALM, **{name: getattr(plan.rates, name) for name in kept}))


def less_work(plan: Plan) -> Iterator[Plan]:
    """Write fewer records of fewer keys into fewer places, and plainer ones."""
    work, plain = plan.work, Work()
    for name in ("records", "routes", "partitions", "shards", "keys", "burst"):
        for count in towards(getattr(work, name), 1):
            smaller: dict[str, Any] = {name: count}
            yield replace(plan, work=replace(work, **smaller))
    for name in (
        "null_keys",
        "tombstones",
        "markers",
        "holes",
        "poison",
        "refused",
        "every",
        "value_bytes",
        "fetch_run",
    ):
        yield replace(plan, work=replace(work, **{name: getattr(plain, name)}))


def usual_settings(plan: Plan) -> Iterator[Plan]:
    """Put settings back to what they are by default, all of a kind first."""
    usual = Plan(plan.seed)
    for name in (
        "limits", "role", "delays", "sick", "on_poison", "on_gap", "lease_life", "session_timeout", "restart",
        "static_member", "wall_skew_seconds", "aggregation",
    ):  # fmt: skip
        yield replace(plan, **{name: getattr(usual, name)})
    for field in fields(LimitRules):
        yield replace(plan, limits=replace(plan.limits, **{field.name: getattr(usual.limits, field.name)}))
    for field in fields(Delays):
        yield replace(plan, delays=replace(plan.delays, **{field.name: getattr(usual.delays, field.name)}))


def shorter(plan: Plan) -> Iterator[Plan]:
    """Let the faults end earlier, each one too."""
    last = max((incident.at for incident in plan.incidents), default=0)
    for heal_at in towards(plan.heal_at, last, NS_PER_MS):
        cut = tuple(replace(i, until=min(i.until, heal_at)) for i in plan.incidents)
        yield replace(plan, incidents=cut, heal_at=heal_at)
    for place, incident in enumerate(plan.incidents):
        lasts = incident.until - incident.at
        halved = incident.at + (lasts // 2 if lasts > NS_PER_MS else 0)
        yield replace(
            plan,
            incidents=(*plan.incidents[:place], replace(incident, until=halved), *plan.incidents[place + 1 :]),
        )


WAYS: tuple[Way, ...] = (fewer_incidents, fewer_crashes, fewer_rates, less_work, usual_settings, shorter)

# --- for people ----------------------------------------------------------------------------------------------------------


def readable(plan: Plan) -> list[str]:
    """Say what a plan holds that is not as always, a line each."""
    usual, lines = Plan(plan.seed), [f"seed {plan.seed}, everything heals at {plan.heal_at / NS_PER_SECOND:.3f} s"]
    for name in ("work", "rates", "delays", "limits", "role", "aggregation"):
        differs = _differences(getattr(plan, name), getattr(usual, name))
        if differs:
            lines.append(f"{name}: {differs}")
    for name in ("sick", "on_poison", "on_gap", "lease_life", "session_timeout", "restart", "static_member"):
        value = getattr(plan, name)
        if value != getattr(usual, name):
            lines.append(f"{name}: {_shown(value)}")
    if plan.wall_skew_seconds:
        lines.append(f"the host's clock is {plan.wall_skew_seconds:+g} s off")
    lines += [f"incident: {_told(incident)}" for incident in plan.incidents]
    lines += [f"crash at step {step}" for step in sorted(plan.crash_steps)]
    return lines


def _differences(value: Any, usual: Any) -> str:
    if value is None or usual is None:
        return "" if value == usual else str(value)
    return ", ".join(
        f"{field.name}={_shown(getattr(value, field.name))}"
        for field in fields(value)
        if getattr(value, field.name) != getattr(usual, field.name)
    )


def _shown(value: object) -> str:
    if isinstance(value, Sick | OnPoison | OnGap):
        return str(value.value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _told(incident: Incident) -> str:
    at, until = incident.at / NS_PER_SECOND, incident.until / NS_PER_SECOND
    return f"{incident.kind.value} at {at:.3f} s" + (f" until {until:.3f} s" if until > at else "")


def main(arguments: list[str]) -> int:
    """Make the plan of a seed smaller, print it and write it; give 1, as the rule is broken, or 0 where none is."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation minimise", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--records", type=int, default=RECORDS_DEFAULT)
    parser.add_argument("--aggregated", action="store_true", help="the same run with aggregation")
    parser.add_argument("--sharing", action="store_true", help="the same run with ordering: key_in_request")
    parser.add_argument("--planted", choices=sorted(BY_NAME), help="have this bug in the machine", metavar="BUG")
    parser.add_argument("--runs", type=int, default=RUNS_MAX, help="how many runs it may take at most")
    parser.add_argument("--out", type=Path, help="where to write the smaller plan")
    chosen = parser.parse_args(arguments)
    bug = BY_NAME.get(chosen.planted or "")
    plan = draw_plan(chosen.seed, chosen.records) if bug is None else bug.plan(chosen.seed)
    plan = aggregated(plan) if chosen.aggregated else plan
    plan = sharing(plan) if chosen.sharing else plan
    with planted(bug):
        rule = broken_by(plan)
        if rule is None:
            _say(f"seed {chosen.seed} breaks no rule: there is nothing to make smaller")
            return 0
        found = minimise(plan, rule, chosen.runs)
        violation = run_plan(found.plan).violation
    path = chosen.out or Path(tempfile.gettempdir()) / f"doka-plan-{chosen.seed}.json"
    write_plan(found.plan, path)
    _say(f"seed {chosen.seed} breaks {rule}; so does, after {found.runs} runs, this:")
    for line in readable(found.plan):
        _say(f"  {line}")
    _say(str(violation))
    more = "" if bug is None else f" --planted {bug.name}"
    _say(f"repeat it: .venv/bin/python -m tests.simulation replay --plan {path}{more}")
    return 1


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command's output
