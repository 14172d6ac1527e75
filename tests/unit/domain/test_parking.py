"""What waits behind poison, key by key."""

from __future__ import annotations

from domain.outbox import Part
from domain.parking import Parking
from domain.partition import Partition
from domain.quarantine import Poison
from tests.unit.domain.builders import held, partition


def offsets(parts: list[Part]) -> list[int]:
    """Give the offsets of parts."""
    return [part.chunk.offsets[place] for part in parts for place in part.places]


def test_without_poison_everything_passes() -> None:
    """As it came, without a copy."""
    chunk, places = held(partition(), "aba"), range(3)
    passing, met = Parking().sift(chunk, places)
    assert passing is places
    assert [] == met


def test_later_records_of_a_key_wait_for_its_poison() -> None:
    """Other keys pass, and so do earlier records of the key itself; later chunks wait too."""
    parking, owner = Parking(), partition()
    passing, met = parking.sift(held(owner, "abab", poison={1: "Bad"}), range(4))
    assert ([0, 2], [1]) == (passing, [poison.offset for poison in met])
    assert [1] == parking.sift(held(owner, "ba", 4), range(2))[0]
    assert [3, 4] == offsets(parking.release(met[0]))
    assert 0 == len(parking)


def test_a_key_of_another_partition_does_not_wait() -> None:
    """Kafka has no order between partitions."""
    parking, owner, other = Parking(), partition(), partition()
    parking.sift(held(owner, "a", poison={0: "Bad"}), range(1))
    assert range(1) == parking.sift(held(other, "a"), range(1))[0]


def test_records_that_were_let_go_can_still_wait() -> None:
    """The service named a record: what is behind it in lanes is taken out, in order."""
    parking, owner = Parking(), partition()
    chunk = held(owner, "abab")
    poison = Poison(chunk, 0, "Bad")
    parking.park(poison)
    assert [1, 3] == offsets(parking.sift_parts([Part(chunk, [1, 2, 3])]))
    assert [2] == offsets(parking.release(poison))


class TestForgetting:
    """A drain keeps what was sent, an end of ownership nothing."""

    def parked(self) -> tuple[Parking, Partition, Poison]:
        """Let two records wait behind poison."""
        parking, owner = Parking(), partition()
        _, (poison,) = parking.sift(held(owner, "aaa", poison={0: "Bad"}), range(3))
        return parking, owner, poison

    def test_a_drain_forgets_what_was_never_sent(self) -> None:
        """What lies below the highest offset that was sent still fills a hole."""
        parking, owner, poison = self.parked()
        owner.sent_to = 2
        parking.forget_unsent(owner)
        assert [1] == offsets(parking.release(poison))

    def test_a_partition_that_is_gone_takes_all(self) -> None:
        """Nobody waits for it any more."""
        parking, owner, poison = self.parked()
        owner.gone = True
        parking.forget_unsent(owner)
        assert (0, []) == (len(parking), parking.release(poison))
