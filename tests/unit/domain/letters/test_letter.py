"""The record of a letter, and which letters are chosen."""

from __future__ import annotations

import json

import pytest

from doka.domain.letters.letter import Choice, Letter, LetterRecord, records_of
from doka.domain.records import TopicPartition
from doka.domain.routes.mapping import RecordMapping
from doka.domain.rules import NullKey
from tests.unit.domain.builders import Extras, chunk, no_jitter, route_rules

DEAD, SOURCE = TopicPartition("dead", 0), TopicPartition("orders", 3)
LETTER = Letter(SOURCE, 41, "NoValue", 2, 1_000)


def test_a_record_goes_by_its_own_coordinates_and_headers() -> None:
    """Envelope, header and partition keys are those of the record as it stood; the letter's place is kept beside."""
    stored = [Extras(of_key=None, of_value=b"v%d" % n, of_headers=[("doka-error-code", b"NoValue")]) for n in range(3)]
    letters = chunk([None] * 3, start=10, partition=DEAD, originals=stored)
    picked = [(n, LetterRecord(stored[n], LETTER._replace(offset=40 + n), [("trace", b"t")])) for n in (0, 2)]
    records = records_of(letters, picked)
    assert (DEAD, [10, 12], [(SOURCE, 40), (SOURCE, 42)]) == (records.partition, records.offsets, records.origins)
    rules = route_rules(envelope=True, null_key=NullKey.PARTITION)
    keys, values, poison = RecordMapping(rules, no_jitter).map(records.part(1, 2), 1_000)
    envelope = json.loads(values[0])
    assert (["orders-3"], {}) == (keys, poison)
    assert ("orders", 3, 42, [["trace", "t"]]) == tuple(
        envelope[name] for name in ("topic", "partition", "offset", "headers")
    )


@pytest.mark.parametrize(
    ("choice", "taken"),
    [
        (Choice(), True),
        (Choice(codes=frozenset({"NoValue", "other"})), True),
        (Choice(codes=frozenset({"other"})), False),
        (Choice(keys=frozenset({b"k"})), True),
        (Choice(keys=frozenset({b"j"})), False),
        (Choice(since_ms=1_000, until_ms=1_001), True),
        (Choice(since_ms=1_001), False),
        (Choice(until_ms=1_000), False),
        (Choice(places=((DEAD, 5, 8),)), True),
        (Choice(places=((DEAD, 8, 9), (TopicPartition("dead", 1), 0, 9))), False),
    ],
)
def test_a_choice_is_all_that_it_asks_for(choice: Choice, *, taken: bool) -> None:
    """What it does not ask for it takes."""
    assert taken is choice.takes(LETTER, b"k", DEAD, 7)


def test_a_letter_without_a_time_is_chosen_at_any() -> None:
    """Nobody can say that it is not meant; it is shown, and can be left out by its place."""
    assert Choice(since_ms=5, until_ms=6).takes(LETTER._replace(failed_at_ms=None), b"k", DEAD, 7)


@pytest.mark.parametrize(
    ("named", "routes", "route"),
    [
        ("b", ("a", "b"), "b"),
        (None, ("a", "b"), None),
        ("gone", ("a", "b"), None),
        (None, ("a",), "a"),
        ("gone", ("a",), "a"),
        ("a", (), None),
    ],
)
def test_a_letter_goes_by_its_own_route(named: str | None, routes: tuple[str, ...], route: str | None) -> None:
    """By the one that it names; else by the only one that reads its topic, and by none where that could be the wrong one."""
    assert route == LETTER._replace(route=named).route_among(routes)
