from __future__ import annotations

import pytest

from doka.domain.errors import InvariantError
from doka.domain.held.lanes import KeyLanes, Lanes
from doka.domain.held.ledger import HeldChunk, OffsetLedger, Part, count, note_sent, split, without_unsent
from tests.unit.domain.builders import ORDERS, held


def made(start: int = 0) -> OffsetLedger:
    """Make the ledger of a partition that is read from `start` on."""
    return OffsetLedger(ORDERS, start, Lanes())


@pytest.fixture
def ledger() -> OffsetLedger:
    """Give one that was read from 5 on."""
    return made(5)


def appended(ledger: OffsetLedger, keys: str, start: int = 0, **changes: object) -> HeldChunk:
    """Make a chunk and let the ledger take it."""
    chunk = held(ledger, keys, start, **changes)
    ledger.append(chunk)
    return chunk


def drained(ledger: OffsetLedger, sent_to: int) -> None:
    """Let a partition drain of which everything below `sent_to` was sent."""
    ledger.note_sent(sent_to - 1)
    ledger.begin_drain()


def test_starts_at_the_position(ledger: OffsetLedger) -> None:
    """An empty ledger holds nothing and would commit where it began."""
    assert (5, 0, 0, None) == (ledger.watermark, ledger.open, ledger.ahead, ledger.oldest)
    assert (5, 5, 0, 0) == (ledger.committed, ledger.sent_to, ledger.uncommitted, ledger.reach)


def test_stays_until_all_of_a_chunk_is_settled(ledger: OffsetLedger) -> None:
    """The watermark does not move while a record of the first chunk is open."""
    chunk = appended(ledger, "abc", 5)
    ledger.settle(chunk, 2)
    assert (5, 1, 2) == (ledger.watermark, ledger.open, ledger.ahead)


def test_passes_a_settled_chunk(ledger: OffsetLedger) -> None:
    """With its last record settled, the watermark stands one above the chunk's last offset."""
    chunk = appended(ledger, "abc", 5)
    ledger.settle(chunk, 2)
    ledger.settle(chunk, 1)
    assert (8, 0, 0) == (ledger.watermark, ledger.open, ledger.ahead)


def test_counts_what_the_watermark_passed(ledger: OffsetLedger) -> None:
    """Records are counted when the watermark passes them, holes not."""
    first, second = appended(ledger, "ab", 5), appended(ledger, "cde", 100)
    ledger.settle(second, 3)
    assert 0 == ledger.passed
    ledger.settle(first, 2)
    assert 5 == ledger.passed


def test_never_passes_an_open_chunk(ledger: OffsetLedger) -> None:
    """A later chunk that is settled first waits for the earlier one, then both are passed at once."""
    first, second = appended(ledger, "ab", 5), appended(ledger, "cd", 7)
    ledger.settle(second, 2)
    assert (5, 2, 2, first) == (ledger.watermark, ledger.open, ledger.ahead, ledger.oldest)
    ledger.settle(first, 2)
    assert (9, 0, 0, None) == (ledger.watermark, ledger.open, ledger.ahead, ledger.oldest)


def test_passes_holes_within_and_between_chunks(ledger: OffsetLedger) -> None:
    """Offsets that never were records hold nothing up."""
    first = appended(ledger, "ab", offsets=[6, 9])
    second = appended(ledger, "c", offsets=[20])
    ledger.settle(first, 2)
    assert ledger.watermark == 10
    ledger.settle(second, 1)
    assert ledger.watermark == 21


def test_refuses_a_chunk_that_begins_below(ledger: OffsetLedger) -> None:
    """Records below the end of what is held were taken before: that cannot be."""
    appended(ledger, "ab", 5)
    with pytest.raises(InvariantError, match="begins below 7"):
        appended(ledger, "c", 6)


def test_refuses_a_chunk_below_the_start(ledger: OffsetLedger) -> None:
    """Records below the position were never asked for."""
    with pytest.raises(InvariantError, match="begins below 5"):
        appended(ledger, "c", 4)


@pytest.mark.parametrize("records", [0, -1, 3])
def test_refuses_to_settle_what_is_not_open(ledger: OffsetLedger, records: int) -> None:
    """Settling more records than are open, or none, cannot be."""
    chunk = appended(ledger, "ab", 5)
    with pytest.raises(InvariantError, match="settle twice"):
        ledger.settle(chunk, records)


def test_refuses_to_settle_twice(ledger: OffsetLedger) -> None:
    """A chunk that is settled has nothing left to settle."""
    chunk = appended(ledger, "ab", 5)
    ledger.settle(chunk, 2)
    with pytest.raises(InvariantError, match="settle twice"):
        ledger.settle(chunk, 1)


def test_lets_go_of_a_settled_chunk(ledger: OffsetLedger) -> None:
    """A settled chunk that still waits for an earlier one gives its bytes and columns back at once."""
    appended(ledger, "a", 5)
    second = appended(ledger, "bc", 6, held_bytes=70)
    assert ledger.settle(second, 1) == 0
    assert ledger.settle(second, 1) == 70
    assert ((), (), 10) == (second.keys, second.values, ledger.open_bytes())


class TestEndOfLog:
    """The end of the log completes a partition up to there."""

    def test_completes_an_idle_partition(self, ledger: OffsetLedger) -> None:
        """With nothing held, the watermark goes to the end at once, over transaction markers."""
        ledger.complete_to(9)
        assert ledger.watermark == 9

    def test_never_goes_back(self, ledger: OffsetLedger) -> None:
        """An end below the watermark changes nothing."""
        ledger.complete_to(3)
        assert ledger.watermark == 5

    def test_waits_for_what_is_held(self, ledger: OffsetLedger) -> None:
        """With records held, the end counts only once they are settled."""
        chunk = appended(ledger, "ab", 5)
        ledger.complete_to(12)
        assert ledger.watermark == 5
        ledger.settle(chunk, 2)
        assert ledger.watermark == 12

    def test_is_no_end_once_more_was_fetched(self, ledger: OffsetLedger) -> None:
        """An end below which a later chunk began is forgotten: that chunk's own end counts."""
        first = appended(ledger, "ab", 5)
        ledger.complete_to(12)
        second = appended(ledger, "c", 12)
        ledger.settle(first, 2)
        assert ledger.watermark == 7
        ledger.settle(second, 1)
        assert ledger.watermark == 13

    def test_inside_what_is_held_changes_nothing(self, ledger: OffsetLedger) -> None:
        """An end below the last held record does not cut the watermark short."""
        chunk = appended(ledger, "ab", 5)
        ledger.complete_to(6)
        ledger.settle(chunk, 2)
        assert ledger.watermark == 7


class TestDrain:
    """A drain forgets what nobody sent."""

    def test_drops_whole_chunks(self, ledger: OffsetLedger) -> None:
        """Chunks above all that was sent go, with their bytes, and the watermark may pass what is left."""
        first = appended(ledger, "ab", 5)
        appended(ledger, "cd", 7, held_bytes=70)
        ledger.settle(first, 2)
        drained(ledger, 7)
        assert (7, 0, 0) == (ledger.watermark, ledger.open, ledger.open_bytes())

    def test_cuts_a_chunk_in_the_middle(self, ledger: OffsetLedger) -> None:
        """Of a chunk that was sent in part, only the sent part counts from then on; its bytes stay until that settles."""
        chunk = appended(ledger, "abcd", 5, held_bytes=40)
        drained(ledger, 7)
        assert (2, 2, 7, 40) == (ledger.open, chunk.count, chunk.end, ledger.open_bytes())
        ledger.settle(chunk, 2)
        assert (7, 0, 0) == (ledger.watermark, ledger.open, ledger.ahead)

    def test_cuts_between_holes(self, ledger: OffsetLedger) -> None:
        """The cut is by offset, so a hole at the cut moves the end down to the last kept record."""
        chunk = appended(ledger, "abc", offsets=[5, 8, 11])
        drained(ledger, 10)
        assert (2, 9) == (chunk.count, chunk.end)

    def test_completes_a_chunk_whose_rest_was_settled(self, ledger: OffsetLedger) -> None:
        """A chunk whose open records are all forgotten is settled: passed, and its bytes are free."""
        chunk = appended(ledger, "abcd", 5, held_bytes=40)
        ledger.settle(chunk, 2)
        drained(ledger, 7)
        assert (7, 0, 0, 0) == (ledger.watermark, ledger.open, ledger.ahead, ledger.open_bytes())

    def test_lets_go_of_a_settled_rest_behind_an_open_chunk(self, ledger: OffsetLedger) -> None:
        """It waits to be passed, and neither its bytes nor what it held are there any more."""
        appended(ledger, "ab", 5, held_bytes=7)
        chunk = appended(ledger, "abcd", 7, held_bytes=40)
        ledger.settle(chunk, 2)
        drained(ledger, 9)
        assert (5, 2, 7, (), ()) == (ledger.watermark, ledger.open, ledger.open_bytes(), chunk.keys, chunk.values)

    def test_forgets_the_end_of_the_log(self, ledger: OffsetLedger) -> None:
        """An end that was noted behind forgotten records must not be committed over them."""
        first = appended(ledger, "ab", 5)
        appended(ledger, "cd", 7)
        ledger.complete_to(30)
        drained(ledger, 7)
        ledger.settle(first, 2)
        assert ledger.watermark == 7

    def test_leaves_what_lies_below(self, ledger: OffsetLedger) -> None:
        """Where everything was sent, nothing is forgotten."""
        appended(ledger, "ab", 5, held_bytes=40)
        drained(ledger, 7)
        assert (2, 40) == (ledger.open, ledger.open_bytes())

    def test_refuses_to_forget_settled_records(self, ledger: OffsetLedger) -> None:
        """Records above the highest that was sent cannot have been settled."""
        chunk = appended(ledger, "ab", 5)
        ledger.settle(chunk, 1)
        with pytest.raises(InvariantError, match="forgets settled records"):
            ledger.begin_drain()

    def test_reaches_the_lanes(self) -> None:
        """What waits for its key above all that was sent is forgotten there too, and what waits below it is not."""
        ledger = OffsetLedger(ORDERS, 0, KeyLanes())
        ledger.lanes.admit(appended(ledger, "aaab"), [])
        drained(ledger, 2)
        assert ([1], True) == (list(ledger.lanes.waiting()), ledger.draining)


class TestFind:
    """Records are found by their offsets."""

    @pytest.fixture
    def held_chunks(self, ledger: OffsetLedger) -> list[HeldChunk]:
        """Hold five chunks, one of them with holes."""
        ranges = ([5, 6, 7], [8], [20, 23, 29], [30, 31], [40, 41, 42, 43])
        return [appended(ledger, "x" * len(offsets), offsets=offsets) for offsets in ranges]

    @pytest.mark.parametrize(
        ("offsets", "expected"),
        [
            ([], []),
            ([5], [(0, [0])]),
            ([7, 5], [(0, [0, 2])]),
            ([29, 20, 8], [(1, [0]), (2, [0, 2])]),
            ([43, 6], [(0, [1]), (4, [3])]),
            ([40, 30, 23, 8, 5], [(0, [0]), (1, [0]), (2, [1]), (3, [0]), (4, [0])]),
            ([31, 42], [(3, [1]), (4, [2])]),
        ],
    )
    def test_each_in_its_chunk(
        self,
        ledger: OffsetLedger,
        held_chunks: list[HeldChunk],
        offsets: list[int],
        expected: list[tuple[int, list[int]]],
    ) -> None:
        """Whatever their order, each is found in its chunk, by place, ascending, holes or not."""
        assert [(held_chunks[chunk], places) for chunk, places in expected] == list(ledger.find(offsets))

    def test_in_a_chunk_that_was_cut(self, ledger: OffsetLedger, held_chunks: list[HeldChunk]) -> None:
        """A drain moves ends; what is left is found as before."""
        drained(ledger, 42)
        assert [(held_chunks[3], [0]), (held_chunks[4], [1])] == list(ledger.find([41, 30]))


def test_sent_is_what_lies_below_the_highest_that_left(ledger: OffsetLedger) -> None:
    """Whatever leaves later, and however the records of a part are ordered, it never goes back."""
    ledger.note_sent(7)
    assert 8 == ledger.sent_to
    chunk = appended(ledger, "abcde", 5)
    for places, sent_to in ((range(2), 8), ([0], 8), ([4, 1], 10)):
        note_sent([Part(chunk, places)])
        assert sent_to == ledger.sent_to


def test_what_kafka_holds_is_counted_in_records(ledger: OffsetLedger) -> None:
    """Passed since the offset that it took was sent: uncommitted; with what is held above it: the reach."""
    first = appended(ledger, "abc", 5)
    second = appended(ledger, "de", 100)
    ledger.settle(second, 1)
    ledger.settle(first, 3)
    assert (3, 5) == (ledger.uncommitted, ledger.reach)
    ledger.committed_passed = ledger.passed
    assert (0, 2) == (ledger.uncommitted, ledger.reach)


def test_records_are_counted_over_parts() -> None:
    """However they are spread."""
    chunk = held(made(), "abcd")
    assert (0, 4) == (count([]), count([Part(chunk, range(3)), Part(chunk, [3])]))


def test_a_list_is_cut_after_so_many_records() -> None:
    """The part that lies across the cut is parted, and keeps its attempts."""
    chunk = held(made(), "abcde")
    one, two = Part(chunk, range(2), 1), Part(chunk, [2, 3, 4], 7)
    assert ([one, Part(chunk, [2], 7)], [Part(chunk, [3, 4], 7)]) == split([one, two], 3)
    assert ([one], [two]) == split([one, two], 2)
    assert ([], [one, two]) == split([one, two], 0)


def test_a_drain_leaves_what_was_sent() -> None:
    """What lies above all that was sent is left out, and all of a partition that is gone; others stay as they are."""
    owner, other = made(), made()
    part, beside = Part(held(owner, "abc"), [0, 1, 2]), Part(held(other, "abc"), [2])
    owner.sent_to = 2
    assert [part._replace(places=[0, 1]), beside] == without_unsent([part, beside], owner)
    other.gone = True
    assert [part] == without_unsent([part, beside], other)


class TestBesideOthers:
    """A ledger that is not alone remembers what it has passed above what Kafka holds."""

    def ledger(self) -> OffsetLedger:
        """Give one that has passed 0..5 in two chunks, then 10, 12 and 14, which have holes."""
        ledger = OffsetLedger(ORDERS, 0, Lanes(), alone=False)
        for made in (held(ledger, "abc"), held(ledger, "def", 3), held(ledger, "ghi", offsets=[10, 12, 14])):
            ledger.append(made)
            ledger.settle(made, 3)
        return ledger

    def test_says_what_lies_below_an_offset(self) -> None:
        """To the record, also in the middle of a chunk, and where offsets have holes."""
        ledger = self.ledger()
        assert [0, 1, 4, 6, 6, 7, 9, 9] == [ledger.passed_below(offset) for offset in (0, 1, 4, 6, 10, 11, 15, 99)]

    def test_forgets_what_kafka_holds(self) -> None:
        """What is committed is never asked for again."""
        ledger = self.ledger()
        ledger.note_committed(11, ledger.passed_below(11))
        assert (11, 2, [[10, 12, 14]]) == (ledger.committed, ledger.uncommitted, list(ledger._passed_runs or ()))

    def test_keeps_no_list_of_what_has_no_holes(self) -> None:
        """Ranges that touch become one, whatever number of chunks there were."""
        assert [range(6), [10, 12, 14]] == list(self.ledger()._passed_runs or ())

    def test_begins_again_below_its_watermark(self) -> None:
        """What it had passed above the new beginning is passed once more."""
        before = self.ledger()
        before.note_committed(2, before.passed_below(2))
        again = OffsetLedger(ORDERS, 4, Lanes(), alone=False)
        again.goes_on_from(before)
        assert (2, 2, 4) == (again.committed, again.uncommitted, again.watermark)

    def test_one_that_is_alone_remembers_nothing(self) -> None:
        """It is committed where it stands."""
        ledger = OffsetLedger(ORDERS, 0, Lanes())
        made = held(ledger, "abc")
        ledger.append(made)
        ledger.settle(made, 3)
        assert (3, None) == (ledger.passed_below(1), ledger._passed_runs)
