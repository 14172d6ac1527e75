"""Short histories with everything in them that an audit must tell apart, drawn by a seed, and what truly happened in each.

Nothing here asks the code that is judged: who landed where is known because it was drawn.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from doka.domain.audit.fates import Fate, OffsetRange, Plan, PlannedPartition
from doka.domain.audit.landed import Landed
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import NullKey, RouteRules
from tests.unit.domain.builders import Extras, chunk, route_rules

START_MS = 1_700_000_000_000
CLOCKS_APART_MS = 100
PARTITIONS = (TopicPartition("orders", 0), TopicPartition("orders", 1), TopicPartition("bills", 0))
PARENTS: Mapping[str, tuple[str, ...]] = {"s0": (), "s1": ("s0",), "s2": ("s0",), "s3": ("s1", "s2"), "aside": ()}
"""One shard is split, and its children are merged again; beside them stands one that has nothing to do with them."""


@dataclass(eq=False)
class Record:
    """One record of Kafka."""

    partition: TopicPartition
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int


@dataclass(eq=False)
class Landing:
    """One record of the stream; `of` is None for a foreign one."""

    of: Record | None
    key: str
    data: bytes
    shard: str = "s0"
    sequence_number: str = ""
    arrived_ms: int = 0


@dataclass(eq=False)
class History:
    """What there is in Kafka and in the stream, and how far both are read."""

    rules: RouteRules
    by_data: bool
    records: list[Record]
    landings: list[Landing]
    """What an audit reads, in the order in which it landed."""
    landed_in_truth: set[Record]
    plan: Plan
    reached_ms: dict[str, int]
    passed: dict[Fate, list[OffsetRange]]
    until_ms: int
    interrupted: bool
    batches: Random = field(default_factory=Random)

    @property
    def since_ms(self) -> int:
        """Where Kafka's window begins."""
        return START_MS


def history_of(seed: int, *, faultless: bool = False) -> History:
    """Draw a history; a `faultless` one has no loss, no repeat and no swap."""
    draw = Random(seed)
    by_data = draw.random() < 0.15
    envelope = not by_data and draw.random() < 0.2
    null_key = draw.choice((NullKey.RANDOM, NullKey.RANDOM, NullKey.PARTITION, NullKey.REJECT))
    topics = frozenset(each.topic for each in PARTITIONS)
    rules = route_rules(topics=topics, envelope=envelope, null_key=null_key)
    records = [record for partition in PARTITIONS[: draw.randint(1, 3)] for record in _records(draw, partition)]
    landings = _landings(draw, records, rules, by_data=by_data, faultless=faultless)
    _place(draw, landings, by_data=by_data)
    _arrive(draw, landings)
    return _read(draw, History(
        rules, by_data, records, landings, {each.of for each in landings if each.of is not None},
        Plan((), 0, 0, 0, 0, {}), {}, {},
        until_ms=START_MS + draw.choice((400, 1_000)), interrupted=draw.random() < 0.2, batches=Random(seed),
    ))  # fmt: skip


def _records(draw: Random, partition: TopicPartition) -> list[Record]:
    """Give the records of a partition: holes in the offsets, few keys, few values, and times that need not ascend."""
    offset, records = draw.randrange(5), []
    for number in range(draw.randint(0, 9)):
        value = draw.choice((b"x", b"x", b"xa", None, *[b"%d" % number] * 5))
        stamp = draw.choice((*[START_MS + 50 * number] * 6, START_MS + draw.randrange(600), -1))
        records.append(Record(partition, offset, draw.choice((*[b"a"] * 5, b"ab", b"b", b"7", None)), value, stamp))
        offset += draw.choice((1, 1, 1, 2))
    return records


def _landings(
    draw: Random, records: Sequence[Record], rules: RouteRules, *, by_data: bool, faultless: bool
) -> list[Landing]:
    """Let records land, each partition in its order; then lose, repeat, swap, and let others write into the stream."""
    waiting = {p: [r for r in records if r.partition == p] for p in PARTITIONS}
    landings: list[Landing] = []
    while some := [each for each in waiting.values() if each]:
        record = draw.choice(some).pop(0)
        if record.key is not None or rules.null_key is not NullKey.REJECT:
            landings.append(Landing(record, _key(draw, record, rules, by_data=by_data), _data(record, rules)))
    if faultless:
        return landings
    often = draw.choice((0.05, 0.3))
    for place in range(len(landings)):
        if draw.random() < often:
            other = min(place + draw.randint(1, 4), len(landings) - 1)
            landings[place], landings[other] = landings[other], landings[place]
    landings = [each for each in landings if draw.random() >= often]
    for each in list(landings):
        if draw.random() < often:
            landings.insert(
                draw.randrange(landings.index(each), len(landings)) + 1, Landing(each.of, each.key, each.data)
            )
    for _ in range(draw.choice((0, 0, 1, 2))):
        landings.insert(draw.randint(0, len(landings)), Landing(None, draw.choice("ab"), b"of somebody else"))
    return landings


def _key(draw: Random, record: Record, rules: RouteRules, *, by_data: bool) -> str:
    if by_data:
        return f"chosen-{draw.randrange(10**6)}"
    if record.key is not None:
        return record.key.decode()
    return (
        f"{record.partition.topic}-{record.partition.partition}"
        if rules.null_key is NullKey.PARTITION
        else str(draw.getrandbits(64))
    )


def _data(record: Record, rules: RouteRules) -> bytes:
    if not rules.envelope:
        return record.value or b""
    topic, partition = record.partition
    return (
        json.dumps({"topic": topic, "partition": partition, "offset": record.offset}, separators=(",", ":")).encode()[
            :-1
        ]
        + b',"more":1}'
    )


def _place(draw: Random, landings: list[Landing], *, by_data: bool) -> None:
    """Give each landing its shard: one at first, two from some moment on, one again from another."""
    split, merge = sorted(draw.randint(0, len(landings) + 5) for _ in range(2))
    for number, each in enumerate(landings):
        odd = draw.random() < 0.5 if by_data else sum(each.key.encode()) % 2 == 1
        each.shard = "s0" if number < split else "s3" if number >= merge else "s1" if odd else "s2"
        if by_data and draw.random() < 0.2:
            each.shard = "aside"


def _arrive(draw: Random, landings: list[Landing]) -> None:
    """Let each arrive behind the one before, and never before it was written, but for clocks that are apart."""
    now = START_MS
    for number, each in enumerate(landings):
        written = START_MS if each.of is None else each.of.timestamp_ms - draw.randrange(CLOCKS_APART_MS)
        now = max(now + draw.choice((0, 1, 30)), written)
        each.arrived_ms = now
        each.sequence_number = str(10**20 + number)


def _read(draw: Random, history: History) -> History:
    """Draw where the readings begin and end, what the group has committed, and what was passed over."""
    arrivals = [each.arrived_ms for each in history.landings]
    end_ms = max(arrivals, default=START_MS) + 1
    stream_from_ms = START_MS + draw.choice((*[-CLOCKS_APART_MS] * 4, 0, 150))
    looked_at_ms = end_ms + draw.choice((0, 50))
    reached_ms = dict.fromkeys(PARENTS, looked_at_ms)
    if draw.random() < 0.2:
        reached_ms[draw.choice(sorted(PARENTS))] = START_MS + draw.randrange(800)
    partitions = []
    for partition in PARTITIONS:
        offsets = [each.offset for each in history.records if each.partition == partition]
        first, end = min(offsets, default=0), max(offsets, default=-1) + 1
        partitions.append(PlannedPartition(partition, first, end, draw.choice((None, end, end, draw.randint(0, end)))))
    committed = {each.partition: each.committed or 0 for each in partitions}
    # What is below a commit had landed when it was asked for.
    settled_ms = [e.arrived_ms for e in history.landings if e.of and e.of.offset < committed[e.of.partition]]
    committed_at_ms = draw.choice((looked_at_ms, max(settled_ms, default=START_MS)))
    history.plan = Plan(tuple(partitions), committed_at_ms, stream_from_ms, looked_at_ms, looked_at_ms, PARENTS)
    history.reached_ms = reached_ms
    history.landings = [e for e in history.landings if stream_from_ms <= e.arrived_ms < reached_ms[e.shard]]
    for fate in (Fate.DEAD_LETTER, Fate.SKIPPED):
        chosen = [e for e in history.records if draw.random() < 0.05]
        history.passed[fate] = [OffsetRange(e.partition, e.offset, e.offset + draw.choice((0, 0, 2))) for e in chosen]
    return history


def chunks_of(history: History, next_offsets: Mapping[TopicPartition, int]) -> list[Chunk]:
    """Give Kafka's side as a reader gives it from these offsets on, in runs of any length."""
    found = []
    for partition in PARTITIONS:
        left = [e for e in history.records if e.partition == partition and e.offset >= next_offsets[partition]]
        while left:
            taken = history.batches.randint(1, len(left))
            run, left = left[:taken], left[taken:]
            found.append(chunk(
                [each.key for each in run], offsets=[each.offset for each in run], values=[each.value for each in run],
                partition=partition, originals=[
                    Extras(of_timestamp=(0, -1) if each.timestamp_ms < 0 else (1, each.timestamp_ms)) for each in run
                ],
            ))  # fmt: skip
    return found


def runs_of(history: History, behind: Mapping[str, str]) -> list[Landed]:
    """Give the stream's side as a reader gives it, behind these sequence numbers: each shard in its order, in runs of any length."""
    by_shard: defaultdict[str, list[Landing]] = defaultdict(list)
    for each in history.landings:
        if int(each.sequence_number) > int(behind.get(each.shard, "0")):
            by_shard[each.shard].append(each)
    found = []
    for shard, all_of_it in by_shard.items():
        left = all_of_it
        while left:
            taken = history.batches.randint(1, len(left))
            run, left = left[:taken], left[taken:]
            together = history.batches.random() < 0.3  # as one aggregate
            found.append(Landed(
                shard, [each.key for each in run], [each.data for each in run],
                [(run[-1] if together else each).sequence_number for each in run], [each.arrived_ms for each in run],
            ))  # fmt: skip
    return found
