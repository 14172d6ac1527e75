"""How the simulated source finds topics by their patterns, and where partitions begin: by the service's own decisions.

As the real source does, it looks before it joins the group, then at intervals, and lets the group hear of names alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from doka.adapters.simulated.world import World
from doka.domain.events import TopicsMatched
from doka.domain.partitions.start_positions import (
    Birth,
    Committed,
    LogEdge,
    Sight,
    StartFrom,
    birth_of,
    first_birth,
    start_of,
)
from doka.domain.records import TopicPartition
from doka.domain.routes.topic_watch import TopicWatch


class SimulatedDiscovery:
    """What one life of the process has seen of the cluster's topics."""

    def __init__(self, world: World) -> None:
        self.watch = TopicWatch(world.plan.rules().routes)
        self.look_at = 0
        self._world = world
        self._begun: frozenset[str] | None = None
        self._told: TopicsMatched | None = None

    @property
    def topics(self) -> set[str]:
        """What to subscribe to."""
        return set(self.watch.taken)

    def look(self) -> TopicsMatched | None:
        """Look at the topics that there are; give what that has changed, and None where it has changed nothing."""
        world = self._world
        self.look_at = world.timeline.now + world.plan.discovery
        found = self.watch.look({tp.topic for tp in world.logs} - world.topics_missing)
        if self._begun is None:
            self._begun = frozenset(tp.topic for tp in world.group.committed)
        if found == self._told:
            return None
        self._told = found
        return found

    def begin(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Give the offset from which each partition is read; what the group has not committed is committed at once."""
        world, group = self._world, self._world.group
        known = {tp: Committed(offset, group.births.get(tp)) for tp, offset in group.committed.items()}
        starts: dict[TopicPartition, int] = {}
        for tp in partitions:
            if tp not in known:
                place = start_of(tp, known, world.plan.start_from, self._sight(tp.topic))
                group.begin(tp, self._offset(tp, place), self._birth(tp, known, place))
            starts[tp] = group.committed[tp]
        return starts

    def _sight(self, topic: str) -> Sight:
        beside = self.watch.beside(topic)
        unborn = self._begun is not None and self._begun.isdisjoint({topic, *beside})
        return Sight(self.watch.is_newcomer(topic), beside, unborn)

    def _birth(self, tp: TopicPartition, known: Mapping[TopicPartition, Committed], place: StartFrom) -> Birth | None:
        on_topic = [committed for other, committed in known.items() if other.topic == tp.topic]
        if on_topic:
            return first_birth(on_topic)
        size = sum(other.topic == tp.topic for other in self._world.logs)
        return birth_of(place, int(self._world.clock.wall() * 1_000), size)

    def _offset(self, tp: TopicPartition, place: StartFrom) -> int:
        log = self._world.logs[tp]
        if isinstance(place, LogEdge):
            return log.start if place is LogEdge.EARLIEST else log.end
        first = bisect_left(log.stamps_ms, place)
        return log.offsets[first] if first < len(log.offsets) else log.end
