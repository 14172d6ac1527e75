"""Finds the topics that the routes' patterns match, beside the loop, and says what the member is to subscribe to.

The client could match patterns itself. It would do so without a bound, would take what two routes match, and under the two
group protocols in two languages, one of them the broker's. So the topics are listed here, `domain.routes.topic_watch`
decides, and the group hears of names alone.

Nothing is subscribed before the first look: what was not there by then is a newcomer to this process, and what was there
while the group had committed nothing is older than the group; so it is known which topics begin at their first record
(`domain.partitions.start_positions`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from doka.adapters.kafka.commits import committed_in
from doka.adapters.kafka.inquirer import ANSWER_SECONDS, beside
from doka.adapters.kafka.skip_orders import StoredCommits
from doka.domain.events import TopicsMatched
from doka.domain.limits import NS_PER_SECOND
from doka.domain.partitions.start_positions import Sight
from doka.domain.patterns import matches
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition
from doka.domain.routes.topic_watch import TopicWatch
from doka.domain.rules import RouteRules

AGAIN_NS: Final = NS_PER_SECOND  # after a question that nobody answered


class Wanted(NamedTuple):
    """What to find out: the topics that match, and, if `begun_by` is a group, on which of them it has commits."""

    patterns: tuple[str, ...]
    begun_by: str | None


class Listed(NamedTuple):
    """What was found out; no topics at all, not even an empty set of them: nobody answered."""

    topics: frozenset[str] | None
    begun: frozenset[str] = frozenset()


NOT_TOLD: Final = Listed(None)


class Listing(Protocol):
    """A question to the cluster that is answered beside the loop."""

    def ask(self, question: Wanted, /) -> bool:
        """Ask; False while another question is open."""
        ...

    def answer(self) -> Listed | None:
        """Take the answer; None while there is none."""
        ...


def find_topics(connection: Mapping[str, Any], clock: Clock, wanted: Wanted) -> Listed:
    """List the topics, and then look at the commits: a group that has none yet is younger than what was listed.

    Raises KafkaException, ClientUnusableError.
    """
    with beside(connection, clock) as client:
        told = client.list_topics(timeout=ANSWER_SECONDS).topics
    sizes = {topic: len(told[topic].partitions) for topic in told if matches(wanted.patterns, topic)}
    partitions = [TopicPartition(topic, number) for topic, size in sizes.items() for number in range(size)]
    if wanted.begun_by is None or not partitions:
        return Listed(frozenset(sizes))
    stored = committed_in(StoredCommits(connection, clock).read(wanted.begun_by, partitions))
    return Listed(frozenset(sizes), frozenset(partition.topic for partition in stored))


class Discovery:
    """What to subscribe to: the topics that are named, and those that patterns have brought."""

    def __init__(
        self,
        named: Iterable[str],
        routes: Iterable[RouteRules],
        listing: Listing,
        every: int,
        *,
        begun_by: str | None = None,
    ) -> None:
        """Look each `every` ns; `routes` are all of them, where one has patterns, else none.

        `begun_by`: the group, where it matters for the beginnings of topics what it has committed before.
        """
        self.named = frozenset(named)
        self._watch = TopicWatch(routes)
        self._patterns = tuple(sorted({pattern for route in routes for pattern in route.patterns}))
        self._listing = listing
        self._every = every
        self._look_at = 0
        self._begun_by = begun_by
        self._begun: frozenset[str] | None = None  # topics on which the group had commits at the first look
        self._told: TopicsMatched | None = None

    @property
    def open(self) -> bool:
        """Whether it is known what to subscribe to."""
        return not self._patterns or self._begun is not None

    @property
    def topics(self) -> frozenset[str]:
        """What to subscribe to now."""
        return self.named.union(self._watch.taken)

    @property
    def whole(self) -> Iterable[str]:
        """Those brought by patterns whose records are to be handed over whole."""
        return [topic for topic, route in self._watch.taken.items() if route.needs_originals]

    def look(self, now: int) -> TopicsMatched | None:
        """Ask what is due, and give what the last answer has changed; None where it has not."""
        if not self._patterns:
            return None
        listed = self._listing.answer()
        if listed == NOT_TOLD:
            self._look_at = now + AGAIN_NS
        begun_by = self._begun_by if self._begun is None else None
        if now >= self._look_at and self._listing.ask(Wanted(self._patterns, begun_by)):
            self._look_at = now + self._every
        if listed is None or listed.topics is None:
            return None
        if self._begun is None:
            self._begun = listed.begun
        found = self._watch.look(listed.topics)
        if found == self._told:
            return None
        self._told = found
        return found

    def sight(self, topic: str, seen_missing: Callable[[str], bool]) -> Sight:
        """Give what this process has seen of a topic; `seen_missing` says it of one that is named."""
        newcomer = seen_missing(topic) or self._watch.is_newcomer(topic)
        beside = self._watch.beside(topic)
        return Sight(newcomer, beside, unborn=self._begun is not None and self._begun.isdisjoint({topic, *beside}))
