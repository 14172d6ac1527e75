"""A person passes a record: exactly that one is not sent, and its partition settles and commits as if it were not there."""

from __future__ import annotations

import pytest

from doka.domain.commands import PausePartitions, ResumePartitions, SeekPartition, SendPut
from doka.domain.events import (
    GapFound,
    PartitionsRevoked,
    PutAmbiguous,
    RecordsUnreadable,
    RevokeStarted,
    SkipsOrdered,
    StopRequested,
)
from doka.domain.facts import RecordsSkipped, RecordsWillRepeat, UnreadableSeen
from doka.domain.rules import AggregationRules, LimitRules, NullKey, OnGap, Ordering
from doka.domain.skip import Skip
from tests.unit.domain.builders import ORDERS, SECOND, Machine, route_rules
from tests.unit.domain.forwarding import ONLY, OTHER, machine, sent, settle


def skip(first: int, far: int | None = None, reason: str = "cancelled") -> Skip:
    """Make an order for one offset, or for those up to below `far`."""
    return Skip(first, first + 1 if far is None else far, "ada", "2026-11-29T20:15:00Z", reason)


def skipped(first: int, far: int, order: Skip, records: int | None = None) -> RecordsSkipped:
    """Tell that these were passed."""
    return RecordsSkipped(ORDERS, first, far, far - first if records is None else records, order)


def ordered(*skips: Skip) -> SkipsOrdered:
    """Tell which orders stand for the partition."""
    return SkipsOrdered(ORDERS, skips)


def sent_in_all(made: Machine) -> list[int]:
    """Give the offsets of all records that were ever sent, in that order."""
    return [offset for put in made.of(SendPut) if isinstance(put, SendPut) for offset in sent(put)]


class TestBeforeItIsRead:
    """The order is there before the record."""

    def test_exactly_that_record_is_not_sent(self) -> None:
        """Its neighbours are, those of its key too and in order; it is told with who, when and why."""
        made = machine()
        made.step(ordered(skip(1)))
        (put,) = made.fetch("aaba")
        assert [0, 2] == sent(put)
        assert [[3]] == [sent(more) for more in made.answer(put)]
        assert [skipped(1, 2, skip(1))] == made.of(RecordsSkipped)

    def test_the_watermark_waits_for_what_is_below(self) -> None:
        """A commit passes it only when all below it has settled, though all above it has."""
        made = machine()
        made.step(ordered(skip(1)))
        (put,) = made.fetch("abc")
        made.answer(put, {0: "InternalFailure"})
        assert {} == made.committed()
        made.decide(after=SECOND)
        assert 3 == settle(made)

    @pytest.mark.parametrize("offset", [0, 1, 2])
    def test_wherever_it_stands_in_a_fetch(self, offset: int) -> None:
        """The first, one in the middle, the last: the others land, and the commit passes it."""
        made = machine()
        made.step(ordered(skip(offset)))
        made.fetch("abc")
        assert 3 == settle(made)
        assert {0, 1, 2} - {offset} == set(sent_in_all(made))

    def test_alone_at_the_end_of_the_log(self) -> None:
        """Nothing is sent, and the commit passes it all the same."""
        made = machine()
        made.step(ordered(skip(0)))
        assert [] == made.fetch("a")
        assert 1 == settle(made)

    def test_a_range_over_several_fetches(self) -> None:
        """Each fetch tells what it passed; what the range does not hold is sent."""
        made, order = machine(), skip(1, 5)
        made.step(ordered(order))
        made.fetch("abc")
        made.fetch("defg", start=3)
        assert 7 == settle(made)
        assert [skipped(1, 3, order), skipped(3, 5, order)] == made.of(RecordsSkipped)
        assert [0, 5, 6] == sent_in_all(made)

    def test_several_orders(self) -> None:
        """Orders in any sequence, one within another, pass what they name, each offset once."""
        made, wide, alone = machine(), skip(1, 3), skip(4)
        made.step(ordered(alone, skip(2), wide))
        made.fetch("abcdef")
        assert 6 == settle(made)
        assert [0, 3, 5] == sent_in_all(made)
        assert [skipped(1, 3, wide), skipped(4, 5, alone)] == made.of(RecordsSkipped)

    def test_a_hole_is_no_record(self) -> None:
        """An order for an offset at which nothing stands tells nothing, and passes nobody else."""
        made = machine()
        made.step(ordered(skip(1)))
        made.fetch("ab", offsets=[0, 2])
        assert 3 == settle(made)
        assert ([], [0, 2]) == (made.of(RecordsSkipped), sent_in_all(made))

    def test_another_partition_has_the_same_offset(self) -> None:
        """An order is for one partition."""
        made = Machine()
        made.open({ORDERS: 0, OTHER: 0})
        made.step(ordered(skip(0)))
        (put,) = made.fetch("a", partition=OTHER)
        assert [0] == sent(put)

    def test_of_what_is_passed_already_nothing_is_left(self) -> None:
        """An order below the watermark changes nothing, however often it is told."""
        made = machine()
        made.fetch("ab")
        settle(made)
        assert [] == made.step(ordered(skip(0)), ordered(skip(0)))


class TestPoison:
    """It stops its key, and a person lets the key go on."""

    def test_the_key_goes_on_without_a_restart(self) -> None:
        """The partition begins again at its watermark; what had landed above lands again and is told, nothing else."""
        made = Machine(routes=(route_rules(null_key=NullKey.REJECT),), limits=LimitRules(commit_every=1, linger=0))
        made.open()
        made.fetch("a")
        settle(made)
        made.fetch([None, "b"], start=1)
        settle(made)
        assert "poison" == made.forwarder.status(made.now).partitions[ORDERS].stuck_reason
        commands = made.step(ordered(skip(1)))
        assert [RecordsWillRepeat(ORDERS, 1, "orders"), SeekPartition(ORDERS, 1)] == commands
        made.fetch([None, "b"], start=1)
        assert 3 == settle(made)
        assert made.forwarder.status(made.now).partitions[ORDERS].stuck is None
        assert [skipped(1, 2, skip(1))] == made.of(RecordsSkipped)

    def test_told_again_it_is_no_new_order(self) -> None:
        """Orders are told again and again as long as they stand; the partition begins again once."""
        made = machine()
        made.fetch("ab")
        made.step(ordered(skip(1)))
        settle(made)
        made.step(ordered(skip(1), skip(9)), ordered(skip(1), skip(9)))
        assert [SeekPartition(ORDERS, 2)] == made.of(SeekPartition)


class TestOnItsWay:
    """The order comes when the record was read already."""

    @pytest.mark.parametrize(
        ("rules", "landed"),
        [
            ({}, 1),
            ({"ordering": Ordering.NONE}, 3),  # the record itself was on its way
            ({"aggregation": AggregationRules(target_bytes=1, linger=0, lanes=1)}, 1),
        ],
    )
    def test_waits_for_what_is_in_flight(self, rules: dict[str, object], landed: int) -> None:
        """Nothing begins again before the request with records of the partition is answered: none could be overtaken."""
        made = Machine(routes=(route_rules(**rules),), limits=LimitRules(request_records=1, commit_every=1))
        made.open()
        made.fetch("aaa")
        commands = made.step(ordered(skip(2)), after=SECOND)
        assert [PausePartitions(ONLY)] == [c for c in commands if isinstance(c, PausePartitions | SeekPartition)]
        for number in tuple(made.puts):
            made.answer(number)
        moves = [c for c in made.told if isinstance(c, SeekPartition | ResumePartitions)]
        assert [SeekPartition(ORDERS, landed), ResumePartitions(ONLY)] == moves[-2:]
        made.fetch("aaab"[landed:], start=landed)
        assert 4 == settle(made)

    def test_what_is_refused_meanwhile_is_not_waited_for(self) -> None:
        """A record that waits for another try is read again instead: one that nobody takes could hold it up for ever."""
        made = machine()
        (put,) = made.fetch("ab")
        assert [] == [c for c in made.step(ordered(skip(0))) if isinstance(c, SeekPartition)]
        made.answer(put, {0: "SomethingUnheard"})
        assert [SeekPartition(ORDERS, 0)] == made.of(SeekPartition)
        (again,) = made.fetch("ab")
        assert [1] == sent(again)

    def test_what_nobody_knows_of_may_land_again(self) -> None:
        """A request of unknown outcome is an answer as well; the partition is read again."""
        made = machine()
        (put,) = made.fetch("ab")
        made.step(ordered(skip(1)), PutAmbiguous(put.put, "timeout"))
        assert [SeekPartition(ORDERS, 0)] == made.of(SeekPartition)

    def test_what_kafka_holds_is_not_forgotten(self) -> None:
        """What has settled and is not committed counts into limits.ahead_records as before, and is committed."""
        made = machine(ahead_records=3, commit_every=60 * SECOND)
        made.land(made.fetch("a"))
        made.land(made.fetch("b", start=1))  # the commit of the first is in flight
        made.step(ordered(skip(9)))
        made.fetch("c", start=2)
        made.step(ordered(skip(2)))
        made.land(tuple(made.puts.values()))
        assert [SeekPartition(ORDERS, 3)] == made.of(SeekPartition)
        after = made.forwarder.status(made.now).partitions[ORDERS]
        assert (3, 3, 0) == (after.watermark, after.ahead, after.committed)
        assert [] == made.fetch("d", start=3)  # no room
        made.store()
        settle(made)
        made.decide(after=60 * SECOND)
        assert 4 == settle(made)

    @pytest.mark.parametrize("event", [StopRequested("SIGTERM"), RevokeStarted(ONLY)])
    def test_a_stop_is_a_stop(self, event: StopRequested | RevokeStarted) -> None:
        """While it waits to begin again, a stop or a revoke drains it and gives it back as always."""
        made = machine()
        (put,) = made.fetch("ab")
        made.step(ordered(skip(1)))
        made.step(event)
        made.answer(put)
        assert ([], True) == (made.of(SeekPartition), made.left.drained)
        made.step(PartitionsRevoked(ONLY))
        assert {ORDERS: 2} == made.committed()

    def test_of_a_partition_that_is_not_owned_nothing_is_kept(self) -> None:
        """Who owns it is told by himself."""
        made = machine()
        made.step(PartitionsRevoked(ONLY))
        assert [] == made.step(ordered(skip(0)))


class TestUnreadable:
    """What cannot be read blocks its partition, and a person lets it go on behind exactly that."""

    TORN = RecordsUnreadable(ORDERS, 3, 10, "failed CRC32C check")

    def test_is_looked_for_again_and_then_passed(self) -> None:
        """The order makes the source read there once more; the damage found again is passed when all below has settled."""
        made, order = machine(), skip(3, 10)
        (put,) = made.fetch("abc")
        made.step(self.TORN)
        made.step(ordered(order))
        made.answer(put)
        assert [SeekPartition(ORDERS, 3)] == made.of(SeekPartition)
        commands = made.step(self.TORN)
        assert [
            UnreadableSeen(ORDERS, 3, 10, "failed CRC32C check", "skip"),
            skipped(3, 10, order),
            SeekPartition(ORDERS, 10),
        ] == commands[:3]
        made.fetch("k", start=10)
        assert 11 == settle(made)
        assert made.forwarder.status(made.now).partitions[ORDERS].stuck is None

    def test_does_not_take_along_what_is_below(self) -> None:
        """The watermark passes it only when all below has settled."""
        made = machine()
        made.step(ordered(skip(3, 10)))
        (put,) = made.fetch("abc")
        made.step(self.TORN)
        assert {} == made.committed()
        made.answer(put)
        assert 10 == settle(made)

    @pytest.mark.parametrize("order", [skip(3), skip(4, 10), skip(3, 9)])
    def test_an_order_for_a_part_of_it_passes_nothing(self, order: Skip) -> None:
        """Behind a part of a batch nothing can be read: the partition waits on, and says for which offsets."""
        made = machine()
        made.step(ordered(order))
        made.fetch("abc")
        commands = made.step(self.TORN)
        assert [UnreadableSeen(ORDERS, 3, 10, "failed CRC32C check", "block")] == commands
        assert "unreadable" == made.forwarder.status(made.now).partitions[ORDERS].stuck_reason


def test_another_topic_of_the_same_name_has_none_of_it() -> None:
    """Orders were given for the records of the former one."""
    made = Machine(on_gap=OnGap.CONTINUE)
    made.open()
    made.step(ordered(skip(1)))
    made.step(GapFound(ORDERS, 0, 0, 5, anew=True))
    (put,) = made.fetch("abc")
    assert [0, 1, 2] == sent(put)
