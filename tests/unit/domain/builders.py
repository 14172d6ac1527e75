"""Small makers of domain values, so that a test shows only what it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from doka.domain.commands import Command, CommitOffsets, DescribeStream, RequestLease, SendPut
from doka.domain.events import (
    CommitAnswered,
    Event,
    LeaseIssued,
    PartitionsAssigned,
    PutAnswered,
    RecordsFetched,
    StreamDescribed,
)
from doka.domain.forwarder import Forwarder
from doka.domain.held.budget import Budget
from doka.domain.held.ledger import HeldChunk, OffsetLedger
from doka.domain.lease import Lease, Secrets
from doka.domain.leases.keeper import LeaseKeeper
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND, RECORD_BYTES_DEFAULT
from doka.domain.partitions.partition import Leg, Partition
from doka.domain.records import Chunk, Original, TopicPartition
from doka.domain.routes.route import Route
from doka.domain.rules import LimitRules, OnGap, OnUnreadable, RoleRules, RouteRules, Rules
from doka.domain.turn import Decision, Left, Turn

MS = NS_PER_MS
SECOND = NS_PER_SECOND

ORDERS = TopicPartition("orders", 0)
STAMP_MS = 1_700_000_000_000
"""The Kafka timestamp of every record here."""


def no_jitter() -> float:
    """Draw the smallest chance."""
    return 0.0


def most_jitter() -> float:
    """Draw (nearly) the largest chance."""
    return 1.0 - 2**-53


@dataclass(frozen=True)
class Extras:
    """Headers and a timestamp, and for those who ask key and value: an `Original`."""

    of_headers: list[tuple[str, bytes | None]] | None = None
    of_timestamp: tuple[int, int] = (1, STAMP_MS)
    of_key: bytes | None = None
    of_value: bytes | None = None

    def key(self) -> bytes | None:
        """Give the key."""
        return self.of_key

    def value(self) -> bytes | None:
        """Give the value."""
        return self.of_value

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Give the headers."""
        return self.of_headers

    def timestamp(self) -> tuple[int, int]:
        """Give type and ms."""
        return self.of_timestamp


class HeadersRefused(Extras):
    """Raises for its headers once, as the client does; whoever asks again ends the process, so the test fails."""

    _asked = False

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Refuse."""
        assert not self._asked
        object.__setattr__(self, "_asked", True)
        raise SystemError


def chunk(
    keys: Iterable[str | bytes | None],
    *,
    start: int = 0,
    offsets: Sequence[int] | None = None,
    values: Sequence[bytes | None] | None = None,
    partition: TopicPartition = ORDERS,
    originals: Sequence[Original] = (),
) -> Chunk:
    """Make a chunk of one record a key, from offset `start` without holes unless `offsets` says otherwise."""
    of_keys = [key.encode() if isinstance(key, str) else key for key in keys]
    at = list(range(start, start + len(of_keys))) if offsets is None else offsets
    of_values = [b"%d" % offset for offset in at] if values is None else values
    return Chunk(partition, at, of_keys, of_values, STAMP_MS, originals)


def told(handle: Callable[..., object], *given: object, **named: object) -> list[Command]:
    """Let something be handled that takes a turn as its last argument; give what it commands and tells."""
    turn = Turn()
    handle(*given, turn, **named)
    return turn.commands


def route_rules(name: str = "orders", /, **changes: object) -> RouteRules:
    """Give the rules of a route with one topic of its own name."""
    values: dict[str, object] = {"topics": frozenset({name}), "role": "writer"} | changes
    return RouteRules(name=name, **values)  # type: ignore[arg-type]  # the caller names fields


def limit_rules(**changes: object) -> LimitRules:
    """Give limits, the defaults but for these."""
    return LimitRules(**changes)  # type: ignore[arg-type]  # the caller names fields


def partition(
    tp: TopicPartition = ORDERS, start: int = 0, rules: RouteRules | None = None, limits: LimitRules | None = None
) -> Partition:
    """Make an owned partition with a route of its own."""
    of_limits = limits or LimitRules()
    route = Route(rules or route_rules(), of_limits, Budget(of_limits.held_bytes), keeper(), no_jitter)
    return Partition(tp, start, [route])


def leg_of(owner: Partition) -> Leg:
    """Give the only leg of a partition."""
    (only,) = owner.legs.values()
    return only


def leg(rules: RouteRules | None = None) -> Leg:
    """Make the leg of an owned partition with a route of its own."""
    return leg_of(partition(rules=rules))


def keeper() -> LeaseKeeper:
    """Make the keeper of a role that has no lease."""
    return LeaseKeeper(RoleRules("writer"), LimitRules().request_timeout, no_jitter)


def held(owner: Leg | OffsetLedger, keys: str | Sequence[str], start: int = 0, **changes: object) -> HeldChunk:
    """Make a held chunk of one record a key; `offsets`, `poison` and `held_bytes` as named."""
    offsets = changes.pop("offsets", None) or list(range(start, start + len(keys)))
    assert isinstance(offsets, list)
    values: dict[str, object] = {"arrived": 0, "timestamp_ms": -1, "held_bytes": 10 * len(keys)} | changes
    return HeldChunk(
        owner.ledger if isinstance(owner, Leg) else owner,
        offsets,
        list(keys),
        [b"%d" % offset for offset in offsets],
        **values,  # type: ignore[arg-type]  # the caller names fields
    )


def lease(serial: int = 1, *, role: str = "writer", at: int = 0, life: int | None = 3600 * SECOND) -> Lease:
    """Make a lease that was asked for at `at` and lives so many ns."""
    return Lease(serial, role, Secrets("key", "secret", "token"), at, None if life is None else at + life)


def described(route: str = "orders", **changes: object) -> StreamDescribed:
    """Tell that the stream of a route is there and as it should be."""
    values: dict[str, object] = {
        "arn": f"arn:aws:kinesis:eu-west-1:210987654321:stream/{route}",
        "status": "ACTIVE",
        "record_bytes_max": RECORD_BYTES_DEFAULT,
        "honours_keys": True,
    } | changes
    return StreamDescribed(route, **values)  # type: ignore[arg-type]  # the caller names fields


@dataclass
class Machine:
    """A forwarder with its outside played by hand: what it commands is kept here until a test answers it."""

    routes: Sequence[RouteRules] = field(default_factory=lambda: (route_rules(),))
    limits: LimitRules = field(default_factory=LimitRules)
    roles: Sequence[RoleRules] = (RoleRules("writer"),)
    on_gap: OnGap = OnGap.BLOCK
    on_unreadable: OnUnreadable = OnUnreadable.BLOCK
    now: int = 1_000 * SECOND
    told: list[Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.forwarder = Forwarder(
            Rules(tuple(self.routes), tuple(self.roles), self.limits, self.on_gap, self.on_unreadable), no_jitter
        )
        self.decision: Decision
        self.serials = count(1)
        self.puts: dict[int, SendPut] = {}
        self.commits: dict[int, CommitOffsets] = {}

    def feed(self, *events: Event) -> None:
        """Let things happen, without a decision."""
        for event in events:
            self.forwarder.handle(event, self.now)

    def decide(self, *, after: int = 0) -> list[Command]:
        """Let time pass and take a decision, which is kept; give its commands."""
        self.now += after
        self.decision = self.forwarder.decide(self.now)
        commands = list(self.decision.commands)
        self.told += commands
        self.puts |= {c.put: c for c in commands if isinstance(c, SendPut)}
        self.commits |= {c.commit: c for c in commands if isinstance(c, CommitOffsets)}
        return commands

    def step(self, *events: Event, after: int = 0) -> list[Command]:
        """Let things happen, then time pass, then take a decision."""
        self.feed(*events)
        return self.decide(after=after)

    def open(self, positions: Mapping[TopicPartition, int] | None = None) -> None:
        """Answer every question about leases and streams well, and assign partitions."""
        commands = self.step(PartitionsAssigned(positions or {ORDERS: 0}))
        while asked := [c for c in commands if isinstance(c, RequestLease | DescribeStream)]:
            commands = self.step(*map(self.answer_well, asked))
        self.decide(after=MS)

    @property
    def left(self) -> Left:
        """What is left to do, as the last decision tells while partitions are given back."""
        assert self.decision.left is not None
        return self.decision.left

    def wakes_in(self) -> int:
        """Give the time in ns for which the last decision lasts if nothing happens."""
        until = self.decision.until()
        assert until is not None
        return until - self.now

    def answer_well(self, command: RequestLease | DescribeStream) -> Event:
        """Give what the outside answers on a good day."""
        if isinstance(command, RequestLease):
            return LeaseIssued(lease(next(self.serials), role=command.role, at=self.now))
        return described(command.route)

    def fetch(self, keys: Iterable[str | bytes | None], **at: object) -> list[SendPut]:
        """Fetch a chunk and give the requests that leave because of it."""
        commands = self.step(RecordsFetched(chunk(keys, **at)), after=MS)  # type: ignore[arg-type]
        return [c for c in commands if isinstance(c, SendPut)]

    def answer(self, put: SendPut | int, failed: Mapping[int, str] | None = None) -> list[SendPut]:
        """Answer a request, well but for the `failed` entries; give the requests that leave because of it."""
        number = put if isinstance(put, int) else put.put
        self.puts.pop(number, None)
        commands = self.step(PutAnswered(number, failed or {}), after=MS)
        return [c for c in commands if isinstance(c, SendPut)]

    def land(self, puts: Iterable[SendPut]) -> list[SendPut]:
        """Answer requests well; give those that leave because of it."""
        return [more for put in puts for more in self.answer(put)]

    def store(self, error: str | None = None) -> None:
        """Answer all commits in flight."""
        commits, self.commits = self.commits, {}
        self.step(*(CommitAnswered(commit, error) for commit in commits))

    def committed(self) -> dict[TopicPartition, int]:
        """Give the offsets of every commit that was ever sent, the latest of each partition."""
        found: dict[TopicPartition, int] = {}
        for command in self.told:
            if isinstance(command, CommitOffsets):
                found.update(command.offsets)
        return found

    def of(self, kind: type[Command]) -> list[Command]:
        """Give the commands and facts of one kind that were ever given."""
        return [c for c in self.told if isinstance(c, kind)]
