"""Bugs of topics and partitions that appear while it runs, and of the patterns that bring them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from doka.adapters.simulated.faults import draw_plan, growing
from doka.adapters.simulated.plan import Incident, Kind, Plan
from doka.domain.events import TopicsMatched
from doka.domain.forwarder import Forwarder
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.partitions import start_positions
from doka.domain.partitions.start_positions import Committed, LogEdge, Sight, StartFrom
from doka.domain.routes import topic_news
from doka.domain.routes.route import Route
from doka.domain.routes.topic_watch import TopicWatch
from doka.domain.rules import RouteRules
from tests.simulation.planted.bug import Patch, bug


def at_the_end(seed: int) -> Plan:
    """Give a drawn run with topics and partitions that appear, of a group that begins at the ends of its logs."""
    plan = growing(draw_plan(seed))
    grown = tuple(
        Incident(kind, plan.heal_at * place // 4, plan.heal_at * place // 4, seed)
        for place, kind in enumerate((Kind.TOPIC_APPEARS, Kind.PARTITION_ADDED, Kind.TOPIC_APPEARS), 1)
    )
    return replace(plan, incidents=(*plan.incidents, *grown), start_from=LogEdge.LATEST, topics_max=100)


def while_down(seed: int) -> Plan:
    """Give one in which a topic appears while no process is there."""
    plan, at = at_the_end(seed), 300 * NS_PER_MS
    found = (
        Incident(Kind.CRASH, at, at),
        Incident(Kind.TOPIC_APPEARS, at + 200 * NS_PER_MS, at + 200 * NS_PER_MS, seed),
    )
    return replace(plan, incidents=found, restart=NS_PER_SECOND, heal_at=3 * NS_PER_SECOND)


def few_allowed(seed: int) -> Plan:
    """Give one whose routes may bring one topic each."""
    return replace(at_the_end(seed), topics_max=1)


def start_a_new_topic_where_a_new_group_starts(patch: Patch) -> None:
    """Begin a topic that has just appeared where `start_from` says, at the end of its log."""

    def planted(
        group: Mapping[object, Committed],
        start_from: StartFrom,
        sight: Sight,
    ) -> StartFrom:
        return start_from

    patch.replace(start_positions, "_start_of_topic", planted)


def forget_the_topics_beside(patch: Patch) -> None:
    """Take a group that has commits on other topics of a pattern for one that has just been born."""
    honest = start_positions._start_of_topic

    def planted(group: Mapping[object, Committed], start_from: StartFrom, sight: Sight) -> StartFrom:
        return honest({}, start_from, sight)

    patch.replace(start_positions, "_start_of_topic", planted)


def start_a_new_partition_at_its_end(patch: Patch) -> None:
    """Begin a partition that was added to a known topic at the end of its log."""
    honest = start_positions.start_of

    def planted(*given: object) -> StartFrom:
        found: StartFrom = honest(*given)  # type: ignore[arg-type]  # as it was given
        partition, group = given[0], given[1]
        known = any(other.topic == partition.topic for other in group)  # type: ignore[attr-defined]  # likewise
        return LogEdge.LATEST if known and found is LogEdge.EARLIEST else found

    from doka.adapters.simulated import discovery

    patch.replace(discovery, "start_of", planted)


def look_for_topics_once(patch: Patch) -> None:
    """Take the first list of the cluster's topics for the last."""
    honest = TopicWatch.look

    def planted(self: TopicWatch, there: AbstractSet[str]) -> TopicsMatched:
        return honest(self, there if self._first is None else self._first)

    patch.replace(TopicWatch, "look", planted)


def bring_more_topics_than_the_bound(patch: Patch) -> None:
    """Take up all that matches, whatever `topics_max` says."""

    def planted(self: TopicWatch, route: RouteRules, found: list[str]) -> Mapping[str, str]:
        self.taken |= dict.fromkeys(found, route)
        return {}

    patch.replace(TopicWatch, "_take_up", planted)


def give_up_all_beyond_the_bound(patch: Patch) -> None:
    """Stop reading what is read already when a topic more than the bound appears, and tell of that one alone."""
    honest = TopicWatch._take_up

    def planted(self: TopicWatch, route: RouteRules, found: list[str]) -> Mapping[str, str]:
        left = honest(self, route, found)
        if left:
            self.taken = {topic: taken for topic, taken in self.taken.items() if taken is not route}
        return left

    patch.replace(TopicWatch, "_take_up", planted)


def leave_topics_in_silence(patch: Patch) -> None:
    """Say nothing of topics that match and are not read."""

    def planted(found: TopicsMatched, patterned: Mapping[str, RouteRules]) -> dict[str, frozenset[str]]:
        return {}

    patch.replace(topic_news, "_left", planted)


def send_a_new_topic_to_the_first_route(patch: Patch) -> None:
    """Take the first route for that of each topic that a pattern has brought."""

    def planted(self: Forwarder, topic: str) -> list[Route]:
        return [next(iter(self._routes.values()))]

    patch.replace(Forwarder, "_routes_for", planted)


BUGS = (
    bug(start_a_new_topic_where_a_new_group_starts, "I15", plan=at_the_end),
    bug(forget_the_topics_beside, "I15", plan=while_down),
    bug(start_a_new_partition_at_its_end, "I15", plan=at_the_end),
    bug(look_for_topics_once, "I9", "I14", "I21", plan=at_the_end),
    bug(bring_more_topics_than_the_bound, "I7", plan=few_allowed),
    bug(give_up_all_beyond_the_bound, "I9", "I14", "I21", plan=few_allowed),
    bug(leave_topics_in_silence, "I9", "I14", "I21", plan=few_allowed),
    bug(send_a_new_topic_to_the_first_route, "I2", "I4", "I8", "I14", "I16", plan=at_the_end),
)
