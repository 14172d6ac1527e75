"""What waits behind poison, key by key."""

from __future__ import annotations

from doka.domain.held.ledger import OffsetLedger, Part
from doka.domain.poison.parking import Parking
from doka.domain.poison.quarantine import Poison
from tests.unit.domain.builders import held, leg


def offsets(parts: list[Part]) -> list[int]:
    """Give the offsets of parts."""
    return [part.chunk.offsets[place] for part in parts for place in part.places]


def test_without_poison_everything_passes() -> None:
    """As it came, without a copy."""
    chunk, places = held(leg(), "aba"), range(3)
    passing, met = Parking().sift(chunk, places)
    assert passing is places
    assert [] == met


def test_later_records_of_a_key_wait_for_its_poison() -> None:
    """Other keys pass, and so do earlier records of the key itself; later chunks wait too."""
    parking, owner = Parking(), leg().ledger
    passing, met = parking.sift(held(owner, "abab", poison={1: "Bad"}), range(4))
    assert ([0, 2], [1]) == (passing, [poison.offset for poison in met])
    assert [1] == parking.sift(held(owner, "ba", 4), range(2))[0]
    assert [3, 4] == offsets(parking.release(met[0]))
    assert 0 == len(parking)


def test_a_key_of_another_partition_does_not_wait() -> None:
    """Kafka has no order between partitions."""
    parking, owner, other = Parking(), leg().ledger, leg().ledger
    parking.sift(held(owner, "a", poison={0: "Bad"}), range(1))
    assert range(1) == parking.sift(held(other, "a"), range(1))[0]


def test_records_that_were_let_go_can_still_wait() -> None:
    """The service named a record: what is behind it in lanes is taken out, in order."""
    parking, owner = Parking(), leg().ledger
    chunk = held(owner, "abab")
    poison = Poison(chunk, 0, "Bad")
    parking.park(poison)
    assert [1, 3] == offsets(parking.sift_parts([Part(chunk, [1, 2, 3])]))
    assert [2] == offsets(parking.release(poison))


def test_what_came_before_poison_does_not_wait_for_it() -> None:
    """Poison is known when it comes in; older records of its key that go again later are not behind it."""
    parking, owner = Parking(), leg().ledger
    older = held(owner, "aa")
    parking.sift(older, range(2))
    _, (poison,) = parking.sift(held(owner, "aa", 2, poison={0: "Bad"}), range(2))
    assert [0, 1] == offsets(parking.sift_parts([Part(older, [0, 1])]))
    assert [3] == offsets(parking.release(poison))


def test_what_is_taken_out_of_lanes_waits_before_what_came_later() -> None:
    """The service names poison after younger records of its key have come to wait: the order is that of their offsets."""
    parking, owner = Parking(), leg().ledger
    chunk = held(owner, "aaa")
    poison = Poison(chunk, 0, "Bad")
    parking.park(poison)
    parking.sift(held(owner, "a", 3), range(1))
    parking.sift_parts([Part(chunk, [1, 2])])
    assert [1, 2, 3] == offsets(parking.release(poison))


class TestTwoOfOneKey:
    """The second poison of a key was known when it came in; the first is named by the service later."""

    def parked(self) -> tuple[Parking, Poison, Poison]:
        """Give records 0 to 4 of a key, of which 0 and 2 are poison."""
        parking, owner = Parking(), leg().ledger
        older = held(owner, "aa")
        parking.sift(older, range(2))
        _, (known,) = parking.sift(held(owner, "aaa", 2, poison={0: "Bad"}), range(3))
        named = Poison(older, 0, "Worse")
        parking.park(named)
        parking.sift_parts([Part(older, [1])])
        return parking, named, known

    def test_the_first_lets_go_what_is_before_the_second(self) -> None:
        """What is behind both waits for the second."""
        parking, named, known = self.parked()
        assert [1] == offsets(parking.release(named))
        assert [3, 4] == offsets(parking.release(known))

    def test_the_second_lets_nothing_go(self) -> None:
        """All of it is behind the first."""
        parking, named, known = self.parked()
        assert [] == offsets(parking.release(known))
        assert [1, 3, 4] == offsets(parking.release(named))

    def test_what_is_let_go_between_them_passes(self) -> None:
        """It is taken into lanes again as anything that comes in, and is not behind the second."""
        parking, named, _ = self.parked()
        for chunk, places, _ in parking.release(named):
            assert list(places) == parking.sift(chunk, places)[0]


class TestForgetting:
    """A drain keeps what was sent, an end of ownership nothing."""

    def parked(self) -> tuple[Parking, OffsetLedger, Poison]:
        """Let two records wait behind poison."""
        parking, owner = Parking(), leg().ledger
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
