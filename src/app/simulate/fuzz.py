"""Many small worlds, each drawn from a seed: bad networks, bad days and tight limits, judged as every simulated run is.

Swarm testing: a seed draws which faults it has at all, and how strong they are. All of them heal; then everything must be
delivered, in order, with nothing lost, nothing committed too early and no duplicate that is not explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from doka.adapters.simulated.chance import Chance
from doka.adapters.simulated.faults import draw_plan
from doka.adapters.simulated.plan import Incident, Kind
from doka.app.simulate.engine import run_side
from doka.app.simulate.history import Side
from doka.app.simulate.jobs import Tell
from doka.app.simulate.scene import DOKA, FAULTS, Scene, Traffic, Trouble, simple_rules
from doka.domain.forwarder import Forwarder
from doka.domain.limits import NS_PER_SECOND
from doka.domain.rules import RouteRules, Rules

SEEDS_A_JOB = 20
_SLOWER = 10  # than the plans of the drawn faults: time for bursts between them
_LEFT_OUT = {Kind.RETENTION.value, Kind.STREAM_REFUSING.value}  # whether they lose is the operator's choice, or unknown
_SETTLE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Share:
    """What the seeds of one job came to; `failed` is the first that failed, and how."""

    seeds: int
    records: int
    puts: int
    failed: tuple[int, Side] | None = None


def draw_scene(seed: int) -> Scene:
    """Give the scene of a seed, always the same."""
    weather, chance = draw_plan(seed), Chance(seed).of("scene")
    duration = weather.heal_at / NS_PER_SECOND * _SLOWER
    rules = simple_rules(weather.role.policy)
    role = replace(weather.role, name="writer")
    routes = tuple(RouteRules(f"r{i}", frozenset({f"topic{i}"}), "writer") for i in range(weather.work.routes))
    return Scene(
        title=f"seed {seed}",
        duration_seconds=duration,
        token_seconds=max(weather.lease_life / NS_PER_SECOND, 2.0),
        seed=seed,
        traffic=Traffic(
            rate=chance.choice((2.0, 10.0, 40.0)),
            partitions=weather.work.partitions,
            keys=chance.choice((3, 30, 300)) * len(routes) * weather.work.partitions,
            record_bytes=chance.choice((20, 200)),
            burst_seconds=chance.choice((0.1, 1.0)),
        ),
        rules=Rules(routes, (role,), weather.limits, rules.on_gap, rules.on_unreadable),
        shards=weather.work.shards,
        troubles=tuple(
            _trouble(i) for i in weather.incidents if i.kind.value in FAULTS and i.kind.value not in _LEFT_OUT
        ),
        weather=weather,
        settle_seconds=_SETTLE_SECONDS,
    )


def run_seeds(seeds: Sequence[int], tell: Tell, *, forwarder: type[Forwarder] = Forwarder) -> Share:
    """Run seeds in order, up to the first that fails."""
    records = puts = 0
    for done, seed in enumerate(seeds, 1):
        side = run_side(draw_scene(seed), DOKA, forwarder=forwarder)
        records += side.totals.produced
        puts += side.totals.puts
        tell(done / len(seeds))
        if side.failed:
            return Share(done, records, puts, (seed, side))
    return Share(len(seeds), records, puts)


def shares(first: int, count: int) -> list[Sequence[int]]:
    """Cut the seeds into jobs."""
    end = first + count
    return [range(begin, min(begin + SEEDS_A_JOB, end)) for begin in range(first, end, SEEDS_A_JOB)]


def _trouble(incident: Incident) -> Trouble:
    at, until = (moment / NS_PER_SECOND * _SLOWER for moment in (incident.at, incident.until))
    return Trouble(incident.kind.value, at, until, incident.draw)
