from __future__ import annotations

import pytest

from doka.domain.errors import InvariantError
from doka.domain.held.ledger import HeldChunk, OffsetLedger
from doka.domain.partitions.partition import Partition
from tests.unit.domain.builders import held, partition


@pytest.fixture
def owner() -> Partition:
    """Give the partition."""
    return partition(start=5)


@pytest.fixture
def ledger(owner: Partition) -> OffsetLedger:
    """Give its ledger."""
    return owner.ledger


def appended(ledger: OffsetLedger, owner: Partition, keys: str, start: int = 0, **changes: object) -> HeldChunk:
    """Make a chunk and let the ledger take it."""
    chunk = held(owner, keys, start, **changes)
    ledger.append(chunk)
    return chunk


def test_starts_at_the_position(ledger: OffsetLedger) -> None:
    """An empty ledger holds nothing and would commit where it began."""
    assert (5, 0, 0, 0, None) == (
        ledger.watermark,
        ledger.open,
        ledger.ahead,
        ledger.above_watermark,
        ledger.oldest,
    )


def test_stays_until_all_of_a_chunk_is_settled(ledger: OffsetLedger, owner: Partition) -> None:
    """The watermark does not move while a record of the first chunk is open."""
    chunk = appended(ledger, owner, "abc", 5)
    ledger.settle(chunk, 2)
    assert (5, 1, 2) == (ledger.watermark, ledger.open, ledger.ahead)


def test_passes_a_settled_chunk(ledger: OffsetLedger, owner: Partition) -> None:
    """With its last record settled, the watermark stands one above the chunk's last offset."""
    chunk = appended(ledger, owner, "abc", 5)
    ledger.settle(chunk, 2)
    ledger.settle(chunk, 1)
    assert (8, 0, 0) == (ledger.watermark, ledger.open, ledger.ahead)


def test_counts_what_the_watermark_passed(ledger: OffsetLedger, owner: Partition) -> None:
    """Records are counted when the watermark passes them, holes not."""
    first, second = appended(ledger, owner, "ab", 5), appended(ledger, owner, "cde", 100)
    ledger.settle(second, 3)
    assert 0 == ledger.passed
    ledger.settle(first, 2)
    assert 5 == ledger.passed


def test_never_passes_an_open_chunk(ledger: OffsetLedger, owner: Partition) -> None:
    """A later chunk that is settled first waits for the earlier one, then both are passed at once."""
    first, second = appended(ledger, owner, "ab", 5), appended(ledger, owner, "cd", 7)
    ledger.settle(second, 2)
    assert (5, 2, 2, first) == (ledger.watermark, ledger.open, ledger.ahead, ledger.oldest)
    ledger.settle(first, 2)
    assert (9, 0, 0, None) == (ledger.watermark, ledger.open, ledger.ahead, ledger.oldest)


def test_passes_holes_within_and_between_chunks(ledger: OffsetLedger, owner: Partition) -> None:
    """Offsets that never were records hold nothing up."""
    first = appended(ledger, owner, "ab", offsets=[6, 9])
    second = appended(ledger, owner, "c", offsets=[20])
    ledger.settle(first, 2)
    assert ledger.watermark == 10
    ledger.settle(second, 1)
    assert ledger.watermark == 21


def test_refuses_a_chunk_that_begins_below(ledger: OffsetLedger, owner: Partition) -> None:
    """Records below the end of what is held were taken before: that cannot be."""
    appended(ledger, owner, "ab", 5)
    with pytest.raises(InvariantError, match="begins below 7"):
        appended(ledger, owner, "c", 6)


def test_refuses_a_chunk_below_the_start(ledger: OffsetLedger, owner: Partition) -> None:
    """Records below the position were never asked for."""
    with pytest.raises(InvariantError, match="begins below 5"):
        appended(ledger, owner, "c", 4)


@pytest.mark.parametrize("records", [0, -1, 3])
def test_refuses_to_settle_what_is_not_open(ledger: OffsetLedger, owner: Partition, records: int) -> None:
    """Settling more records than are open, or none, cannot be."""
    chunk = appended(ledger, owner, "ab", 5)
    with pytest.raises(InvariantError, match="settle twice"):
        ledger.settle(chunk, records)


def test_refuses_to_settle_twice(ledger: OffsetLedger, owner: Partition) -> None:
    """A chunk that is settled has nothing left to settle."""
    chunk = appended(ledger, owner, "ab", 5)
    ledger.settle(chunk, 2)
    with pytest.raises(InvariantError, match="settle twice"):
        ledger.settle(chunk, 1)


def test_lets_go_of_a_settled_chunk(ledger: OffsetLedger, owner: Partition) -> None:
    """A settled chunk that still waits for an earlier one gives its bytes and columns back at once."""
    appended(ledger, owner, "a", 5)
    second = appended(ledger, owner, "bc", 6, held_bytes=70)
    assert ledger.settle(second, 1) == 0
    assert ledger.settle(second, 1) == 70
    assert ((), (), 10) == (second.keys, second.values, ledger.held_bytes())


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

    def test_waits_for_what_is_held(self, ledger: OffsetLedger, owner: Partition) -> None:
        """With records held, the end counts only once they are settled."""
        chunk = appended(ledger, owner, "ab", 5)
        ledger.complete_to(12)
        assert ledger.watermark == 5
        ledger.settle(chunk, 2)
        assert ledger.watermark == 12

    def test_is_no_end_once_more_was_fetched(self, ledger: OffsetLedger, owner: Partition) -> None:
        """An end below which a later chunk began is forgotten: that chunk's own end counts."""
        first = appended(ledger, owner, "ab", 5)
        ledger.complete_to(12)
        second = appended(ledger, owner, "c", 12)
        ledger.settle(first, 2)
        assert ledger.watermark == 7
        ledger.settle(second, 1)
        assert ledger.watermark == 13

    def test_inside_what_is_held_changes_nothing(self, ledger: OffsetLedger, owner: Partition) -> None:
        """An end below the last held record does not cut the watermark short."""
        chunk = appended(ledger, owner, "ab", 5)
        ledger.complete_to(6)
        ledger.settle(chunk, 2)
        assert ledger.watermark == 7


class TestTruncate:
    """A drain forgets what nobody sent."""

    def test_drops_whole_chunks(self, ledger: OffsetLedger, owner: Partition) -> None:
        """Chunks above the offset go, with their bytes, and the watermark may pass what is left."""
        first = appended(ledger, owner, "ab", 5)
        appended(ledger, owner, "cd", 7, held_bytes=70)
        ledger.settle(first, 2)
        assert ledger.truncate(7) == 70
        assert (7, 0) == (ledger.watermark, ledger.open)

    def test_cuts_a_chunk_in_the_middle(self, ledger: OffsetLedger, owner: Partition) -> None:
        """Of a chunk that was sent in part, only the sent part counts from then on."""
        chunk = appended(ledger, owner, "abcd", 5)
        assert ledger.truncate(7) == 0
        assert (2, 2, 7) == (ledger.open, chunk.count, chunk.end)
        ledger.settle(chunk, 2)
        assert (7, 0, 0) == (ledger.watermark, ledger.open, ledger.ahead)

    def test_cuts_between_holes(self, ledger: OffsetLedger, owner: Partition) -> None:
        """The cut is by offset, so a hole at the cut moves the end down to the last kept record."""
        chunk = appended(ledger, owner, "abc", offsets=[5, 8, 11])
        ledger.truncate(10)
        assert (2, 9) == (chunk.count, chunk.end)

    def test_completes_a_chunk_whose_rest_was_settled(self, ledger: OffsetLedger, owner: Partition) -> None:
        """A chunk whose open records are all forgotten is settled: passed, and its bytes are free."""
        chunk = appended(ledger, owner, "abcd", 5, held_bytes=40)
        ledger.settle(chunk, 2)
        assert ledger.truncate(7) == 40
        assert (7, 0, 0, 0) == (ledger.watermark, ledger.open, ledger.ahead, ledger.held_bytes())

    def test_forgets_the_end_of_the_log(self, ledger: OffsetLedger, owner: Partition) -> None:
        """An end that was noted behind forgotten records must not be committed over them."""
        first = appended(ledger, owner, "ab", 5)
        appended(ledger, owner, "cd", 7)
        ledger.complete_to(30)
        ledger.truncate(7)
        ledger.settle(first, 2)
        assert ledger.watermark == 7

    def test_leaves_what_lies_below(self, ledger: OffsetLedger, owner: Partition) -> None:
        """An offset above everything forgets nothing."""
        appended(ledger, owner, "ab", 5)
        assert ledger.truncate(7) == 0
        assert ledger.open == 2

    def test_refuses_to_forget_settled_records(self, ledger: OffsetLedger, owner: Partition) -> None:
        """Records above the highest that was sent cannot have been settled."""
        chunk = appended(ledger, owner, "ab", 5)
        ledger.settle(chunk, 1)
        with pytest.raises(InvariantError, match="forgets settled records"):
            ledger.truncate(5)


class TestFind:
    """Records are found by their offsets."""

    @pytest.fixture
    def held_chunks(self, ledger: OffsetLedger, owner: Partition) -> list[HeldChunk]:
        """Hold five chunks, one of them with holes."""
        ranges = ([5, 6, 7], [8], [20, 23, 29], [30, 31], [40, 41, 42, 43])
        return [appended(ledger, owner, "x" * len(offsets), offsets=offsets) for offsets in ranges]

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
        ledger.truncate(42)
        assert [(held_chunks[3], [0]), (held_chunks[4], [1])] == list(ledger.find([41, 30]))
