"""An audit of the simulated world says what the world's witness knows: of runs with every fault, and of streams that lose more.

The witness counts each landing where it happens; the audit sees only the logs, the stream, the commits and the letters.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from doka.adapters.audit.file import AuditFile
from doka.adapters.simulated.faults import swarm_plan
from doka.adapters.simulated.stream import Landed as InStream
from doka.adapters.simulated.unfold import decompressed, opened, unfold
from doka.domain.audit.aggregates import unfold as taken_apart
from doka.domain.audit.fates import Fate, OffsetRange, Plan, PlannedPartition, Terms
from doka.domain.audit.identity import Identities
from doka.domain.audit.landed import Landed, ShardReached
from doka.domain.limits import NS_PER_MS
from doka.domain.records import TopicPartition
from doka.domain.rules import OnUnreadable, RouteRules
from tests.simulation.runner import Outcome, run_plan

SEEDS = range(12)
DAY_MS = 24 * 3_600_000
RUN_RECORDS = 37
"""Of one answer; not a number that the records of anything are a multiple of."""

Place = tuple[TopicPartition, int]
Fates = dict[Fate, set[Place]]


def runs_of(landed: Sequence[InStream], epoch_ms: int) -> Iterator[Landed]:
    """Give what is in a stream as it would be read back: shard by shard, in runs."""
    for shard in sorted({each.shard for each in landed}):
        of_shard = [(number, each) for number, each in enumerate(landed, 1) if each.shard == shard]
        for at in range(0, len(of_shard), RUN_RECORDS):
            run = of_shard[at : at + RUN_RECORDS]
            yield Landed(
                str(shard),
                [each.key for _, each in run],
                [each.value for _, each in run],
                [str(number) for number, _ in run],
                [epoch_ms + each.at // NS_PER_MS for _, each in run],
            )


def audit(outcome: Outcome, route: RouteRules, landed: Sequence[InStream], path: Path) -> Fates:
    """Audit a route of the world with this in its stream; gives which records have each fate."""
    world, plan = outcome.world, outcome.plan
    now_ms = round(world.clock.true_wall() * 1_000)
    epoch_ms = now_ms - world.timeline.now // NS_PER_MS
    logs = {tp: log for tp, log in world.logs.items() if tp.topic in route.topics}
    partitions = tuple(
        PlannedPartition(tp, log.start, log.end, world.group.committed.get(tp)) for tp, log in logs.items()
    )
    shards: dict[str, tuple[str, ...]] = {str(each.shard): () for each in landed}
    identities = Identities(route, plan.record_bytes_max)
    terms = Terms(route.name, route.name, "group", identities.match, "", now_ms - DAY_MS, now_ms + DAY_MS)
    planned = Plan(partitions, now_ms, now_ms - 2 * DAY_MS, now_ms, now_ms, shards)
    path.unlink(missing_ok=True)
    with AuditFile.create(path, terms, planned) as file:
        for tp, log in logs.items():
            position = log.start
            while (chunk := log.read(position, RUN_RECORDS, whole=True)) is not None:
                file.add_expected(identities.expected(chunk))
                position = chunk.end
            file.reached_partition(tp, log.end)
        for run in runs_of(landed, epoch_ms):
            whole, broken = taken_apart(run)
            assert 0 == broken
            file.add_landed(whole, identities.landed(whole))
        for shard in shards:
            file.reached_shard(ShardReached(shard, now_ms, None, ended=True))
        file.stream_was_read(shards)
        file.pass_over(
            Fate.DEAD_LETTER, [OffsetRange(tp, offset, offset) for tp, offset in world.letters if tp in logs]
        )
        skips = [(tp, skip) for tp, orders in world.orders.items() for skip in orders if tp in logs]
        file.pass_over(Fate.SKIPPED, [OffsetRange(tp, skip.first, skip.far - 1) for tp, skip in skips])
        judgement = file.judge()
        fates = {
            fate: {(each.partition, at) for each in file.ranges(fate) for at in range(each.first, each.last + 1)}
            for fate in Fate
            if fate is not Fate.IN_STREAM
        }
    assert sum(len(log.offsets) for log in logs.values()) == judgement.records
    return {fate: places & _stored(outcome, route) for fate, places in fates.items()}


def _stored(outcome: Outcome, route: RouteRules) -> set[Place]:
    """Give the records of a route that are in the logs."""
    logs = outcome.world.logs
    return {(tp, offset) for tp, log in logs.items() if tp.topic in route.topics for offset in log.offsets}


def counted(outcome: Outcome, route: RouteRules, landed: Sequence[InStream]) -> dict[Place, int]:
    """Count naively how often each record is in a stream: by what its value, its key or its envelope says."""
    logs = outcome.world.logs
    named: dict[str | bytes | None, Place] = {}
    for tp, offset in _stored(outcome, route):
        index = logs[tp].place_of(offset)
        key, value = logs[tp].keys[index], logs[tp].values[index]
        named[(outcome.plan.key_of(tp, key) if value is None else value)] = (tp, offset)
    found: dict[Place, int] = {}
    for inner in [inner for each in landed for inner in unfold(each.key, each.value)]:
        data = decompressed(inner.value, outcome.plan.compress)
        place = named.get(data or inner.key)
        if outcome.plan.newline and place is None:
            place = named.get(data.removesuffix(b"\n"))
        if outcome.plan.envelope:
            told = opened(data)
            place = TopicPartition(told["topic"], told["partition"]), int(told["offset"])
        if place is not None:
            found[place] = found.get(place, 0) + 1
    return found


def lost_by(outcome: Outcome, route: RouteRules, found: dict[Place, int], fates: Fates) -> set[Place]:
    """Give what is lost: committed, nowhere in the stream, and neither a letter, nor skipped, nor known to be unable to land."""
    committed = outcome.world.group.committed
    accounted = fates[Fate.DEAD_LETTER] | fates[Fate.SKIPPED] | fates[Fate.POISON] | fates[Fate.FILTERED]
    return {
        place
        for place in _stored(outcome, route)
        if place[1] < committed.get(place[0], 0) and place not in found and place not in accounted
    }


def auditable(outcome: Outcome, landed: Sequence[InStream]) -> bool:
    """Say whether all that is in a stream has the form that the route's settings give: the other member has one of its own.

    And whether each log is the only one of its name: of the former one nothing can be read any more.
    """
    if any(log.incarnation for log in outcome.world.logs.values()):
        return False
    try:
        inner = [each for entry in landed for each in unfold(entry.key, entry.value)]
        for each in inner:
            data = decompressed(each.value, outcome.plan.compress)
            if outcome.plan.envelope:
                opened(data)
            if outcome.plan.newline and data and not data.endswith(b"\n"):
                return False
    except ValueError:
        return False
    return not any(each.key.startswith("null-") for each in inner)


@pytest.mark.slow
def test_the_audit_says_what_the_witness_knows(tmp_path: Path) -> None:
    """What the service has settled is nowhere called lost but where a policy dropped it; what a stream loses is, exactly."""
    audited, taken_out = 0, 0
    for seed in SEEDS:
        outcome = run_plan(swarm_plan(seed))
        assert outcome.violation is None
        for route in outcome.plan.rules().routes:
            landed = outcome.world.streams[route.name].landed
            if not auditable(outcome, landed):
                continue
            fates = audit(outcome, route, landed, tmp_path / "whole.duckdb")
            truths = {tp: truth for tp, truth in outcome.checker.truths.items() if tp.topic in route.topics}
            given_up = {(tp, offset) for tp, truth in truths.items() for offset in truth.dropped}
            if outcome.plan.on_unreadable is OnUnreadable.BLOCK:  # else it passes what nobody can read, for a while
                assert fates[Fate.LOST] <= given_up, seed
            assert fates[Fate.LOST] == lost_by(outcome, route, counted(outcome, route, landed), fates), seed
            twice = {
                (tp, offset) for tp, truth in truths.items() for offset, times in truth.landed.items() if times > 1
            }
            assert twice & _stored(outcome, route) == fates[Fate.REPEATED], seed
            chance = random.Random(seed)
            left = [each for each in landed if chance.random() > 0.1]
            fates = audit(outcome, route, left, tmp_path / "less.duckdb")
            expected = lost_by(outcome, route, counted(outcome, route, left), fates)
            assert expected == fates[Fate.LOST], seed
            audited, taken_out = audited + 1, taken_out + len(expected)
        outcome.let_go()
    assert audited >= len(SEEDS) // 3, audited
    assert taken_out > 100
