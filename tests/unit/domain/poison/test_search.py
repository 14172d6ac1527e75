from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from doka.domain.held.ledger import Part
from doka.domain.partitions.partition import Partition
from doka.domain.poison.search import Group, Isolation
from tests.unit.domain.builders import held, partition

CODE = "ValidationException"


@pytest.fixture
def owner() -> Partition:
    """Give an owned partition."""
    return partition()


def part(owner: Partition, count: int, start: int = 0) -> Part:
    """Make one part of so many records."""
    return Part(held(owner, [f"k{i}" for i in range(count)], start), range(count), 1)


def offsets(parts: Sequence[Part]) -> list[int]:
    """Name the records of parts."""
    return [p.chunk.offsets[place] for p in parts for place in p.places]


def nothing(_records: int) -> Group:
    """Have no record in waiting."""
    return []


def search(
    found: Isolation, is_bad: Callable[[int], bool], more: Callable[[int], Group] = nothing
) -> tuple[list[int], list[int]]:
    """Answer every request of a search by whether it holds a bad record; give what landed, and each request's size."""
    landed: list[int] = []
    sizes: list[int] = []
    while (group := found.next_group(more)) is not None:
        records = offsets(group)
        sizes.append(len(records))
        if any(map(is_bad, records)):
            found.refused(group)
        else:
            found.answered(landed=True, now=0)
            landed += records
    return landed, sizes


@pytest.mark.parametrize("bad", [0, 1, 249, 250, 499])
def test_one_culprit_among_five_hundred(owner: Partition, bad: int) -> None:
    """The others land, and about twice the logarithm of the request's size are needed to find it."""
    found = Isolation([part(owner, 500)], CODE)
    landed, sizes = search(found, lambda offset: offset == bad)
    assert [bad] == offsets(found.culprits())
    assert sorted(set(range(500)) - {bad}) == sorted(landed)
    assert len(sizes) <= 19
    assert [] == found.rest()


def test_several_culprits(owner: Partition) -> None:
    """Each one is found, wherever they stand."""
    found = Isolation([part(owner, 20), part(owner, 30, 20)], CODE)
    landed, _ = search(found, lambda offset: offset in {0, 1, 19, 20, 49})
    assert [0, 1, 19, 20, 49] == sorted(offsets(found.culprits()))
    assert 45 == len(landed)


def test_without_a_control_nobody_is_a_culprit(owner: Partition) -> None:
    """Where every record is refused alike it is not the records that are wrong: all of them go back."""
    found = Isolation([part(owner, 6)], CODE)
    landed, _ = search(found, lambda _offset: True)
    assert ([], [], True) == (landed, found.culprits(), bool(found.suspects))
    assert list(range(6)) == sorted(offsets(found.rest()))


def test_without_a_control_it_gives_up(owner: Partition) -> None:
    """A wrong ARN costs a few dozen requests, not one for each record."""
    found = Isolation([part(owner, 500)], CODE)
    _, sizes = search(found, lambda _offset: True, lambda _records: [part(owner, 3, 1_000)])
    assert found.hopeless or len(sizes) < 1_100
    assert [] == found.culprits()


def test_a_lone_record_asks_for_a_control(owner: Partition) -> None:
    """A request of one record that is refused is poison once another record of the route has landed."""
    others = [part(owner, 3, 10)]
    found = Isolation([part(owner, 1)], CODE)
    landed, _ = search(found, lambda offset: offset == 0, lambda _records: [others.pop()] if others else [])
    assert ([0], [10, 11, 12]) == (offsets(found.culprits()), landed)


def test_who_was_refused_before_the_control_is_asked_again(owner: Partition) -> None:
    """A stream that refuses everything and is cured in the middle of a search makes no poison of good records."""
    found = Isolation([part(owner, 4)], CODE)
    refusals = iter((True, True, False))
    landed, _ = search(found, lambda _offset: next(refusals, False))
    assert ([], [0, 1, 2, 3]) == (found.culprits(), sorted(landed))


def test_a_suspect_of_an_ordered_search_is_asked_again_before_its_key_goes_on(owner: Partition) -> None:
    """Where records of one key share a request, the one that was refused first is judged, and the later ones wait."""
    found = Isolation([Part(held(owner, ["a", "a", "b"]), range(3), 1)], CODE, in_order=True)
    landed, sizes = search(found, lambda offset: offset == 0)
    assert ([2], [1, 1, 1]) == (landed, sizes)
    assert ([0], [1]) == (offsets(found.culprits()), offsets(found.rest()))


def test_a_cured_suspect_of_an_ordered_search_goes_before_the_later_records_of_its_key(owner: Partition) -> None:
    """A record that was refused because everything was lands first, whatever was searched meanwhile."""
    found = Isolation([Part(held(owner, ["a", "b", "a", "a"]), range(4), 1)], CODE, in_order=True)
    refusals = iter((True, True, False))
    landed, _ = search(found, lambda _offset: next(refusals, False))
    of_one_key = [offset for offset in landed if offset != 1]
    assert ([], sorted(of_one_key)) == (found.culprits(), of_one_key)
    assert {0, 1, 2, 3} == {*landed, *offsets(found.rest())}


def test_a_control_may_hold_poison_too(owner: Partition) -> None:
    """What is asked for as a control is searched like the rest."""
    others = [part(owner, 3, 10)]
    found = Isolation([part(owner, 1)], CODE)
    search(found, lambda offset: offset in {0, 11}, lambda _records: [others.pop()] if others else [])
    assert [0, 11] == sorted(offsets(found.culprits()))


def test_a_group_that_failed_otherwise_goes_again(owner: Partition) -> None:
    """A throttled or lost request of the search says nothing about its records."""
    found = Isolation([part(owner, 4)], CODE)
    first = found.next_group(nothing)
    assert first is not None
    found.unknown(first, 77)
    assert 77 == found.not_before
    assert offsets(first) == offsets(found.next_group(nothing) or [])


def test_records_of_a_lost_partition_are_forgotten(owner: Partition) -> None:
    """Neither searched, nor suspected, nor given back, once they belong to somebody else."""
    other = partition()
    found = Isolation([part(owner, 1), part(other, 1)], CODE)
    other.gone = True
    assert (True, [0]) == (found.holds(owner), offsets(found.next_group(nothing) or []))
    assert found.next_group(nothing) is None
    assert [] == found.rest()


def test_what_is_left_of_many_is_no_suspect(owner: Partition) -> None:
    """Where the culprit went with its partition, the one good record beside it is asked about alone, and lands."""
    found = Isolation([part(owner, 1)], CODE, entries=3)
    landed, sizes = search(found, lambda _offset: False)
    assert ([0], [1], []) == (landed, sizes, found.culprits())


def test_what_is_left_of_a_refused_half_is_no_suspect(owner: Partition) -> None:
    """The same holds for each request of the search."""
    found = Isolation([part(owner, 4)], CODE)
    half = found.next_group(nothing)
    assert half is not None
    found.refused([half[0]._replace(places=half[0].places[:1])], entries=2)
    found.answered(landed=True, now=0)
    assert [] == found.culprits()
    assert [0, 2, 3] == sorted(offsets(found.rest()))


class TestInOrder:
    """Where a request may hold several records of a key, none overtakes another while a search goes on."""

    def test_what_is_behind_a_suspect_waits_for_the_end(self, owner: Partition) -> None:
        """A later record of its key is not asked about; records of other keys are."""
        chunk = held(owner, "aba")
        found = Isolation([Part(chunk, [0])], CODE, entries=1, in_order=True)
        group = found.next_group(lambda _room: [Part(chunk, [1, 2])])
        assert group is not None
        assert [1] == [place for part in group for place in part.places]
        found.answered(landed=True, now=0)
        again = found.next_group(lambda _room: [])
        assert again is not None
        assert [0] == [place for part in again for place in part.places]
        found.refused(again)
        assert found.next_group(lambda _room: []) is None
        assert ([0], [2]) == tuple(
            [place for part in parts for place in part.places] for parts in (found.culprits(), found.rest())
        )

    def test_what_waited_behind_a_cured_suspect_goes_before_later_records_of_its_key(self, owner: Partition) -> None:
        """A stream is cured in the middle of a search: each key lands in order, those kept behind their suspect too."""
        found = Isolation([Part(held(owner, "aaabaaaa"), range(8), 1)], CODE, in_order=True)
        refusals = iter((True, True, True))
        landed, _ = search(found, lambda offset: offset == 0 and next(refusals, False))
        assert [3, 0, 1, 2, 4, 5, 6, 7] == landed
        assert ([], []) == (found.culprits(), found.rest())

    def test_what_leaves_takes_along_what_is_behind_it(self, owner: Partition) -> None:
        """A group that failed for a reason of its own, and the later records of its keys, in order."""
        chunk = held(owner, "abcab")
        found = Isolation([Part(chunk, [0, 1, 2, 3, 4])], CODE, in_order=True)
        group = found.next_group(lambda _room: [])
        assert group is not None
        leaving = found.let_go(group)
        assert [3, 4] == [place for part in leaving for place in part.places]
        rest = found.next_group(lambda _room: [])
        assert rest is not None
        assert [2] == [place for part in rest for place in part.places]

    def test_a_suspect_that_leaves_takes_along_who_waits_for_it(self, owner: Partition) -> None:
        """It is asked again after the control, and throttled: who was kept out for it goes after it."""
        chunk = held(owner, "aba")
        found = Isolation([Part(chunk, [0])], CODE, entries=1, in_order=True)
        found.next_group(lambda _room: [Part(chunk, [2]), Part(chunk, [1])])
        found.answered(landed=True, now=0)
        again = found.next_group(lambda _room: [])
        assert again is not None
        assert [2] == [place for part in found.let_go(again) for place in part.places]
        assert [] == found.rest()
