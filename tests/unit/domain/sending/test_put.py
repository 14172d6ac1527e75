"""What a request says of its records when it is answered."""

from __future__ import annotations

import pytest

from doka.domain.held.lanes import Lanes
from doka.domain.held.ledger import OffsetLedger, Part
from doka.domain.records import TopicPartition
from doka.domain.sending.put import Put, Refusal, tried
from tests.unit.domain.builders import ORDERS, held

ODD, SLOW = "Odd", "Slow"


def owned(tp: TopicPartition = ORDERS) -> OffsetLedger:
    """Make the ledger of an owned partition."""
    return OffsetLedger(tp, 0, Lanes())


def put(*parts: Part, shares: bool = False) -> Put:
    """Make a request that sends each record by itself."""
    keys = [part.chunk.keys[place] for part in parts for place in part.places]
    values = [part.chunk.values[place] for part in parts for place in part.places]
    size = sum(map(len, values))
    return Put(1, parts, keys, values, 1, 0, 1, size, len(keys), size, shares=shares)


def aggregated(*groups: list[Part]) -> Put:
    """Make a request of aggregates, each of these records."""
    parts = [part for group in groups for part in group]
    singles = put(*parts)
    return Put(
        number=1,
        parts=parts,
        keys=["a"] * len(groups),
        values=[b"encoded"] * len(groups),
        lease=1,
        sent_at=0,
        attempts=1,
        entry_bytes=7 * len(groups),
        records=singles.records,
        payload_bytes=singles.payload_bytes,
        hash_keys=[str(1 << 100 + i) for i in range(len(groups))],
        groups=groups,
    )


def test_an_entry_is_placed_by_its_key_or_its_hash_key() -> None:
    """An aggregate is placed by a number, of which no MD5 is taken."""
    part = Part(held(owned(), "xy"), [0, 1])
    assert ["x", "y"] == [put(part).hashed(entry) for entry in (0, 1)]
    assert [1 << 100, 1 << 101] == [aggregated([part], [part]).hashed(entry) for entry in (0, 1)]


def test_what_landed_is_counted_in_records_and_bytes() -> None:
    """Of the user's records, whatever an entry is made of."""
    chunk = held(owned(), "abc", 99)  # values of two and of three digits
    assert (3, 8) == put(Part(chunk, [0, 1, 2])).landed({})
    assert (2, 6) == put(Part(chunk, [0, 1, 2])).landed({0: SLOW})
    of_two = aggregated([Part(chunk, [0, 2])], [Part(chunk, [1])])
    assert [(3, 8), (1, 3), (2, 5), (0, 0)] == [
        of_two.landed(dict.fromkeys(failed, SLOW)) for failed in ((), (0,), (1,), (0, 1))
    ]


def test_a_request_that_failed_as_a_whole_goes_again_as_far_as_it_is_owned() -> None:
    """Each part with one more attempt of its own; what went with its partition is left out."""
    owner, other = owned(), owned(TopicPartition("orders", 1))
    mine, theirs = Part(held(owner, "ab"), [0, 1], 2), Part(held(other, "a"), [0])
    other.gone = True
    assert [mine._replace(attempts=3)] == put(theirs, mine).again() == tried([theirs, mine])


class TestRefusals:
    """Refused records that must be tried together are found together."""

    def test_each_record_by_itself(self) -> None:
        """Where keys are alone, those of a part with one code go together, each refused by itself."""
        chunk = held(owned(), "abcd")
        first, second = Part(chunk, [0, 1, 2], 1), Part(chunk, [3])
        assert [
            Refusal((Part(chunk, [0, 2], 2),), (SLOW,), apart=True),
            Refusal((Part(chunk, [1], 2),), (ODD,), apart=True),
            Refusal((Part(chunk, [3], 1),), (SLOW,), apart=True),
        ] == put(first, second).refusals({0: SLOW, 1: ODD, 2: SLOW, 3: SLOW})

    def test_all_of_a_lane(self) -> None:
        """Where records of a key share a request, all that was refused of a lane goes together, each with its code."""
        one, other = held(owned(), "aab"), held(owned(TopicPartition("orders", 1)), "a")
        shared = put(Part(one, [0, 1], 1), Part(one, [2]), Part(other, [0]), shares=True)
        assert [
            Refusal([Part(one, (0,), 2), Part(one, (1,), 2)], [SLOW, ODD], apart=False),
            Refusal([Part(other, (0,), 1)], [SLOW], apart=True),
        ] == shared.refusals({0: SLOW, 1: ODD, 3: SLOW})

    def test_all_of_an_aggregate(self) -> None:
        """One record that was refused alone was refused by itself; one of many was not."""
        chunk = held(owned(), "abc")
        of_two = aggregated([Part(chunk, [0, 1])], [Part(chunk, [2], 4)])
        assert [
            Refusal([Part(chunk, [2], 5)], [ODD], apart=True),
            Refusal([Part(chunk, [0, 1], 1)], [SLOW], apart=False),
        ] == of_two.refusals({1: ODD, 0: SLOW})

    def test_what_is_left_of_an_aggregate_was_not_refused_by_itself(self) -> None:
        """Beside it stands what went with its partition, the owned first; of nothing owned nothing is found."""
        owner, other = owned(), owned(TopicPartition("orders", 1))
        mine, theirs = Part(held(owner, "a"), [0]), Part(held(other, "a"), [0])
        other.gone = True
        assert [Refusal([mine._replace(attempts=1), theirs], [ODD, ODD], apart=False)] == aggregated(
            [theirs, mine], [theirs]
        ).refusals({0: ODD, 1: ODD})

    @pytest.mark.parametrize("shares", [False, True])
    def test_what_went_with_its_partition_is_not_tried_again(self, *, shares: bool) -> None:
        """It belongs to somebody else; the entries of the others are still theirs."""
        owner, other = owned(), owned(TopicPartition("orders", 1))
        mine, theirs = held(owner, "a"), held(other, "a")
        other.gone = True
        ((parts, codes, _),) = put(Part(theirs, [0]), Part(mine, [0]), shares=shares).refusals({0: ODD, 1: SLOW})
        assert ([(mine, [0], 1)], [SLOW]) == (
            [(part.chunk, list(part.places), part.attempts) for part in parts],
            list(codes),
        )


def test_the_records_of_each_entry_are_named() -> None:
    """Where they stand in Kafka: one for each entry, or all of an aggregate."""
    chunk, other = held(owned(), "abc", 99), held(owned(TopicPartition("orders", 1)), "d", 7)
    first, second, third = ((ORDERS, offset) for offset in (99, 100, 101))
    fourth = (TopicPartition("orders", 1), 7)
    assert [[first], [third], [fourth]] == put(Part(chunk, [0, 2]), Part(other, [0])).places()
    assert [[first, fourth], [second]] == aggregated(
        [Part(chunk, [0]), Part(other, [0])], [Part(chunk, range(1, 2))]
    ).places()
