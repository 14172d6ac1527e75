"""Topics by pattern: which of the cluster's topics the routes take up, and which stay where they are, with the reason.

Theory of operation. The source lists the topics of the cluster now and then and asks `look` what that means:

    one route's patterns match it                   taken up
    another route names it                          it is that route's: a name goes before a pattern
    patterns of several routes match it             left, and told: nobody can say whose it is
    more than the route's bound match               what is read already is read on; the others are left, and told
    it was taken up and is gone                     given up at the second look that does not list it

What is left stays in Kafka: it is neither read nor committed. So a bound that is too low, or patterns that overlap, let
records wait where they are, and lose none.

A topic that was not there at the first look of this process is a newcomer: all in it was written after that look, so it is
read from its beginning, whatever `start_from` says of a group without commits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from doka.domain.events import TopicsMatched
from doka.domain.rules import RouteRules

NAMED_MAX = 3  # topics in a sentence


class TopicWatch:
    """What is taken up by patterns; looked at by the source, which alone subscribes."""

    def __init__(self, routes: Iterable[RouteRules]) -> None:
        """Take all routes, those without a pattern too: a topic that one of them names is theirs."""
        routes = tuple(routes)
        self.taken: dict[str, RouteRules] = {}
        """The route of each topic that is to be read because of a pattern."""
        self._named = frozenset().union(*(route.topics for route in routes))
        self._patterned = [route for route in routes if route.patterns]
        self._first: frozenset[str] | None = None  # what matched at the first look
        self._unlisted: set[str] = set()  # taken up, and not there at the last look

    def look(self, there: AbstractSet[str]) -> TopicsMatched:
        """Take what topics the cluster has, and give what follows from that."""
        matching = {topic: [r for r in self._patterned if r.matches(topic)] for topic in there - self._named}
        if self._first is None:
            self._first = frozenset(topic for topic, routes in matching.items() if routes)
        self._give_up(there)
        left: dict[str, str] = {}
        of_route: defaultdict[str, list[str]] = defaultdict(list)
        for topic, routes in sorted(matching.items()):
            if len(routes) == 1:
                of_route[routes[0].name].append(topic)
            elif routes:
                left[topic] = _of_several(topic, routes)
        for route in self._patterned:
            left |= self._take_up(route, of_route[route.name])
        taken = {route.name: frozenset(t for t, r in self.taken.items() if r is route) for route in self._patterned}
        return TopicsMatched(taken, left)

    def is_newcomer(self, topic: str) -> bool:
        """Say whether a topic that a pattern matches was not there when this process first looked."""
        return topic in self.taken and self._first is not None and topic not in self._first

    def beside(self, topic: str) -> frozenset[str]:
        """Give the other topics that the patterns of its route have brought; none of a topic that is named."""
        route = self.taken.get(topic)
        return frozenset(t for t, r in self.taken.items() if r is route and t != topic) if route else frozenset()

    def _give_up(self, there: AbstractSet[str]) -> None:
        """Give up what two looks in a row did not list: a broker that has just started may list too little."""
        unlisted = self.taken.keys() - there
        for topic in unlisted & self._unlisted:
            del self.taken[topic]
        if self._first is not None:
            self._first -= unlisted & self._unlisted  # made again, it is a newcomer
        self._unlisted = unlisted - self._unlisted

    def _take_up(self, route: RouteRules, found: list[str]) -> Mapping[str, str]:
        """Take up what a route's patterns match, all of it or nothing more; give what is left, with the reason."""
        news = [topic for topic in found if topic not in self.taken]
        held = sum(taken is route for taken in self.taken.values())
        if held + len(news) <= route.topics_max:
            self.taken |= dict.fromkeys(news, route)
            return {}
        why = (
            f"route {route.name}: its patterns match {held + len(news)} topics, and topics_max is {route.topics_max}; "
            f"{_some(news)} {'is' if len(news) == 1 else 'are'} not read: raise routes[].topics_max, or narrow the patterns"
        )
        return dict.fromkeys(news, why)


def _of_several(topic: str, routes: list[RouteRules]) -> str:
    names = " and ".join(route.name for route in routes)
    return f"topic {topic} is not read, for patterns of routes {names} match it: narrow one, or name the topic in one of them"


def _some(topics: list[str]) -> str:
    more = len(topics) - NAMED_MAX
    return ", ".join(topics[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
