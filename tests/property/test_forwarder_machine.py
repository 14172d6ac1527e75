"""The forwarder alone against a model world: whatever may happen, in any order, found small where it fails."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from doka.domain.limits import NS_PER_SECOND
from tests.property import profiles
from tests.property.calm import heal
from tests.property.setup import CHOICES, KEYS, TPS, Setup
from tests.property.situations import missing, missing_of_the_core
from tests.property.storm import ENTRY_CODES, LIVES, REQUEST_CODES, WAITS, run
from tests.property.truth import New
from tests.property.world import World

SETUPS = st.builds(
    Setup, orders_share=st.booleans(), **{name: st.sampled_from(values) for name, values in CHOICES.items()}
)
TROUBLES = st.sampled_from(("rebalances", "gaps and ends", "a stop", "decisions held back", "slow shards"))
WHICH = st.integers(0, 7)
PLACES = st.sets(st.integers(0, 4), max_size=5)
RECORDS = st.builds(
    New,
    key=st.sampled_from(KEYS),
    hole=st.sampled_from((0, 0, 1, 3)),
    large=st.sampled_from((*[False] * 9, True)),
    long=st.sampled_from((*[False] * 9, True)),
    bad=st.sampled_from((*[False] * 19, True)),
)


class ForwarderMachine(RuleBasedStateMachine):
    """Every rule is one thing that may happen outside; the world judges every command that follows."""

    world: World
    met: ClassVar[Counter[str]] = Counter()
    """Which situations all examples together were in."""

    troubles: frozenset[str]
    """Which kinds of trouble this example has: all of them all the time would leave nothing in flight."""

    @initialize(
        setup=SETUPS, owned=st.integers(1, 3), opened=st.sampled_from((True, True, False)), troubles=st.sets(TROUBLES)
    )
    def begin(self, setup: Setup, owned: int, opened: bool, troubles: set[str]) -> None:  # noqa: FBT001 - drawn
        """Own some partitions, with everything there that sending needs, or not yet."""
        self.world = World(setup)
        self.troubles = frozenset(troubles)
        for tp in TPS[:owned]:
            self.world.assign(tp)
        for role in sorted(self.world.lease_wanted) if opened else ():
            self.world.issue(role, None)
        for route in sorted(self.world.describing) if opened else ():
            self.world.describe(route)

    @invariant()
    def holds(self) -> None:
        """Between two decisions everything is in its place."""
        if hasattr(self, "world") and not self.world.undecided:
            self.world.decide()

    @precondition(lambda self: "decisions held back" in self.troubles)
    @rule(events=st.integers(1, 4))
    def hold_decisions_back(self, events: int) -> None:
        """Several things happen before the next decision."""
        self.world.undecided = events

    @rule(ns=st.sampled_from(WAITS))
    def time_passes(self, ns: int) -> None:
        """Nothing happens for a while."""
        self.world.wait(ns)

    # --- Kafka ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.readable())
    @rule(
        which=WHICH,
        count=st.integers(1, 8),
        new=st.lists(RECORDS, min_size=1, max_size=6),
        wait=st.sampled_from((0, 0, *WAITS[:3])),
    )
    def fetch(self, which: int, count: int, new: list[New], wait: int) -> None:
        """Records come, with holes, null keys and poison among them, and some time passes."""
        tps = self.world.readable()
        self.world.fetch(tps[which % len(tps)], count, new)
        self.world.wait(wait)

    @precondition(lambda self: self.world.readable())
    @rule(which=WHICH, bad=st.booleans())
    def fetch_one_that_may_be_bad(self, which: int, bad: bool) -> None:  # noqa: FBT001 - drawn
        """One record comes that the service may refuse."""
        tps = self.world.readable()
        self.world.fetch(tps[which % len(tps)], 8, [New(b"a", bad=bad)])

    @precondition(lambda self: "gaps and ends" in self.troubles and self.world.readable())
    @rule(which=WHICH, markers=st.integers(0, 2))
    def reach_the_end(self, which: int, markers: int) -> None:
        """The log was read up to its end."""
        tps = self.world.readable()
        self.world.end(tps[which % len(tps)], markers)

    @precondition(lambda self: len(self.world.owned) < len(TPS))
    @rule(which=WHICH)
    def assign(self, which: int) -> None:
        """A partition comes, or comes back."""
        free = [tp for tp in TPS if tp not in self.world.owned]
        self.world.assign(free[which % len(free)])

    @precondition(lambda self: self.world.owned and "rebalances" in self.troubles)
    @rule(which=WHICH, how=st.sampled_from(("start", "end", "lose")))
    def take_away(self, which: int, how: str) -> None:
        """A partition is asked for, taken back, or lost."""
        tp = list(self.world.owned)[which % len(self.world.owned)]
        {"start": self.world.revoke_start, "end": self.world.revoke, "lose": self.world.lose}[how](tp)

    @precondition(
        lambda self: "gaps and ends" in self.troubles and any(not own.gap for own in self.world.owned.values())
    )
    @rule(which=WHICH, further=st.integers(0, 4))
    def gap(self, which: int, further: int) -> None:
        """Retention overtakes the reader, or the topic is made anew."""
        tps = [tp for tp, own in self.world.owned.items() if not own.gap]
        tp = tps[which % len(tps)]
        if further:
            self.world.expire(tp, further)
        else:
            self.world.recreate(tp)

    @precondition(lambda self: self.world.commits)
    @rule(which=WHICH, applied=st.booleans(), error=st.sampled_from((None, None, "REBALANCE_IN_PROGRESS")))
    def answer_commit(self, which: int, applied: bool, error: str | None) -> None:  # noqa: FBT001 - drawn
        """A commit is answered, stored or not; one that never is, is what happens without this rule."""
        commits = sorted(self.world.commits)
        self.world.store(commits[which % len(commits)], applied=applied, error=error)

    @precondition(lambda self: "a stop" in self.troubles and not self.world.stopped)
    @rule()
    def stop(self) -> None:
        """Somebody asks the process to end."""
        self.world.stop()

    # --- Kinesis and the dead letters ------------------------------------------------------------------------------

    @precondition(lambda self: self.world.flights)
    @rule(which=WHICH)
    def accept(self, which: int) -> None:
        """A request lands, but for what the service refuses."""
        self.world.answer(self._put(which))

    @precondition(lambda self: self.world.flights)
    @rule(which=WHICH, places=PLACES, code=st.sampled_from(ENTRY_CODES), landed=PLACES, backwards=st.booleans())
    def accept_in_part(self, which: int, places: set[int], code: str, landed: set[int], *, backwards: bool) -> None:
        """Some entries are refused; of those that failed inside the service, some landed, and all in any order."""
        order = partial(list[int].sort, reverse=backwards)
        self.world.answer(self._put(which), dict.fromkeys(places, code), landed=landed & places, order=order)

    @precondition(lambda self: self.world.flights)
    @rule(which=WHICH, code=st.sampled_from(REQUEST_CODES))
    def refuse(self, which: int, code: str) -> None:
        """A request is refused as a whole."""
        put = self._put(which)
        self.world.refuse(put, "ValidationException" if self.world.flights[put].bad else code)

    @precondition(lambda self: self.world.flights)
    @rule(which=WHICH, landed=PLACES, later=PLACES)
    def lose_an_answer(self, which: int, landed: set[int], later: set[int]) -> None:
        """Nobody knows what became of a request."""
        self.world.lose_answer(self._put(which), landed, later)

    @precondition(lambda self: self.world.late)
    @rule(which=WHICH)
    def land_late(self, which: int) -> None:
        """What was in the network all the time lands."""
        self.world.land_late(which % len(self.world.late))

    @precondition(lambda self: self.world.flights)
    @rule(which=WHICH)
    def fail_before_it_left(self, which: int) -> None:
        """A request never left."""
        self.world.unsend(self._put(which))

    @precondition(lambda self: "slow shards" in self.troubles)
    @rule(route=st.sampled_from(("orders", "payments")), key=st.sampled_from("abc"))
    def slow_a_shard_down(self, route: str, key: str) -> None:
        """A shard has been throttled for long."""
        self.world.slow_down(route, key)

    @precondition(lambda self: self.world.letters)
    @rule(which=WHICH, stored=st.booleans())
    def answer_letter(self, which: int, stored: bool) -> None:  # noqa: FBT001 - drawn
        """A dead letter is stored, or refused."""
        letters = sorted(self.world.letters)
        (self.world.acknowledge if stored else self.world.refuse_letter)(letters[which % len(letters)])

    # --- STS and the stream ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.lease_wanted)
    @rule(which=WHICH, life=st.sampled_from(LIVES), late=st.sampled_from((0, NS_PER_SECOND)), refused=st.booleans())
    def answer_lease(self, which: int, life: int | None, late: int, refused: bool) -> None:  # noqa: FBT001 - drawn
        """STS issues a lease, short, long, past its end already, or none."""
        roles = sorted(self.world.lease_wanted)
        role = roles[which % len(roles)]
        if refused:
            self.world.refuse_lease(role, "AccessDenied")
        else:
            self.world.issue(role, life, late)

    @precondition(lambda self: self.world.describing)
    @rule(which=WHICH, answer=st.sampled_from(("ACTIVE", "ACTIVE", "auto", "CREATING", *REQUEST_CODES)))
    def answer_description(self, which: int, answer: str) -> None:
        """A stream is described, or not."""
        routes = sorted(self.world.describing)
        route = routes[which % len(routes)]
        if answer in REQUEST_CODES:
            self.world.refuse_description(route, answer)
        else:
            status = "CREATING" if answer == "CREATING" else "ACTIVE"
            self.world.describe(route, status, honours_keys=answer != "auto")

    def _put(self, which: int) -> int:
        puts = sorted(self.world.flights)
        return puts[which % len(puts)]

    def teardown(self) -> None:
        """Heal everything: what was fetched settles, and is committed, by itself (I9)."""
        if hasattr(self, "world") and not self.world.broken:
            heal(self.world)
            self.met.update(self.world.met)


@pytest.mark.slow
def test_whatever_may_happen_in_any_order() -> None:
    """Nothing that the world judges is broken, and what the rules are for has been seen."""
    ForwarderMachine.met.clear()
    run_state_machine_as_test(ForwarderMachine, settings=profiles.MACHINE)
    assert [] == missing_of_the_core(ForwarderMachine.met)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_storms_of_a_hundred_steps(part: int) -> None:
    """Seeds of weather: nothing that the world judges is broken, and when all is healed all is committed."""
    for seed in range(part, profiles.STORM_SEEDS, 4):
        run(seed, 100)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_storms_of_four_hundred_steps(part: int) -> None:
    """Longer storms, in which faults meet that lie far apart."""
    for seed in range(part, profiles.STORM_SEEDS // 10, 4):
        run(1_000_000 + seed, 400)


@pytest.mark.slow
def test_storms_reach_what_they_are_for() -> None:
    """Each situation comes within half of the seeds that are run."""
    met = Counter[str]()
    for seed in range(profiles.STORM_SEEDS // 2):
        met.update(run(seed, 100).met)
        if not missing(met):
            break
    assert [] == missing(met)
