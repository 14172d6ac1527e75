from __future__ import annotations

from doka.adapters.kafka.discovery import AGAIN_NS, NOT_TOLD, Discovery, Listed, Wanted
from doka.domain.events import TopicsMatched
from doka.domain.limits import NS_PER_SECOND
from doka.domain.partitions.start_positions import Sight
from doka.domain.rules import RouteRules

ORDERS = RouteRules("orders", frozenset(), "r", patterns=frozenset({"orders.*"}))
WHOLE = RouteRules("whole", frozenset(), "r", patterns=frozenset({"whole.*"}), envelope=True)
EU = frozenset({"orders.eu"})
EVERY = 30 * NS_PER_SECOND


class Brokers:
    """Answers when the test says so; takes no question while another one is open."""

    def __init__(self) -> None:
        self.asked: list[Wanted] = []
        self.ready: Listed | None = None
        self.busy = False

    def ask(self, question: Wanted) -> bool:
        """Take a question."""
        if self.busy:
            return False
        self.busy = True
        self.asked.append(question)
        return True

    def answer(self) -> Listed | None:
        """Give what is ready, once."""
        ready, self.ready = self.ready, None
        self.busy = self.busy and ready is None
        return ready


def discovery(brokers: Brokers, *routes: RouteRules, named: frozenset[str] = frozenset()) -> Discovery:
    """Give a discovery that looks each half a minute."""
    return Discovery(named, routes, brokers, EVERY, begun_by="group")


def test_without_patterns_nobody_is_asked() -> None:
    """What is named is known, and subscribed to at once."""
    brokers = Brokers()
    made = discovery(brokers, named=frozenset({"orders"}))

    assert (True, None, frozenset({"orders"}), []) == (made.open, made.look(0), made.topics, brokers.asked)


def test_nothing_is_subscribed_to_before_the_first_look() -> None:
    """Then what is named and what matches is; it is told once, and looked for again in its time."""
    brokers = Brokers()
    made = discovery(brokers, ORDERS, named=frozenset({"returns"}))

    assert (None, False, ["orders.*"]) == (made.look(0), made.open, [*brokers.asked[0].patterns])
    brokers.ready = Listed(EU)
    assert TopicsMatched({"orders": EU}) == made.look(1)
    assert (True, frozenset({"returns", "orders.eu"})) == (made.open, made.topics)
    assert (None, 1) == (made.look(EVERY - 1), len(brokers.asked))
    assert (None, 2) == (made.look(EVERY), len(brokers.asked))
    brokers.ready = Listed(EU)
    assert made.look(EVERY + 1) is None


def test_a_look_that_nobody_answered_changes_nothing_and_is_repeated_soon() -> None:
    """No answer is not the answer that there is nothing."""
    brokers = Brokers()
    made = discovery(brokers, ORDERS)
    made.look(0)
    brokers.ready = Listed(EU)
    made.look(1)
    made.look(EVERY)
    brokers.ready = NOT_TOLD

    assert (None, EU, 2) == (made.look(EVERY + 1), made.topics, len(brokers.asked))
    assert (None, 2) == (made.look(EVERY + AGAIN_NS), len(brokers.asked))
    assert (None, 3) == (made.look(EVERY + AGAIN_NS + 1), len(brokers.asked))


def test_records_are_handed_over_whole_where_their_route_needs_it() -> None:
    """As those of topics that are named."""
    brokers = Brokers()
    made = discovery(brokers, ORDERS, WHOLE)
    made.look(0)
    brokers.ready = Listed(frozenset({"orders.eu", "whole.eu"}))
    made.look(1)

    assert ["whole.eu"] == [*made.whole]


def test_what_was_seen_of_a_topic() -> None:
    """What is beside it, whether it has come since, and whether the group had begun with any of them before."""
    brokers = Brokers()
    made = discovery(brokers, ORDERS, named=frozenset({"returns"}))
    made.look(0)
    brokers.ready = Listed(EU)
    made.look(1)
    made.look(EVERY)
    brokers.ready = Listed(frozenset({"orders.eu", "orders.us"}))
    made.look(EVERY + 1)

    def missing(topic: str) -> bool:
        return topic == "late"

    us = frozenset({"orders.us"})
    assert Sight(newcomer=False, beside=us, unborn=True) == made.sight("orders.eu", missing)
    assert Sight(newcomer=True, beside=EU, unborn=True) == made.sight("orders.us", missing)
    assert (True, False) == (made.sight("late", missing).newcomer, made.sight("returns", missing).newcomer)


def test_what_the_group_had_begun_is_asked_once() -> None:
    """With the first look: commits that came later are of members that have begun since."""
    brokers = Brokers()
    made = discovery(brokers, ORDERS)
    made.look(0)
    brokers.ready = Listed(EU, begun=EU)
    made.look(1)
    made.look(EVERY)

    assert ["group", None] == [wanted.begun_by for wanted in brokers.asked]
    assert not made.sight("orders.eu", lambda _: False).unborn
