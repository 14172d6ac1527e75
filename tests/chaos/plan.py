"""What befalls the service in each round, drawn from a seed.

The draws repeat with their seed; the instants do not, for they are a real machine's. What a round has aimed at and what
it met are therefore two things, and the second is recorded.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

ROUNDS_PER_WORLD = 50  # so that a judge holds some 100,000 records at a time, however many rounds there are
WORLDS_AT_ONCE = 2
AGGREGATED = (False, True)
"""Whether a world's route aggregates, for worlds in turn."""
KEYS = (25, 250)  # of each partition: with 100 in all, records wait for their key at every moment, and no swap can hide

STATIC = (False, True)
WORKED_SECONDS_MAX = 20.0
"""A reload of one worker takes about as long, of which ten seconds are its last look whether the new one lives."""
TOLD_SHARE = 0.4

RECORDS_A_ROUND = (400, 1_000)  # few keys take their time: each has one record under way

T = TypeVar("T")


class Moment(StrEnum):
    """When of its life the service is killed."""

    BEFORE_ASSIGNMENT = "before the assignment"
    FIRST_FETCH = "in the first fetch"
    PUT_IN_FLIGHT = "a put in flight"
    COMMIT_PENDING = "a commit pending"
    IN_DRAIN = "in the drain"
    ANY = "anywhere else"


ALWAYS_MET = (Moment.PUT_IN_FLIGHT, Moment.COMMIT_PENDING, Moment.IN_DRAIN)
"""The service is held or waited for there; the other moments a quick machine may be past before it can be killed."""


class Change(StrEnum):
    """What is changed in the configuration of a life, which watches it."""

    LIMIT = "a limit"
    AGGREGATION = "aggregation on or off"
    REFUSED = "a file that is refused"


CHANGES = (Change.LIMIT, Change.AGGREGATION, Change.LIMIT, Change.AGGREGATION, Change.REFUSED)


@dataclass(frozen=True, slots=True)
class Weather:
    """The faults of one round, on top of a latency of 15 to 25 ms that every put has."""

    refused: float
    """The share of entries that are refused with HTTP 200."""
    code: str
    """What they are refused with."""
    torn: bool
    """Whether connections are reset after their put was accepted."""
    revoked: bool
    """Whether the lease is revoked as soon as something has landed under it."""

    def __str__(self) -> str:
        told = [f"{self.refused:.0%} refused"] if self.refused else []
        told += ["resets"] if self.torn else []
        told += ["revoked"] if self.revoked else []
        return ", ".join(told) or "calm"


@dataclass(frozen=True, slots=True)
class Round:
    """One life of the service, from its start to its death."""

    number: int
    moment: Moment
    weather: Weather
    past: float
    """Seconds from the moment that was waited for to the kill."""
    landings: int
    """How many records land in this life before it comes to that, where it waits for landings."""
    puts: int
    """How many puts are let pass before some are held, where it waits for puts in flight."""
    late: bool
    """Whether puts are held before they are accepted, and so land after their sender's death."""
    change: Change
    """What is changed as soon as the service watches its configuration."""
    worked: float
    """For how long (s) the service works with the change before it comes to the moment: before, amid or after the reload."""
    told: bool
    """Whether it works until it has told what became of the reload instead."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The world that some rounds share; its last life is not killed, drains to the end of the log, and is judged."""

    name: str
    keys: int
    """Of each partition."""
    records: int
    """How many are written in a round, at the least."""
    aggregated: bool
    ahead_records: int
    commit_seconds: float
    lease_seconds: float
    """What leases tell of their life, and how long they live."""
    static: bool
    """Whether the service is a static member: its successor takes its place at once, and a reload is one after the other."""
    rounds: Sequence[Round]
    partitions: int = 4
    shards: int = 4


def draw_worlds(seed: int, rounds: int) -> list[Shape]:
    """Share rounds out over worlds, of few keys and, aggregated, of many in turn; raises ValueError for less than one round."""
    if rounds < 1:
        raise ValueError("there must be at least one round")
    chance = random.Random(f"chaos/{seed}")
    count = max(min(WORLDS_AT_ONCE, rounds), -(-rounds // ROUNDS_PER_WORLD))
    # Dealt, not drawn: a score of rounds meets every moment and every weather, whatever the seed.
    moments = _dealt(chance, list(Moment))
    weathers = _dealt(chance, _weathers())
    changes = _dealt(chance, CHANGES)
    return [
        Shape(
            name=f"world-{index + 1}",
            keys=KEYS[index % 2],
            records=RECORDS_A_ROUND[index % 2],
            aggregated=AGGREGATED[index % 2],
            ahead_records=chance.choice((100, 200, 400)),
            commit_seconds=chance.choice((0.05, 0.1, 0.3)),
            lease_seconds=round(chance.uniform(5.0, 8.0), 3),
            static=STATIC[index % 2],
            rounds=[
                _round(
                    chance,
                    number,
                    next(moments),
                    next(weathers),
                    change=next(changes),
                    aggregated=AGGREGATED[index % 2],
                )
                for number in range(index, rounds, count)
            ],
        )
        for index in range(count)
    ]


def _round(
    chance: random.Random, number: int, moment: Moment, weather: Weather, *, change: Change, aggregated: bool
) -> Round:
    # A start takes a second or two before partitions are assigned, half of one until the first put leaves.
    longest = {Moment.BEFORE_ASSIGNMENT: 0.8, Moment.FIRST_FETCH: 0.05, Moment.ANY: 4.0}.get(moment, 0.1)
    return Round(
        number=number + 1,
        moment=moment,
        weather=weather,
        past=round(chance.uniform(0.0, longest), 4),
        landings=chance.randint(1, 20 if aggregated else 500),
        puts=chance.randrange(12),
        late=chance.random() < 0.5,
        change=change,
        worked=round(chance.uniform(0.0, WORKED_SECONDS_MAX), 3),
        told=chance.random() < TOLD_SHARE,
    )


def _weathers() -> list[Weather]:
    throttled, failed = "ProvisionedThroughputExceededException", "InternalFailure"
    return [
        Weather(0.0, throttled, torn=False, revoked=False),
        Weather(0.01, throttled, torn=False, revoked=False),
        Weather(0.5, throttled, torn=False, revoked=False),
        Weather(0.01, failed, torn=True, revoked=False),
        Weather(0.5, failed, torn=False, revoked=True),
        Weather(0.0, throttled, torn=True, revoked=True),
        Weather(0.5, failed, torn=True, revoked=False),
        Weather(0.01, throttled, torn=False, revoked=True),
    ]


def _dealt(chance: random.Random, cards: Sequence[T]) -> Iterator[T]:
    while True:
        yield from chance.sample(cards, len(cards))
