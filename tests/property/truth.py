"""What is true in the model world, whoever believes what: logs, ownerships, landings, stored commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from doka.domain.commands import SendPut
from doka.domain.records import TopicPartition

STREAM_LIMIT = 1_100
"""What the model's streams take of a record, data and key, in bytes."""
TOO_LARGE_BYTES = STREAM_LIMIT + 1  # of a value
LONG_BYTES = 900  # of a value that fits a stream, but not every aggregate


@dataclass(eq=False)
class Record:
    """One record of a log; its value says which, so that a request can be traced back to it."""

    tp: TopicPartition
    life: int
    offset: int
    key: bytes | None
    large: bool = False
    """More than the stream takes: poison that is found before sending, like an empty key."""
    bad: bool = False
    """The service refuses any request that holds it: poison that only isolation finds."""
    long: bool = False
    """More than most aggregates take: there it travels as it is."""
    landings: int = 0
    dropped: bool = False
    lettered: bool = False
    retained: bool = True

    @property
    def poison(self) -> bool:
        """Whether it can never land."""
        return self.large or self.bad or self.key == b""

    @property
    def value(self) -> bytes:
        """Name the record; what is long, or too large, is padded."""
        name = b"%s|%d|%d|%d#" % (self.tp.topic.encode(), self.tp.partition, self.life, self.offset)
        return name.ljust(TOO_LARGE_BYTES if self.large else LONG_BYTES if self.long else 0, b"#")

    @property
    def safe(self) -> bool:
        """Whether nothing is lost if nobody ever sends it again."""
        return bool(self.landings) or self.dropped or self.lettered or not self.retained


class New(NamedTuple):
    """What is written next."""

    key: bytes | None
    hole: int = 0
    large: bool = False
    bad: bool = False
    long: bool = False


@dataclass(eq=False)
class Log:
    """One partition of one topic, in one of its lives; `end` is above its last record and every marker."""

    tp: TopicPartition
    life: int = 0
    end: int = 0
    records: dict[int, Record] = field(default_factory=dict)
    ever: dict[tuple[int, int], Record] = field(default_factory=dict)
    """Every record by life and offset."""
    stored: int = 0
    """What the group has committed."""

    def write(self, new: New) -> None:
        """Append a record after as many offsets that are none as it says."""
        offset = self.end + new.hole
        record = Record(self.tp, self.life, offset, new.key, new.large, new.bad, new.long)
        self.records[offset] = self.ever[self.life, offset] = record
        self.end = offset + 1

    def recreate(self) -> None:
        """Delete the topic, with the group's offsets, and make another one under its name."""
        self.life += 1
        self.end = self.stored = 0
        for record in self.records.values():
            record.retained = False
        self.records = {}


@dataclass(eq=False)
class Ownership:
    """One stay of one partition with the member, as the outside sees it."""

    log: Log
    start: int
    lanes: bool
    null_key: str | None
    life: int
    position: int = 0
    """The next offset to read."""
    reach: int = 0
    """The highest offset that may be committed once all below is settled: position, end of the log, far side of a gap."""
    fetched: dict[int, Record] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)
    parked: set[int] = field(default_factory=set)
    flying: set[int] = field(default_factory=set)
    sent_to: int = 0
    drain_below: int | None = None
    committed: int = 0
    paused: bool = False
    gap: bool = False
    landed: dict[str, list[int]] = field(default_factory=dict)
    shares: bool = False
    """Whether records of a lane may share a request, and be overtaken inside it."""
    passed: set[int] = field(default_factory=set)
    """Records of which a later one landed first, from the same request."""
    overtaken: set[int] = field(default_factory=set)
    """Those of them that landed then."""

    def __post_init__(self) -> None:
        self.position = self.reach = self.sent_to = self.committed = self.start

    @property
    def tp(self) -> TopicPartition:
        """Which partition."""
        return self.log.tp

    def lane(self, record: Record) -> str | None:
        """Give the lane of a record; None where no order is kept."""
        if not self.lanes:
            return None
        if record.key is None:
            return self.null_key
        return record.key.decode()

    def open_before(self, record: Record) -> list[int]:
        """Give the un-settled records of the same lane that come before."""
        lane = self.lane(record)
        return [
            offset
            for offset, other in self.fetched.items()
            if lane is not None and offset < record.offset and offset not in self.settled and self.lane(other) == lane
        ]

    def accounted(self) -> list[int]:
        """Give what must be somewhere: all that is un-settled, but in a drain not what waits for its policy."""
        return [o for o in self.unsettled() if self.drain_below is None or not self.fetched[o].poison]

    def unsettled(self) -> list[int]:
        """Give what was fetched and is neither settled nor, in a drain, forgotten."""
        end = self.drain_below
        return sorted(o for o in self.fetched if o not in self.settled and (end is None or o < end))

    def land(self, record: Record) -> None:
        """Note a landing; first landings of a lane come in offset order."""
        record.landings += 1
        lane = self.lane(record)
        if lane is None:
            return
        landed = self.landed.setdefault(lane, [])
        if record.offset in landed:
            return
        if landed and max(landed) > record.offset:
            assert record.offset in self.passed, f"I4: {record.tp} {record.offset} landed after {landed}"
            self.overtaken.add(record.offset)
        landed.append(record.offset)

    def let_pass(self, records: Iterable[Record], later: Record) -> None:
        """Note that a record lands: those before it in its request, of its lane, that have not landed are overtaken."""
        lane = self.lane(later)
        if not self.shares or lane is None or later.offset in self.landed.get(lane, ()):
            return
        landed = self.landed.get(lane, ())
        self.passed.update(r.offset for r in records if self.lane(r) == lane and r.offset not in landed)


class Sent(NamedTuple):
    """A record on its way, and whose it was when it left."""

    record: Record
    own: Ownership


@dataclass(eq=False)
class Flight:
    """A request that left, with the records that each of its entries carries: one, or those of an aggregate in order."""

    command: SendPut
    entries: Sequence[Sequence[Sent]]

    @property
    def sent(self) -> list[Sent]:
        """Give all its records, in order."""
        return [sent for entry in self.entries for sent in entry]

    @property
    def bad(self) -> list[int]:
        """Name the entries that the service refuses."""
        return [place for place, entry in enumerate(self.entries) if any(sent.record.poison for sent in entry)]

    @property
    def good(self) -> list[int]:
        """Name the entries that may land; none while a bad one makes the service refuse the whole."""
        return [] if self.bad else list(range(len(self.entries)))

    def land(self, places: Sequence[int]) -> None:
        """Let entries land, in this order, each as a whole."""
        for place in places:
            before = [sent for entry in self.entries[:place] for sent in entry]
            for record, own in self.entries[place]:
                own.let_pass([sent.record for sent in before if sent.own is own], record)
                own.land(record)
