from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from doka.domain.held.budget import Budget
from doka.domain.held.ledger import OffsetLedger, Part
from doka.domain.poison.quarantine import Quarantine
from doka.domain.rules import LimitRules, OnPoison
from doka.domain.sending.outbox import Outbox
from doka.domain.sending.search import Group, Search
from tests.unit.domain.builders import held, leg, no_jitter

CODE = "ValidationException"


@pytest.fixture
def owner() -> OffsetLedger:
    """Give what is held of an owned partition."""
    return leg().ledger


def part(owner: OffsetLedger, count: int, start: int = 0) -> Part:
    """Make one part of so many records."""
    return Part(held(owner, [f"k{i}" for i in range(count)], start), range(count), 1)


def offsets(parts: Iterable[Part]) -> list[int]:
    """Name the records of parts."""
    return [p.chunk.offsets[place] for p in parts for place in p.places]


def quarantine() -> Quarantine:
    """Make one that keeps what it takes."""
    return Quarantine("orders", OnPoison.BLOCK, 100, no_jitter)


def outbox(*ready: Part, of: Quarantine | None = None, **limits: int) -> Outbox:
    """Make one in which these records wait."""
    made = Outbox(LimitRules(**limits), Budget(10**9), of or quarantine())
    made.put_back(ready, 0)
    return made


def search(found: Search, is_bad: Callable[[int], bool]) -> tuple[list[int], list[int]]:
    """Answer every request of a search by whether it holds a bad record; give what landed, and each request's size."""
    landed: list[int] = []
    sizes: list[int] = []
    while (group := found.next_group()) is not None:
        records = offsets(group)
        sizes.append(len(records))
        if any(map(is_bad, records)):
            found.refused(group)
        else:
            found.answered(landed=True)
            landed += records
    return landed, sizes


def next_group(found: Search) -> Group:
    """Give what a search that is not over asks next."""
    group = found.next_group()
    assert group is not None
    return group


@pytest.mark.parametrize("bad", [0, 1, 249, 250, 499])
def test_one_culprit_among_five_hundred(owner: OffsetLedger, bad: int) -> None:
    """The others land, and about twice the logarithm of the request's size are needed to find it."""
    found = Search(outbox(), [part(owner, 500)], CODE)
    landed, sizes = search(found, lambda offset: offset == bad)
    assert [bad] == offsets(found.culprits())
    assert sorted(set(range(500)) - {bad}) == sorted(landed)
    assert len(sizes) <= 19
    assert [] == found.rest()


def test_several_culprits(owner: OffsetLedger) -> None:
    """Each one is found, wherever they stand."""
    found = Search(outbox(), [part(owner, 20), part(owner, 30, 20)], CODE)
    landed, _ = search(found, lambda offset: offset in {0, 1, 19, 20, 49})
    assert [0, 1, 19, 20, 49] == sorted(offsets(found.culprits()))
    assert 45 == len(landed)


def test_without_a_control_nobody_is_a_culprit(owner: OffsetLedger) -> None:
    """Where every record is refused alike it is not the records that are wrong: all of them go back."""
    found = Search(outbox(), [part(owner, 6)], CODE)
    landed, _ = search(found, lambda _offset: True)
    assert ([], [], True) == (landed, found.culprits(), bool(found.suspects))
    assert list(range(6)) == sorted(offsets(found.rest()))


@pytest.mark.parametrize(("refused", "requests"), [(6, 10 + 2 * 19), (500, 998)])
def test_without_a_control_it_gives_up(owner: OffsetLedger, refused: int, requests: int) -> None:
    """A wrong ARN costs a few dozen requests besides those for the refused records, not one for each that waits."""
    found = Search(outbox(part(owner, 2_000, 1_000)), [part(owner, refused)], CODE)
    _, sizes = search(found, lambda _offset: True)
    assert (True, requests) == (found.hopeless, len(sizes))
    assert [] == found.culprits()


def test_a_lone_record_asks_for_a_control(owner: OffsetLedger) -> None:
    """A request of one record that is refused is poison once another record of the route has landed."""
    found = Search(outbox(part(owner, 3, 10)), [part(owner, 1)], CODE)
    landed, _ = search(found, lambda offset: offset == 0)
    assert ([0], [10, 11, 12]) == (offsets(found.culprits()), landed)


def test_who_was_refused_before_the_control_is_asked_again(owner: OffsetLedger) -> None:
    """A stream that refuses everything and is cured in the middle of a search makes no poison of good records."""
    found = Search(outbox(), [part(owner, 4)], CODE)
    refusals = iter((True, True, False))
    landed, _ = search(found, lambda _offset: next(refusals, False))
    assert ([], [0, 1, 2, 3]) == (found.culprits(), sorted(landed))


def test_a_suspect_of_an_ordered_search_is_asked_again_before_its_key_goes_on(owner: OffsetLedger) -> None:
    """Where records of one key share a request, the one that was refused first is judged, and the later ones wait."""
    found = Search(outbox(), [Part(held(owner, ["a", "a", "b"]), range(3), 1)], CODE, in_order=True)
    landed, sizes = search(found, lambda offset: offset == 0)
    assert ([2], [1, 1, 1]) == (landed, sizes)
    assert ([0], [1]) == (offsets(found.culprits()), offsets(found.rest()))


def test_a_cured_suspect_of_an_ordered_search_goes_before_the_later_records_of_its_key(owner: OffsetLedger) -> None:
    """A record that was refused because everything was lands first, whatever was searched meanwhile."""
    found = Search(outbox(), [Part(held(owner, ["a", "b", "a", "a"]), range(4), 1)], CODE, in_order=True)
    refusals = iter((True, True, False))
    landed, _ = search(found, lambda _offset: next(refusals, False))
    of_one_key = [offset for offset in landed if offset != 1]
    assert ([], sorted(of_one_key)) == (found.culprits(), of_one_key)
    assert {0, 1, 2, 3} == {*landed, *offsets(found.rest())}


def test_a_control_may_hold_poison_too(owner: OffsetLedger) -> None:
    """What is asked for as a control is searched like the rest."""
    found = Search(outbox(part(owner, 3, 10)), [part(owner, 1)], CODE)
    search(found, lambda offset: offset in {0, 11})
    assert [0, 11] == sorted(offsets(found.culprits()))


def test_a_group_that_failed_otherwise_goes_again(owner: OffsetLedger) -> None:
    """A throttled or lost request of the search says nothing about its records."""
    found = Search(outbox(), [part(owner, 4)], CODE)
    first = next_group(found)
    found.delay(first, 77)
    assert 77 == found.leaves_at(0, idle=True)
    assert offsets(first) == offsets(next_group(found))


def test_records_of_a_lost_partition_are_forgotten(owner: OffsetLedger) -> None:
    """Neither searched, nor suspected, nor given back, once they belong to somebody else."""
    other = leg().ledger
    found = Search(outbox(), [part(owner, 1), part(other, 1)], CODE)
    other.gone = True
    assert owner in {part.chunk.owner for part in found.parts()}
    assert [0] == offsets(next_group(found))
    assert found.next_group() is None
    assert [] == found.rest()


def test_what_is_left_of_many_is_no_suspect(owner: OffsetLedger) -> None:
    """Where the culprit went with its partition, the one good record beside it is asked about alone, and lands."""
    found = Search(outbox(), [part(owner, 1)], CODE, entries=3)
    landed, sizes = search(found, lambda _offset: False)
    assert ([0], [1], []) == (landed, sizes, found.culprits())


def test_what_is_left_of_a_refused_half_is_no_suspect(owner: OffsetLedger) -> None:
    """The same holds for each request of the search."""
    found = Search(outbox(), [part(owner, 4)], CODE)
    half = next_group(found)
    found.refused([half[0]._replace(places=half[0].places[:1])], entries=2)
    found.answered(landed=True)
    assert [] == found.culprits()
    assert [0, 2, 3] == sorted(offsets(found.rest()))


class TestInOrder:
    """Where a request may hold several records of a key, none overtakes another while a search goes on."""

    def test_what_is_behind_a_suspect_waits_for_the_end(self, owner: OffsetLedger) -> None:
        """A later record of its key is not asked about; records of other keys are."""
        chunk = held(owner, "aba")
        found = Search(outbox(Part(chunk, [1, 2])), [Part(chunk, [0])], CODE, entries=1, in_order=True)
        assert [1] == offsets(next_group(found))
        found.answered(landed=True)
        again = next_group(found)
        assert [0] == offsets(again)
        found.refused(again)
        assert found.next_group() is None
        assert ([0], [2]) == (offsets(found.culprits()), offsets(found.rest()))

    def test_what_waited_behind_a_cured_suspect_goes_before_later_records_of_its_key(self, owner: OffsetLedger) -> None:
        """A stream is cured in the middle of a search: each key lands in order, those kept behind their suspect too."""
        found = Search(outbox(), [Part(held(owner, "aaabaaaa"), range(8), 1)], CODE, in_order=True)
        refusals = iter((True, True, True))
        landed, _ = search(found, lambda offset: offset == 0 and next(refusals, False))
        assert [3, 0, 1, 2, 4, 5, 6, 7] == landed
        assert ([], []) == (found.culprits(), found.rest())

    def test_what_leaves_takes_along_what_is_behind_it(self, owner: OffsetLedger) -> None:
        """A group that failed for a reason of its own, and the later records of its keys, in order."""
        chunk = held(owner, "abcab")
        found = Search(outbox(), [Part(chunk, [0, 1, 2, 3, 4])], CODE, in_order=True)
        assert [3, 4] == offsets(found.let_go(next_group(found)))
        assert [2] == offsets(next_group(found))

    def test_a_suspect_that_leaves_takes_along_who_waits_for_it(self, owner: OffsetLedger) -> None:
        """It is asked again after the control, and throttled: who was kept out for it goes after it."""
        chunk = held(owner, "aba")
        waiting = outbox(Part(chunk, [2]), Part(chunk, [1]))
        found = Search(waiting, [Part(chunk, [0])], CODE, entries=1, in_order=True)
        found.next_group()
        found.answered(landed=True)
        assert [2] == offsets(found.let_go(next_group(found)))
        assert [] == found.rest()


class TestSender:
    """While it lasts, a search stands in front of the outbox; then it becomes the outbox again."""

    def test_asks_one_thing_at_a_time(self, owner: OffsetLedger) -> None:
        """It goes on by itself, and not while its request is out; what is ready in the outbox does not leave."""
        found = Search(outbox(part(owner, 3, 10)), [part(owner, 4)], CODE)
        assert found.ends(0) is False
        put = found.pack(1, 7, 0)
        assert put is not None
        assert ([b"0", b"1"], 1, 7, True) == (put.values, put.number, put.lease, found.carries(put))
        assert [2, 3] == offsets(found.parts())
        assert found.ends(0) is False
        assert found.pack(2, 7, 0) is None

    @staticmethod
    def run(found: Search, is_bad: Callable[[int], bool]) -> None:
        """Send and answer what it asks until it is over."""
        while not found.ends(0):
            put = found.pack(1, 7, 0)
            assert put is not None
            if any(map(is_bad, offsets(put.parts))):
                found.refused(put.again())
            else:
                found.answered(landed=True)

    def test_ends_as_the_outbox(self, owner: OffsetLedger) -> None:
        """The culprit is the quarantine's, with the code and its tries; what is not poison leaves before what waits."""
        met = quarantine()
        waiting = outbox(part(owner, 2, 10), of=met, request_records=1)
        found = Search(waiting, [Part(held(owner, "aa"), range(2), 1)], CODE, in_order=True)
        self.run(found, lambda offset: offset == 0)
        assert [(0, CODE, 3)] == [(poison.offset, poison.code, poison.attempts) for poison in met.waiting]
        assert ([1, 11], 2) == (offsets(waiting.parts()), waiting.waiting)

    def test_ends_without_poison_where_nothing_landed(self, owner: OffsetLedger) -> None:
        """All of it goes back, and the route is told that nothing is proven."""
        met = quarantine()
        waiting = outbox(of=met)
        found = Search(waiting, [part(owner, 4)], CODE)
        self.run(found, lambda _offset: True)
        assert ([0, 1, 2, 3], 0, True) == (offsets(waiting.parts()), len(met.waiting), found.unproven)

    def test_what_does_not_fit_goes_next(self, owner: OffsetLedger) -> None:
        """A group of more bytes than a request may hold is asked about in pieces, in order."""
        found = Search(outbox(request_bytes=1), [part(owner, 4)], CODE)
        found.ends(0)
        put = found.pack(1, 7, 0)
        assert put is not None
        assert [b"0"] == put.values
        found.answered(landed=True)
        assert [1] == offsets(next_group(found))

    def test_a_control_that_was_never_sent_goes_with_a_drain(self, owner: OffsetLedger) -> None:
        """What was chosen to be asked and did not leave is forgotten as if it waited in the outbox."""
        refused = part(leg().ledger, 1)
        found = Search(outbox(part(owner, 3, 10)), [refused], CODE)
        found.ends(0)
        assert [0, 10, 11, 12] == offsets(found.parts())
        found.forget_unsent(owner)
        assert [0] == offsets(found.parts())
        assert found.pack(1, 7, 0) is None
        assert (True, True) == (found.ends(0), found.unproven)
