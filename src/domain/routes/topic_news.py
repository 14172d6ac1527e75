"""What is told of topics that patterns bring: once when it changes, and in the status for as long as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from doka.domain.events import TopicsMatched
from doka.domain.facts import TopicsChanged, TopicsLeft
from doka.domain.rules import RouteRules
from doka.domain.turn import Turn


class TopicNews:
    """What the source has found last."""

    def __init__(self, routes: Iterable[RouteRules]) -> None:
        self._patterned = {route.name: route for route in routes if route.patterns}
        self._last = TopicsMatched({})

    def found(self, event: TopicsMatched, turn: Turn) -> None:
        """Take what the cluster has, and tell what is new of it."""
        before, self._last = self._last, event
        for name, topics in event.taken.items():
            was = before.taken.get(name, frozenset())
            if topics != was:
                turn.commands.append(TopicsChanged(name, topics - was, was - topics, len(topics)))
        told = set(_left(before, self._patterned).items())
        turn.commands += [
            TopicsLeft(topics, why)
            for why, topics in _left(event, self._patterned).items()
            if (why, topics) not in told
        ]

    def matched(self) -> Mapping[str, int]:
        """Give how many topics each route's patterns have brought; a route that was not looked for is left out."""
        return {name: len(topics) for name, topics in self._last.taken.items()}

    def left(self) -> Mapping[str, frozenset[str]]:
        """Give why something is not read, a sentence each, with the topics; none where no topic matches."""
        return _left(self._last, self._patterned)


def reasons(found: TopicsMatched, routes: Iterable[RouteRules]) -> Mapping[str, frozenset[str]]:
    """Give why something is not read, a sentence each, with the topics; none where no topic matches."""
    return _left(found, {route.name: route for route in routes})


def _left(found: TopicsMatched, patterned: Mapping[str, RouteRules]) -> dict[str, frozenset[str]]:
    because: dict[str, frozenset[str]] = {}
    for topic, why in found.left.items():
        because[why] = because.get(why, frozenset()) | {topic}
    for name, topics in found.taken.items():
        route = patterned[name]
        if not topics and not any(map(route.matches, found.left)):
            patterns = ", ".join(sorted(route.patterns))
            because[
                f"route {name}: no topic matches {patterns}: create one, correct the pattern, or grant DESCRIBE"
            ] = frozenset()
    return because
