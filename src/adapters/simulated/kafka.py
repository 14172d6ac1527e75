"""The source port over the simulated topics and group.

Callbacks come inside `fetch` and `close`, on the caller's thread, as the real client's do; what a listener raises is
kept and raised when every position is safe, and the records of that call are fetched again by the next.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence

from doka.adapters.simulated.discovery import SimulatedDiscovery
from doka.adapters.simulated.group import Member, Partitions
from doka.adapters.simulated.life import Life
from doka.adapters.simulated.world import World
from doka.domain.commands import CommitOffsets
from doka.domain.errors import InvariantError, invariant
from doka.domain.events import (
    CommitAnswered,
    Event,
    GapFound,
    PartitionEnded,
    RecordsFetched,
    RecordsUnreadable,
    SkipsOrdered,
    SourceFailed,
    TopicsMissing,
)
from doka.domain.limits import NS_PER_SECOND, SERVE_CALLBACKS_NS
from doka.domain.ports import RebalanceListener
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip
from doka.domain.status import GroupStatus, LogStatus, SourceStatus

CLIENT_FAILED = "the Kafka client failed for good"
REFUSED = "the group refuses this member"
DAMAGED = "the batch is corrupt"
READ_AGAIN_NS = NS_PER_SECOND
ALL_THERE = TopicsMissing(frozenset())
ASK_EVERY_NS = 10 * NS_PER_SECOND  # as the real source asks for ends
TELL_ORDERS_NS = 15 * NS_PER_SECOND  # as the real source tells again which orders to skip stand

_Telling = Callable[[RebalanceListener], None]


class SimulatedSource:
    """A member of the group from `open` to `close`; a partition is owned exactly while it has a position."""

    def __init__(self, world: World, life: Life) -> None:
        self.positions: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self._world = world
        self._life = life
        self._chance = world.chance.of(f"fetch/{life.number}")
        self._whole_routes = {route.name for route in world.plan.rules().routes if route.needs_originals}
        self._discovery = SimulatedDiscovery(world) if world.plan.patterned else None
        self._found: list[Event] = []  # and not yet told
        self._listener: RebalanceListener | None = None
        self._answers: deque[CommitAnswered] = deque()
        self._ended: dict[TopicPartition, int] = {}
        self._gaps_shown: dict[TopicPartition, int] = {}
        self._damages_shown: dict[TopicPartition, int] = {}
        self._topics_told = ALL_THERE
        self._error: Exception | None = None
        self._inside = False
        self._stirred = True
        self._restless = False  # whether something may be there by and by without a word, since it was looked last
        self._failure_told = False
        self._told: dict[TopicPartition, tuple[int, int]] = {}  # the end of each log, and when it was told
        self._lost_since: int | None = None
        self._throttled_until = 0
        self._throttled = 0
        self._orders_told: dict[TopicPartition, tuple[tuple[Skip, ...], int]] = {}  # and when

    # --- the port ------------------------------------------------------------------------------------------------

    def open(self, listener: RebalanceListener) -> None:
        """Join the group; partitions come by the listener, later."""
        self._world.step(self._life)
        self._listener = listener
        if self._discovery is not None:
            self._look(self._discovery)
        self._join()

    def _join(self) -> None:
        discovery = self._discovery
        self._world.member = self._world.group.join(self._stir, None if discovery is None else discovery.topics)

    def _look(self, discovery: SimulatedDiscovery) -> None:
        """Look for topics, and subscribe to what there is; let the next look come in its time."""
        found, member = discovery.look(), self._world.member
        self._world.timeline.after(self._world.plan.discovery, self._stir)
        if found is not None:
            self._found.append(found)
            if member is not None:
                self._world.group.subscribe(member, discovery.topics)

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give what has arrived: at most `limit` records, waiting at most `wait` ns (100 ms) for the first."""
        world, timeline = self._world, self._world.timeline
        self._joined()
        invariant(not self._inside, "fetch was called inside a rebalance callback, where the client would abort")
        world.wait_step(self._life)
        if world.consumer_dead:
            return self._tell_failure()
        return self._wait(limit, timeline.now + min(SERVE_CALLBACKS_NS, wait))

    def _wait(self, limit: int, deadline: int) -> Sequence[Event]:
        """Give what is there, or what the first effect brings that brings something by the deadline."""
        world, timeline = self._world, self._world.timeline
        while True:
            if self._stirred:
                self._stirred = False
                if self._discovery is not None and timeline.now >= self._discovery.look_at:
                    self._look(self._discovery)
                if world.member is not None and world.member.notices:
                    self._serve_notices()
                if self._error is not None:
                    error, self._error = self._error, None
                    self._stirred = True  # whoever asks again is given what is there
                    raise error
                self._restless = world.restless
                events = self._collect(limit)
                if events:
                    self._stirred = True
                    return events
            if not timeline.step(deadline):
                self._stirred = self._restless  # a stall may have ended without a word
                return ()

    def commit(self, command: CommitOffsets) -> None:
        """Send offsets to the group; the answer comes by `fetch`, or never."""
        world = self._world
        member = self._joined()
        world.step(self._life)
        world.trace.note("commit", command.commit, *command.offsets.items())
        world.witness.commit_began(command)

        def answer(error: str | None) -> None:
            if not self._life.alive:
                return
            self._answers.append(CommitAnswered(command.commit, error))
            world.witness.commit_answered(command.commit, error)
            self._stir()

        world.group.commit(member, command, answer)

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Stop delivery of those that are owned."""
        self._joined()
        self.paused.update(partitions & self.positions.keys())
        self._world.witness.paused(self.paused)

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Deliver those that are owned again."""
        self._joined()
        if not self.paused.isdisjoint(partitions):
            self._world.witness.resumed()
        self.paused -= partitions
        self._world.witness.paused(self.paused)
        self._stirred = True

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on reading an owned partition at `offset`; one that is not owned any more is left alone."""
        self._joined()
        if partition in self.positions:
            self.positions[partition] = offset
            self._ended.pop(partition, None)
            self._gaps_shown.pop(partition, None)
            self._damages_shown.pop(partition, None)
            self._stirred = True
            self._world.witness.sought(partition, offset)

    def status(self) -> SourceStatus:
        """Say what is known of the group and the logs; the ends are asked for each ten seconds, and answered at once."""
        world, now = self._world, self._world.timeline.now
        self._told = {tp: told for tp, told in self._told.items() if tp in self.positions}
        for tp in self.positions:
            told = self._told.get(tp)
            if world.answers(tp) and (told is None or now - told[1] >= ASK_EVERY_NS):
                self._told[tp] = (world.logs[tp].end, now)
        return SourceStatus(
            self._group_status(now),
            {tp: self._log_status(tp) for tp in self.positions},
            self._throttled,
            Counter(tp.topic for tp in world.logs if self._is_told(tp.topic)),
        )

    def _is_told(self, topic: str) -> bool:
        """Say whether the cluster tells how many partitions a topic has: only of what is subscribed to."""
        world, discovery = self._world, self._discovery
        asked = discovery is None or topic in discovery.watch.taken
        return asked and topic not in world.topics_missing | world.topics_refused

    def _group_status(self, now: int) -> GroupStatus:
        world, member = self._world, self._world.member
        joined = member is not None and member.welcomed and not member.expelled
        if not joined or world.group.frozen:
            self._lost_since = now if self._lost_since is None else self._lost_since
        else:
            self._lost_since = None
        return GroupStatus(joined, self._lost_since, REFUSED if now < world.group.refused_until else "")

    def _log_status(self, tp: TopicPartition) -> LogStatus:
        world = self._world
        end, told_at = self._told.get(tp, (None, None))
        open_from = world.open_from.get(tp)
        return LogStatus(
            end=end,
            told_at=told_at,
            open_from=None if open_from is None or open_from >= world.logs[tp].end else open_from,
            broker=f"broker {tp.partition}",
            throttled_until=self._throttled_until or None,
        )

    def close(self) -> None:
        """Leave the group: the listener is told of the revoke in here. Hangs while the coordinator is frozen.

        Raises what the listener raised.
        """
        member = self._world.member
        if self._listener is None or member is None:
            return
        self._world.step(self._life)
        if not member.expelled and self.positions:
            self._revoke(member, tuple(self.positions))
        group = self._world.group
        while not member.expelled and self._world.timeline.now < max(group.frozen_until, member.commits_done_at):
            self._world.step(self._life)
            self._world.timeline.step(max(group.frozen_until, member.commits_done_at))
        group.leave(member)
        self._world.member = None
        self._listener = None
        if self._error is not None:
            raise self._error

    # --- rebalances ----------------------------------------------------------------------------------------------

    def _serve_notices(self) -> None:
        """Tell the listener what the coordinator wants, in order."""
        member = self._joined()
        if self._world.group.frozen:
            return
        while member.notices and self._error is None:
            kind, partitions = member.notices.popleft()
            if kind == "assign":
                self._assign(partitions)
            elif kind == "revoke":
                self._revoke(member, tuple(tp for tp in partitions if tp in self.positions))
            else:
                self._lose()
                member = self._joined()

    def _assign(self, partitions: Partitions) -> None:
        world = self._world
        new = [tp for tp in partitions if tp not in self.positions]
        positions = (
            {tp: world.group.position(tp) for tp in new}
            if self._discovery is None
            else dict(self._discovery.begin(new))
        )
        self.positions.update(positions)
        self.paused.difference_update(positions)
        world.witness.paused(self.paused)
        world.trace.note("assigned", *positions.items())
        world.witness.assigned(positions)
        world.progress()
        self._tell(lambda listener: listener.partitions_assigned(positions))

    def _revoke(self, member: Member, partitions: Partitions) -> None:
        if not partitions:
            return
        world = self._world
        world.trace.note("revokes", *partitions)
        world.witness.revoke_began(partitions)
        self._tell(lambda listener: listener.partitions_revoked(frozenset(partitions)))
        self._forget(partitions)
        world.trace.note("gives_back", *partitions)
        world.witness.gave_back(partitions)
        world.group.gave_back(member, partitions)

    def _lose(self) -> None:
        world = self._world
        partitions = tuple(self.positions)
        world.trace.note("loses", *partitions)
        world.witness.lost(partitions)
        self._forget(partitions)
        if partitions:
            self._tell(lambda listener: listener.partitions_lost(frozenset(partitions)))
        self._join()

    def _forget(self, partitions: Partitions) -> None:
        for tp in partitions:
            self.positions.pop(tp, None)
            self._ended.pop(tp, None)
            self._gaps_shown.pop(tp, None)
            self._damages_shown.pop(tp, None)
            self._orders_told.pop(tp, None)
        self.paused.difference_update(partitions)
        self._world.witness.paused(self.paused)

    def _tell(self, what: _Telling) -> None:
        listener = self._listener
        if listener is None:
            return
        self._inside = True
        try:
            what(listener)
        except Exception as error:  # noqa: BLE001 - as the real client must: an exception here would destroy records
            self._error = self._error or error
        finally:
            self._inside = False

    # --- what there is -------------------------------------------------------------------------------------------

    def _collect(self, limit: int) -> list[Event]:
        events: list[Event] = []
        if self._answers:
            events += self._answers
            self._answers.clear()
        if self._found:
            events += self._found
            self._found.clear()
        world = self._world
        logs = world.logs
        if world.topics_missing or world.topics_refused or self._topics_told is not ALL_THERE:
            self._tell_topics(events)
        if world.orders:
            self._collect_orders(events)
        ended, paused, open_from = self._ended, self.paused, world.open_from
        for tp, position in self.positions.items():
            if tp in paused:
                continue
            if ended.get(tp) == position == (world.readable_end(tp) if open_from else logs[tp].end):
                continue
            if not world.can_fetch(tp):
                continue
            log = logs[tp]
            if world.timeline.now < min(self._throttled_until, world.quota_until):
                continue
            damage = world.damage_ahead(tp, position) if world.damaged else None
            if damage is not None and position >= damage[0]:
                self._show_damage(tp, damage, events)
            elif position < log.start or position > log.end:
                if self._gaps_shown.get(tp) != log.start:
                    self._gaps_shown[tp] = log.start
                    world.trace.note("gap", str(tp), position, log.start)
                    world.witness.gap_shown(tp, position, log.start)
                    events.append(GapFound(tp, position, log.start, log.end))
            elif limit:
                limit -= self._take(tp, limit, events)
        if len(self.positions) > 1 and events:  # the next fetch begins with another partition
            first = next(iter(self.positions))
            self.positions[first] = self.positions.pop(first)
        return events

    def _tell_topics(self, events: list[Event]) -> None:
        """Tell which topics are not there or may not be read, where that is news."""
        world = self._world
        now = TopicsMissing(frozenset(world.topics_missing), frozenset(world.topics_refused))
        if now != self._topics_told:
            self._topics_told = ALL_THERE if now == ALL_THERE else now
            events.append(now)

    def _show_damage(self, tp: TopicPartition, damage: tuple[int, int], events: list[Event]) -> None:
        """Tell what cannot be read, when all of it is written; again each second, for a disk may be mended."""
        (first, far), now = damage, self._world.timeline.now
        if self._world.logs[tp].end >= far and now - self._damages_shown.get(tp, 0) >= READ_AGAIN_NS:
            self._damages_shown[tp] = now
            self._world.timeline.after(READ_AGAIN_NS, self._stir)
            self._world.witness.unreadable(tp, first, far)
            events.append(RecordsUnreadable(tp, first, far, DAMAGED))

    def _collect_orders(self, events: list[Event]) -> None:
        """Tell what shall be skipped of owned partitions: what is new at once, and all of it now and then."""
        world = self._world
        for tp, orders in world.orders.items():
            told, at = self._orders_told.get(tp, ((), 0))
            if tp in self.positions and (told != orders or world.timeline.now - at >= TELL_ORDERS_NS):
                self._orders_told[tp] = (orders, world.timeline.now)
                world.witness.orders_told(tp, orders)
                events.append(SkipsOrdered(tp, orders))

    def _take(self, tp: TopicPartition, limit: int, events: list[Event]) -> int:
        """Hand over records of one partition, or its end; give how many records."""
        world, log = self._world, self._world.logs[tp]
        run = min(limit, 1 + int(self._chance.random() * world.plan.work.fetch_run))
        end = world.readable_end(tp)
        damage = world.damage_ahead(tp, self.positions[tp]) if world.damaged else None
        if damage is not None:
            end = min(end, damage[0])
        if end < log.end:
            run = min(run, log.place_of(end) - log.place_of(self.positions[tp]))
        chunk = log.read(self.positions[tp], run, whole=world.routes[tp.topic] in self._whole_routes)
        self._told[tp] = (log.end, world.timeline.now)
        if chunk is not None:
            self.positions[tp] = chunk.end
            world.trace.note("fetch", tp, chunk.offsets[0], chunk.offsets[-1])
            world.witness.delivered(chunk)
            world.progress()
            events.append(RecordsFetched(chunk))
            self._throttle()
        last = len(log.offsets) if end == log.end else log.place_of(end)
        if log.place_of(self.positions[tp]) == last and self._ended.get(tp) != end:
            self.positions[tp] = self._ended[tp] = end
            world.witness.ended(tp, end)
            events.append(PartitionEnded(tp, end))
        return 0 if chunk is None else chunk.count

    def _throttle(self) -> None:
        """Wait for the quota before the next fetch, where there is one."""
        world = self._world
        if world.timeline.now < world.quota_until:
            self._throttled_until = world.timeline.now + world.quota_wait
            self._throttled += world.quota_wait
            world.timeline.at(self._throttled_until, self._stir)

    def _stir(self) -> None:
        self._stirred = True

    def _tell_failure(self) -> Sequence[Event]:
        if self._failure_told:
            self._world.timeline.step(self._world.timeline.now + SERVE_CALLBACKS_NS)
            return ()
        self._failure_told = True
        return [SourceFailed(CLIENT_FAILED)]

    def _joined(self) -> Member:
        if self._listener is None or self._world.member is None:
            raise InvariantError("the Kafka source is not open")
        return self._world.member
