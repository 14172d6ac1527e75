"""Bugs that mutants of the domain showed, and that no rule saw: of looks, drains, lanes, reasons, refusals and audits."""

from __future__ import annotations

from dataclasses import replace

from doka.adapters.simulated.faults import aggregated, draw_plan, overrun, swarm_plan
from doka.adapters.simulated.plan import Plan
from doka.domain.audit import aggregates
from doka.domain.events import CommitAnswered
from doka.domain.facts import CommitFailed
from doka.domain.forwarder import Forwarder
from doka.domain.held.ledger import OffsetLedger
from doka.domain.leases.keeper import LeaseKeeper
from doka.domain.limits import NS_PER_MS
from doka.domain.partitions.commits import Commits
from doka.domain.partitions.group_watch import GroupWatch
from doka.domain.partitions.log_watch import LogWatch
from doka.domain.poison.quarantine import Quarantine
from doka.domain.routes.route import Route
from doka.domain.routes.standing import Standing
from doka.domain.rules import OnPoison
from doka.domain.sending.wide_lanes import WideLane, WideLanes
from doka.domain.status import GroupStatus, LogStatus, Stuck
from doka.domain.turn import Turn
from tests.simulation.planted.bug import Patch, bug
from tests.simulation.planted.plans import (
    MS,
    aggregates_in_little_room,
    dead_letters_that_fail,
    denied_for_long,
    much_moving,
)
from tests.simulation.planted.silence import killed_while_the_group_refuses, long_and_silent


def lingering(seed: int) -> Plan:
    """Give a run with aggregates that are full long before they would leave by themselves."""
    plan = aggregated(draw_plan(seed))
    assert plan.aggregation is not None
    rules = replace(plan.aggregation, target_bytes=300, linger=100 * MS)
    return replace(plan, aggregation=rules, work=replace(plan.work, burst=50, value_bytes=200))


def doubted(seed: int) -> Plan:
    """Give the calm, long run of a seed in which a session is revoked while every stream denies access."""
    seeds = (each for each in range(29 + 30 * 40 * seed, 10**9, 30))
    return next(plan for plan in map(swarm_plan, seeds) if any(i.kind.value == "access_denied" for i in plan.incidents))


def own_without_a_look(patch: Patch) -> None:
    """Take partitions over without a look at who may be fetched now."""
    honest = Forwarder._take_over

    def planted(self: Forwarder, positions: object) -> None:
        honest(self, positions)  # type: ignore[arg-type]  # as it is
        self._turn.look = False

    patch.replace(Forwarder, "_take_over", planted)


def drain_without_waiting(patch: Patch) -> None:
    """Give partitions back while requests with their records are in flight."""
    patch.replace(Route, "holds", lambda self, ledger: False)


def fill_no_lane(patch: Patch) -> None:
    """Let every aggregate wait until it is old enough, however much is in its lane."""

    def planted(self: WideLanes, lane: WideLane) -> int | None:
        if lane.again or not lane.queue or lane.urgent:
            return lane.not_before if lane.again or lane.queue else None
        return max(lane.queue[0].chunk.arrived + self._rules.linger, lane.not_before)

    patch.replace(WideLanes, "due", planted)


def stop_lanes_in_silence(patch: Patch) -> None:
    """Show no lane as stopped for which a person has to act."""

    def planted(self: Quarantine, ledger: OffsetLedger, now: int) -> Stuck | None:
        return None

    patch.replace(Quarantine, "stopped_lane", planted)


def lose_the_group_in_silence(patch: Patch) -> None:
    """Tell nobody that the group is lost."""

    def planted(self: GroupWatch, group: GroupStatus, now: int, turn: Turn) -> None:
        return None

    patch.replace(GroupWatch, "look", planted)


def fail_to_commit_in_silence(patch: Patch) -> None:
    """Tell nobody that Kafka has refused a commit."""
    honest = Commits.answered

    def planted(self: Commits, event: CommitAnswered, turn: Turn) -> None:
        honest(self, event, turn)
        turn.commands = [each for each in turn.commands if not isinstance(each, CommitFailed)]

    patch.replace(Commits, "answered", planted)


def never_catch_up(patch: Patch) -> None:
    """Count a wait from the first look, whatever has settled since."""
    honest = LogWatch.look

    def planted(self: LogWatch, now: int, watermark: int, log: LogStatus | None) -> None:
        honest(self, now, watermark, log)
        self._caught_up_at = self._since or 0

    patch.replace(LogWatch, "look", planted)


def probe_without_a_backoff(patch: Patch) -> None:
    """Probe a blocked route as often after many failed probes as after the first."""
    honest = Standing.block

    def planted(
        self: Standing, reason: str, message: str, now: int, turn: Turn, *, seeks_control: bool = False
    ) -> None:
        honest(self, reason, message, now, turn, seeks_control=seeks_control)
        self.probe_at = min(self.probe_at, now + 100 * NS_PER_MS)

    patch.replace(Standing, "block", planted)


def trust_a_lease_for_ever(patch: Patch) -> None:
    """Renew no lease because a stream denies access under it, however long that goes on."""
    patch.replace(LeaseKeeper, "doubted", lambda self, serial, now: None)


def read_aggregates_without_their_last(patch: Patch) -> None:
    """Leave out the last record of each aggregate when a stream is audited."""
    honest = aggregates._read

    def planted(value: bytes) -> aggregates.Inner | None:
        inner = honest(value)
        return inner and (inner[0][:-1], inner[1][:-1])

    patch.replace(aggregates, "_read", planted)


def put_aside_without_a_limit(patch: Patch) -> None:
    """Put aside whatever is refused, however many records that are within a minute."""
    patch.replace(Quarantine, "_room", lambda self, now: 1)


def much_poison(seed: int) -> Plan:
    """Give a run with several records of each partition that can never land, of which a minute may take two."""
    plan = overrun(aggregates_in_little_room(seed))
    return replace(plan, on_poison=OnPoison.DROP)


BUGS = (
    bug(put_aside_without_a_limit, "I11", plan=much_poison),
    bug(own_without_a_look, "I9", plan=much_moving),
    bug(drain_without_waiting, "I19", plan=much_moving),
    bug(fill_no_lane, "I9", plan=lingering),
    bug(stop_lanes_in_silence, "I14", plan=dead_letters_that_fail),
    bug(lose_the_group_in_silence, "I14", plan=killed_while_the_group_refuses),
    bug(fail_to_commit_in_silence, "I14"),
    bug(never_catch_up, "I14", plan=long_and_silent),
    bug(probe_without_a_backoff, "I10", plan=denied_for_long),
    bug(trust_a_lease_for_ever, "I9", plan=doubted, budget=40),
    bug(read_aggregates_without_their_last, "I16", plan=lambda seed: aggregated(draw_plan(seed))),
)
