"""How it is told what the consumer group, and the topics that patterns bring, do: entries of the table in outcomes.py."""

from __future__ import annotations

import logging
from typing import Final

from doka.adapters.telemetry.sentences import (
    MESSAGE_CHARACTERS_MAX,
    figures,
    many,
    quoted,
    seconds,
    span,
)
from doka.adapters.telemetry.telling import Line, Telling
from doka.domain.facts import GroupBack, GroupLost, TopicsChanged, TopicsLeft

GROUP_OUTCOMES: Final = Telling()
_told = GROUP_OUTCOMES.enter
TOPICS_SHOWN_MAX = 20


@_told(TopicsChanged, alike=None, ends=lambda _: [(TopicsLeft,)])
def _topics_changed(fact: TopicsChanged) -> Line:
    gained, gone = sorted(fact.gained)[:TOPICS_SHOWN_MAX], sorted(fact.gone)[:TOPICS_SHOWN_MAX]
    told = [
        f"{many(len(fact.gained), 'topic')} found: {_shown(gained, len(fact.gained))}" if gained else "",
        f"{many(len(fact.gone), 'topic')} gone: {_shown(gone, len(fact.gone))}" if gone else "",
    ]
    return Line(
        logging.WARNING if gone else logging.INFO,
        "topics_changed",
        f"route {fact.route}: {'; '.join(filter(None, told))}; its patterns bring {many(fact.count, 'topic')} now",
        figures(fact, "route", "count", gained=gained, gone=gone),
    )


@_told(TopicsLeft, alike=lambda fact: (fact.why,))  # shown by doka_ready
def _topics_left(fact: TopicsLeft) -> Line:
    return Line(
        logging.ERROR,
        "topics_left",
        fact.why,
        {"count": len(fact.topics), "topics": sorted(fact.topics)[:TOPICS_SHOWN_MAX]},
    )


def _shown(first: list[str], count: int) -> str:
    return ", ".join(first) + (f" and {count - len(first)} more" if count > len(first) else "")


@_told(GroupLost, alike=lambda _: ())  # shown by doka_ready
def _group_lost(fact: GroupLost) -> Line:
    return Line(
        logging.ERROR,
        "group_lost",
        f"the consumer group is out of reach, or has given no assignment, for {span(fact.after)}{quoted(fact.why)}; "
        "nothing is lost, and forwarding goes on when it is back",
        figures(fact, lost_seconds=seconds(fact.after), said=fact.why[:MESSAGE_CHARACTERS_MAX]),
    )


@_told(GroupBack, alike=lambda _: (), ends=lambda _: [(GroupLost,)])
def _group_back(fact: GroupBack) -> Line:
    return Line(
        logging.INFO,
        "group_back",
        f"the consumer group is back, after {span(fact.after)}",
        {"lost_seconds": seconds(fact.after)},
    )
