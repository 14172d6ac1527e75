from __future__ import annotations

from functools import partial

import pytest

from doka.domain.commands import Command
from doka.domain.events import TopicsMatched
from doka.domain.facts import TopicsChanged, TopicsLeft
from doka.domain.routes.topic_news import TopicNews, reasons
from doka.domain.rules import RouteRules
from tests.unit.domain.builders import told

ORDERS = RouteRules("orders", frozenset(), "r", patterns=frozenset({"orders.*", "sales.*"}))
NAMED = RouteRules("named", frozenset({"payments"}), "r")
EU, US = frozenset({"orders.eu"}), frozenset({"orders.us"})
NOTHING = "route orders: no topic matches orders.*, sales.*: create one, correct the pattern, or grant DESCRIBE"


@pytest.fixture
def news() -> TopicNews:
    """Give news of two routes, of which one has patterns."""
    return TopicNews([ORDERS, NAMED])


def of(news: TopicNews, event: TopicsMatched) -> list[Command]:
    """Give what is told of what was found."""
    return told(partial(news.found, event))


def test_what_is_found_and_what_is_gone_is_told_once(news: TopicNews) -> None:
    """With how many there are then."""
    assert [TopicsChanged("orders", EU | US, frozenset(), 2)] == of(news, TopicsMatched({"orders": EU | US}))
    assert [] == of(news, TopicsMatched({"orders": EU | US}))
    assert [TopicsChanged("orders", frozenset(), US, 1)] == of(news, TopicsMatched({"orders": EU}))
    assert {"orders": 1} == news.matched()


def test_what_is_left_is_told_when_it_changes(news: TopicNews) -> None:
    """One fact for each reason, with all topics that it concerns; it stands in the status for as long as it lasts."""
    of(news, TopicsMatched({"orders": EU}))
    left = TopicsMatched({"orders": EU}, {"orders.us": "too many", "orders.uk": "too many"})

    assert [TopicsLeft(frozenset({"orders.us", "orders.uk"}), "too many")] == of(news, left)
    assert [] == of(news, left)
    assert {"too many": {"orders.us", "orders.uk"}} == news.left()
    assert [] == of(news, TopicsMatched({"orders": EU}))
    assert {} == news.left()


def test_a_route_that_nothing_matches_is_told(news: TopicNews) -> None:
    """A misspelt pattern, or a right that is missing, is not silence; before the first look nothing is known."""
    assert ({}, {}) == (news.left(), news.matched())
    assert [TopicsLeft(frozenset(), NOTHING)] == of(news, TopicsMatched({"orders": frozenset()}))
    assert ({NOTHING: frozenset()}, {"orders": 0}) == (news.left(), news.matched())


def test_a_route_of_which_all_is_left_matches_something(news: TopicNews) -> None:
    """The reason why it is left is the only one that is told."""
    left = TopicsMatched({"orders": frozenset()}, {"orders.us": "too many"})

    assert [TopicsLeft(US, "too many")] == of(news, left)
    assert {"too many": US} == reasons(left, [ORDERS, NAMED])
