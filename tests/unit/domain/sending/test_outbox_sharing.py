"""An outbox whose lanes let go several records of a key: together, in order, and in one request at a time."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from doka.domain.events import ShardRange
from doka.domain.held.ledger import OffsetLedger, Part
from doka.domain.held.shared_lanes import SharedLanes
from doka.domain.limits import PUT_RECORDS_MAX
from doka.domain.poison.quarantine import Quarantine
from doka.domain.records import TopicPartition
from doka.domain.sending.outbox import Outbox, side_by_side
from doka.domain.sending.pacing import SLOWER_AT_MOST_EVERY_NS
from doka.domain.sending.put import Put
from tests.unit.domain.builders import ORDERS, SECOND, described, held
from tests.unit.domain.sending.outboxes import NOW, admit, outbox, pack, sent

SLOW = "ProvisionedThroughputExceededException"
OTHER = TopicPartition("orders", 1)


def owned(tp: TopicPartition = ORDERS) -> OffsetLedger:
    """Make the ledger of an owned partition whose lanes share requests."""
    return OffsetLedger(tp, 0, SharedLanes())


@pytest.fixture
def owner() -> OffsetLedger:
    """Give one."""
    return owned()


def answer(to: Outbox, put: Put, failed: Mapping[int, str] | None = None) -> None:
    """Let the answer of a request come; what was refused goes again after a second."""
    to.settle(put, failed or {}, {}, NOW)
    for refusal in put.refusals(failed or {}):
        to.delay(refusal.parts, NOW + SECOND)


def leaves_at(of: Outbox, now: int = NOW) -> int | None:
    """Say when a request may leave that need not be full."""
    return of.leaves_at(now, idle=True)


class TestPack:
    """The records of a key that may leave are in one request, in order, and there is no other of them."""

    def test_records_of_a_key_share_a_request(self, owner: OffsetLedger) -> None:
        """All records of all keys leave at once, those of a key side by side and in order."""
        made = outbox(shares=True)
        admit(made, owner, "abacb")
        put = pack(made)
        assert [3, 0, 2, 1, 4] == sent(put)
        assert put.shares

    def test_what_comes_meanwhile_waits_and_leaves_together(self, owner: OffsetLedger) -> None:
        """While a request of a key is in put its later records wait, over chunks; then all of them go."""
        made = outbox(shares=True)
        admit(made, owner, "aa")
        put = pack(made)
        admit(made, owner, "ab", 2)
        admit(made, owner, "aa", 4)
        other = pack(made, 2)
        assert [3] == sent(other)
        answer(made, put)
        assert [2, 4, 5] == sent(pack(made, 3))

    def test_what_a_drain_cuts_off_holds_up_nobody(self, owner: OffsetLedger) -> None:
        """Of a run that was let go a drain forgets the end; what stays of it leaves all the same, one after the other."""
        made = outbox(shares=True, request_records=1)
        admit(made, owner, "aaba")
        first = pack(made)
        made.forget_unsent(owner)
        owner.begin_drain()
        answer(made, first)
        second = pack(made, 2)
        answer(made, second)
        third = pack(made, 3)
        assert [[2], [0], [1]] == [sent(first), sent(second), sent(third)]

    def test_what_is_cut_off_is_no_longer_ready(self, owner: OffsetLedger) -> None:
        """The rest of a key goes back into its lane; what stands behind it in the same chunk stays ready."""
        made = outbox(shares=True, request_records=1)
        admit(made, owner, "abab")
        assert [0] == sent(pack(made))
        assert ([1, 3], 2) == ([place for part in made.parts() for place in part.places], made.waiting)

    def test_the_end_of_a_request_cuts_a_key(self, owner: OffsetLedger) -> None:
        """What finds no room waits for what left, and nothing of the key is in a second request."""
        made = outbox(shares=True, request_records=3)
        admit(made, owner, "aaaaab")
        first = pack(made)
        assert [5, 0, 1] == sent(first)
        assert (None, 0, None) == (made.pack(2, 1, NOW), made.waiting, leaves_at(made))
        answer(made, first)
        assert [2, 3, 4] == sent(pack(made, 3))

    def test_its_bytes_cut_a_key_too(self, owner: OffsetLedger) -> None:
        """A request that is full by its bytes parts a key in the same way."""
        made = outbox(shares=True, request_bytes=6)
        admit(made, owner, "aaaaa")
        put = pack(made)
        assert ([0, 1, 2], None) == (sent(put), made.pack(2, 1, NOW))
        answer(made, put)
        assert [3, 4] == sent(pack(made, 3))

    def test_a_control_cuts_a_key(self, owner: OffsetLedger) -> None:
        """Records that are taken for a control leave the others of their key waiting."""
        made = outbox(shares=True)
        admit(made, owner, "aaaa")
        taken = made.take_for_control(2)
        assert ([(0, 1)], None) == ([tuple(part.places) for part in taken], made.pack(1, 1, NOW))

    def test_one_key_of_two_partitions_is_two_lanes(self) -> None:
        """Kafka has no order between partitions."""
        made, one, other = outbox(shares=True), owned(), owned(OTHER)
        admit(made, one, "aa")
        admit(made, other, "aa")
        put = pack(made)
        assert [0, 1, 0, 1] == sent(put)

    def test_tells_whether_records_of_a_key_share_it(self, owner: OffsetLedger) -> None:
        """Only then their order has to be looked at."""
        made = outbox(shares=True)
        admit(made, owner, "abc")
        assert not pack(made).shares

    def test_a_key_in_thousands_is_sent_request_by_request(self, owner: OffsetLedger) -> None:
        """A key that waits in thousands fills one request after the other."""
        made = outbox(shares=True)
        admit(made, owner, "a" * (2 * PUT_RECORDS_MAX + 1))
        found: list[int] = []
        for number in (1, 2, 3):
            put = pack(made, number)
            found.append(len(sent(put)))
            answer(made, put)
        assert ([PUT_RECORDS_MAX, PUT_RECORDS_MAX, 1], 0) == (found, owner.open)


class TestRefused:
    """What is refused of a key goes again first, together, in order; its later records wait for it."""

    def test_goes_again_before_what_waits(self, owner: OffsetLedger) -> None:
        """Two refused records of a key leave together, and what came meanwhile after them."""
        made = outbox(shares=True)
        admit(made, owner, "aaaa")
        put = pack(made)
        admit(made, owner, "a", 4)
        answer(made, put, {0: SLOW, 2: "InternalFailure"})
        assert 0 == leaves_at(made, NOW + SECOND)
        again = pack(made, 2)
        assert ([0, 2], 2) == (sent(again), again.attempts)
        answer(made, again)
        assert [4] == sent(pack(made, 3))

    def test_is_one_group_of_each_lane(self, owner: OffsetLedger) -> None:
        """All that was refused of a lane is tried together, whatever the codes; each part has its own."""
        made = outbox(shares=True)
        admit(made, owner, "aba")
        put = pack(made)
        refusals = put.refusals({0: "X", 1: SLOW, 2: "InternalFailure"})
        assert [([1], ["X"], True), ([0, 2], [SLOW, "InternalFailure"], False)] == [
            ([place for part in parts for place in part.places], list(codes), apart) for parts, codes, apart in refusals
        ]

    def test_a_whole_request_goes_again_as_it_was(self, owner: OffsetLedger) -> None:
        """A request that failed as a whole leaves again in the same order."""
        made = outbox(shares=True)
        admit(made, owner, "abab")
        made.put_back(made.unsettled(pack(made), NOW), NOW)
        assert [0, 2, 1, 3] == sent(pack(made, 2))

    def test_a_partition_that_is_gone_is_passed_over(self, owner: OffsetLedger) -> None:
        """What belongs to somebody else is not sent again."""
        made = outbox(shares=True)
        admit(made, owner, "aa")
        put = pack(made)
        owner.gone = True
        assert [] == put.refusals({0: SLOW})


def test_parts_of_a_lane_stand_side_by_side(owner: OffsetLedger) -> None:
    """Whatever comes back in pieces is put together, lane by lane, each in order; neighbours of a chunk are one part."""
    one, other = held(owner, "aba"), held(owner, "cdea", 3)
    pieces = [Part(one, [2]), Part(one, [1], 1), Part(other, [3]), Part(other, [0, 1, 2]), Part(one, [0])]
    assert [(one, [0, 2], 0), (other, [3], 0), (one, [1], 1), (other, [0, 1, 2], 0)] == side_by_side(pieces)


class TestPoison:
    """A record that can never land keeps its lane; nothing of its key goes past it."""

    def test_found_before_sending_cuts_a_key(self, owner: OffsetLedger, quarantine: Quarantine) -> None:
        """What is before it leaves, then its own turn comes, and what is behind it follows when it is settled."""
        made = outbox(quarantine, shares=True)
        admit(made, owner, "aaaa", poison={2: "RecordTooLarge"})
        put = pack(made)
        assert ([0, 1], []) == (sent(put), list(quarantine.waiting))
        answer(made, put)
        (poison,) = quarantine.waiting
        assert (2, None) == (poison.offset, made.pack(2, 1, NOW))
        made.settle_poison(poison, NOW)
        assert [3] == sent(pack(made, 3))

    def test_as_the_first_of_its_key(self, owner: OffsetLedger, quarantine: Quarantine) -> None:
        """Its turn comes at once, and the others wait."""
        made = outbox(quarantine, shares=True)
        admit(made, owner, "aaa", poison={0: "RecordTooLarge"})
        (poison,) = quarantine.waiting
        assert (0, None) == (poison.offset, made.pack(1, 1, NOW))
        made.settle_poison(poison, NOW)
        assert [1, 2] == sent(pack(made, 2))

    def test_found_by_the_service_holds_back_what_went_with_it(
        self, owner: OffsetLedger, quarantine: Quarantine
    ) -> None:
        """Records of its key that came back with it wait behind it."""
        made = outbox(quarantine, shares=True)
        admit(made, owner, "aaab")
        put = pack(made)
        assert [3, 0, 1, 2] == sent(put)
        made.settle(put, {1: "ValidationException", 2: SLOW, 3: SLOW}, {}, NOW)
        chunk = put.parts[0].chunk
        made.put_back([Part(chunk, [1]), Part(chunk, [2])], NOW)
        made.poisoned([Part(chunk, [0], 1)], "ValidationException")
        (poison,) = quarantine.waiting
        assert (0, "ValidationException", 1) == (poison.offset, poison.code, poison.attempts)
        assert (0, None) == (made.waiting, made.pack(2, 1, NOW))
        made.settle_poison(poison, NOW)
        assert [1, 2] == sent(pack(made, 3))


def paced(owner: OffsetLedger) -> tuple[Outbox, Put]:
    """Make one whose only shard is slowed down, and the first request of fifty records of a key."""
    made = outbox(shares=True)
    made.learn(described(shards=(ShardRange("shard-0", 0),)))
    for ago in range(20, 0, -1):
        made.pacer.throttled("a", NOW - ago * SLOWER_AT_MOST_EVERY_NS)
    admit(made, owner, "a" * 50)
    return made, pack(made)


def test_a_pace_cuts_a_key(owner: OffsetLedger) -> None:
    """Of a slowed shard the first records of a key leave as far as its pace allows, and the others wait for them."""
    made, put = paced(owner)
    count = len(sent(put))
    assert (list(range(count)), True, None) == (sent(put), 0 < count < 50, made.pack(2, 1, NOW))
    answer(made, put)
    assert made.pack(3, 1, NOW) is None  # its time has not come
    later = leaves_at(made)
    assert later is not None
    assert (True, 0) == (later > NOW, leaves_at(made, later))
    assert count == sent(pack(made, 4, later))[0]


def test_a_pace_keeps_a_key_back_of_which_one_record_is_here(owner: OffsetLedger) -> None:
    """It shares no lane with anything, waits for its shard's time, and leaves then."""
    made, put = paced(owner)
    admit(made, owner, "b", 50)
    assert made.pack(2, 1, NOW) is None
    answer(made, put)
    left: set[str] = set()
    for seconds in range(1, 60):
        leaves_at(made, NOW + seconds * SECOND)
        again = made.pack(2 + seconds, 1, NOW + seconds * SECOND)
        if again is not None:
            left.update(again.keys)
            answer(made, again)
    assert (0, {"a", "b"}) == (made.waiting, left)


def test_a_drain_forgets_what_nobody_sent(owner: OffsetLedger) -> None:
    """What was cut off and lies above all that was sent is forgotten; what was sent settles."""
    made = outbox(shares=True, request_records=2)
    admit(made, owner, "aaaa")
    put = pack(made)
    made.forget_unsent(owner)
    owner.begin_drain()
    assert (2, []) == (owner.open, list(made.parts()))
    answer(made, put)
    assert (0, None, []) == (owner.open, made.pack(2, 1, NOW), list(made.parts()))
