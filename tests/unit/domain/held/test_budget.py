from __future__ import annotations

from dataclasses import replace

import pytest

from doka.domain.held.budget import Budget, held_size
from doka.domain.held.lanes import Lanes
from doka.domain.held.ledger import OffsetLedger
from doka.domain.limits import FETCH_RECORDS_MAX, RECORD_OVERHEAD_BYTES, STALL_BEFORE_PAUSE_NS
from doka.domain.records import TopicPartition
from tests.dead_letters import Original
from tests.unit.domain.builders import MS, ORDERS, SECOND, chunk, held

MAX = 1_000_000


@pytest.fixture
def budget() -> Budget:
    """Give an empty pot."""
    return Budget(MAX)


@pytest.fixture
def owned() -> list[OffsetLedger]:
    """Give the ledgers of four partitions."""
    return [OffsetLedger(TopicPartition("orders", number), 0, Lanes()) for number in range(4)]


def squeeze(budget: Budget) -> None:
    """Hold so much for so long that the squeeze comes."""
    assert budget.tick(10 * SECOND) is False
    assert budget.tick(10 * SECOND + STALL_BEFORE_PAUSE_NS) is True


def test_counts_what_is_held(budget: Budget, owned: list[OffsetLedger]) -> None:
    """Bytes that arrive and go are counted for the process and for their partition."""
    budget.take(owned[0], 700, 7)
    budget.take(owned[1], 300, 3)
    budget.release(owned[0], 200)
    budget.release(owned[0], 0)
    assert (800, 500, 300) == (budget.held, owned[0].held_bytes, owned[1].held_bytes)


def test_what_is_held_costs_its_payload_and_its_objects() -> None:
    """Bytes of keys and values, and for each record what the interpreter adds to it."""
    assert 6 + 3 * RECORD_OVERHEAD_BYTES == held_size(chunk("abc"))


def test_headers_count_where_they_are_held() -> None:
    """Where nobody needs them they are dropped, and count nothing; a part of a chunk has its part of them."""
    dropped = replace(chunk("abc"), header_bytes=1_000)
    kept = replace(dropped, originals=[Original()] * 3)
    assert held_size(chunk("abc")) == held_size(dropped)
    assert held_size(dropped) + 3_000 == held_size(kept) == held_size(kept.part(0, 1)) + held_size(kept.part(1, 3))


def test_counts_anew_what_a_partition_holds(budget: Budget) -> None:
    """After records were forgotten only what is left counts, and nothing once the partition is gone."""
    owner = OffsetLedger(ORDERS, 0, Lanes())
    budget.take(owner, 100, 5)
    owner.append(held(owner, "ab", held_bytes=30))
    budget.recount(owner)
    assert (30, 30) == (budget.held, owner.held_bytes)
    owner.gone = True
    budget.recount(owner)
    assert (0, 0) == (budget.held, owner.held_bytes)


class TestRoom:
    """How many records may be fetched."""

    def test_is_what_fits_by_recent_size(self, owned: list[OffsetLedger]) -> None:
        """Room is what is left of the common part over the size of recent records."""
        budget = Budget(MAX)
        for _ in range(100):
            budget.take(owned[0], 1_000, 10)
            budget.release(owned[0], 1_000)
        assert FETCH_RECORDS_MAX == budget.room(4, 4)
        budget.take(owned[0], 700_000, 7_000)
        assert 500 == pytest.approx(budget.room(4, 4), rel=0.01)

    def test_does_not_believe_in_small_records_for_long(self, budget: Budget, owned: list[OffsetLedger]) -> None:
        """One fetch of large records at once halves what may come next; it is not averaged away."""
        for _ in range(100):
            budget.take(owned[0], 100, 1)
            budget.release(owned[0], 100)
        budget.take(owned[0], 100_000, 1)
        assert budget.room(4, 4) <= (MAX * 0.75 - 100_000) / 50_000

    def test_is_none_when_the_common_part_is_gone(self, budget: Budget, owned: list[OffsetLedger]) -> None:
        """At three quarters nothing more is fetched, and nobody is paused yet."""
        budget.take(owned[0], 750_000, 10)
        assert 0 == budget.room(4, 4)
        assert set() == budget.hogs(owned, 4)

    def test_is_never_less_than_one_record(self, budget: Budget, owned: list[OffsetLedger]) -> None:
        """While anything is left, one record may come, however large it may be."""
        budget.take(owned[0], 749_999, 1)
        assert 1 == budget.room(4, 4)

    def test_needs_somebody_to_fetch_from(self, budget: Budget) -> None:
        """With every partition paused there is no room."""
        assert 0 == budget.room(0, 4)

    def test_goes_on_within_the_shares_when_squeezed(self, budget: Budget, owned: list[OffsetLedger]) -> None:
        """With the hogs paused, the others fetch on within the last quarter."""
        budget.take(owned[0], 760_000, 7_600)
        squeeze(budget)
        assert budget.room(3, 4) >= 1

    def test_ends_at_the_limit(self, budget: Budget, owned: list[OffsetLedger]) -> None:
        """At the limit nothing is fetched, squeezed or not."""
        budget.take(owned[0], MAX, 10)
        squeeze(budget)
        assert 0 == budget.room(4, 4)


class TestSqueeze:
    """Pausing comes late and ends early."""

    def test_comes_after_half_a_second_without_room(self, budget: Budget, owned: list[OffsetLedger]) -> None:
        """A common part that is gone for less than half a second pauses nobody."""
        budget.take(owned[0], 800_000, 10)
        assert budget.tick(10 * SECOND) is False
        assert budget.tick(10 * SECOND + STALL_BEFORE_PAUSE_NS - 1) is False
        assert budget.squeezed is False
        assert budget.tick(10 * SECOND + STALL_BEFORE_PAUSE_NS) is True
        assert budget.squeezed is True

    def test_begins_anew_after_a_breath(self, budget: Budget, owned: list[OffsetLedger]) -> None:
        """Room in between starts the half second again."""
        budget.take(owned[0], 800_000, 10)
        budget.tick(10 * SECOND)
        budget.release(owned[0], 100_000)
        budget.tick(10 * SECOND + 400 * MS)
        budget.take(owned[0], 100_000, 10)
        budget.tick(10 * SECOND + 450 * MS)
        assert budget.tick(10 * SECOND + 600 * MS) is False

    def test_ends_below_half(self, budget: Budget, owned: list[OffsetLedger]) -> None:
        """It lasts until less than half is held, so that partitions do not pause and resume in turn."""
        budget.take(owned[0], 800_000, 10)
        squeeze(budget)
        budget.release(owned[0], 300_000)
        budget.tick(12 * SECOND)
        assert budget.squeezed is True
        budget.release(owned[0], 1)
        assert budget.tick(12 * SECOND) is True
        assert budget.squeezed is False
        assert budget.tick(12 * SECOND) is False

    def test_pauses_those_who_hold_more_than_half_their_share(self, budget: Budget, owned: list[OffsetLedger]) -> None:
        """Of four partitions those with more than an eighth of the last quarter are paused, the others are not."""
        budget.take(owned[0], 700_000, 10)
        budget.take(owned[1], 31_251, 10)
        budget.take(owned[2], 31_250, 10)
        squeeze(budget)
        assert {owned[0], owned[1]} == budget.hogs(owned, 4)

    def test_at_the_limit_pauses_everybody(self, budget: Budget, owned: list[OffsetLedger]) -> None:
        """With everything held, nobody may fetch."""
        budget.take(owned[0], MAX, 10)
        squeeze(budget)
        assert set(owned) == budget.hogs(owned, 4)

    def test_is_foreseen(self, budget: Budget, owned: list[OffsetLedger]) -> None:
        """From the moment the common part is gone until somebody is paused for it, that moment is known."""
        known = []
        for more, now in ((749_999, 10 * SECOND), (1, 11 * SECOND), (0, 11 * SECOND + STALL_BEFORE_PAUSE_NS)):
            budget.take(owned[0], more, 1)
            budget.tick(now)
            known.append(budget.squeezes_at)
        assert [None, 11 * SECOND + STALL_BEFORE_PAUSE_NS, None] == known


def test_shares_out_the_last_quarter(budget: Budget) -> None:
    """Each owned partition is guaranteed an equal part of the last quarter; none owned is no error."""
    assert [62_500, 250_000, 250_000] == [budget.share(owned) for owned in (4, 1, 0)]
