from __future__ import annotations

import logging

from doka.adapters.telemetry.group_outcomes import GROUP_OUTCOMES, TOPICS_SHOWN_MAX
from doka.domain.facts import GroupLost, TopicsChanged, TopicsLeft


def test_topics_that_come_are_news_and_topics_that_go_a_warning() -> None:
    """Both by name, with the count of what is read then."""
    come = GROUP_OUTCOMES.line(TopicsChanged("orders", frozenset({"b", "a"}), frozenset(), 2))
    gone = GROUP_OUTCOMES.line(TopicsChanged("orders", frozenset({"c"}), frozenset({"b"}), 2))

    assert (logging.INFO, "topics_changed") == (come.level, come.event)
    assert "route orders: 2 topics found: a, b; its patterns bring 2 topics now" == come.message
    assert logging.WARNING == gone.level
    assert "route orders: 1 topic found: c; 1 topic gone: b; its patterns bring 2 topics now" == gone.message
    assert {"route": "orders", "count": 2, "gained": ["c"], "gone": ["b"]} == gone.fields


def test_many_topics_are_shortened_and_counted() -> None:
    """A line has room for some, and tells how many more there are."""
    topics = frozenset(f"t{number:03}" for number in range(TOPICS_SHOWN_MAX + 5))
    line = GROUP_OUTCOMES.line(TopicsChanged("orders", topics, frozenset(), len(topics)))

    assert "t000, t001" in line.message
    assert f"t{TOPICS_SHOWN_MAX - 1:03} and 5 more; its patterns" in line.message


def test_what_is_left_is_an_error_with_its_sentence() -> None:
    """The same reason shares a line while it lasts."""
    line = GROUP_OUTCOMES.line(TopicsLeft(frozenset({"b", "a"}), "why: cure"))

    assert (logging.ERROR, "topics_left", "why: cure") == (line.level, line.event, line.message)
    assert {"count": 2, "topics": ["a", "b"]} == line.fields
    assert (TopicsLeft, "why: cure") == GROUP_OUTCOMES.key(TopicsLeft(frozenset(), "why: cure"))


def test_a_group_that_is_lost_is_an_error_with_the_clients_words() -> None:
    """Nothing is lost by it, which is said."""
    line = GROUP_OUTCOMES.line(GroupLost(20_000_000_000, "b1: refused"))

    assert (logging.ERROR, "group_lost") == (line.level, line.event)
    assert "for 20 s" in line.message
    assert '"b1: refused"; nothing is lost' in line.message
