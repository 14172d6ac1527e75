"""A route with a transform: what is told of it, and what happens when it is broken."""

from __future__ import annotations

from doka.domain.batch import Batch, Transform
from doka.domain.commands import SendPut
from doka.domain.events import RecordsFetched
from doka.domain.facts import RecordsPoisoned, RecordsTransformed, RouteBlocked, TransformRaised
from doka.domain.rules import LimitRules, OnPoison
from tests.unit.domain.builders import ORDERS, SECOND, Extras, Machine, chunk, route_rules
from tests.unit.domain.forwarding import settle


def machine(function: object, **rules: object) -> Machine:
    """Make a machine whose route has this transform."""
    transform = Transform("t.py:f", "", function, lambda: 0)  # type: ignore[arg-type]  # the caller gives one
    made = Machine(
        routes=(route_rules(transform=transform, **rules),),
        limits=LimitRules(request_records=4, commit_every=1, linger=0),
    )
    made.open()
    return made


def test_what_it_makes_is_sent_and_all_of_it_is_committed() -> None:
    """Longer values count while they are held, and are free once they have settled; what is dropped is counted."""

    def function(batch: Batch) -> None:
        batch.values = [(value or b"") * 100 for value in batch.values]
        batch.partition_keys[0] = "chosen"
        batch.drop(1)

    for originals in ((), [Extras()] * 3):
        made = machine(function)
        made.step(RecordsFetched(chunk("abc", originals=originals)))
        (put,) = made.of(SendPut)
        assert isinstance(put, SendPut)
        assert (["chosen", "c"], [b"0" * 100, b"2" * 100]) == (list(put.keys), list(put.values))
        assert made.forwarder.status(made.now).held_bytes > 200
        assert 3 == settle(made)
        status = made.forwarder.status(made.now)
        assert (0, {"transform": 1}) == (status.held_bytes, status.routes["orders"].filtered)
        assert [RecordsTransformed("orders", 3, 0)] == made.of(RecordsTransformed)


def test_what_it_raises_for_is_poison_with_a_code_of_its_own() -> None:
    """Told by the class of the exception, never by what it says."""

    def function(batch: Batch) -> None:
        if b"1" in batch.values:
            raise KeyError("a secret")

    made = machine(function, on_poison=OnPoison.DROP)
    made.step(RecordsFetched(chunk("abcdef")))
    assert [RecordsPoisoned("orders", ORDERS, 1, "TransformFailed", "drop")] == made.of(RecordsPoisoned)
    assert [TransformRaised("orders", ORDERS, 1, "KeyError")] == made.of(TransformRaised)
    assert 6 == settle(made)
    assert "secret" not in repr(made.told)


def test_one_that_fails_for_all_blocks_its_route_until_a_restart() -> None:
    """What it was given stays where it was: nothing is poison, sent or committed; what went before it settles."""
    works = True

    def function(batch: Batch) -> None:
        if not works:
            raise TypeError("a secret")

    made = machine(function, on_poison=OnPoison.DROP)
    made.step(RecordsFetched(chunk("abcd")))
    works = False
    made.step(RecordsFetched(chunk("efghi", start=4)))
    made.feed(RecordsFetched(chunk("xyz", start=9)))
    assert 4 == settle(made)
    works = True
    for _ in range(3):
        made.decide(after=100 * SECOND)
    blocked = [each for each in made.of(RouteBlocked) if isinstance(each, RouteBlocked)]
    assert ["transform_failed:TypeError"] == [each.reason for each in blocked]
    assert "restart" in blocked[0].message
    assert [] == made.of(RecordsPoisoned)
    status = made.forwarder.status(made.now)
    assert ("transform_failed:TypeError", 4, 8) == (
        status.routes["orders"].blocked,
        status.partitions[ORDERS].committed,
        status.partitions[ORDERS].unsettled,
    )
    assert ("route orders is blocked: transform_failed:TypeError",) == status.reasons()
    assert status.partitions[ORDERS].paused
