"""A function is run over records twice: together, and each by itself."""

from __future__ import annotations

from itertools import count

from doka.app.rehearsal.rehearsal import Rehearsal
from doka.domain.batch import Batch
from doka.domain.routes.fields import UNREADABLE_HEADERS
from tests.unit.domain.builders import ORDERS, Extras, HeadersRefused, chunk, route_rules
from tests.unit.domain.routes.test_transforming import transform


def test_a_function_that_gives_the_same_is_steady() -> None:
    """Alone or together; batches and times are kept of what ran together."""

    def clean(batch: Batch) -> None:
        batch.values[0] = b"new" if batch.values[0] == b"a" else batch.values[0]

    rehearsal = Rehearsal(route_rules(transform=transform(clean)), None)
    found = list(rehearsal.of(chunk(["k", "l"], values=[b"a", b"b"])))
    assert [(b"new", True), (b"b", False)] == [(each.value, each.changed) for each in found]
    assert ([], [2], 1, None) == (rehearsal.unsteady, rehearsal.batches, len(rehearsal.took), rehearsal.broken)


def test_one_that_counts_or_looks_at_the_batch_is_not() -> None:
    """Whatever it is that differs: the value, the key, whether it is sent at all."""
    numbers = count()

    def stamp(batch: Batch) -> None:
        batch.values[0] = b"%d" % next(numbers)
        if len(batch) > 1:
            batch.drop(1)
            batch.partition_keys[2] = "first"

    rehearsal = Rehearsal(route_rules(transform=transform(stamp)), None)
    list(rehearsal.of(chunk(["k"] * 4, start=5, values=[b"a", b"b", b"c", b"d"])))
    assert [(ORDERS, 5), (ORDERS, 6), (ORDERS, 7), (ORDERS, 8)] == rehearsal.unsteady


def test_one_that_fails_for_all_is_told() -> None:
    """Each record is shown as the poison that the service would not make of it."""

    def broken(batch: Batch) -> None:
        raise KeyError(batch.values[0])

    rehearsal = Rehearsal(route_rules(transform=transform(broken)), None)
    found = list(rehearsal.of(chunk(["k"] * 4)))
    assert ("KeyError", ["KeyError"] * 4, []) == (
        rehearsal.broken,
        [each.raised for each in found],
        rehearsal.unsteady,
    )


def test_headers_that_cannot_be_read_are_asked_for_once() -> None:
    """The second time the client gives what cannot be touched."""
    rules = route_rules(transform=transform(lambda _: None, headers=True))
    found = list(Rehearsal(rules, None).of(chunk(["k", "l"], originals=[HeadersRefused(), Extras()])))
    assert [UNREADABLE_HEADERS, None] == [each.code for each in found]


def test_a_route_without_a_function_is_not_run_twice() -> None:
    """Its mapping is doka's own."""
    rehearsal = Rehearsal(route_rules(), None)
    assert [False, False] == [each.changed for each in rehearsal.of(chunk(["k", "l"]))]
    assert ([], [2]) == (rehearsal.unsteady, rehearsal.batches)
