"""What a person reads of a run: first and last the seed, the rule, and the command that repeats it; between, the events."""

from __future__ import annotations

import traceback
from dataclasses import fields

from doka.adapters.simulated.faults import RECORDS_DEFAULT, swarm_plan
from doka.adapters.simulated.plan import Rates
from doka.domain.rules import Ordering
from tests.simulation.checkers import ViolationError
from tests.simulation.runner import Outcome

LEGEND = """\
columns: virtual seconds since the start, what happened, details
put NUMBER ROUTE ENTRIES LEASE FATE   a request leaves; an empty fate is a good one
put_lands NUMBER ENTRIES ALIVE        it came to the stream; ALIVE: whether its sender still lives
commit NUMBER PARTITION=OFFSET        a commit leaves; commit_arrives NUMBER ERROR, when the group has judged it
fetch PARTITION FIRST LAST            records were delivered
told ...                              a fact that the service told"""


def describe(outcome: Outcome, events: int = 200) -> str:
    """Give the whole story of a run."""
    plan, world = outcome.plan, outcome.world
    violation = outcome.violation
    verdict = _verdict(violation)
    story = [f"seed {plan.seed}", *verdict, f"repeat it: {command_for(outcome)}"]
    lines = [
        *story,
        "",
        f"{world.lives} lives, {world.steps} steps, {outcome.virtual_seconds:.1f} virtual seconds",
        f"work {plan.work}",
        f"limits {plan.limits}",
        f"ordering {plan.ordering.value}, aggregation {plan.aggregation}, records of {plan.record_bytes_max} bytes at most",
        f"keys from {plan.partition_key}, envelopes {plan.envelope}, newlines {plan.newline}, compress {plan.compress}",
        f"role {plan.role} life {plan.lease_life / 1e9:g} s, session {plan.session_timeout / 1e9:g} s",
        f"sick {plan.sick.value}, poison {plan.on_poison.value}, gap {plan.on_gap.value}, heals at {plan.heal_at / 1e9:.3f} s",
        "rates "
        + " ".join(f"{f.name}={getattr(plan.rates, f.name):.3f}" for f in fields(Rates) if getattr(plan.rates, f.name)),
        "incidents " + " ".join(map(str, plan.incidents)),
        "",
        LEGEND,
        "",
        *world.trace.tail(events),
    ]
    if violation is not None and not isinstance(violation, ViolationError):
        lines += traceback.format_exception(violation)
    return "\n".join([*lines, "", *reversed(story)])


def _verdict(violation: BaseException | None) -> list[str]:
    """Say which rule was broken, what it expects and what was seen."""
    if violation is None:
        return ["no rule is broken"]
    if not isinstance(violation, ViolationError):
        return [f"{type(violation).__name__}: {violation}"]
    return [f"{violation.rule} is broken", f"expected: {violation.expected}", f"seen: {violation.what}"]


def command_for(outcome: Outcome) -> str:
    """Give the command that runs the same again."""
    plan = outcome.plan
    more = "" if plan.work.records == RECORDS_DEFAULT else f" --records {plan.work.records}"
    if plan == swarm_plan(plan.seed, plan.work.records):
        return f".venv/bin/python -m tests.simulation.replay {plan.seed} --swarm{more}"
    calm = " --calm" if plan.calm else ""
    calm += " --aggregated" if plan.aggregation is not None else ""
    calm += " --sharing" if plan.ordering is Ordering.KEY_IN_REQUEST else ""
    return f".venv/bin/python -m tests.simulation.replay {plan.seed}{calm}{more}"
