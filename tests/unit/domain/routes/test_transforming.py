"""A function of a stranger over the records of a chunk: what it changes, what it raises for, when it is given up."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from doka.domain.batch import Batch, Transform
from doka.domain.records import Chunk
from doka.domain.routes.mapping import EMPTY_KEY, KEY_TOO_LONG, NO_KEY, RecordMapping
from doka.domain.routes.shaping import DROPPED, NOT_JSON, OTHER, Shaped, shaping_of
from doka.domain.routes.transforming import FAILED, FEW, REFUSED, TRIED, Made, Transforming
from doka.domain.rules import NullKey, Only
from tests.unit.domain.builders import STAMP_MS, Extras, chunk, no_jitter, route_rules

Function = Callable[[Batch], None]


def transform(function: Function, **reads: bool) -> Transform:
    """Make a transform whose time stands still."""
    return Transform("t.py:f", "digest", function, lambda: 0, **reads)


def made(function: Function, of: Chunk, *, gives_up: bool = True) -> Made:
    """Let a function at a chunk."""
    return Transforming(transform(function), gives_up=gives_up).of(of, None)


def shaped(function: Function, of: Chunk, only: Only | None = None, **reads: bool) -> Shaped:
    """Shape a chunk by a function, behind a filter."""
    shaping = shaping_of(route_rules(only=only, transform=transform(function, **reads)))
    assert shaping is not None
    return shaping.of(of)


def raises_for(*bad: bytes) -> Function:
    """Give a function that marks what it has seen, and raises for some values after it has changed what came before them."""

    def function(batch: Batch) -> None:
        for index, value in enumerate(batch.values):
            batch.values[index] = b"%b!" % (value or b"")
            if value in bad:
                raise ValueError(f"secret {value!r}")

    return function


def test_values_keys_and_fates_stay_at_their_records() -> None:
    """Columns may be changed in place or be others."""

    def function(batch: Batch) -> None:
        batch.values = [b"<%b>" % value for value in batch.values if value is not None]
        batch.partition_keys[1] = "chosen"
        batch.drop(2)
        batch.refuse(3)

    found = made(function, chunk("abcd"))
    assert Made([b"<0>", b"<1>", b"<2>", b"<3>"], [None, "chosen", None, None], {2}, {3: REFUSED}, {}) == found


def test_what_it_writes_later_is_not_believed() -> None:
    """A function may keep its batch, and use its columns again: what was read of it stays, and what Kafka brought, too."""
    kept: list[Batch] = []
    of = chunk("abc")
    found = made(kept.append, of)
    (batch,) = kept
    for column in (batch.values, batch.partition_keys, batch.keys, batch.offsets):
        assert isinstance(column, list)
        column.clear()
    assert Made([b"0", b"1", b"2"], [None] * 3, set(), {}, {}) == found
    assert ([b"0", b"1", b"2"], 3, 3) == (of.values, len(of.keys), len(of.offsets))


@pytest.mark.parametrize("bad", [[0], [63], [31, 32], [5, 6, 7, 40], list(range(1, 64))])
def test_what_it_raises_for_is_found(bad: list[int]) -> None:
    """Each record for which it raises is poison with the value that it had; each other is changed exactly once."""
    found = made(raises_for(*(b"%d" % place for place in bad)), chunk(["k"] * 64))
    assert dict.fromkeys(bad, FAILED) == found.poison
    assert dict.fromkeys(bad, "ValueError") == found.raised
    assert [b"%d" % n if n in bad else b"%d!" % n for n in range(64)] == found.values
    assert found.broken is None


@pytest.mark.parametrize("seed", range(20))
def test_halving_loses_nothing(seed: int) -> None:
    """Whatever it raises for, drops, refuses and changes: each record has what the function says of it alone."""
    draw = Random(seed)
    fates = {
        b"%d" % n: draw.choice(("raise", "drop", "refuse", "keep", "keep")) for n in range(draw.randint(FEW + 1, 50))
    }

    def function(batch: Batch) -> None:
        for index, value in enumerate(batch.values):
            fate = fates[value or b""]
            if fate == "raise":
                raise KeyError(value)
            batch.values[index] = b"%b!" % (value or b"")
            if fate != "keep":
                getattr(batch, fate)(index)

    found = made(function, chunk(["k"] * len(fates)), gives_up=False)
    code = {"raise": FAILED, "refuse": REFUSED}
    assert {n: code[fate] for n, fate in enumerate(fates.values()) if fate in code} == found.poison
    assert {n for n, fate in enumerate(fates.values()) if fate == "drop"} == found.dropped
    assert [v if fate == "raise" else v + b"!" for v, fate in fates.items()] == found.values


class TestBroken:
    """A function that raises whatever it is given."""

    def test_is_given_up_before_anything_is_poison(self) -> None:
        """It is called once for all, and once for each of a few."""
        calls: list[int] = []

        def function(batch: Batch) -> None:
            calls.append(len(batch))
            raise TypeError("a secret")

        found = made(function, chunk(["k"] * 1_000))
        assert ("TypeError", {}) == (found.broken, found.poison)
        assert [1_000, *[1] * TRIED] == calls

    def test_one_that_works_for_one_of_those_that_are_tried_is_not(self) -> None:
        """Then it may be the records, however many they are."""
        bad = [b"%d" % n for n in range(63)]
        assert made(raises_for(*bad), chunk(["k"] * 64)).broken is None

    def test_of_few_records_it_is_told_by_those_before(self) -> None:
        """Where they come one by one, so many in a row are poison, and no more; one success between them begins anew."""
        by_one = Transforming(transform(raises_for(*(b"%d" % n for n in range(10)))), gives_up=True)
        codes = [by_one.of(chunk("k", start=n), None).poison for n in range(FEW)]
        assert [{0: FAILED}] * FEW == codes
        assert {} == by_one.of(chunk("k", start=99), None).poison
        again = [by_one.of(chunk("k", start=n), None) for n in range(FEW + 1)]
        assert [*[{0: FAILED}] * FEW, {}] == [each.poison for each in again]
        assert "ValueError" == again[-1].broken

    def test_where_nothing_can_be_blocked_each_is_poison(self) -> None:
        """As an audit, and whoever only looks, has it; that the function is wrong is told all the same."""
        found = made(raises_for(*(b"%d" % n for n in range(10))), chunk(["k"] * 10), gives_up=False)
        assert (dict.fromkeys(range(10), FAILED), "ValueError") == (found.poison, found.broken)


@pytest.mark.parametrize("column", [[b"1"], [b"1", b"2", "3"]])
def test_what_is_no_batch_any_more_counts_as_raised(column: list[object]) -> None:
    """Nothing of it is believed, nor is one record by itself: the function left records out, or doubled them."""

    def function(batch: Batch) -> None:
        batch.values = column  # type: ignore[assignment]  # what must not be

    assert "BatchError" == made(function, chunk(["k"] * 8)).broken


def test_one_that_asks_for_what_it_does_not_read_is_broken() -> None:
    """Whatever the records are."""
    assert "NotReadError" == made(lambda batch: batch.drop(len(batch.headers)), chunk("k")).broken


def test_a_function_that_wants_to_end_the_process_does_not() -> None:
    """It is no more than an exception; what says that there is no memory is."""

    def leaves(batch: Batch) -> None:
        raise SystemExit(3)

    def starves(batch: Batch) -> None:
        raise MemoryError

    assert "SystemExit" == made(leaves, chunk(["k"] * 8)).broken
    with pytest.raises(MemoryError):
        made(starves, chunk("k"))


class TestShaping:
    """A transform behind the filter, and before the mapping."""

    def test_it_gets_what_the_filter_has_left_but_for_poison(self) -> None:
        """And its indexes are those of what it was given; all of it finds back to its record."""
        seen: list[bytes | None] = []

        def function(batch: Batch) -> None:
            seen.extend(batch.values)
            batch.drop(1)
            batch.refuse(2)
            batch.partition_keys[3] = "chosen"

        form = b'{"t":"a","n":%d}'
        values = [form % 0, b"no json", b'{"t":"b"}', form % 3, form % 4, form % 5, b'{"t":"b"}']
        found = shaped(function, chunk("abcdefg", values=values), Only("pointer:/t", frozenset("a")))
        assert [values[0], values[3], values[4], values[5]] == seen
        assert {2: OTHER, 3: DROPPED, 6: OTHER} == found.filtered
        assert found.chunk is not None
        assert ([0, 1, 4, 5], [b"a", b"b", b"e", b"f"]) == (found.chunk.offsets, found.chunk.keys)
        assert ({1: NOT_JSON, 2: REFUSED}, [None, None, None, "chosen"]) == (found.poison, found.keys)

    def test_originals_stay_as_they_are(self) -> None:
        """Dead letters carry what stands in Kafka, and an envelope the value that was made of it."""
        extras = [Extras(of_value=b"old"), Extras(of_value=b"old")]
        found = shaped(
            lambda batch: batch.values.__setitem__(0, b"new"), chunk("ab", values=[b"old"] * 2, originals=extras)
        )
        assert found.chunk is not None
        assert ([b"new", b"old"], extras) == (found.chunk.values, found.chunk.originals)

    def test_headers_and_timestamps_come_where_they_are_read(self) -> None:
        """A record without a timestamp has none; one whose headers cannot be read is poison, and is not seen."""

        class Torn(Extras):
            def headers(self) -> list[tuple[str, bytes | None]] | None:
                raise SystemError

        def function(batch: Batch) -> None:
            assert [[("a", b"1")], ()] == batch.headers
            assert [STAMP_MS, None] == batch.timestamps_ms
            batch.drop(1)

        extras = [Extras([("a", b"1")]), Torn(), Extras(None, (0, -1))]
        found = shaped(function, chunk("abc", originals=extras), headers=True, timestamps=True)
        assert ({0: "UnreadableHeaders"}, {0: DROPPED}) != (found.poison, found.filtered)
        assert ({1: "UnreadableHeaders"}, {2: DROPPED}) == (found.poison, found.filtered)

    def test_what_it_raised_for_is_told_by_offset(self) -> None:
        """With the class of the exception, and nothing that it says."""
        found = shaped(raises_for(b"11"), chunk("abcd", start=10))
        assert ({1: FAILED}, {11: "ValueError"}) == (found.poison, found.raised)

    def test_its_time_is_told(self) -> None:
        """All that it took for a chunk."""
        readings = iter([100, 175])
        slow = Transform("t.py:f", "", lambda batch: None, lambda: next(readings))
        shaping = shaping_of(route_rules(transform=slow))
        assert shaping is not None
        assert 75 == shaping.of(chunk("a")).took


def test_a_key_that_is_chosen_is_the_partition_key() -> None:
    """Elsewhere the route's rule decides, and is asked for no other; what Kinesis refuses is poison."""
    chosen = ["x", None, "", "k" * 257, None, "\ud800"]
    rules = route_rules(null_key=NullKey.REJECT)
    given = chunk([None, "b", "c", "d", None, "f"])
    keys, values, poison = RecordMapping(rules, no_jitter).map(given, 1_000, {1: "Before"}, chosen)
    assert (["x", "b", "", "", "", "7aCA"], given.values) == (keys, values)
    assert {1: "Before", 2: EMPTY_KEY, 3: KEY_TOO_LONG, 4: NO_KEY} == poison
