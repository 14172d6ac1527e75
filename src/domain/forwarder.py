"""The machine: `handle(event, now)` takes what has happened, `decide(now)` gives what shall be done.

Theory of operation. First all events that have arrived are fed, then one decision is taken: full batches come from that.
A record goes

    RecordsFetched -> ledger + lane -> outbox -> SendPut -> PutAnswered -> settled -> watermark -> CommitOffsets

and every failure on the way puts it back into the outbox; nothing here ever lets go of a record that is not settled,
but for partitions that belong to somebody else.

Ownership: assign makes a `Partition`, revoke drains it and commits it, lost forgets it.
A drain settles what was sent and sends nothing above it; its end is the caller's, who has the clock and the deadline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import assert_never

from doka.domain.airspace import Airspace
from doka.domain.backoff import Jitter
from doka.domain.commands import Command, CommitOffsets, DescribeStream, Halt, SeekPartition, SendPut
from doka.domain.errors import InvariantError, invariant
from doka.domain.events import (
    CommitAnswered,
    Event,
    GapFound,
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
    RevokeStarted,
    SourceFailed,
    StopRequested,
    StreamDescribed,
    StreamRefused,
    TopicsMissing,
)
from doka.domain.facts import Fact, GapSeen, PartitionsOwned, RecordsWillRepeat, RouteBlocked, RouteOpened
from doka.domain.held.budget import Budget
from doka.domain.leases.role import Role
from doka.domain.partitions.commits import Commits
from doka.domain.partitions.intake import Intake
from doka.domain.partitions.partition import Partition
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rest import Rest
from doka.domain.routes.route import Route
from doka.domain.rules import OnGap, Rules
from doka.domain.status import Status

_MOVES_A_ROUTE = (RouteBlocked, RouteOpened)  # and with it who may be fetched


class Forwarder:
    """Never commits above an un-settled record, never sends for a partition that is not owned."""

    def __init__(self, rules: Rules, jitter: Jitter) -> None:
        """Build the machine for these rules; `jitter` gives numbers in [0, 1)."""
        limits = rules.limits
        self._rules = rules
        self._budget = Budget(limits.held_bytes)
        self._routes = {r.name: Route(r, limits, self._budget, jitter) for r in rules.routes}
        self._route_of = {topic: self._routes[rule.name] for topic, rule in rules.route_of().items()}
        self._roles = {
            r.name: Role(
                r, [x for x in self._routes.values() if x.rules.role == r.name], limits.request_timeout, jitter
            )
            for r in rules.roles
        }
        self._partitions: dict[TopicPartition, Partition] = {}
        self._commits = Commits(limits.commit_every)
        self._intake = Intake(self._budget, self._commits, limits.ahead_records)
        self._commands: list[Command] = []
        self._puts = count(1)
        self._airspace = Airspace(limits)
        self._letters = count(1)
        self._route_of_letter: dict[int, Route] = {}
        self._missing: frozenset[str] = frozenset()
        self._stopping = False
        self._halted: str | None = None
        self._rest = Rest()

    # --- what has happened ---------------------------------------------------------------------------------------

    def handle(self, event: Event, now: int) -> None:  # noqa: PLR0915 - the table of all events, in one place
        """Take one event. Raises InvariantError when it cannot be; nothing may be committed after that."""
        self._rest.end()
        match event:
            case RecordsFetched(chunk):
                self._fetched(chunk, now)
            case PutAnswered(put):
                route = self._airspace.landed(put)
                facts, moved = route.answered(event, now)
                self._moved_on([], moved, now)
                self._after_put(route, facts, now)
            case PutRefused(put):
                route = self._airspace.landed(put)
                self._after_put(route, route.refused(event, now), now)
            case PutAmbiguous(put) | PutUnsent(put):
                route = self._airspace.landed(put)
                self._after_put(route, route.unknown(event, now), now)
            case LetterAcknowledged(letter):
                route = self._route_of_letter.pop(letter)
                self._moved_on(*route.letter_stored(event, now), now)
            case LetterRefused(letter):
                self._tell(*self._route_of_letter.pop(letter).quarantine.refused(event, now))
            case PartitionEnded(tp, offset):
                self._ended(tp, offset, now)
            case CommitAnswered():
                told = self._commits.answered(event)
                self._intake.look_soon()  # `ahead_records` counts from what Kafka holds
                if told is not None:
                    self._tell(told)
            case LeaseIssued(lease):
                self._tell(*self._roles[lease.role].issued(event, now))
            case LeaseRefused(role):
                self._tell(*self._roles[role].refused(event, now))
            case StreamDescribed(route=name):
                self._tell(*self._routes[name].described(event, now))
            case StreamRefused(route=name):
                route = self._routes[name]
                self._after_put(route, route.undescribed(event, now), now)
            case PartitionsAssigned(positions):
                self._assigned(positions)
            case RevokeStarted(partitions):
                self._begin_drain(self._owned(partitions))
            case PartitionsRevoked(partitions):
                self._revoked(self._owned(partitions))
            case PartitionsLost(partitions):
                lost = self._owned(partitions)
                self._will_repeat({p.tp: p.ledger.ahead + p.uncommitted for p in lost})
                self._forget(lost, "lost")
            case GapFound():
                self._gap_found(event, now)
            case TopicsMissing(topics):
                self._missing = topics
            case SourceFailed(reason):
                self.halt(reason)
            case StopRequested():
                self._stopping = True
                self._begin_drain(list(self._partitions.values()))
            case _:
                assert_never(event)

    def _fetched(self, chunk: Chunk, now: int) -> None:
        partition = self._partitions.get(chunk.partition)
        if partition is None:
            raise InvariantError(f"records of {chunk.partition} came, which is not owned")
        if not partition.draining:  # else never sent, never committed: it is read again by whoever owns it next
            self._intake.fetched(partition, chunk, now)

    def _ended(self, tp: TopicPartition, offset: int, now: int) -> None:
        partition = self._partitions.get(tp)
        if partition is not None and not partition.draining:
            self._intake.ended(partition, offset, now)

    def _after_put(self, route: Route, facts: list[Fact], now: int) -> None:
        self._tell(*facts, *self._roles[route.rules.role].heard(route, now))

    def _moved_on(self, facts: list[Fact], moved: Iterable[Partition], now: int) -> None:
        """Let the watermarks that moved be committed, and what waited behind them come in."""
        self._commits.moved(moved)
        for partition in moved:
            self._intake.admit(partition, now)
        self._tell(*facts)

    # --- ownership -----------------------------------------------------------------------------------------------

    def _owned(self, partitions: frozenset[TopicPartition]) -> list[Partition]:
        return [self._partitions[tp] for tp in sorted(partitions) if tp in self._partitions]

    def _assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        for tp, start in positions.items():
            invariant(tp not in self._partitions, f"{tp} was assigned twice")
            partition = Partition(tp, start, self._route_of[tp.topic])
            partition.draining = self._stopping
            self._partitions[tp] = partition
        self._intake.look_soon()
        if positions:
            self._tell(PartitionsOwned("assigned", frozenset(positions), dict(positions)))

    def _begin_drain(self, partitions: list[Partition]) -> None:
        self._intake.look_soon()
        for partition in partitions:
            if not partition.draining:
                partition.route.forget_unsent(partition)
                self._budget.held -= partition.begin_drain()
                self._commits.moved((partition,))

    def _revoked(self, partitions: list[Partition]) -> None:
        self._begin_drain(partitions)
        last = self._commits.last(partitions)
        if last is not None and self._halted is None:
            self._commands.append(last)
        self._will_repeat({p.tp: p.ledger.ahead for p in partitions})
        self._forget(partitions, "revoked")

    def _will_repeat(self, records: Mapping[TopicPartition, int]) -> None:
        self._tell(*(RecordsWillRepeat(tp, count) for tp, count in records.items() if count))

    def _forget(self, partitions: list[Partition], change: str) -> None:
        for partition in partitions:
            partition.gone = True
            partition.route.forget_unsent(partition)
            self._budget.held -= partition.held_bytes
            self._commits.forget(partition)
            del self._partitions[partition.tp]
        self._intake.look_soon()
        self._commands = [
            c for c in self._commands if not (isinstance(c, SeekPartition) and c.partition not in self._partitions)
        ]
        if partitions:
            committed = {p.tp: p.ledger.watermark for p in partitions if change == "revoked"}
            self._tell(PartitionsOwned(change, frozenset(p.tp for p in partitions), committed))

    def drained(self, partitions: frozenset[TopicPartition] | None = None) -> bool:
        """Say whether nothing that was sent of these partitions (all, by default) is still open.

        A blocked route is not waited for beyond its requests in flight.
        """
        of = self._partitions.values() if partitions is None else self._owned(partitions)
        return all(p.drained or (p.route.blocked is not None and not p.route.outbox.flights) for p in of)

    @property
    def committed(self) -> bool:
        """Whether Kafka is known to hold every watermark."""
        return all(p.ledger.watermark <= p.committed for p in self._partitions.values())

    def holes(self) -> int:
        """Count the records that landed above what can be committed: they will land again."""
        return sum(p.ledger.ahead for p in self._partitions.values())

    def _gap_found(self, event: GapFound, now: int) -> None:
        partition = self._partitions.get(event.partition)
        if partition is None or partition.gap is not None or partition.draining:
            return  # a drain looks no further ahead; whoever reads on finds the gap again
        policy = self._rules.on_gap
        anew = event.log_start < partition.expected  # another log under the same name: its offsets begin anew
        forgotten = partition.unsettled if anew and policy is OnGap.CONTINUE else 0
        self._tell(GapSeen(event.partition, event.expected, event.log_start, policy.value, forgotten))
        if policy is OnGap.BLOCK:
            partition.gap = (
                f"offset {event.expected} should be read next and the log holds {event.log_start}..{event.log_end}; "
                "set kafka.on_gap: continue to step over what is missing"
            )
            self._intake.look_soon()
            return
        if not anew:
            self._intake.ended(partition, event.log_start, now)
        else:  # and so does the ledger; waiting for a sick key of the former log could hold the new one for ever
            self._forget([partition], "lost")
            self._assigned({event.partition: event.log_start})
            self._partitions[event.partition].paused = partition.paused  # the client's flag outlives the ledger
        self._commands.append(SeekPartition(event.partition, event.log_start))

    # --- what shall be done --------------------------------------------------------------------------------------

    def decide(self, now: int) -> list[Command]:
        """Give everything that shall be done now, in the order in which it shall be done.

        A turn in which nothing has happened, and in which time alone changes nothing, costs two comparisons.
        """
        if self._rest.lasts(now, self._moments):
            return []
        self._rest.begin(now)
        if self._halted is None:
            self._steer(now)  # first: it may let records in
            self._tend_poison(now)  # which may let in more
            self._tend_roles(now)  # and only now it shows whether a lease is needed
            self._send(now)
            commit = self._commits.due(now, hurry=self._stopping)
            if commit is not None:
                self._commands.append(commit)
            if self._intake.looks_soon:  # a route was blocked just now
                self._steer(now)
            self._tell(*self._intake.take_facts())
        commands, self._commands = self._commands, []
        return commands

    def _steer(self, now: int) -> None:
        self._commands += self._intake.steer(self._partitions.values(), now)

    def _tend_roles(self, now: int) -> None:
        for role in self._roles.values():
            commands = role.tend(now)
            if commands:
                self._do(commands)

    def _send(self, now: int) -> None:
        for route in self._routes.values():
            signing = self._roles[route.rules.role].keeper.for_signing(now)
            if signing is None:
                continue
            (lease, timeout), arn = signing, route.standing.stream_arn
            if not self._stopping and route.wants_description(now):
                self._commands.append(DescribeStream(route.rules.name, lease))
            while route.wants_to_send(now) and self._airspace.may_fly(route, self._routes.values()):
                flight = route.next_flight(next(self._puts), lease.serial, now)
                if flight is None:
                    self._rest.end()  # what was to leave is gone, or turned into something else
                    break
                self._airspace.took_off(flight, route)
                name, columns = route.rules.name, (flight.keys, flight.values)
                self._commands.append(
                    SendPut(flight.put, name, lease, *columns, timeout, arn, flight.hash_keys, flight.shares)
                )

    def _tend_poison(self, now: int) -> None:
        for route in self._routes.values():
            moved: Sequence[Partition] | None = None
            while moved is None or moved:  # what moved on may have let more poison in
                letters, facts, moved = route.tend_poison(now, self._letters.__next__)
                for letter in letters:
                    self._route_of_letter[letter.letter] = route
                self._commands += letters
                if facts or moved:
                    self._moved_on(facts, moved, now)

    @property
    def in_flight(self) -> int:
        """How many requests are in flight."""
        return self._airspace.in_flight

    def room(self) -> int:
        """Give how many records may be fetched now; 0 while nothing may be."""
        if self._stopping or self._halted is not None:
            return 0
        return self._intake.room(len(self._partitions))

    @property
    def all_paused(self) -> bool:
        """Whether no partition delivers records."""
        return not self._intake.unpaused

    # --- besides -------------------------------------------------------------------------------------------------

    def next_wake(self, now: int) -> int | None:
        """Give the next moment at which time alone lets something be decided; it has come where it is not after `now`."""
        return self._rest.wake(now, self._moments)

    def _moments(self, after: int) -> list[int | None]:
        moments = [role.keeper.next_change(after) for role in self._roles.values()]
        moments += [route.next_wake(after) for route in self._routes.values()]
        moments += [self._commits.next_wake(), self._budget.squeezes_at]
        moments.append(self._intake.next_look(self._partitions.values()))
        return moments

    def status(self, now: int, log_ends: Mapping[TopicPartition, int] | None = None) -> Status:
        """Give the whole state in figures; walks over every owned partition, so about once a second."""
        ends = log_ends or {}
        return Status(
            at=now,
            held_bytes=self._budget.held,
            held_bytes_max=self._budget.max,
            partitions={
                tp: p.status(now, ends.get(tp), blocked=p.route.blocked is not None)
                for tp, p in self._partitions.items()
            },
            leases={name: role.keeper.status(now) for name, role in self._roles.items()},
            routes={name: route.status() for name, route in self._routes.items()},
            draining=self._stopping,
            missing_topics=self._missing,
            halted=self._halted,
        )

    def halt(self, reason: str) -> None:
        """Decide nothing and commit nothing any more, not even what was decided and not carried out."""
        if self._halted is None:
            self._halted = reason
            self._rest.end()
            self._commands = [c for c in self._commands if not isinstance(c, CommitOffsets | SendPut)]
            self._commands.append(Halt(reason))

    def _tell(self, *facts: Fact) -> None:
        if facts:
            self._do(facts)

    def _do(self, commands: Iterable[Command]) -> None:
        for command in commands:
            self._commands.append(command)
            if isinstance(command, _MOVES_A_ROUTE):
                self._intake.look_soon()
