"""What an audit must say of a history, worked out record by record, as slowly as it is plain."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass

from doka.domain.audit.fates import Fate
from doka.domain.rules import NullKey
from tests.unit.adapters.audit.histories import CLOCKS_APART_MS, PARENTS, History, Landing, Record


@dataclass
class Said:
    """What is said of a history."""

    fates: dict[Record, set[Fate]]
    repeats: int
    order_unknown: int
    foreign: int
    outside: int
    longest_wait_ms: int | None


def say(history: History) -> Said:
    """Work out what must be said."""
    wanted: defaultdict[Hashable, list[Record]] = defaultdict(list)
    there: defaultdict[Hashable, list[Landing]] = defaultdict(list)
    for record in history.records:
        wanted[_identity(history, record)].append(record)
    shards = sorted(PARENTS, key=lambda each: (len(ancestors(each)), list(PARENTS).index(each)))
    for landing in sorted(history.landings, key=lambda each: shards.index(each.shard)):
        there[_identity_landed(history, landing)].append(landing)
    own: dict[Record, Landing] = {}
    sure: set[Record] = set()
    said = Said({record: set() for record in history.records}, 0, 0, 0, 0, None)
    for identity, records in wanted.items():
        landings = [] if identity is None else there[identity]
        if len(landings) < len(records):  # what would be called lost gets the landings that there are
            records.sort(key=lambda each: _if_missing(history, each) is not Fate.LOST)
        own.update(zip(records, landings, strict=False))
        if len(landings) > len(records):
            said.repeats += len(landings) - len(records)
            said.fates[records[-1]].add(Fate.REPEATED)
        lines = {(each.partition, _lane(history, each)) for each in records}
        shards_of = {each.shard for each in landings}
        in_line = all(a == b or a in ancestors(b) or b in ancestors(a) for a in shards_of for b in shards_of)
        if in_line and (len(records) == 1 or (len(lines) == 1 and len(records) == len(landings))):
            sure.update(records)
    for record in history.records:
        said.fates[record].add(Fate.IN_STREAM if record in own else _if_missing(history, record))
        if record not in own or _lane(history, record) is None:
            continue
        if record not in sure or record.timestamp_ms < _early_ms(history):
            said.order_unknown += 1
        elif any(
            later.partition == record.partition and _lane(history, later) == _lane(history, record)
            and later.offset > record.offset and later in own and later in sure and _landed_before(history, own[later], own[record])
            for later in history.records
        ):  # fmt: skip
            said.fates[record].add(Fate.OVERTAKEN)
    for identity, landings in there.items():
        if identity not in wanted:
            for each in landings:
                if history.since_ms <= each.arrived_ms < history.until_ms - CLOCKS_APART_MS:
                    said.foreign += 1
                else:
                    said.outside += 1
    said.longest_wait_ms = max(
        (landing.arrived_ms - record.timestamp_ms for record, landing in own.items() if record.timestamp_ms >= 0),
        default=None,
    )
    return said


def counts(said: Said) -> Counter[Fate]:
    """Count the fates."""
    return Counter(fate for fates in said.fates.values() for fate in fates)


def ancestors(shard: str) -> set[str]:
    """Give the shards that a shard came out of."""
    return set(PARENTS[shard]).union(*map(ancestors, PARENTS[shard]))


def _landed_before(history: History, one: Landing, other: Landing) -> bool:
    if one.shard == other.shard:
        return history.landings.index(one) < history.landings.index(other)
    return one.shard in ancestors(other.shard)


def _identity(history: History, record: Record) -> Hashable:
    if history.by_data:
        return record.value or b""
    if history.rules.envelope:
        return (*record.partition, record.offset)
    if record.key is None and history.rules.null_key is NullKey.REJECT:
        return None
    return _by_key(history, _lane(history, record) or "0", record.value or b"")


def _identity_landed(history: History, landing: Landing) -> Hashable:
    if history.by_data:
        return landing.data
    if history.rules.envelope:
        return "foreign" if landing.of is None else (*landing.of.partition, landing.of.offset)
    return _by_key(history, landing.key, landing.data)


def _by_key(history: History, key: str, data: bytes) -> Hashable:
    return ("drawn" if history.rules.null_key is NullKey.RANDOM and key.isdigit() else key, data)


def _lane(history: History, record: Record) -> str | None:
    if record.key is not None:
        return record.key.decode()
    return (
        f"{record.partition.topic}-{record.partition.partition}"
        if history.rules.null_key is NullKey.PARTITION
        else None
    )


def _early_ms(history: History) -> int:
    return history.plan.stream_from_ms + CLOCKS_APART_MS


def _if_missing(history: History, record: Record) -> Fate:
    for fate in (Fate.DEAD_LETTER, Fate.SKIPPED):
        if any(p.partition == record.partition and p.first <= record.offset <= p.last for p in history.passed[fate]):
            return fate
    if record.key is None and history.rules.null_key is NullKey.REJECT:
        return Fate.POISON
    (committed,) = [each.committed for each in history.plan.partitions if each.partition == record.partition]
    if committed is None or record.offset >= committed:
        return Fate.NOT_YET
    read_to_the_commit = min(history.reached_ms.values()) >= history.plan.committed_at_ms
    if record.timestamp_ms < _early_ms(history) or not read_to_the_commit:
        return Fate.NOT_JUDGED
    return Fate.LOST
