"""A replay in the simulated world: killed at every step, in every weather, and judged by what the stream holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from doka.adapters.simulated.life import Life, ProcessDiedError
from doka.adapters.simulated.plan import CALM, Plan, Rates, Work
from doka.adapters.simulated.world import World
from doka.app.replay.outcome import Outcome, ReplayTelemetry
from doka.app.replay.source import ReplaySource
from doka.app.replay.state import State, read_state
from doka.app.runtime import Ending
from doka.app.simulated import service_of_this_process
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.replay.pace import Pace
from doka.domain.replay.progress import Progress, ReplayRange
from doka.domain.rules import LimitRules, OnGap, OnPoison
from tests.simulation.ranges import SimulatedRanges

P0, P1 = TopicPartition("t0", 0), TopicPartition("t0", 1)
ASKED = [ReplayRange(P0, 3, 17), ReplayRange(P0, 22, 31), ReplayRange(P1, 0, 30)]
KEYS = 3
RATE = 400
LIVES_MAX = 200
PLAN = Plan(
    seed=7,
    work=Work(partitions=2, records=0, fetch_run=4),
    limits=LimitRules(request_timeout=50 * NS_PER_MS, commit_every=20 * NS_PER_MS, drain=NS_PER_SECOND),
    on_poison=OnPoison.DROP,
    on_gap=OnGap.CONTINUE,
    lease_life=300 * NS_PER_MS,
    restart=10 * NS_PER_MS,
)
STORM = Rates(
    unsent=0.05,
    reset_before=0.05,
    answer_lost=0.1,
    reset_after=0.1,
    entry_throttled=0.2,
    entry_failed=0.1,
    sts_failed=0.2,
)


@pytest.fixture(autouse=True)
def _disk_that_keeps_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for a disk: only processes die in here."""
    monkeypatch.setattr("doka.app.replay.state.os.fsync", lambda _file: None)


@dataclass
class Replayed:
    """A world in which a replay was run to its end, in as many lives as it took."""

    world: World
    state: State
    ending: Ending
    noted_too_late: int = 0
    """How many records had landed when a life ended, and were not noted as settled."""

    def landed(self) -> list[tuple[TopicPartition, int]]:
        """Give what the stream holds, by place, in its order."""
        places = (record.value.decode().split("/") for record in self.world.streams["s0"].landed)
        return [(TopicPartition("t0", int(partition)), int(offset)) for partition, offset in places]


def new_world(plan: Plan) -> World:
    """Give a world whose logs have records, markers at the end of one range, and a hole at the beginning of another."""
    world = World(plan)
    for partition, log in world.logs.items():
        for number in range(30):
            if (partition, number) == (P0, 15):
                log.skip(2)  # offsets 15 and 16: the range ends behind them
            log.append(b"k%d" % (number % KEYS), b"%d/%d" % (partition.partition, log.end), 1_000 + number)
    world.logs[P0].compact(22)
    return world


def live(world: World, life: Life, file: Path) -> tuple[State, Ending]:
    """Run one process: it goes on from the file, until it ends or dies."""
    state = read_state(file, {}) or State({}, Progress(ASKED))

    def keep() -> None:
        world.step(life)
        state.write(file)
        world.step(life)

    def rest(ns: int) -> None:
        world.wait_step(life)
        world.timeline.step(world.timeline.now + max(ns, 1))

    pace = Pace(RATE, world.clock.now())
    ranges = SimulatedRanges(world, life, state.progress.left)
    source = ReplaySource(ranges, state.progress, pace, world.clock, life.inbox, keep=keep, rest=rest)
    telemetry = ReplayTelemetry(state.outcome, pace, world.clock, lambda _status: None)
    keep()
    return state, service_of_this_process().begin(world, life, telemetry, source=lambda _wake: source).run()


def settled(file: Path) -> set[tuple[TopicPartition, int]]:
    """Give all places below the watermarks that a file notes."""
    state = read_state(file, {})
    marks = {} if state is None else state.progress.settled
    return {(partition, offset) for partition, mark in marks.items() for offset in range(mark)}


def replayed(plan: Plan, file: Path) -> Replayed:
    """Run a replay to its end, in as many lives as it takes."""
    file.unlink(missing_ok=True)
    world = new_world(plan)
    late = 0
    for _ in range(LIVES_MAX):
        life = world.begin_life()
        try:
            state, ending = live(world, life, file)
        except ProcessDiedError:
            world.timeline.pass_to(world.timeline.now + NS_PER_SECOND)  # what it had sent happens all the same
            found = Replayed(world, State({}, Progress(ASKED)), Ending(1, "killed"))
            late += len(set(found.landed()) - settled(file))
            continue
        if state.progress.finished:
            return Replayed(world, state, ending, late)
        raise AssertionError(f"it ended before its end: {ending}")
    raise AssertionError("it never ended")


def expected(world: World) -> set[tuple[TopicPartition, int]]:
    """Give all that shall land: every record in the ranges that the logs hold."""
    return {(p, offset) for p, first, end in ASKED for offset in world.logs[p].offsets if first <= offset < end}


def in_order(world: World, landed: list[tuple[TopicPartition, int]]) -> bool:
    """Say whether the first landings of each key are in the order of its offsets."""
    last: dict[tuple[TopicPartition, bytes | None], int] = {}
    for partition, offset in dict.fromkeys(landed):
        log = world.logs[partition]
        key = partition, log.keys[log.place_of(offset)]
        if last.get(key, -1) > offset:
            return False
        last[key] = offset
    return True


def test_exactly_what_was_asked_for_lands_once_and_in_order(tmp_path: Path) -> None:
    """In calm weather; ends that no record stands at are reached, and nothing comes as far as Kafka's commits."""
    found = replayed(PLAN, tmp_path / "state")
    landed = found.landed()
    assert expected(found.world) == set(landed)
    assert (len(set(landed)), 0) == (len(landed), found.ending.code)
    assert in_order(found.world, landed)
    assert len(landed) == found.state.outcome.landed
    assert found.world.timeline.now > 0.8 * len(landed) / RATE * NS_PER_SECOND


def test_a_kill_at_any_step_repeats_only_what_was_not_noted(tmp_path: Path) -> None:
    """Whatever the process was doing when it died: nothing is lost, each key is in order, and repeats are those."""
    file = tmp_path / "state"
    steps = replayed(PLAN, file).world.steps
    assert steps > 100
    for step in range(1, steps):
        found = replayed(replace(PLAN, crash_steps=frozenset({step})), file)
        landed = found.landed()
        assert expected(found.world) == set(landed), f"killed at step {step}"
        assert in_order(found.world, landed), f"killed at step {step}"
        assert len(landed) - len(set(landed)) <= found.noted_too_late, f"killed at step {step}"


def test_kill_after_kill_comes_to_the_end(tmp_path: Path) -> None:
    """A process that dies again and again, each time a little later, moves on all the same."""
    for every in (37, 61, 113):
        found = replayed(replace(PLAN, crash_steps=frozenset(range(every, 3_000, every))), tmp_path / "state")
        assert found.world.lives > 10
        landed = found.landed()
        assert expected(found.world) == set(landed)
        assert in_order(found.world, landed)
        assert len(landed) - len(set(landed)) <= found.noted_too_late


@pytest.mark.parametrize("seed", range(8))
def test_no_weather_loses_or_reorders_anything(seed: int, tmp_path: Path) -> None:
    """Lost answers, throttled entries, leases that end and are refused, with a kill in the middle of it."""
    plan = replace(PLAN, seed=seed, rates=STORM, crash_steps=frozenset({90 + 40 * seed}))
    found = replayed(plan, tmp_path / "state")
    landed = found.landed()
    assert expected(found.world) == set(landed)
    assert in_order(found.world, landed)
    assert found.state.outcome.whole


def test_a_stream_that_throttles_slows_it(tmp_path: Path) -> None:
    """It takes longer than in calm weather, by more than the retries."""
    calm = replayed(PLAN, tmp_path / "state").world.timeline.now
    world = replayed(replace(PLAN, rates=replace(CALM, entry_throttled=0.3)), tmp_path / "state").world
    assert world.timeline.now - new_world(PLAN).timeline.now > 1.5 * (calm - new_world(PLAN).timeline.now)


def test_what_retention_takes_meanwhile_is_named(tmp_path: Path) -> None:
    """And the rest is sent."""
    file = tmp_path / "state"
    world = new_world(PLAN)
    world.logs[P1].trim(11)
    state, ending = live(world, world.begin_life(), file)
    landed = Replayed(world, state, ending).landed()
    assert (True, 0) == (state.progress.finished, ending.code)
    assert {ReplayRange(P1, 0, 11)} == state.outcome.gone
    assert not state.outcome.whole
    assert expected(world) == set(landed)
    assert Outcome.of_data(state.outcome.as_data()) == state.outcome
