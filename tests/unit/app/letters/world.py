"""A topic of letters with its group, resends that choose, are killed and meet each other, and the truth about each letter.

The source under test is the real one; beneath it is a log in memory that answers commits, above it stands who does what the
machine does: it settles in any order, and commits watermarks.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from doka.adapters.kafka.letter_headers import letter_headers
from doka.adapters.system.inbox import ThreadInbox
from doka.app.letters.receipts import Receipts
from doka.app.letters.source import LetterSource
from doka.domain.commands import CommitOffsets
from doka.domain.events import CommitAnswered, Event, Landings, PartitionEnded, RecordsFetched, StopRequested
from doka.domain.letters.resent import Resent
from doka.domain.letters.share import Planned
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import RebalanceListener
from doka.domain.records import Chunk, TopicPartition
from doka.domain.replay.pace import Pace
from doka.domain.status import GroupStatus, SourceStatus
from tests.dead_letters import Original, letter
from tests.manual_clock import ManualClock

CODES = ("NoValue", "RecordTooLarge", "ValidationException")
DEAD = [TopicPartition("dead", number) for number in range(2)]
Letter = tuple[TopicPartition, int]


@dataclass
class Kafka:
    """The letters, by partition and offset (None: no letter), and what the group has committed."""

    codes: dict[TopicPartition, list[str | None]] = field(default_factory=lambda: {partition: [] for partition in DEAD})
    commits: dict[TopicPartition, tuple[int, str]] = field(default_factory=dict)

    def resent(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Resent]:
        """Say how far letters have been resent."""
        return {p: Resent.parse(*self.commits[p]) for p in partitions if p in self.commits}

    def chunk(self, partition: TopicPartition, first: int, end: int) -> Chunk:
        """Give what stands there."""
        stored = [
            Original(own_headers=None if code is None else letter_headers(letter(1, offset=offset, code=code), 1.0))
            for offset, code in enumerate(self.codes[partition][first:end], first)
        ]
        keys, values = [each.own_key for each in stored], [each.own_value for each in stored]
        return Chunk(partition, list(range(first, end)), keys, values, originals=stored)


class Member:
    """A member of the group, as `domain.ports.Source`, that reads a few records at a time."""

    def __init__(self, kafka: Kafka, rng: Random, partitions: Collection[TopicPartition] = DEAD) -> None:
        self.kafka, self.rng, self.partitions = kafka, rng, partitions
        self.next: dict[TopicPartition, int] = {}
        self.listener: RebalanceListener | None = None
        self.answers: list[Event] = []
        self.refuses = 0.0
        """How often a commit is refused."""

    def open(self, listener: RebalanceListener) -> None:
        """Give all partitions at once."""
        self.listener = listener
        self.give(self.partitions)

    def give(self, partitions: Collection[TopicPartition]) -> None:
        """Assign partitions, at their commits."""
        assert self.listener is not None
        self.next.update({p: self.kafka.commits.get(p, (0, ""))[0] for p in partitions})
        self.listener.partitions_assigned({p: self.next[p] for p in partitions})

    def take(self, partitions: frozenset[TopicPartition]) -> None:
        """Revoke partitions."""
        assert self.listener is not None
        self.listener.partitions_revoked(partitions)
        for partition in partitions:
            del self.next[partition]

    def fetch(self, limit: int, wait: int) -> Sequence[Event]:
        """Give a few records of each partition, and its end where it is reached."""
        del wait
        found, self.answers = self.answers, []
        for partition, at in self.next.items():
            far = len(self.kafka.codes[partition])
            end = min(far, at + self.rng.randint(1, limit))
            if at < end:
                found.append(RecordsFetched(self.kafka.chunk(partition, at, end)))
                self.next[partition] = end
            if end == far:
                found.append(PartitionEnded(partition, far))
        return found

    def commit(self, command: CommitOffsets) -> None:
        """Store it, or refuse it."""
        if self.rng.random() < self.refuses:
            self.answers.append(CommitAnswered(command.commit, "REBALANCE_IN_PROGRESS"))
            return
        self.kafka.commits.update({p: (o, command.notes.get(p, "")) for p, o in command.offsets.items()})
        self.answers.append(CommitAnswered(command.commit))

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Do nothing."""

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Do nothing."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on there."""
        self.next[partition] = offset

    def status(self) -> SourceStatus:
        """Say that all is well."""
        return SourceStatus(GroupStatus(joined=True))

    def close(self) -> None:
        """Do nothing."""


class Machine:
    """Does with a source what the machine does, and notes what landed; also its listener."""

    def __init__(self, kafka: Kafka, rng: Random, codes: Collection[str], member: Member | None = None) -> None:
        """Plan a resend of the letters with these codes."""
        self.kafka, self.rng = kafka, rng
        self.planned = planned(kafka, codes)
        self.member = member or Member(kafka, rng)
        self.clock, self.inbox, self.out = ManualClock(), ThreadInbox(), io.StringIO()
        self.receipts = Receipts(self.out, lambda: 1.0)
        self.source = LetterSource(
            self.member,
            self.planned,
            Pace(1_000_000, self.clock.now()),
            self.clock,
            self.inbox,
            resent_of=kafka.resent,
            receipts=self.receipts,
            rest=lambda ns: self.clock.pass_seconds(ns / NS_PER_SECOND),
        )
        self.open: dict[TopicPartition, set[int]] = {}
        self.seen: dict[TopicPartition, int] = {}
        self.acked: dict[TopicPartition, int] = {}
        self.sent: dict[int, dict[TopicPartition, int]] = {}
        self.landed: Counter[Letter] = Counter()
        self.serial = 0
        self.ended = False

    def run(self, steps: int = 10_000) -> None:
        """Go on until it asks for the end, or for so many steps: then it is as if it was killed."""
        self.source.open(self)
        for _ in range(steps):
            self.step()
            if self.ended:
                return

    def step(self) -> None:
        """Fetch, settle some, commit now and then."""
        for event in self.source.fetch(self.rng.randint(1, 5), 0):
            self.take(event)
        for partition, offsets in self.open.items():
            for offset in sorted(offsets):
                if self.rng.random() < 0.5:
                    self.land(partition, offset)
        if self.rng.random() < 0.5:
            self.commit()
        self.clock.pass_seconds(0.1)
        self.ended = any(isinstance(event, StopRequested) for event in self.inbox.drain())

    def take(self, event: Event) -> None:
        """Take one event."""
        match event:
            case RecordsFetched(chunk):
                assert chunk.offsets[0] >= self.seen[chunk.partition], "a record came a second time, or out of order"
                self.open[chunk.partition].update(chunk.offsets)
                self.seen[chunk.partition] = chunk.end
            case PartitionEnded(partition, offset):
                self.seen[partition] = max(self.seen[partition], offset)
            case CommitAnswered(serial, None):
                self.acked.update(self.sent.pop(serial))
            case _:
                pass

    def land(self, partition: TopicPartition, offset: int) -> None:
        """Land one record, with its receipt."""
        self.open[partition].discard(offset)
        self.landed[partition, offset] += 1
        self.receipts.landed([[(partition, offset)]], Landings(["s0"], [str(offset)]))

    def commit(self) -> None:
        """Commit the watermarks."""
        marks = {p: min([*self.open[p], self.seen[p]]) for p in self.open}
        due = {p: mark for p, mark in marks.items() if mark > self.acked[p]}
        if due:
            self.serial += 1
            self.sent[self.serial] = due
            self.source.commit(CommitOffsets(self.serial, due))

    def receipts_given(self) -> Counter[Letter]:
        """Read the receipts, by letter."""
        lines = [json.loads(line)["letter"] for line in self.out.getvalue().splitlines()]
        return Counter((TopicPartition(line["topic"], line["partition"]), line["offset"]) for line in lines)

    def may_repeat(self) -> set[Letter]:
        """Give what landed and is not known to be committed: what a kill at this moment repeats."""
        return {(p, offset) for p, offset in self.landed if offset >= self.acked.get(p, 0)}

    def partitions_assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        """Own them."""
        for partition, position in positions.items():
            self.open[partition] = set()
            self.seen[partition] = self.acked[partition] = position

    def partitions_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Settle and commit what was sent, and let go."""
        for partition in partitions:
            for offset in sorted(self.open[partition]):
                self.land(partition, offset)
        self.commit()
        for partition in partitions:
            del self.open[partition], self.seen[partition]

    def partitions_lost(self, partitions: frozenset[TopicPartition]) -> None:
        """Let go."""
        for partition in partitions:
            del self.open[partition], self.seen[partition]

    def asked_to_stop(self) -> bool:
        """Say no."""
        return False


def planned(kafka: Kafka, codes: Collection[str]) -> dict[TopicPartition, Planned]:
    """Plan as the command does: what is not done, by its code."""
    resent = kafka.resent(DEAD)
    found: dict[TopicPartition, Planned] = {}
    for partition, log in kafka.codes.items():
        left = [
            (offset, code)
            for offset, code in enumerate(log)
            if code is not None and not (partition in resent and resent[partition].is_done(offset))
        ]
        chosen = [offset for offset, code in left if code in codes]
        found[partition] = Planned(chosen, [offset for offset, code in left if code not in codes], len(log))
    return found


def history(seed: int) -> list[str]:
    """Let resends follow each other and meet, some killed; say what is wrong with what became of the letters."""
    rng = Random(seed)
    kafka = Kafka()
    wrong: list[str] = []
    landed: Counter[Letter] = Counter()
    excused: Counter[Letter] = Counter()
    for number in range(rng.randint(2, 6)):
        for log in kafka.codes.values():
            log += [rng.choice((*CODES, None)) for _ in range(rng.randint(0, 12))]
        everything = rng.random() < 0.3
        codes = CODES if everything else rng.sample(CODES, rng.randint(1, 2))
        machine = Machine(kafka, rng, codes)
        machine.member.refuses = rng.choice((0.0, 0.3))
        due = {(p, offset) for p, letters in machine.planned.items() for offset in letters.chosen}
        for log in kafka.codes.values():  # what comes while it works is not its own
            log += [rng.choice(CODES) for _ in range(rng.randint(0, 2))]
        machine.run(rng.choice((rng.randint(1, 8), 10_000)))
        landed += machine.landed
        if machine.ended and machine.landed != Counter(due):
            wrong.append(f"resend {number} of {codes}: sent {sorted(machine.landed)}, not {sorted(due)}")
        if machine.receipts_given() != machine.landed:
            wrong.append(f"resend {number}: receipts of {sorted(machine.receipts_given())}")
        if not machine.ended:
            excused.update(machine.may_repeat())
    last = Machine(kafka, rng, CODES)
    last.run()
    landed += last.landed
    wrong += [] if last.ended else ["the last one did not end"]
    there = {(p, offset) for p, log in kafka.codes.items() for offset, code in enumerate(log) if code is not None}
    wrong += [f"{each} was lost" for each in sorted(there - landed.keys())]
    wrong += [f"{each} is no letter" for each in sorted(landed.keys() - there)]
    wrong += [f"{each} landed {n} times" for each, n in sorted(landed.items()) if n > 1 + excused[each]]
    return wrong
