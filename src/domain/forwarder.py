"""The machine: `handle(event, now)` takes what has happened, `decide(now)` gives what shall be done.

Theory of operation. First all events that have arrived are fed, then one decision is taken: full batches come from that.
A record goes

    RecordsFetched -> ledger + lane -> outbox -> SendPut -> PutAnswered -> settled -> watermark -> CommitOffsets

and every failure on the way puts it back into the outbox; nothing here ever lets go of a record that is not settled,
but for partitions that belong to somebody else, and for those that begin again: what is let go of these is read again.

Ownership: assign makes a `Partition`, with a leg for each route that reads its topic; revoke drains it and commits it, lost
forgets it.
A drain settles what was sent and sends nothing above it; its end is the caller's, who has the clock and the deadline.

What follows from an event, or from time, is written into one `Turn`; a decision hands it out and begins the next one.
After a decision the machine is at rest until the next event, or the first moment that was foreseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import count
from typing import assert_never

from doka.domain.backoff import Jitter
from doka.domain.commands import CommitOffsets, DescribeStream, Halt, SeekPartition, SendPut
from doka.domain.errors import InvariantError, invariant
from doka.domain.events import (
    CommitAnswered,
    Event,
    GapFound,
    GroupSeen,
    LeaseIssued,
    LeaseRefused,
    LetterAcknowledged,
    LetterRefused,
    PartitionEnded,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsRevoked,
    PutAmbiguous,
    PutAnswered,
    PutRefused,
    PutUnsent,
    RecordsFetched,
    RecordsUnreadable,
    RegistryRefused,
    RevokeStarted,
    SchemasFetched,
    SkipsOrdered,
    SourceFailed,
    StopRequested,
    StreamDescribed,
    StreamRefused,
    TopicsMatched,
    TopicsMissing,
)
from doka.domain.facts import (
    GapSeen,
    PartitionsOwned,
    RecordsSkipped,
    RecordsWillRepeat,
    StopBegan,
    StopWaits,
    UnreadableSeen,
)
from doka.domain.held.budget import Budget
from doka.domain.leases.keeper import LeaseKeeper
from doka.domain.limits import STOP_TOLD_EVERY_NS
from doka.domain.partitions.commits import Commits
from doka.domain.partitions.group_watch import GroupWatch
from doka.domain.partitions.log_watch import LogWatch
from doka.domain.partitions.partition import Intake, Partition
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.route import Role, Route
from doka.domain.routes.topic_news import TopicNews
from doka.domain.rules import LimitRules, OnGap, OnUnreadable, Rules
from doka.domain.sending.put import Put
from doka.domain.skip import place_shown
from doka.domain.status import SourceStatus, Status
from doka.domain.turn import Decision, Left, Turn

SKIP = "skip"
"""What is told in the place of a policy where a person has ordered to pass what cannot be read."""
ENTRY_BYTES = 100
"""Of a body, around each record's payload: the names of the members, and a partition key of common length."""


class InFlight:
    """The requests in flight of all routes together: how many there may be, and how much memory their bodies take.

    A route without a request in flight may always send one, so none waits for another for ever.
    What is left of the limits is for whoever has work. The last request may reach beyond the limit of bytes, since it is
    packed after it was allowed; one request is never larger than what the service takes.
    """

    def __init__(self, limits: LimitRules, routes: Mapping[str, Route]) -> None:
        self.puts = 0
        self.body_bytes = 0
        self._limits = limits
        self._routes = routes
        self._open: dict[int, tuple[Route, int]] = {}  # each request's route, and the size of its body
        self._last = 0

    def allow(self, route: Route) -> bool:
        """Say whether a route may send another request."""
        if not route.puts:
            return True
        if self.body_bytes >= self._limits.body_bytes:
            return False
        idle = sum(not other.puts for other in self._routes.values())
        return self.puts + idle < self._limits.requests_in_flight

    def next_number(self) -> int:
        """Name the next request."""
        self._last += 1
        return self._last

    def add(self, put: Put, route: Route) -> None:
        """Count a request that is about to be sent: its payload in base64, and what stands around it."""
        size = put.entry_bytes * 4 // 3 + len(put.values) * ENTRY_BYTES
        self._open[put.number] = (route, size)
        self.puts += 1
        self.body_bytes += size

    def answered(self, number: int) -> Route:
        """Give the route of a request that was answered. Raises InvariantError for a second answer."""
        found = self._open.pop(number, None)
        if found is None:
            raise InvariantError(f"put {number} was answered twice, or never sent")
        route, size = found
        self.puts -= 1
        self.body_bytes -= size
        return route


class Forwarder:
    """Never commits above an un-settled record, never sends for a partition that is not owned."""

    def __init__(self, rules: Rules, jitter: Jitter) -> None:
        """Build the machine for these rules; `jitter` gives numbers in [0, 1)."""
        limits = rules.limits
        self._rules = rules
        routes_of = rules.routes_of()
        self._budget = Budget(limits.held_bytes, max(map(len, routes_of.values()), default=1))
        keepers = {r.name: LeaseKeeper(r, limits.request_timeout, jitter) for r in rules.roles}
        self._routes = {r.name: Route(r, limits, self._budget, keepers[r.role], jitter) for r in rules.routes}
        self._routes_of = {topic: [self._routes[rule.name] for rule in those] for topic, those in routes_of.items()}
        self._roles = {
            name: Role(keeper, [route for route in self._routes.values() if route.rules.role == name])
            for name, keeper in keepers.items()
        }
        self._decoding = [route for route in self._routes.values() if route.decoding is not None]
        self._partitions: dict[TopicPartition, Partition] = {}
        self._watches: dict[TopicPartition, list[LogWatch]] = {}  # of partitions that went, and may come back
        self._beginning_again: set[TopicPartition] = set()  # each as soon as nothing of it is in flight
        self._commits = Commits(limits.commit_every)
        self._intake = Intake(
            self._budget, self._commits, limits.ahead_records, stuck_after=limits.request_timeout * 3 // 2
        )
        self._in_flight = InFlight(limits, self._routes)
        self._letters = count(1)
        self._route_of_letter: dict[int, Route] = {}
        self._missing = TopicsMissing(frozenset())
        self._topics = TopicNews(rules.routes)
        self._group = GroupWatch()
        self._draining: frozenset[TopicPartition] | None = None  # given back just now; None: all that is owned
        self._drain_began = 0  # when they began to be
        self._stopping = False
        self._stop_told_at = 0
        self._gone = 0  # records of partitions that went while stopping, before they were settled and committed
        self._halted: str | None = None
        self._turn = Turn()
        self._decided: Decision | None = None  # lasts until something happens

    # --- what has happened ---------------------------------------------------------------------------------------

    def handle(self, event: Event, now: int) -> None:  # noqa: PLR0915 - the table of all events, in one place
        """Take one event. Raises InvariantError when it cannot be; nothing may be committed after that."""
        decided, self._decided = self._decided, None
        turn = self._turn
        match event:
            case RecordsFetched(chunk):
                self._fetched(chunk, now)
            case PutAnswered(put):
                self._in_flight.answered(put).answered(event, now, turn)
            case PutRefused(put):
                self._in_flight.answered(put).refused(event, now, turn)
            case PutAmbiguous(put) | PutUnsent(put):
                self._in_flight.answered(put).unknown(event, now, turn)
            case LetterAcknowledged(letter):
                self._route_of_letter.pop(letter).letter_stored(event, now, turn)
            case LetterRefused(letter):
                self._route_of_letter.pop(letter).quarantine.refused(event, now, turn)
            case PartitionEnded(tp, offset):
                self._ended(tp, offset, now)
            case CommitAnswered():
                self._commits.answered(event, turn)
            case LeaseIssued(lease):
                self._roles[lease.role].issued(event, now, turn)
            case LeaseRefused(role):
                self._roles[role].refused(event, now, turn)
            case StreamDescribed(route=name):
                self._routes[name].described(event, now, turn)
            case StreamRefused(route=name):
                self._routes[name].undescribed(event, now, turn)
            case SchemasFetched(route=name):
                self._routes[name].schemas_fetched(event, now, turn)
            case RegistryRefused(route=name):
                self._routes[name].registry_refused(event, now, turn)
            case PartitionsAssigned(positions):
                self._assigned(positions)
            case RevokeStarted(partitions):
                self._draining, self._drain_began = partitions, now
                self._begin_drain(self._owned(partitions), now)
            case PartitionsRevoked(partitions):
                took = 0 if self._draining is None else now - self._drain_began
                self._draining = None
                self._revoked(self._owned(partitions), took, now)
            case PartitionsLost(partitions):
                lost = self._owned(partitions)
                self._will_repeat(lost, committed=False)
                self._let_go(lost, "lost")
            case GapFound():
                self._gap_found(event, now)
            case RecordsUnreadable():
                self._unreadable(event, now)
            case SkipsOrdered():
                self._skips_ordered(event)
            case TopicsMissing():
                self._missing = event
            case TopicsMatched():
                self._topics.found(event, turn)
            case SourceFailed(reason):
                self.halt(reason)
            case GroupSeen(group):
                self._group.look(group, now, turn)
                self._decided = None if turn.commands else decided  # it comes each second, and seldom says anything
            case StopRequested(reason):
                self._stop(reason, now)
            case _:
                assert_never(event)
        if turn.moved:
            self._move_on(now)

    def _fetched(self, chunk: Chunk, now: int) -> None:
        partition = self._partitions.get(chunk.partition)
        if partition is None:
            raise InvariantError(f"records of {chunk.partition} came, which is not owned")
        if not partition.draining:  # else never sent, never committed: it is read again by whoever owns it next
            partition.unreadable = None
            self._intake.fetched(partition, chunk, now, self._turn)

    def _ended(self, tp: TopicPartition, offset: int, now: int) -> None:
        partition = self._partitions.get(tp)
        if partition is not None and not partition.draining:
            partition.unreadable = None
            self._intake.ended(partition, offset, now, self._turn)

    def _move_on(self, now: int) -> None:
        """Let the watermarks that moved be committed, and what waited behind them come in."""
        moved, self._turn.moved = self._turn.moved, {}
        for ledger in moved:
            partition = self._partitions[ledger.tp]
            self._commits.moved(partition.watermarks)
            leg = partition.legs[ledger]
            if leg.backlog:
                self._intake.admit(partition, leg, now, self._turn)

    # --- ownership -----------------------------------------------------------------------------------------------

    def _owned(self, partitions: frozenset[TopicPartition]) -> list[Partition]:
        return [self._partitions[tp] for tp in sorted(partitions) if tp in self._partitions]

    def _assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        self._take_over(positions)
        if positions:
            self._turn.commands.append(PartitionsOwned("assigned", frozenset(positions), dict(positions)))

    def _take_over(self, positions: Mapping[TopicPartition, int]) -> None:
        for tp, start in positions.items():
            invariant(tp not in self._partitions, f"{tp} was assigned twice")
            watches = [watch.taken_over(start) for watch in self._watches.pop(tp, ())]
            partition = self._partitions[tp] = Partition(tp, start, self._routes_for(tp.topic), watches)
            if self._stopping:
                self._intake.begin_drain(partition)
        self._turn.look = True

    def _routes_for(self, topic: str) -> list[Route]:
        """Find the routes of a topic; that of one which a pattern brought is looked up once."""
        if topic not in self._routes_of:
            found = [self._routes[rule.name] for rule in self._rules.routes_for(topic)]
            if not found:
                raise InvariantError(f"topic {topic} was assigned, and no route takes it")
            self._routes_of[topic] = found
        return self._routes_of[topic]

    def _begin_drain(self, partitions: list[Partition], now: int) -> None:
        self._turn.look = True
        for partition in partitions:
            self._beginning_again.discard(partition.tp)
            if not partition.draining:
                self._intake.even_out(partition, now, self._turn)
                self._intake.begin_drain(partition)
                self._commits.moved(partition.watermarks)

    def _stop(self, reason: str, now: int) -> None:
        if not self._stopping:
            self._stopping = True
            self._stop_told_at = now
            self._turn.commands.append(StopBegan(reason, self._rules.limits.drain))
            self._begin_drain(list(self._partitions.values()), now)

    def _tell_of_stop(self, now: int) -> None:
        """Tell each few seconds what a stop waits for."""
        if now - self._stop_told_at < STOP_TOLD_EVERY_NS:
            return
        self._stop_told_at = now
        owned = self._partitions.values()
        waits = StopWaits(
            requests=self._in_flight.puts,
            records=sum(p.open for p in owned),
            partitions=sum(p.watermarks.lowest > p.watermarks.committed for p in owned),
        )
        if waits != StopWaits(0, 0, 0):
            self._turn.commands.append(waits)

    def _revoked(self, partitions: list[Partition], took: int, now: int) -> None:
        self._begin_drain(partitions, now)
        if self._halted is None:
            self._commits.last([p.watermarks for p in partitions], self._turn, awaited=self._stopping)
        self._will_repeat(partitions)
        self._let_go(partitions, "revoked", took)

    def _will_repeat(self, partitions: Iterable[Partition], *, committed: bool = True) -> None:
        """Tell what will repeat of partitions that go; `committed`: Kafka is taken to hold what it was told last."""
        for partition in partitions:
            lowest = partition.watermarks.lowest
            for ledger, leg in partition.legs.items():
                held = ledger.passed_below(lowest) if committed else ledger.committed_passed
                records = ledger.ahead + ledger.passed - held
                if records:
                    self._turn.commands.append(RecordsWillRepeat(partition.tp, records, leg.route.rules.name))
                    self._gone += records if self._stopping else 0

    def _let_go(self, partitions: list[Partition], change: str, took: int = 0) -> None:
        self._gone += sum(p.open for p in partitions if not p.drained) if self._stopping else 0
        self._forget(partitions)
        if partitions:
            committed = {p.tp: p.watermarks.lowest for p in partitions if change == "revoked"}
            self._turn.commands.append(PartitionsOwned(change, frozenset(p.tp for p in partitions), committed, took))

    def _forget(self, partitions: list[Partition]) -> None:
        turn = self._turn
        for partition in partitions:
            self._intake.forget(partition)
            self._commits.forget(partition.watermarks)
            self._beginning_again.discard(partition.tp)
            del self._partitions[partition.tp]
            self._watches[partition.tp] = partition.watches()
        turn.look = True
        turn.commands = [
            c for c in turn.commands if not (isinstance(c, SeekPartition) and c.partition not in self._partitions)
        ]

    def _gap_found(self, event: GapFound, now: int) -> None:
        partition = self._partitions.get(event.partition)
        if partition is None or partition.gap is not None or partition.draining:
            return  # a drain looks no further ahead; whoever reads on finds the gap again
        turn, policy = self._turn, self._rules.on_gap
        anew = (
            event.anew or event.log_start < partition.expected
        )  # another log under the same name: its offsets begin anew
        forgotten = partition.unsettled if anew and policy is OnGap.CONTINUE else 0
        turn.commands.append(
            GapSeen(event.partition, event.expected, event.log_start, policy.value, forgotten, event.anew)
        )
        if policy is OnGap.BLOCK:
            waits = f"offset {event.expected} should be read next and the log holds {event.log_start}..{event.log_end}"
            partition.gap = (
                f"{waits}; set kafka.on_gap: continue to step over what is missing"
                if not event.anew
                else f"{waits} of another topic of the same name; set kafka.on_gap: continue to read it from its start"
            )
            turn.look = True
            return
        if not anew:
            self._intake.ended(partition, event.log_start, now, turn)
        else:  # and so does the ledger; waiting for a sick key of the former log could hold the new one for ever
            self._forget([partition])  # the group has not moved: it is no rebalance
            del self._watches[partition.tp]
            self._take_over({event.partition: event.log_start})
            self._partitions[event.partition].paused = partition.paused  # the client's flag outlives the ledger
        turn.commands.append(SeekPartition(event.partition, event.log_start))

    def _unreadable(self, event: RecordsUnreadable, now: int) -> None:
        partition = self._partitions.get(event.partition)
        if partition is None or partition.unreadable is not None or partition.draining:
            return
        turn, policy = self._turn, self._rules.on_unreadable
        skip = next((skip for skip in partition.skips if skip.covers(event.first, event.far)), None)
        goes_on = SKIP if skip is not None else policy.value
        turn.commands.append(UnreadableSeen(event.partition, event.first, event.far, event.why, goes_on))
        if skip is not None:
            offsets = event.far - event.first
            turn.commands.append(RecordsSkipped(event.partition, event.first, event.far, offsets, skip))
        elif policy is OnUnreadable.BLOCK:  # not paused: the source tries again, for a disk may be mended
            place = place_shown(event.partition, event.first, event.far)
            partition.unreadable = (
                f"offsets {event.first} to {event.far - 1} cannot be read: {event.why}; restore them, pass them by doka skip "
                f"{place}, or set kafka.on_unreadable: continue to step over what cannot be read"
            )
            return
        self._intake.ended(partition, event.far, now, turn)
        turn.commands.append(SeekPartition(event.partition, event.far))

    # --- skips ---------------------------------------------------------------------------------------------------

    def _skips_ordered(self, event: SkipsOrdered) -> None:
        """Take the orders that stand for a partition; one for what is held already, or cannot be read, needs a new beginning."""
        partition = self._partitions.get(event.partition)
        if partition is None or partition.draining:
            return  # whoever reads on is told again
        known, watermark = partition.skips, partition.watermarks.lowest
        partition.skips = tuple(sorted(skip for skip in event.skips if skip.far > watermark))
        new = [skip for skip in partition.skips if skip not in known]
        in_hand = partition.expected + (partition.unreadable is not None)  # what cannot be read stands at `expected`
        if any(skip.first < in_hand for skip in new):
            self._turn.look = True
            self._intake.begin_drain(
                partition
            )  # of each leg what it has sent itself: more might be what shall be skipped
            self._commits.moved(partition.watermarks)
            self._beginning_again.add(partition.tp)

    def _begin_again(self) -> None:
        """Let partitions begin at their watermarks of which nothing is in flight any more: so no key can be overtaken."""
        for partition in self._owned(frozenset(self._beginning_again)):
            if partition.has_in_flight:
                continue
            tp = partition.tp
            self._will_repeat([partition])
            self._forget([partition])  # the group has not moved: it is no rebalance
            del self._watches[tp]
            again = self._partitions[tp] = partition.begun_again()
            self._commits.moved(again.watermarks)
            self._turn.commands.append(SeekPartition(tp, again.watermarks.lowest))

    def _left(self) -> Left | None:
        """Say what is left to do of what is given back; None while nothing is."""
        if not self._stopping and self._draining is None:
            return None
        owned = self._partitions.values()
        of = owned if self._draining is None else self._owned(self._draining)
        return Left(
            drained=all(p.drained for p in of),
            committed=all(p.watermarks.lowest <= p.watermarks.committed for p in owned)
            and not self._commits.awaits_last,
            holes=sum(p.watermarks.ahead for p in owned),
            gone=self._gone + self._commits.unstored,
        )

    # --- what shall be done --------------------------------------------------------------------------------------

    def decide(self, now: int) -> Decision:
        """Give everything that shall be done now, in the order in which it shall be done, and what the loop may do then.

        A turn in which nothing has happened, and in which time alone changes nothing, costs two comparisons.
        """
        decided = self._decided
        if decided is not None and decided.lasts(now):
            decided.commands = ()
            return decided
        again = False  # whether something is left to be decided at once
        if self._halted is None:
            if self._beginning_again:
                self._begin_again()
            for route in self._decoding:
                route.tend_schemas(now, self._turn)
            self._intake.steer(self._partitions.values(), now, self._turn)  # first: it may let records in
            self._tend_poison(now)  # which may let in more
            for role in self._roles.values():
                role.tend(now, self._turn)  # and only now it shows whether a lease is needed
            again = self._send(now)
            self._commits.due(now, self._turn, hurry=self._stopping)
            if self._stopping:
                self._tell_of_stop(now)
            if self._turn.look:  # a route was blocked just now
                self._intake.steer(self._partitions.values(), now, self._turn)
            for route in () if self._stopping else self._decoding:  # last: each look may have found more
                route.ask_for_schemas(now, self._turn)
        turn, self._turn = self._turn, Turn()
        decided = self._decided = Decision(
            turn.commands,
            self._fetch(),
            in_flight=self._in_flight.puts,
            left=self._left() if self._stopping or self._draining is not None else None,
            at=now,
            lingers_until=min([route.outbox.lingers_until for route in self._routes.values()]),
            moments=self._moments,
        )
        if again:
            decided.expires()
        return decided

    def _tend_poison(self, now: int) -> None:
        for route in self._routes.values():
            quarantine = route.quarantine
            while quarantine.waiting or quarantine.again:
                route.tend_poison(now, self._turn, partial(self._next_letter, route))
                if not self._turn.moved:
                    break
                self._move_on(now)  # which may let more poison in

    def _next_letter(self, route: Route) -> int:
        letter = next(self._letters)
        self._route_of_letter[letter] = route
        return letter

    def _send(self, now: int) -> bool:
        """Send what may leave; say whether something that was to leave is gone, or has turned into something else."""
        again, commands, in_flight = False, self._turn.commands, self._in_flight
        for route in self._routes.values():
            name, standing = route.rules.name, route.standing
            signing = self._roles[route.rules.role].keeper.for_signing(now)
            if signing is None:
                continue
            lease, timeout = signing
            if not self._stopping and route.wants_description(now):
                commands.append(DescribeStream(name, lease))
            while route.wants_to_send(now) and in_flight.allow(route):
                put = route.next_put(in_flight.next_number(), lease.serial, now, self._turn)
                if put is None:
                    again = True
                    break
                in_flight.add(put, route)
                commands.append(
                    SendPut(
                        put=put.number,
                        route=name,
                        lease=lease,
                        keys=put.keys,
                        values=put.values,
                        timeout=timeout,
                        stream_arn=standing.stream_arn,
                        hash_keys=put.hash_keys,
                        wants_landings=put.shares,
                        places=put.places() if route.rules.receipts else None,
                    )
                )
        return again

    def _fetch(self) -> int | None:
        may = not self._stopping and self._halted is None
        room = self._intake.room(len(self._partitions)) if may else 0
        return room or (None if self._intake.unpaused else 0)

    # --- besides -------------------------------------------------------------------------------------------------

    def next_wake(self, now: int) -> int | None:
        """Give what the last decision says of how long it lasts, for whoever waits and was not given it; see `Decision.until`."""
        return now if self._decided is None else self._decided.until()

    def _moments(self, after: int) -> list[int | None]:
        """Give the moments after `after` at which time alone lets something be decided."""
        moments = [role.keeper.next_change(after) for role in self._roles.values()]
        moments += [route.next_wake(after) for route in self._routes.values()]
        moments += [self._commits.next_wake(), self._budget.squeezes_at]
        moments.append(self._stop_told_at + STOP_TOLD_EVERY_NS if self._stopping else None)
        moments.append(self._intake.next_look(self._partitions.values()))
        return moments

    def status(self, now: int, source: SourceStatus | None = None) -> Status:
        """Give the whole state in figures, with what the source knows of Kafka.

        It walks over every owned partition, so it is asked about once a second.
        """
        logs = {} if source is None else source.logs
        return Status(
            at=now,
            held_bytes=self._budget.held,
            held_bytes_max=self._budget.max,
            partitions={tp: p.status(now, logs.get(tp)) for tp, p in self._partitions.items()},
            leases={name: role.status(now) for name, role in self._roles.items()},
            routes={name: route.status() for name, route in self._routes.items()},
            draining=self._stopping,
            missing_topics=self._missing.topics,
            refused_topics=self._missing.refused,
            topics_matched=self._topics.matched(),
            topics_left=self._topics.left(),
            halted=self._halted,
            group=None if source is None else source.group,
            throttled=0 if source is None else source.throttled,
            topic_partitions={} if source is None else source.topic_partitions,
        )

    def halt(self, reason: str) -> None:
        """Decide nothing and commit nothing any more, not even what was decided and not carried out."""
        if self._halted is None:
            self._halted = reason
            self._decided = None
            turn = self._turn
            turn.commands = [c for c in turn.commands if not isinstance(c, CommitOffsets | SendPut)]
            turn.commands.append(Halt(reason))
