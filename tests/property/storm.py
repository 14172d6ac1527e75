"""A seeded driver: what happens next to a world is drawn, from the weather that the seed drew first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

from doka.domain.forwarder import Forwarder
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from tests.property.calm import heal
from tests.property.setup import KEYS, TPS, setup_of
from tests.property.truth import Flight, New
from tests.property.world import World

T = TypeVar("T")

ENTRY_CODES = ("ProvisionedThroughputExceededException", "InternalFailure", "Unheard")
REQUEST_CODES = (
    "ThrottlingException",
    "InternalFailure",
    "ExpiredTokenException",
    "AccessDeniedException",
    "ResourceNotFoundException",
    "RequestExpired",
    "Unheard",
)
SHARING = 5
"""In one of so many seeds records of a key share requests."""
WAITS = (NS_PER_MS, 6 * NS_PER_MS, 100 * NS_PER_MS, NS_PER_SECOND, 11 * NS_PER_SECOND, 61 * NS_PER_SECOND)
LIVES = (None, NS_PER_SECOND, 5 * NS_PER_SECOND, 60 * NS_PER_SECOND, 3_600 * NS_PER_SECOND)


class Storm:
    """Draws one step after the other; the weather says how often what goes wrong."""

    def __init__(self, world: World, random: Random) -> None:
        self.world = world
        self.random = random
        self.failing = random.choice((0.0, 0.2, 0.5, 0.9))
        self.moving = random.choice((0.0, 0.05, 0.3))
        self.poison = random.choice((0.0, 0.1, 0.4))
        self.holes = random.choice((0.0, 0.3))
        self.long = random.choice((0.0, 0.0, 0.2))
        self.slow_shards = random.choice((0.0, 0.0, 0.5))
        if random.random() < 0.2:  # rebalances and poison together: a search whose records go away
            self.failing, self.moving, self.poison = 0.2, 0.3, 0.4
        self.keys = KEYS[: random.choice((1, 2, 4, 5))]
        self.partly = 0  # how much more often some entries are refused, beside 2 of 5 troubles
        if world.setup.shares("orders"):  # runs of a key, refused in their middle, and landed in any order
            self.failing, self.partly = max(self.failing, 0.5), 10

    def step(self) -> None:
        """Let one thing happen."""
        random, world = self.random, self.world
        if random.random() < 0.1:
            world.undecided = random.randrange(4)
        if random.random() < self.moving:
            random.choice(self._movements())()
        else:
            random.choice(self._work())()

    def _movements(self) -> Sequence[Callable[[], None]]:
        world = self.world
        moves: list[Callable[[], None]] = []
        for tp in TPS:
            if tp not in world.owned:
                moves += [lambda tp=tp: world.assign(tp)] * 4  # type: ignore[misc]  # bound at once
                continue
            moves += [
                lambda tp=tp: world.revoke_start(tp),  # type: ignore[misc]  # bound at once
                lambda tp=tp: world.revoke(tp),  # type: ignore[misc]  # bound at once
                lambda tp=tp: world.lose(tp),  # type: ignore[misc]  # bound at once
            ]
            if not world.owned[tp].gap:
                moves += [
                    lambda tp=tp: world.expire(tp, self.random.randrange(1, 5)),  # type: ignore[misc]  # bound at once
                    lambda tp=tp: world.recreate(tp),  # type: ignore[misc]  # bound at once
                ]
        if not world.stopped and self.random.random() < 0.1:
            moves.append(world.stop)
        return moves

    def _work(self) -> Sequence[Callable[[], None]]:
        world, draw = self.world, self.random
        work: list[Callable[[], None]] = [lambda: world.wait(draw.choice(WAITS))]
        work += [self._fetch for _ in world.readable()]
        work += [self._end for _ in world.readable()[:1]]
        work += [lambda put=put: self._answer(put) for put in world.flights] * 2
        work += [lambda: world.slow_down(draw.choice(("orders", "payments")), draw.choice("abc"))] * (
            draw.random() < self.slow_shards
        )
        work += [lambda: world.land_late(draw.randrange(len(world.late)))] * bool(world.late)
        work += [lambda role=role: self._lease(role) for role in sorted(world.lease_wanted)] * 2
        work += [lambda route=route: self._describe(route) for route in world.describing]  # type: ignore[misc]
        work += [lambda letter=letter: self._letter(letter) for letter in world.letters]  # type: ignore[misc]
        work += [lambda commit=commit: self._commit(commit) for commit in world.commits]  # type: ignore[misc]
        return work

    def _fetch(self) -> None:
        tp = self.random.choice(self.world.readable())
        self.world.fetch(tp, self.random.randrange(1, 9), [self._new() for _ in range(self.random.randrange(7))])

    def _new(self) -> New:
        random = self.random
        hole = random.randrange(1, 4) if random.random() < self.holes else 0
        sick = random.random() < self.poison
        large = sick and random.random() < 0.4
        long = not sick and random.random() < self.long
        return New(random.choice(self.keys), hole, large=large, bad=sick and not large, long=long)

    def _end(self) -> None:
        self.world.end(self.random.choice(self.world.readable()), self.random.randrange(3))

    def _answer(self, put: int) -> None:
        world, random = self.world, self.random
        flight = world.flights[put]
        places = range(len(flight.entries))
        some = [place for place in places if random.random() < 0.5]
        if random.random() >= self.failing:
            self._judge(put, flight)
            return
        match random.randrange(5 + self.partly):
            case 2:
                world.refuse(put, random.choice(REQUEST_CODES))
            case 3:
                world.lose_answer(put, some, later=[place for place in places if random.random() < 0.3])
            case 4:
                world.unsend(put)
            case _:
                failed = {place: random.choice(ENTRY_CODES) for place in some}
                order = list.sort if not self.partly or random.random() < 0.5 else random.shuffle
                world.answer(put, failed, landed=[place for place in some if random.random() < 0.5], order=order)

    def _judge(self, put: int, flight: Flight) -> None:
        if flight.bad and self.random.random() < 0.7:
            self.world.refuse(put, "ValidationException")
        else:
            self.world.answer(put)

    def _lease(self, role: str) -> None:
        if self.random.random() < self.failing / 2:
            self.world.refuse_lease(role, "AccessDenied")
        else:
            self.world.issue(role, self.random.choice(LIVES), late=self.random.choice((0, 0, NS_PER_SECOND)))

    def _describe(self, route: str) -> None:
        world, draw = self.world, self.random
        if draw.random() >= self.failing:
            world.describe(route)
        elif draw.random() < 0.6:
            world.refuse_description(route, draw.choice(REQUEST_CODES))
        else:
            world.describe(route, draw.choice(("CREATING", "ACTIVE")), honours_keys=draw.random() < 0.5)

    def _letter(self, letter: int) -> None:
        if self.random.random() < self.failing:
            self.world.refuse_letter(letter)
        else:
            self.world.acknowledge(letter)

    def _commit(self, commit: int) -> None:
        failing = self.random.random() < self.failing
        self.world.store(commit, applied=self.random.random() < 0.5, error="REQUEST_TIMED_OUT" if failing else None)


def run(seed: int, steps: int, make: type[Forwarder] = Forwarder) -> World:
    """Run one seed to its end, liveness included; raises what was found."""
    random = Random(seed)
    setup = setup_of(random)
    if seed % SHARING == 2:
        setup = replace(setup, orders_share=True, orders_aggregated=None)
    world = World(setup, make)
    storm = Storm(world, random)
    try:
        for tp in TPS[: random.randrange(1, 4)]:
            world.assign(tp)
        for _ in range(steps):
            storm.step()
        heal(world)
    except Exception as error:
        error.add_note("\n".join([f"seed {seed}, {world.setup}", *world.trace[-400:]]))
        raise
    return world
