from __future__ import annotations

from doka.domain.events import TopicsMatched
from doka.domain.routes.topic_watch import TopicWatch
from doka.domain.rules import RouteRules

ORDERS = RouteRules("orders", frozenset(), "r", patterns=frozenset({"orders.*"}), topics_max=3)


def names(*topics: str) -> frozenset[str]:
    """Give topics of the pattern by what their names end in."""
    return frozenset(f"orders.{topic}" for topic in topics)


def test_what_matches_is_taken_up_and_nothing_else() -> None:
    """Topics that no pattern matches are none of its business."""
    watch = TopicWatch([ORDERS])

    assert TopicsMatched({"orders": names("eu", "us")}) == watch.look(names("eu", "us") | {"payments"})
    assert names("eu", "us") == watch.taken.keys()


def test_a_name_goes_before_a_pattern() -> None:
    """A topic that a route names is that route's, whoever's pattern matches it."""
    named = RouteRules("us", names("us"), "r")

    assert TopicsMatched({"orders": names("eu")}) == TopicWatch([ORDERS, named]).look(names("eu", "us"))


def test_what_two_routes_match_is_left_and_told() -> None:
    """Nobody can say whose it is; the others of both are taken up."""
    other = RouteRules("eu", frozenset(), "r", patterns=frozenset({"*.eu"}))
    watch = TopicWatch([ORDERS, other])
    found = watch.look(names("eu", "us") | {"payments.eu"})

    assert {"orders": names("us"), "eu": {"payments.eu"}} == found.taken
    assert {
        "orders.eu": "topic orders.eu is not read, for patterns of routes orders and eu match it: narrow one, "
        "or name the topic in one of them"
    } == found.left


def test_at_the_first_look_more_than_the_bound_is_nothing_at_all() -> None:
    """Nobody can say which three of four would be the right ones."""
    found = TopicWatch([ORDERS]).look(names("a", "b", "c", "d"))

    assert {"orders": frozenset()} == found.taken
    assert names("a", "b", "c", "d") == found.left.keys()
    (why,) = set(found.left.values())
    assert why == (
        "route orders: its patterns match 4 topics, and topics_max is 3; orders.a, orders.b, orders.c and 1 more are not "
        "read: raise routes[].topics_max, or narrow the patterns"
    )


def test_beyond_the_bound_what_is_read_goes_on() -> None:
    """A topic that is too much changes nothing for the others, and is taken up when there is room."""
    watch = TopicWatch([ORDERS])
    watch.look(names("b", "c", "d"))
    beyond = watch.look(names("a", "b", "c", "d"))

    assert ({"orders": names("b", "c", "d")}, ["orders.a"]) == (beyond.taken, [*beyond.left])
    watch.look(names("a", "b", "c"))
    assert TopicsMatched({"orders": names("a", "b", "c")}) == watch.look(names("a", "b", "c"))


def test_a_topic_is_given_up_at_the_second_look_without_it() -> None:
    """A broker that has just started may list too little, once."""
    watch = TopicWatch([ORDERS])
    watch.look(names("eu", "us"))
    once = watch.look(names("eu"))
    back = watch.look(names("eu", "us"))

    assert names("eu", "us") == once.taken["orders"] == back.taken["orders"]
    watch.look(names("eu"))
    assert names("eu") == watch.look(names("eu")).taken["orders"]


def test_what_comes_after_the_first_look_is_a_newcomer() -> None:
    """And so is what was there, went, and was made again; what is named, or not taken up, is none."""
    watch = TopicWatch([ORDERS])
    watch.look(names("eu"))
    watch.look(names("eu", "us"))

    assert (False, True, False) == tuple(map(watch.is_newcomer, ("orders.eu", "orders.us", "payments")))
    watch.look(names("us"))
    watch.look(names("us"))
    watch.look(names("eu", "us"))
    assert watch.is_newcomer("orders.eu")


def test_what_was_there_and_was_left_is_no_newcomer() -> None:
    """It may be older than the group: that a bound is raised, or another topic goes, makes no topic new."""
    watch = TopicWatch([ORDERS])
    watch.look(names("a", "b", "c", "d"))
    watch.look(names("a", "b", "c"))

    assert not any(map(watch.is_newcomer, names("a", "b", "c")))


def test_the_topics_beside_one_are_those_of_its_route() -> None:
    """Not those of other routes, and none beside a topic that is named."""
    other = RouteRules("returns", frozenset({"named"}), "r", patterns=frozenset({"returns.*"}))
    watch = TopicWatch([ORDERS, other])
    watch.look(names("eu", "us") | {"returns.eu", "named"})

    assert (names("us"), frozenset(), frozenset()) == tuple(map(watch.beside, ("orders.eu", "returns.eu", "named")))
