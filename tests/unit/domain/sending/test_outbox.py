from __future__ import annotations

from collections.abc import Mapping

import pytest

from doka.domain.errors import InvariantError
from doka.domain.held.budget import Budget
from doka.domain.held.ledger import HeldChunk
from doka.domain.limits import PARTITION_KEY_BYTES_MAX
from doka.domain.partitions.partition import Partition
from doka.domain.records import TopicPartition
from doka.domain.rules import LimitRules, Ordering
from doka.domain.sending.outbox import Flight, Outbox
from tests.unit.domain.builders import MS, SECOND, held, partition, route_rules

NOW = 100 * SECOND


@pytest.fixture
def owner() -> Partition:
    """Give an owned partition with strict lanes."""
    return partition()


def outbox(**limits: int) -> Outbox:
    """Make an empty outbox with these limits."""
    return Outbox(LimitRules(**limits), Budget(10**9))


def admit(to: Outbox, owner: Partition, keys: str, start: int = 0, **changes: object) -> HeldChunk:
    """Let a chunk come in."""
    chunk = held(owner, keys, start, **changes)
    owner.ledger.append(chunk)
    to.admit(chunk, NOW)
    return chunk


def sent(flight: Flight | None) -> list[int]:
    """Name the records of a request by their offsets: the builders' values are the offsets."""
    return [] if flight is None else [int(value) for value in flight.values]


def settle(to: Outbox, flight: Flight, failed: Mapping[int, str] | None = None) -> list[Partition]:
    """Let the answer of a request come."""
    del to.flights[flight.put]
    return list(to.settle(flight, failed or {}, NOW))


def pack(of: Outbox, put: int = 1) -> Flight:
    """Pack a request that must not be empty."""
    flight = of.pack(put, 1, NOW)
    assert flight is not None
    return flight


class TestPack:
    """One request takes what is ready, in order, up to its limits."""

    def test_nothing_gives_nothing(self) -> None:
        """An empty outbox has no request to send."""
        made = outbox()
        assert made.pack(1, 1, NOW) is None
        assert (True, 0, {}) == (made.empty, made.waiting, made.flights)

    def test_takes_all_that_fits(self, owner: Partition) -> None:
        """Chunks are joined in one request, in the order in which they came."""
        made = outbox()
        admit(made, owner, "ab")
        admit(made, owner, "cd", 2)
        flight = pack(made)
        assert ([0, 1, 2, 3], ["a", "b", "c", "d"]) == (sent(flight), flight.keys)
        assert (0, flight) == (made.waiting, made.flights[1])

    def test_is_cut_by_count(self, owner: Partition) -> None:
        """A request holds at most `request_records`; the rest stays ready, in order."""
        made = outbox(request_records=3)
        admit(made, owner, "abcde")
        assert [[0, 1, 2], [3, 4], []] == [sent(made.pack(put, 1, NOW)) for put in (1, 2, 3)]

    def test_is_full_at_the_count(self, owner: Partition) -> None:
        """Full means that one more record would not fit."""
        made = outbox(request_records=3)
        admit(made, owner, "ab")
        assert made.full is False
        admit(made, owner, "c", 2)
        assert made.full is True

    def test_is_cut_by_bytes(self, owner: Partition) -> None:
        """A request holds at most `request_bytes` of data and keys, exactly; the rest stays ready."""
        made = outbox(request_bytes=6)
        admit(made, owner, "abcdef")  # 2 bytes each: a key of one character, an offset of one digit
        assert [[0, 1, 2], [3, 4, 5]] == [sent(made.pack(put, 1, NOW)) for put in (1, 2)]

    def test_counts_the_bytes_of_keys(self, owner: Partition) -> None:
        """Keys count by their UTF-8 bytes."""
        made = outbox(request_bytes=9)
        chunk = held(owner, ["\N{SNOWMAN}", "\N{MUSICAL SYMBOL G CLEF}", "c"])  # 3 + 1, 4 + 1, 1 + 1 bytes
        owner.ledger.append(chunk)
        made.admit(chunk, NOW)
        assert [0, 1] == sent(made.pack(1, 1, NOW))

    def test_sends_a_record_that_fits_no_request(self, owner: Partition) -> None:
        """One record always goes, whatever its size: the service judges it, nothing stands still."""
        made = outbox(request_bytes=1)
        admit(made, owner, "ab")
        assert [[0], [1]] == [sent(made.pack(put, 1, NOW)) for put in (1, 2)]

    def test_near_the_limit_counts_exactly(self, owner: Partition) -> None:
        """Where the quick estimate is too careful, the exact sum lets all of them go together."""
        made = outbox(request_bytes=PARTITION_KEY_BYTES_MAX)
        admit(made, owner, "abc")
        assert [0, 1, 2] == sent(made.pack(1, 1, NOW))

    def test_splits_a_part_whose_places_have_holes(self, owner: Partition) -> None:
        """Places that are no range are cut in the same way."""
        made = outbox(request_records=2)
        admit(made, owner, "aabcd")  # record 1 waits for record 0
        assert [[0, 2], [3, 4]] == [sent(made.pack(put, 1, NOW)) for put in (1, 2)]

    def test_notes_how_far_a_partition_was_sent(self, owner: Partition) -> None:
        """`sent_to` is one above the highest offset that ever left, holes below it or not."""
        made = outbox(request_records=2)
        admit(made, owner, "aabcd")
        pack(made, 1)
        assert owner.sent_to == 3
        pack(made, 2)
        assert owner.sent_to == 5

    def test_skips_partitions_that_are_gone(self, owner: Partition) -> None:
        """What belongs to somebody else by now is not sent, and does not fill the request."""
        made = outbox(request_records=2)
        other = partition(TopicPartition("orders", 1))
        admit(made, owner, "ab")
        admit(made, other, "cd", 10)
        owner.gone = True
        assert [10, 11] == sent(made.pack(1, 1, NOW))
        assert made.waiting == 0


class TestAnswered:
    """Each part of an answer finds its records."""

    def test_success_settles_and_frees(self, owner: Partition) -> None:
        """The next record of each settled key becomes ready, and the partition has moved."""
        made = outbox()
        admit(made, owner, "abab")
        flight = pack(made)
        assert [owner] == settle(made, flight)
        assert (2, 2) == (owner.ledger.open, made.waiting)
        assert [2, 3] == sent(made.pack(2, 1, NOW))

    @pytest.mark.parametrize("place", range(6))
    def test_a_refused_entry_is_that_record(self, owner: Partition, place: int) -> None:
        """Whatever its place, over two chunks and two partitions, exactly the refused entry's record stays."""
        made = outbox()
        other = partition(TopicPartition("orders", 1))
        admit(made, owner, "ab")
        admit(made, other, "ab", 10)
        admit(made, owner, "cd", 2)
        flight = pack(made)
        assert [0, 1, 10, 11, 2, 3] == sent(flight)
        failed = made.failed_parts(flight, {place: "Code"})
        settle(made, flight, {place: "Code"})
        made.put_back([part for part, _ in failed], NOW)
        assert [sent(flight)[place]] == sent(made.pack(2, 1, NOW))
        assert 1 == owner.ledger.open + other.ledger.open

    def test_every_entry_refused(self, owner: Partition) -> None:
        """Nothing settles, nothing moves, and all are found again, by code and in order."""
        made = outbox()
        admit(made, owner, "abc")
        flight = pack(made)
        codes = {0: "Slow", 1: "Odd", 2: "Slow"}
        found = made.failed_parts(flight, codes)
        assert [] == settle(made, flight, codes)
        assert [([0, 2], "Slow"), ([1], "Odd")] == [(list(part.places), code) for part, code in found]
        assert owner.ledger.open == 3

    def test_a_refused_entry_keeps_its_lane(self, owner: Partition) -> None:
        """Later records of a refused record's key wait on, those of the others go."""
        made = outbox()
        admit(made, owner, "abab")
        flight = pack(made)
        settle(made, flight, {0: "Code"})
        assert [3] == sent(made.pack(2, 1, NOW))

    def test_counts_attempts_by_record(self, owner: Partition) -> None:
        """A refused record takes its own attempts along, not those of its neighbours."""
        made = outbox()
        admit(made, owner, "a")
        flight = pack(made, 1)
        (part, _), *_ = made.failed_parts(flight, {0: "Code"})
        del made.flights[1]
        made.put_back([part], NOW)
        admit(made, owner, "b", 1)
        flight = pack(made, 2)
        assert [(0, 2), (1, 1)] == [
            (part.chunk.offsets[part.places[0]], part.attempts)
            for part, _ in made.failed_parts(flight, {0: "Code", 1: "Code"})
        ]
        assert [2, 1] == [part.attempts for part in made.unsettled_parts(flight)]

    def test_ignores_partitions_that_are_gone(self, owner: Partition) -> None:
        """A late answer neither settles nor brings back what belongs to somebody else."""
        made = outbox()
        admit(made, owner, "ab")
        flight = pack(made)
        owner.gone = True
        assert [] == made.failed_parts(flight, {0: "Code"})
        assert [] == made.unsettled_parts(flight)
        assert [] == settle(made, flight, {0: "Code"})
        assert owner.ledger.open == 2

    def test_refuses_an_answer_about_more_than_was_asked(self, owner: Partition) -> None:
        """A refused entry beyond the last one cannot be, and must not settle anything."""
        made = outbox()
        admit(made, owner, "ab")
        flight = pack(made)
        with pytest.raises(InvariantError, match="1 beyond its last"):
            made.settle(flight, {2: "Code"}, NOW)

    def test_moves_partitions_in_the_order_of_the_request(self) -> None:
        """What follows an answer does not hang on addresses in memory."""
        made = outbox()
        owners = [partition(TopicPartition("orders", number)) for number in (3, 1, 2, 0)]
        for owner in owners:
            admit(made, owner, "a")
        assert owners == settle(made, pack(made))

    def test_without_order_all_leave_and_settle(self) -> None:
        """With `ordering: none` records of one key travel and settle together."""
        made = outbox()
        free = partition(rules=route_rules(ordering=Ordering.NONE))
        admit(made, free, "aaa")
        flight = pack(made)
        settle(made, flight, {1: "Code"})
        assert ([0, 1, 2], 1) == (sent(flight), free.ledger.open)


class TestWaiting:
    """What failed comes back, first and at its time."""

    def test_put_back_goes_before_everything(self, owner: Partition) -> None:
        """Records that failed leave before those that never left, in their old order."""
        made = outbox(request_records=4)
        admit(made, owner, "abcdef")
        flight = pack(made)
        del made.flights[1]
        made.put_back(made.unsettled_parts(flight), NOW)
        assert [[0, 1, 2, 3], [4, 5]] == [sent(made.pack(put, 1, NOW)) for put in (2, 3)]

    def test_delayed_records_wake_at_their_time(self, owner: Partition) -> None:
        """A delayed part is neither ready nor forgotten before its time."""
        made = outbox()
        admit(made, owner, "a")
        flight = pack(made)
        del made.flights[1]
        made.delay(made.unsettled_parts(flight), NOW + 10 * MS)
        assert (NOW + 10 * MS, False, 0) == (made.next_wake, made.empty, made.waiting)
        made.wake(NOW + 10 * MS - 1)
        assert made.waiting == 0
        made.wake(NOW + 10 * MS)
        assert (None, 1) == (made.next_wake, made.waiting)

    def test_the_first_due_wakes_first(self, owner: Partition) -> None:
        """Parts wake in the order of their times, equal ones in the order in which they were delayed."""
        made = outbox(request_records=1)
        admit(made, owner, "abc")
        flights = [pack(made, put) for put in (1, 2, 3)]
        for flight, until in zip(flights, (20, 10, 10), strict=True):
            made.delay(made.unsettled_parts(flight), NOW + until)
        made.wake(NOW + 20)
        assert [[1], [2], [0]] == [sent(made.pack(put, 1, NOW)) for put in (4, 5, 6)]

    def test_may_be_woken_early(self, owner: Partition) -> None:
        """A probe takes what is delayed, without waiting for its time."""
        made = outbox()
        admit(made, owner, "a")
        made.delay(made.unsettled_parts(pack(made)), NOW + 60 * SECOND)
        made.wake(NOW, all_of_them=True)
        assert made.waiting == 1

    def test_those_of_gone_partitions_never_wake(self, owner: Partition) -> None:
        """A delayed part whose partition went meanwhile is dropped, and ages nothing."""
        made = outbox()
        admit(made, owner, "a")
        made.delay(made.unsettled_parts(pack(made)), NOW)
        owner.gone = True
        made.wake(NOW)
        assert (True, None) == (made.empty, made.ready_since)

    def test_the_age_is_that_of_what_is_ready(self, owner: Partition) -> None:
        """`ready_since` begins when something becomes ready, and is none while nothing is."""
        made = outbox()
        made.wake(NOW - SECOND)
        assert made.ready_since is None
        admit(made, owner, "a")
        assert NOW == made.ready_since
        pack(made)
        assert made.ready_since is None


class TestPoison:
    """A record that can never land is met at the head of its lane, never before."""

    @staticmethod
    def met(of: Outbox) -> list[tuple[int, str]]:
        """Take the poison that was met, by offset and code."""
        return [(poison.chunk.offsets[poison.place], poison.code) for poison in of.take_poison()]

    @staticmethod
    def drop(of: Outbox) -> int:
        """Settle all poison, and what is met behind it; give how many that were."""
        dropped = 0
        while met := of.take_poison():
            for poison in met:
                of.settle_poison(poison, NOW)
            dropped += len(met)
        return dropped

    def test_keeps_its_lane_alone(self, owner: Partition) -> None:
        """The records behind it wait, the other lanes go on, and it is never sent."""
        made = outbox()
        admit(made, owner, "aba", poison={0: "TooLarge"})
        admit(made, owner, "ab", 3)
        flight = pack(made)
        assert ([1], [(0, "TooLarge")]) == (sent(flight), self.met(made))
        settle(made, flight)
        assert [4] == sent(made.pack(2, 1, NOW))
        assert (True, 3) == (made.empty, owner.ledger.open - 1)

    def test_is_met_when_its_turn_comes(self, owner: Partition) -> None:
        """Poison behind a good record of its key is met only once that has settled."""
        made = outbox()
        admit(made, owner, "aaa", poison={1: "TooLarge"})
        flight = pack(made)
        assert [] == self.met(made)
        settle(made, flight)
        assert [(1, "TooLarge")] == self.met(made)
        assert made.pack(2, 1, NOW) is None

    def test_that_is_settled_frees_its_lane(self, owner: Partition) -> None:
        """Settled by a letter or a drop it counts as sent, and the next of its key goes."""
        made = outbox()
        admit(made, owner, "aab", poison={0: "TooLarge"})
        assert (1, 2, 1) == (self.drop(made), owner.ledger.open, owner.sent_to)
        assert [2, 1] == sent(made.pack(1, 1, NOW))

    def test_chains_of_one_lane(self, owner: Partition) -> None:
        """Thousands of bad records in a row, over chunks, settle one after another, and the good ones between go."""
        made = outbox()
        admit(made, owner, "a" * 3_000, poison=dict.fromkeys(range(2_999), "TooLarge"))
        admit(made, owner, "a" * 3_000, 3_000, poison=dict.fromkeys(range(3_000), "TooLarge"))
        assert self.drop(made) == 2_999
        flight = pack(made)
        assert [2_999] == sent(flight)
        settle(made, flight)
        assert (3_000, 0, 6_000) == (self.drop(made), owner.ledger.open, owner.ledger.watermark)

    def test_of_many_lanes_in_one_chunk(self, owner: Partition) -> None:
        """Good and bad records of many keys mixed: every good one leaves, in order of its key."""
        made = outbox()
        admit(made, owner, "abcabcabc", poison={0: "X", 1: "X", 3: "X", 5: "X", 8: "X"})
        order: list[int] = []
        put = 0
        self.drop(made)
        while (flight := made.pack(put := put + 1, 1, NOW)) is not None:
            order += sent(flight)
            settle(made, flight)
            self.drop(made)
        assert [2, 4, 6, 7] == sorted(order)
        assert (0, 9) == (owner.ledger.open, owner.ledger.watermark)

    def test_that_is_all_of_a_chunk(self, owner: Partition) -> None:
        """A chunk of nothing but dropped records is settled, and its bytes are free."""
        made = outbox()
        chunk = admit(made, owner, "abc", poison=dict.fromkeys(range(3), "X"), held_bytes=30)
        assert self.drop(made) == 3
        assert (True, 3, 0) == (made.empty, owner.ledger.watermark, chunk.held_bytes)


class TestForget:
    """A drain forgets what never left; what left must settle."""

    def test_what_lies_above_all_that_was_sent(self, owner: Partition) -> None:
        """Ready records above `sent_to` go, those below stay: they fill holes."""
        made = outbox(request_records=2)
        admit(made, owner, "aabcd")
        flight = pack(made)
        settle(made, flight)  # 0 and 2 landed, 1 is ready behind 3 and 4
        made.forget_unsent(owner)
        assert (1, [1]) == (made.waiting, sent(made.pack(2, 1, NOW)))

    def test_leaves_other_partitions_alone(self, owner: Partition) -> None:
        """Only the named partition's records go."""
        made = outbox()
        admit(made, owner, "ab")
        admit(made, partition(TopicPartition("orders", 1)), "cd", 10)
        made.forget_unsent(owner)
        assert [10, 11] == sent(made.pack(1, 1, NOW))

    def test_of_a_gone_partition_everything(self, owner: Partition) -> None:
        """A partition that is gone leaves nothing behind, sent before or not."""
        made = outbox()
        admit(made, owner, "ab")
        flight = pack(made)
        made.put_back(made.unsettled_parts(flight), NOW)
        owner.gone = True
        made.forget_unsent(owner)
        assert (0, None) == (made.waiting, made.ready_since)

    def test_holds_tells_where_a_record_may_be(self, owner: Partition) -> None:
        """Ready, in flight and delayed are held; settled and parked poison are not."""
        made = outbox()
        admit(made, owner, "ab", poison={1: "X"})
        seen = [made.holds(owner)]
        flight = pack(made)
        seen.append(made.holds(owner))
        del made.flights[1]
        made.delay(made.unsettled_parts(flight), NOW)
        seen.append(made.holds(owner))
        made.wake(NOW)
        settle(made, pack(made, 2))
        seen.append(made.holds(owner))
        assert ([True, True, True, False], 1) == (seen, owner.ledger.open)
