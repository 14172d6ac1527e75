"""A route leaves records out: they are not sent, and their partition settles and commits as if they were not there."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from doka.domain.commands import SendPut
from doka.domain.events import PartitionsRevoked, RecordsFetched, RevokeStarted
from doka.domain.facts import RecordsPoisoned
from doka.domain.rules import AggregationRules, LimitRules, Only, OnPoison, Ordering
from tests.unit.domain.builders import ORDERS, Machine, chunk, route_rules
from tests.unit.domain.forwarding import ONLY, settle

WANTED, OTHER, TORN = b'{"is":"y","n":%d}', b'{"is":"n","n":%d}', b'{"is":"y","n":%d'

LIMITS = LimitRules(request_records=4, commit_every=1, linger=0)


def machine(limits: LimitRules = LIMITS, /, **rules: object) -> Machine:
    """Make a machine whose route sends only records that are wanted; it owns orders[0] and commits at once."""
    only = Only("pointer:/is", frozenset({"y"}))
    made = Machine(routes=(route_rules(only=only, **rules),), limits=limits)
    made.open()
    return made


def fetched(kinds: str, start: int = 0) -> RecordsFetched:
    """Fetch a record for each sign: y is wanted, n is not, / cannot be judged; few keys."""
    form = {"y": WANTED, "n": OTHER, "/": TORN}
    values = [form[kind] % (start + place) for place, kind in enumerate(kinds)]
    return RecordsFetched(chunk(["abc"[place % 3] for place in range(len(kinds))], start=start, values=values))


def values_sent(made: Machine) -> list[bytes]:
    """Give the data of all records that were ever sent."""
    return [bytes(value) for put in made.of(SendPut) if isinstance(put, SendPut) for value in put.values]


def filtered(made: Machine) -> dict[str, int]:
    """Give how many were left out, by reason."""
    return dict(made.forwarder.status(made.now).routes["orders"].filtered)


def test_counts_stand_at_zero_from_the_start() -> None:
    """So that the first one shows as an increase; a route that filters nothing has none."""
    assert {"absent": 0, "other": 0} == filtered(machine())
    plain = Machine()
    plain.open()
    assert {} == filtered(plain)


def test_a_partition_of_which_nothing_is_wanted_goes_on() -> None:
    """It commits, holds nothing, and is told by its count alone."""
    made = machine()
    made.step(fetched("nnnn"))
    assert (4, [], {"absent": 0, "other": 4}) == (settle(made), values_sent(made), filtered(made))
    assert 0 == made.forwarder.status(made.now).held_bytes


@pytest.mark.parametrize("kinds", ["yn", "ny", "nyn", "ynny", "nnyy"])
def test_it_settles_in_its_turn(kinds: str) -> None:
    """While a record below it is on its way the watermark stays there; then all of it is passed."""
    made = machine()
    made.step(fetched(kinds))
    first = kinds.index("y")
    assert kinds.count("y") == made.forwarder.status(made.now).partitions[ORDERS].unsettled
    assert made.committed().get(ORDERS, 0) <= first
    assert len(kinds) == settle(made)
    assert [WANTED % place for place, kind in enumerate(kinds) if kind == "y"] == sorted(values_sent(made))


def test_what_is_left_out_is_no_room_that_is_used() -> None:
    """ahead_records bounds what a crash repeats, and of these nothing is sent again."""
    made = machine(replace(LIMITS, ahead_records=2))
    made.step(fetched("y" + "n" * 10 + "y"))
    assert 2 == len(values_sent(made))
    assert (12, 0) == (settle(made), made.forwarder.status(made.now).held_bytes)


def test_what_cannot_be_judged_is_poison() -> None:
    """By the policy of the route; with drop it is settled, and what is behind it goes on."""
    made = machine(on_poison=OnPoison.DROP)
    made.step(fetched("n/yn"))
    assert [RecordsPoisoned("orders", ORDERS, 1, "ValueNotJson", "drop")] == made.of(RecordsPoisoned)
    assert (4, {"absent": 0, "other": 2}) == (settle(made), filtered(made))
    blocking = machine()
    blocking.step(fetched("n/yn"))
    assert (0, 1) == (settle(blocking), len(values_sent(blocking)))


def test_a_drain_leaves_what_it_has_not_sent() -> None:
    """What was filtered above a record that never left is read again by whoever owns the partition next."""
    made = machine()
    made.step(fetched("ny"))  # fills no request, and leaves alone
    (put,) = made.puts
    made.feed(fetched("nyn", start=2))
    made.step(RevokeStarted(ONLY))
    made.answer(put)
    assert {ORDERS: 2} == made.committed()
    made.step(PartitionsRevoked(ONLY))


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"ordering": Ordering.NONE},
        {"aggregation": AggregationRules(linger=0)},
    ],
    ids=["key", "none", "aggregated"],
)
@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_left_out_the_rest_is_sent_and_all_is_committed(rules: dict[str, object], seed: int) -> None:
    """Drawn runs, with answers that refuse some entries; nothing that is wanted is missing, nothing else is sent."""
    draw = Random(seed)
    made = machine(**rules)
    kinds = "".join(draw.choices("yn", (1, 2), k=60))
    start = 0
    while start < len(kinds):
        run = draw.randint(1, 9)
        made.step(fetched(kinds[start : start + run], start))
        start += run
        for put in tuple(made.puts):
            if draw.random() < 0.5:
                failed = {0: "ProvisionedThroughputExceededException"} if draw.random() < 0.3 else {}
                made.answer(put, failed)
    for _ in range(20):
        made.decide(after=60_000_000_000)
        settle(made)
    wanted = {WANTED % place for place, kind in enumerate(kinds) if kind == "y"}
    data = b"".join(values_sent(made))
    assert (len(kinds), 0) == (settle(made), made.forwarder.status(made.now).held_bytes)
    assert all(value in data for value in wanted)
    assert b'"is":"n"' not in data
    assert kinds.count("n") == filtered(made)["other"]
