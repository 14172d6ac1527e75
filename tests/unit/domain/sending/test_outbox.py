from __future__ import annotations

from collections.abc import Mapping

import pytest

from doka.domain.errors import InvariantError
from doka.domain.events import ShardRange
from doka.domain.held.lanes import KeyLanes, Lanes
from doka.domain.held.ledger import OffsetLedger
from doka.domain.limits import PARTIAL_PUT_WAIT_NS, PARTITION_KEY_BYTES_MAX, SHARD_BYTES_PER_SECOND
from doka.domain.poison.quarantine import Quarantine
from doka.domain.records import TopicPartition
from doka.domain.sending.outbox import Outbox
from doka.domain.sending.put import Put
from tests.unit.domain.builders import MS, SECOND, held
from tests.unit.domain.sending.outboxes import NOW, admit, outbox, pack, sent


def owned(number: int = 0) -> OffsetLedger:
    """Make the ledger of an owned partition with strict lanes."""
    return OffsetLedger(TopicPartition("orders", number), 0, KeyLanes())


@pytest.fixture
def owner() -> OffsetLedger:
    """Give one."""
    return owned()


def settle(to: Outbox, put: Put, failed: Mapping[int, str] | None = None) -> list[OffsetLedger]:
    """Let the answer of a request come; give whose it was."""
    moved: dict[OffsetLedger, None] = {}
    to.settle(put, failed or {}, moved, NOW)
    return list(moved)


def leaves_at(of: Outbox, now: int = NOW, *, probe: bool = False) -> int | None:
    """Say when a request may leave that need not be full."""
    return of.leaves_at(now, idle=True, probe=probe)


def open_of(*owners: OffsetLedger) -> int:
    """Count what is not settled."""
    return sum(owner.open for owner in owners)


class TestPack:
    """One request takes what is ready, in order, up to its limits."""

    def test_nothing_gives_nothing(self) -> None:
        """An empty outbox has no request to send."""
        made = outbox()
        assert made.pack(1, 1, NOW) is None
        assert (None, 0, []) == (leaves_at(made), made.waiting, list(made.parts()))

    def test_takes_all_that_fits(self, owner: OffsetLedger) -> None:
        """Chunks are joined in one request, in the order in which they came."""
        made = outbox()
        admit(made, owner, "ab")
        admit(made, owner, "cd", 2)
        put = pack(made)
        assert ([0, 1, 2, 3], ["a", "b", "c", "d"]) == (sent(put), put.keys)
        assert (1, 4, 4) == (put.number, put.records, put.payload_bytes)
        assert (0, []) == (made.waiting, list(made.parts()))

    def test_a_paced_shard_is_charged_for_data_and_key(self, owner: OffsetLedger) -> None:
        """While its shard is slowed down, a record costs what the service counts: its data and its key, in bytes."""
        made = outbox()
        made.pacer.learn((ShardRange("shardId-000000000000", 0),))
        made.pacer.throttled("k" * 200, NOW)
        chunk = held(owner, ["k" * 200])
        chunk.values = [bytes(2_000)]
        owner.append(chunk)
        made.admit(chunk, NOW)
        pack(made)
        assert round(2_200 / SHARD_BYTES_PER_SECOND * SECOND) == made.pacer.paces[0].free_at - NOW

    def test_is_cut_by_count(self, owner: OffsetLedger) -> None:
        """A request holds at most `request_records`; the rest stays ready, in order."""
        made = outbox(request_records=3)
        admit(made, owner, "abcde")
        assert [[0, 1, 2], [3, 4], []] == [sent(made.pack(number, 1, NOW)) for number in (1, 2, 3)]

    def test_is_full_at_the_count(self, owner: OffsetLedger) -> None:
        """A request that can hold more waits a moment for it, while others are in put; a full one leaves at once."""
        made = outbox(request_records=3, linger=0)
        admit(made, owner, "ab")
        assert (0, NOW + PARTIAL_PUT_WAIT_NS) == (leaves_at(made), made.leaves_at(NOW + MS, idle=False))
        admit(made, owner, "c", 2)
        assert 0 == made.leaves_at(NOW + MS, idle=False)

    def test_is_cut_by_bytes(self, owner: OffsetLedger) -> None:
        """A request holds at most `request_bytes` of data and keys, exactly; the rest stays ready."""
        made = outbox(request_bytes=6)
        admit(made, owner, "abcdef")  # 2 bytes each: a key of one character, an offset of one digit
        assert [[0, 1, 2], [3, 4, 5]] == [sent(made.pack(number, 1, NOW)) for number in (1, 2)]

    def test_counts_the_bytes_of_keys(self, owner: OffsetLedger) -> None:
        """Keys count by their UTF-8 bytes."""
        made = outbox(request_bytes=9)
        chunk = held(owner, ["\N{SNOWMAN}", "\N{MUSICAL SYMBOL G CLEF}", "c"])  # 3 + 1, 4 + 1, 1 + 1 bytes
        owner.append(chunk)
        made.admit(chunk, NOW)
        assert [0, 1] == sent(made.pack(1, 1, NOW))

    def test_sends_a_record_that_fits_no_request(self, owner: OffsetLedger) -> None:
        """One record always goes, whatever its size: the service judges it, nothing stands still."""
        made = outbox(request_bytes=1)
        admit(made, owner, "ab")
        assert [[0], [1]] == [sent(made.pack(number, 1, NOW)) for number in (1, 2)]

    def test_near_the_limit_counts_exactly(self, owner: OffsetLedger) -> None:
        """Where the quick estimate is too careful, the exact sum lets all of them go together."""
        made = outbox(request_bytes=PARTITION_KEY_BYTES_MAX)
        admit(made, owner, "abc")
        assert [0, 1, 2] == sent(made.pack(1, 1, NOW))

    def test_splits_a_part_whose_places_have_holes(self, owner: OffsetLedger) -> None:
        """Places that are no range are cut in the same way."""
        made = outbox(request_records=2)
        admit(made, owner, "aabcd")  # record 1 waits for record 0
        assert [[0, 2], [3, 4]] == [sent(made.pack(number, 1, NOW)) for number in (1, 2)]

    def test_notes_how_far_a_partition_was_sent(self, owner: OffsetLedger) -> None:
        """`sent_to` is one above the highest offset that ever left, holes below it or not."""
        made = outbox(request_records=2)
        admit(made, owner, "aabcd")
        pack(made, 1)
        assert owner.sent_to == 3
        pack(made, 2)
        assert owner.sent_to == 5

    def test_skips_partitions_that_are_gone(self, owner: OffsetLedger) -> None:
        """What belongs to somebody else by now is not sent, and does not fill the request."""
        made = outbox(request_records=2)
        other = owned(1)
        admit(made, owner, "ab")
        admit(made, other, "cd", 10)
        owner.gone = True
        assert [10, 11] == sent(made.pack(1, 1, NOW))
        assert made.waiting == 0


class TestAnswered:
    """Each part of an answer finds its records."""

    def test_success_settles_and_frees(self, owner: OffsetLedger) -> None:
        """The next record of each settled key becomes ready, and the partition has moved."""
        made = outbox()
        admit(made, owner, "abab")
        put = pack(made)
        assert [owner] == settle(made, put)
        assert (2, 2) == (owner.open, made.waiting)
        assert [2, 3] == sent(made.pack(2, 1, NOW))

    @pytest.mark.parametrize("place", range(6))
    def test_a_refused_entry_is_that_record(self, owner: OffsetLedger, place: int) -> None:
        """Whatever its place, over two chunks and two partitions, exactly the refused entry's record stays."""
        made = outbox()
        other = owned(1)
        admit(made, owner, "ab")
        admit(made, other, "ab", 10)
        admit(made, owner, "cd", 2)
        put = pack(made)
        assert [0, 1, 10, 11, 2, 3] == sent(put)
        refused = put.refusals({place: "Code"})
        settle(made, put, {place: "Code"})
        made.put_back([part for refusal in refused for part in refusal.parts], NOW)
        assert [sent(put)[place]] == sent(made.pack(2, 1, NOW))
        assert 1 == open_of(owner, other)

    def test_every_entry_refused(self, owner: OffsetLedger) -> None:
        """Nothing settles, nothing moves, no lane is free, and all are found again, by code and in order."""
        made = outbox()
        admit(made, owner, "abc")
        put = pack(made)
        codes = {0: "Slow", 1: "Odd", 2: "Slow"}
        assert [] == settle(made, put, codes)
        assert [([0, 2], "Slow"), ([1], "Odd")] == [
            (list(parts[0].places), code) for parts, (code,), _ in put.refusals(codes)
        ]
        assert (3, None) == (owner.open, made.pack(2, 1, NOW))

    def test_a_refused_entry_keeps_its_lane(self, owner: OffsetLedger) -> None:
        """Later records of a refused record's key wait on, those of the others go."""
        made = outbox()
        admit(made, owner, "abab")
        put = pack(made)
        settle(made, put, {0: "Code"})
        assert [3] == sent(made.pack(2, 1, NOW))

    def test_counts_attempts_by_record(self, owner: OffsetLedger) -> None:
        """A refused record takes its own attempts along, not those of its neighbours."""
        made = outbox()
        admit(made, owner, "a")
        put = pack(made, 1)
        ((parts, _, _),) = put.refusals({0: "Code"})
        made.put_back(parts, NOW)
        admit(made, owner, "b", 1)
        put = pack(made, 2)
        assert [(0, 2), (1, 1)] == [
            (part.chunk.offsets[part.places[0]], part.attempts)
            for refusal in put.refusals({0: "Code", 1: "Code"})
            for part in refusal.parts
        ]
        assert ([2, 1], 2) == ([part.attempts for part in made.unsettled(put, NOW)], put.attempts)

    def test_ignores_partitions_that_are_gone(self, owner: OffsetLedger) -> None:
        """A late answer neither settles nor brings back what belongs to somebody else."""
        made = outbox()
        admit(made, owner, "ab")
        put = pack(made)
        owner.gone = True
        assert [] == put.refusals({0: "Code"})
        assert [] == made.unsettled(put, NOW)
        assert [] == settle(made, put, {0: "Code"})
        assert owner.open == 2

    def test_refuses_an_answer_about_more_than_was_asked(self, owner: OffsetLedger) -> None:
        """A refused entry beyond the last one cannot be, and must not settle anything."""
        made = outbox()
        admit(made, owner, "ab")
        put = pack(made)
        with pytest.raises(InvariantError, match="1 beyond its last"):
            settle(made, put, {2: "Code"})
        assert 2 == owner.open

    def test_moves_partitions_in_the_order_of_the_request(self) -> None:
        """What follows an answer does not hang on addresses in memory."""
        made = outbox()
        owners = [owned(number) for number in (3, 1, 2, 0)]
        for owner in owners:
            admit(made, owner, "a")
        assert owners == settle(made, pack(made))

    def test_without_order_all_leave_and_settle(self) -> None:
        """With `ordering: none` records of one key travel and settle together."""
        made = outbox()
        free = OffsetLedger(TopicPartition("orders", 0), 0, Lanes())
        admit(made, free, "aaa")
        put = pack(made)
        settle(made, put, {1: "Code"})
        assert ([0, 1, 2], 1) == (sent(put), free.open)


class TestWaiting:
    """What failed comes back, first and at its time."""

    def test_put_back_goes_before_everything(self, owner: OffsetLedger) -> None:
        """Records that failed leave before those that never left, in their old order."""
        made = outbox(request_records=4)
        admit(made, owner, "abcdef")
        put = pack(made)
        made.put_back(made.unsettled(put, NOW), NOW)
        assert [[0, 1, 2, 3], [4, 5]] == [sent(made.pack(number, 1, NOW)) for number in (2, 3)]

    def test_delayed_records_wake_at_their_time(self, owner: OffsetLedger) -> None:
        """A delayed part is neither ready nor forgotten before its time."""
        made = outbox()
        admit(made, owner, "a")
        put = pack(made)
        made.delay(made.unsettled(put, NOW), NOW + 10 * MS)
        due = NOW + 10 * MS
        assert [(due, 0), (due, 0), (0, 1)] == [(leaves_at(made, now), made.waiting) for now in (NOW, due - 1, due)]

    def test_the_first_due_wakes_first(self, owner: OffsetLedger) -> None:
        """Parts wake in the order of their times, equal ones in the order in which they were delayed."""
        made = outbox(request_records=1)
        admit(made, owner, "abc")
        puts = [pack(made, number) for number in (1, 2, 3)]
        for put, until in zip(puts, (20, 10, 10), strict=True):
            made.delay(made.unsettled(put, NOW), NOW + until)
        assert 0 == leaves_at(made, NOW + 20)
        assert [[1], [2], [0]] == [sent(made.pack(number, 1, NOW)) for number in (4, 5, 6)]

    def test_may_be_woken_early(self, owner: OffsetLedger) -> None:
        """A probe takes what is delayed, without waiting for its time."""
        made = outbox()
        admit(made, owner, "a")
        made.delay(made.unsettled(pack(made), NOW), NOW + 60 * SECOND)
        assert (0, 1) == (leaves_at(made, probe=True), made.waiting)

    def test_those_of_gone_partitions_never_wake(self, owner: OffsetLedger) -> None:
        """A delayed part whose partition went meanwhile is dropped, and ages nothing."""
        made = outbox()
        admit(made, owner, "a")
        made.delay(made.unsettled(pack(made), NOW), NOW)
        owner.gone = True
        assert (None, 0, []) == (leaves_at(made), made.waiting, list(made.parts()))

    def test_a_request_waits_to_be_filled_from_its_first_record_on(self, owner: OffsetLedger) -> None:
        """Without `linger` the moment begins when something becomes ready, not with what comes after; else there is none."""
        made = outbox(linger=0)
        seen = [made.leaves_at(NOW - SECOND, idle=False)]
        admit(made, owner, "a")
        admit(made, owner, "b", 1, at=NOW + MS)
        seen.append(made.leaves_at(NOW + MS, idle=False))
        put = pack(made)
        seen.append(made.leaves_at(NOW + SECOND, idle=False))
        made.put_back(made.unsettled(put, NOW), NOW + SECOND)
        seen.append(made.leaves_at(NOW + SECOND, idle=False))
        assert [None, NOW + PARTIAL_PUT_WAIT_NS, None, NOW + SECOND + PARTIAL_PUT_WAIT_NS] == seen

    def test_what_is_delayed_may_be_due_before_a_request_is_filled(self, owner: OffsetLedger) -> None:
        """Then that is the moment to look at it."""
        made = outbox()
        admit(made, owner, "a")
        made.delay(made.unsettled(pack(made), NOW), NOW + 1)
        admit(made, owner, "b", 1)
        assert NOW + 1 == made.leaves_at(NOW, idle=False)


class TestLinger:
    """Requests that are not full leave one after the other with `linger` between them, and no record waits longer than that."""

    def test_the_first_after_a_while_leaves_at_once(self, owner: OffsetLedger) -> None:
        """Where records are rare, nothing waits for another that does not come."""
        made = outbox(linger=5 * MS)
        admit(made, owner, "a")
        first = leaves_at(made)
        pack(made)
        admit(made, owner, "b", 1, at=NOW + 5 * MS)
        assert first is not None
        assert (True, NOW + 5 * MS) == (first <= NOW, leaves_at(made, NOW + 5 * MS))

    def test_what_comes_soon_after_shares_the_next_one(self, owner: OffsetLedger) -> None:
        """It leaves when the last one left for so long, also where that one is answered; `lingers_until` says so before."""
        made = outbox(linger=5 * MS)
        admit(made, owner, "a")
        put = pack(made)
        until = made.lingers_until
        settle(made, put)
        admit(made, owner, "b", 1, at=NOW + MS)
        admit(made, owner, "c", 2, at=NOW + 4 * MS)
        assert [NOW + 5 * MS] * 2 == [until, leaves_at(made, NOW + 4 * MS)]
        assert [1, 2] == sent(made.pack(2, 1, NOW + 5 * MS))

    def test_what_waited_in_its_lane_leaves_with_the_answer(self, owner: OffsetLedger) -> None:
        """Only an answer lets more of such a key go: it would go slower by the wait, and nothing would be saved."""
        made = outbox(linger=5 * MS)
        admit(made, owner, "aa")
        settle(made, pack(made))
        assert 0 == leaves_at(made)

    def test_one_that_comes_back_leaves_when_its_time_has_come(self, owner: OffsetLedger) -> None:
        """A wait follows a backoff no more than a lane."""
        made = outbox(linger=5 * MS)
        admit(made, owner, "a")
        made.put_back(made.unsettled(pack(made), NOW), NOW)
        assert 0 == leaves_at(made)

    def test_after_what_had_waited_the_next_one_lingers(self, owner: OffsetLedger) -> None:
        """That something waited holds for the request that takes it, and for no later one."""
        made = outbox(linger=5 * MS)
        admit(made, owner, "aa")
        settle(made, pack(made))
        pack(made)
        admit(made, owner, "b", 2)
        assert NOW + 5 * MS == leaves_at(made)

    def test_a_full_one_and_a_probe_leave_at_once(self, owner: OffsetLedger) -> None:
        """There is nothing to wait for."""
        made = outbox(linger=5 * MS, request_records=2)
        admit(made, owner, "a")
        pack(made)
        admit(made, owner, "b", 1)
        asked = [leaves_at(made), leaves_at(made, probe=True)]
        admit(made, owner, "c", 2)
        assert [NOW + 5 * MS, 0, 0] == [*asked, leaves_at(made)]

    def test_without_it_nothing_waits_while_nothing_is_in_flight(self, owner: OffsetLedger) -> None:
        """0 is for who wants each record as soon as it can be; beside others in flight it waits a moment all the same."""
        made = outbox(linger=0)
        admit(made, owner, "a")
        pack(made)
        admit(made, owner, "b", 1)
        assert (0, NOW + PARTIAL_PUT_WAIT_NS, NOW) == (
            leaves_at(made),
            made.leaves_at(NOW, idle=False),
            made.lingers_until,
        )

    def test_the_wait_is_no_longer_where_the_answer_is_late(self, owner: OffsetLedger) -> None:
        """It counts from the request before: while that lingers nothing is fetched, so what comes in then has waited already."""
        made = outbox(linger=20 * MS)
        admit(made, owner, "a")
        pack(made)
        admit(made, owner, "b", 1, at=NOW + 3 * MS)
        early = made.leaves_at(NOW + 3 * MS, idle=False)
        admit(made, owner, "c", 2, at=NOW + 20 * MS)
        assert [NOW + 20 * MS] * 2 == [early, made.leaves_at(NOW + 20 * MS, idle=False)]
        assert [1, 2] == sent(made.pack(2, 1, NOW + 20 * MS))

    def test_one_that_comes_after_a_while_leaves_beside_others_at_once(self, owner: OffsetLedger) -> None:
        """The last request may be long under way: nobody else came meanwhile."""
        made = outbox(linger=20 * MS)
        admit(made, owner, "a")
        pack(made)
        admit(made, owner, "b", 1, at=NOW + SECOND)
        at = made.leaves_at(NOW + SECOND, idle=False)
        assert at is not None
        assert at <= NOW + SECOND


class TestPoison:
    """A record that can never land is met at the head of its lane, never before."""

    @staticmethod
    def met(quarantine: Quarantine) -> list[tuple[int, str]]:
        """Give the poison that was met, by offset and code."""
        return [(poison.offset, poison.code) for poison in quarantine.waiting]

    @staticmethod
    def drop(of: Outbox, quarantine: Quarantine) -> int:
        """Settle all poison, and what is met behind it; give how many that were."""
        dropped = 0
        while quarantine.waiting:
            of.settle_poison(quarantine.waiting.popleft(), NOW)
            dropped += 1
        return dropped

    def test_keeps_its_lane_alone(self, owner: OffsetLedger, quarantine: Quarantine) -> None:
        """The records behind it wait, the other lanes go on, and it is never sent."""
        made = outbox(quarantine)
        admit(made, owner, "aba", poison={0: "TooLarge"})
        admit(made, owner, "ab", 3)
        put = pack(made)
        assert ([1], [(0, "TooLarge")]) == (sent(put), self.met(quarantine))
        settle(made, put)
        assert [4] == sent(made.pack(2, 1, NOW))
        assert (None, 3) == (leaves_at(made), owner.open - 1)

    def test_is_met_when_its_turn_comes(self, owner: OffsetLedger, quarantine: Quarantine) -> None:
        """Poison behind a good record of its key is met only once that has settled."""
        made = outbox(quarantine)
        admit(made, owner, "aaa", poison={1: "TooLarge"})
        put = pack(made)
        assert [] == self.met(quarantine)
        settle(made, put)
        assert [(1, "TooLarge")] == self.met(quarantine)
        assert made.pack(2, 1, NOW) is None

    def test_that_is_settled_frees_its_lane(self, owner: OffsetLedger, quarantine: Quarantine) -> None:
        """Settled by a letter or a drop it counts as sent, and the next of its key goes."""
        made = outbox(quarantine)
        admit(made, owner, "aab", poison={0: "TooLarge"})
        assert (1, 2, 1) == (self.drop(made, quarantine), owner.open, owner.sent_to)
        assert [2, 1] == sent(made.pack(1, 1, NOW))

    def test_found_by_the_service_keeps_its_lane(self, owner: OffsetLedger, quarantine: Quarantine) -> None:
        """What the service calls poison goes to the quarantine with its attempts, and its key waits until it settles."""
        made = outbox(quarantine)
        admit(made, owner, "aab")
        put = pack(made)
        settle(made, put, {0: "Invalid"})
        ((parts, (code,), _),) = put.refusals({0: "Invalid"})
        made.poisoned(parts, code)
        assert ([(0, "Invalid")], 1) == (self.met(quarantine), quarantine.waiting[0].attempts)
        assert made.pack(2, 1, NOW) is None
        self.drop(made, quarantine)
        assert [1] == sent(made.pack(3, 1, NOW))

    def test_chains_of_one_lane(self, owner: OffsetLedger, quarantine: Quarantine) -> None:
        """Thousands of bad records in a row, over chunks, settle one after another, and the good ones between go."""
        made = outbox(quarantine)
        admit(made, owner, "a" * 3_000, poison=dict.fromkeys(range(2_999), "TooLarge"))
        admit(made, owner, "a" * 3_000, 3_000, poison=dict.fromkeys(range(3_000), "TooLarge"))
        assert self.drop(made, quarantine) == 2_999
        put = pack(made)
        assert [2_999] == sent(put)
        settle(made, put)
        assert (3_000, 0, 6_000) == (self.drop(made, quarantine), owner.open, owner.watermark)

    def test_of_many_lanes_in_one_chunk(self, owner: OffsetLedger, quarantine: Quarantine) -> None:
        """Good and bad records of many keys mixed: every good one leaves, in order of its key."""
        made = outbox(quarantine)
        admit(made, owner, "abcabcabc", poison={0: "X", 1: "X", 3: "X", 5: "X", 8: "X"})
        order: list[int] = []
        self.drop(made, quarantine)
        while (put := made.pack(1, 1, NOW)) is not None:
            order += sent(put)
            settle(made, put)
            self.drop(made, quarantine)
        assert [2, 4, 6, 7] == sorted(order)
        assert (0, 9) == (owner.open, owner.watermark)

    def test_that_is_all_of_a_chunk(self, owner: OffsetLedger, quarantine: Quarantine) -> None:
        """A chunk of nothing but dropped records is settled, and its bytes are free."""
        made = outbox(quarantine)
        chunk = admit(made, owner, "abc", poison=dict.fromkeys(range(3), "X"), held_bytes=30)
        assert self.drop(made, quarantine) == 3
        assert (None, 3, 0) == (leaves_at(made), owner.watermark, chunk.held_bytes)


class TestForget:
    """A drain forgets what never left; what left must settle."""

    def test_what_lies_above_all_that_was_sent(self, owner: OffsetLedger) -> None:
        """Ready records above `sent_to` go, those below stay: they fill holes."""
        made = outbox(request_records=2)
        admit(made, owner, "aabcd")
        put = pack(made)
        settle(made, put)  # 0 and 2 landed, 1 is ready behind 3 and 4
        made.forget_unsent(owner)
        assert (1, [1]) == (made.waiting, sent(made.pack(2, 1, NOW)))

    def test_leaves_other_partitions_alone(self, owner: OffsetLedger) -> None:
        """Only the named partition's records go."""
        made = outbox()
        admit(made, owner, "ab")
        admit(made, owned(1), "cd", 10)
        made.forget_unsent(owner)
        assert [10, 11] == sent(made.pack(1, 1, NOW))

    def test_of_a_gone_partition_everything(self, owner: OffsetLedger) -> None:
        """A partition that is gone leaves nothing behind, sent before or not."""
        made = outbox()
        admit(made, owner, "ab")
        put = pack(made)
        made.put_back(made.unsettled(put, NOW), NOW)
        owner.gone = True
        made.forget_unsent(owner)
        assert (0, None, []) == (made.waiting, leaves_at(made), list(made.parts()))

    def test_what_waits_for_its_time_is_forgotten_alike(self, owner: OffsetLedger) -> None:
        """Delayed records of a partition that is gone, or above all that was sent of it, go; the others stay."""
        made, other = outbox(), owned(1)
        admit(made, owner, "ab")
        admit(made, other, "c", 10)
        made.delay(made.take_for_control(10), NOW + SECOND)  # as for a pace: none of them was sent
        owner.note_sent(0)
        made.forget_unsent(owner)
        assert [(owner, [0]), (other, [10])] == where(made)
        owner.gone = True
        made.forget_unsent(owner)
        assert [(other, [10])] == where(made)

    def test_tells_what_waits_in_it(self, owner: OffsetLedger, quarantine: Quarantine) -> None:
        """Ready and delayed records are in it; what is in put, settled or parked as poison is not."""
        made = outbox(quarantine)
        admit(made, owner, "ab", poison={1: "X"})
        seen = [where(made)]
        put = pack(made)
        seen.append(where(made))
        made.delay(made.unsettled(put, NOW), NOW)
        seen.append(where(made))
        leaves_at(made)
        settle(made, pack(made, 2))
        seen.append(where(made))
        assert ([[(owner, [0])], [], [(owner, [0])], []], 1) == (seen, owner.open)


def where(of: Outbox) -> list[tuple[OffsetLedger, list[int]]]:
    """Give what waits in an outbox, part by part: whose, and the offsets."""
    return [(part.chunk.owner, [part.chunk.offsets[i] for i in part.places]) for part in of.parts()]
