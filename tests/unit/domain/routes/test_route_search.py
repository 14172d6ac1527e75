from __future__ import annotations

from doka.domain.facts import RecordsPoisoned
from doka.domain.rules import LimitRules, OnPoison
from tests.unit.domain.builders import ORDERS, SECOND
from tests.unit.domain.routing import EXPIRED, SLOW, Scene


class TestSearch:
    """A request that is refused because of something in it is searched for the record that is wrong."""

    @staticmethod
    def run(scene: Scene, bad: set[int], requests: int = 60) -> list[int]:
        """Answer every request by whether it holds a bad record; give what landed, in order."""
        landed: list[int] = []
        for _ in range(requests):
            put = scene.send()
            if put is None:
                continue
            offsets = [part.chunk.offsets[place] for part in put.parts for place in part.places]
            if bad & set(offsets):
                scene.refused(put, "ValidationException")
            else:
                scene.answered(put)
                landed += offsets
        return landed

    def test_finds_the_one_and_lands_the_others(self) -> None:
        """Of four records in a request the bad one is quarantined, the others land, and the route stays open."""
        scene = Scene()
        scene.admit("abcd")
        assert [0, 1, 3] == sorted(self.run(scene, {2}))
        assert [RecordsPoisoned("orders", ORDERS, 2, "ValidationException", "block")] == scene.tend_poison()
        assert (None, 1) == (scene.route.blocked, scene.open)

    def test_holds_what_it_has_not_asked_about(self) -> None:
        """A drain waits for records that are nowhere but in the search."""
        scene = Scene()
        scene.admit("abcd")
        put = scene.send()
        assert put is not None
        scene.refused(put, "ValidationException")
        assert ([], {}, True) == (
            [*scene.route.outbox.parts()],
            scene.route.puts,
            scene.route.holds(scene.leg.ledger),
        )

    def test_keeps_the_order_of_every_key(self) -> None:
        """Records behind the bad one of their key wait; those of other keys land in order."""
        scene = Scene()
        scene.admit("abab")
        scene.admit("abab")
        assert [1, 3, 5, 7] == self.run(scene, {0})
        assert 4 == scene.open

    def test_a_wrong_stream_makes_no_poison(self) -> None:
        """Where everything is refused the route blocks, and every record stays to be sent."""
        scene = Scene()
        scene.admit("abcd")
        assert [] == self.run(scene, {0, 1, 2, 3})
        facts = scene.tend_poison()
        assert [fact for fact in facts if isinstance(fact, RecordsPoisoned)] == []
        assert ("ValidationException", 4) == (scene.route.blocked, scene.open)
        scene.now += scene.probe_in()
        assert sorted(self.run(scene, set())) == [0, 1, 2, 3]
        assert (None, 0) == (scene.route.blocked, scene.open)

    def test_without_hope_asks_once_a_backoff(self) -> None:
        """A stream that refuses everything alike is asked some dozens of times, then the route blocks and is probed gently."""
        scene = Scene(limits=LimitRules(request_records=500))
        scene.admit([f"k{i}" for i in range(500)])
        everything = set(range(500))
        sent = [scene.send()]
        while sent[-1] is not None:
            scene.refused(sent[-1], "ValidationException")
            sent.append(scene.send())
        assert (33, "ValidationException") == (len(sent), scene.route.blocked)
        waits = []
        for _ in range(5):
            waits.append(scene.probe_in())
            scene.now += waits[-1]
            assert [] == self.run(scene, everything, requests=2)
        assert sorted(waits) == waits
        scene.now += scene.probe_in()
        assert sorted(everything) == sorted(self.run(scene, set(), requests=600))
        assert (None, 0) == (scene.route.blocked, scene.open)

    def test_many_bad_ones_in_a_row_are_found_all_the_same(self) -> None:
        """Forty bad records before the first good one block the route for a while, and are all poison in the end."""
        scene = Scene(limits=LimitRules(request_records=500))
        scene.admit([f"k{i}" for i in range(100)])
        bad = set(range(40))
        landed: list[int] = []
        for _ in range(300):
            landed += self.run(scene, bad, requests=1)
            if scene.route.blocked is not None:
                scene.now += scene.probe_in()
        poison = [fact.offset for fact in scene.tend_poison() if isinstance(fact, RecordsPoisoned)]
        assert (sorted(bad), list(range(40, 100))) == (sorted(poison), sorted(landed))

    def test_of_a_lone_record_waits_for_a_control(self) -> None:
        """One bad record on an idle route blocks it; as soon as another lands beside it, it is poison."""
        scene = Scene()
        scene.admit("a")
        self.run(scene, {0})
        scene.tend_poison()
        assert "ValidationException" == scene.route.blocked
        scene.admit("b")
        scene.now += scene.probe_in()
        assert [1] == self.run(scene, {0})
        assert [0] == [fact.offset for fact in scene.tend_poison() if isinstance(fact, RecordsPoisoned)]
        assert scene.route.blocked is None

    def test_an_entry_refused_among_others_that_landed(self) -> None:
        """Where the service names the entry, the others of the same request are the control."""
        scene = Scene()
        put = scene.sent("abc")
        scene.answered(put, {1: "ValidationException"})
        assert [RecordsPoisoned("orders", ORDERS, 1, "ValidationException", "block")] == scene.tend_poison()
        assert 1 == scene.open

    def test_goes_on_through_other_failures(self) -> None:
        """A throttled, an ambiguous and an expired request of the search are sent again, and it ends well."""
        scene = Scene()
        scene.admit("abcd")
        first = scene.send()
        assert first is not None
        scene.refused(first, "ValidationException")
        for trouble in (SLOW, EXPIRED, "InternalFailure"):
            put = scene.send()
            assert put is not None
            scene.refused(put, trouble)
            scene.now += 10 * SECOND
        assert [1, 2, 3] == sorted(self.run(scene, {0}))
        assert 1 == scene.open

    def test_the_search_ends_with_its_partition(self) -> None:
        """A partition that is lost meanwhile leaves nothing to search for."""
        scene = Scene()
        put = scene.sent("abcd")
        scene.refused(put, "ValidationException")
        scene.lose()
        assert [] == self.run(scene, set())
        assert scene.route.holds(scene.leg.ledger) is False

    def test_too_much_poison_blocks_the_route(self) -> None:
        """More than the limit within a minute: it is not the records that are wrong."""
        scene = Scene(limits=LimitRules(request_records=4, poison_per_minute=2), on_poison=OnPoison.DROP)
        scene.admit(["", "", "", "", "a"])
        facts = scene.tend_poison()
        assert 2 == sum(isinstance(fact, RecordsPoisoned) for fact in facts)
        assert "too_much_poison" == scene.route.blocked
        assert 60 * SECOND == scene.probe_in()
