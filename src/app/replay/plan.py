"""What a replay would do, found out before anything is sent: which offsets, how many bytes, how fast, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from doka.adapters.kafka.client_settings import connection_settings
from doka.adapters.kafka.group_commits import committed_by
from doka.adapters.kafka.log_ranges import LogRanges
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.kafka.range_source import RangeSource
from doka.adapters.kafka.topic_ids import topic_ids
from doka.app.container import Container
from doka.app.reading import read
from doka.app.replay.state import State, read_state
from doka.app.stream_facts import stream_of
from doka.domain.events import Event, RecordsFetched, StreamDescribed
from doka.domain.limits import SHARD_RECORDS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.replay.progress import Progress, ReplayRange
from doka.domain.rules import RouteRules

SAMPLE_RECORDS: Final = 200
DEFAULT_SHARE: Final = 0.25
"""Of what the open shards take; the service beside it keeps the rest."""


Place = tuple[TopicPartition, int, int]
"""Offsets of a partition: the first, and one above the last."""


class NotPlannedError(Exception):
    """A replay that cannot be; the text is a sentence for a person, with its cure."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for: a window of time, or offsets."""

    words: Mapping[str, Any]
    """As it was typed, so that a state file knows its own replay again."""
    since_ms: int | None
    until_ms: int | None
    places: tuple[Place, ...]
    rate: int | None
    elsewhere: bool
    """Whether it goes to another stream than the route's."""
    looked_at_ms: int | None = None
    """When the audit that says what is lost looked at the stream, in ms since the epoch; None without one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A replay that may begin, or go on."""

    state: State
    resumed: bool
    stream: StreamDescribed | None
    why_no_stream: str | None
    shards: int | None
    records_per_second: float
    offsets_left: int
    """How many offsets are to be read from here on; no more records than these."""
    sampled_records: int
    bytes_about: int | None
    """How many bytes these are, about, by the first records; None where there were none."""
    above_committed: int | None
    """Offsets that are left and above what the group has committed: the service sends them, too. None: not known."""
    keys_overtaken: int | None = None
    """Keys of which later records are in the stream than those that are left: their order is gone. None: not known."""

    @property
    def share(self) -> float | None:
        """Which share of the stream's records a second it takes; None where its shards are not known."""
        return None if not self.shards else self.records_per_second / (self.shards * SHARD_RECORDS_PER_SECOND)

    @property
    def seconds_about(self) -> float:
        """How long what is left takes at least, at the pace that it begins with."""
        return self.offsets_left / self.records_per_second


def plan(container: Container, rules: RouteRules, asked: Asked, file: Path | None) -> Plan:
    """Find out what a replay would do, or what is left of the one whose state stands in `file`.

    Raises:
        NotPlannedError: it cannot be.
        NotToldError: Kafka does not say.
        UsageError: the file belongs to something else.
    """
    member, clock, oauth = container.member(), container.clock(), container.oauth()
    before = None if file is None else read_state(file, asked.words, asked.looked_at_ms)
    ids = topic_ids(connection_settings(member, oauth), clock, tuple(sorted(rules.topics)))
    state = _new_state(container, rules, asked, ids) if before is None else before
    for topic, topic_id in state.topic_ids.items():
        if ids.get(topic, topic_id) != topic_id:
            raise NotPlannedError(
                f"topic {topic} was made anew since this replay began: its offsets mean other records"
            )
    stream, why = stream_of(rules, container.authority(), container.describer())
    shards = None if stream is None else stream.open_shards or len(stream.shards) or None
    if asked.rate is None and shards is None:
        raise NotPlannedError(f"how much the stream takes is not known ({why}); mend that, or give --rate")
    rate = asked.rate or (shards or 1) * SHARD_RECORDS_PER_SECOND * DEFAULT_SHARE
    left = state.progress.left
    records, payload_bytes = _sample(container, left)
    offsets = sum(each.offsets for each in left)
    return Plan(
        state,
        resumed=before is not None,
        stream=stream,
        why_no_stream=why,
        shards=shards,
        records_per_second=rate,
        offsets_left=offsets,
        sampled_records=records,
        bytes_about=offsets * payload_bytes // records if records else None,
        above_committed=None if asked.elsewhere else _above_committed(container, left),
    )


def _new_state(container: Container, rules: RouteRules, asked: Asked, ids: Mapping[str, str]) -> State:
    ranges = LogRanges(container.member(), container.clock(), container.oauth())
    if asked.since_ms is None:
        found = ranges.of_offsets(asked.places)
    else:
        found = ranges.of_window(rules.topics, asked.since_ms, asked.until_ms)
    missing = [each.missing for each in found if each.missing is not None]
    missing += [
        f"{each.unwritten:,} offsets of {each.partition} are not written yet" for each in found if each.unwritten
    ]
    return State(
        asked.words,
        Progress(ReplayRange(each.partition, each.first, each.end) for each in found if each.offsets),
        missing=tuple(missing),
        short=any(each.gone or each.unwritten for each in found),
        topic_ids=dict(ids),
    )


def _sample(container: Container, left: tuple[ReplayRange, ...]) -> tuple[int, int]:
    """Read the first records; give how many they are, and their bytes."""
    found: list[tuple[int, int]] = []

    def take(event: Event) -> None:
        if isinstance(event, RecordsFetched):
            found.append((event.chunk.count, event.chunk.payload_bytes))

    def enough() -> bool:
        return sum(count for count, _ in found) >= SAMPLE_RECORDS

    if left:
        source = RangeSource(container.member(), left, container.clock(), container.oauth())
        read(source, container.clock(), take, enough=enough, limit=SAMPLE_RECORDS)
    return sum(count for count, _ in found), sum(size for _, size in found)


def _above_committed(container: Container, left: tuple[ReplayRange, ...]) -> int | None:
    member, partitions = container.member(), sorted({each.partition for each in left})
    try:
        committed = committed_by(member.group_id, partitions, member, container.clock(), container.oauth())
    except NotToldError:
        return None
    if not committed:
        return 0  # no service of this group has begun
    places = {partition: committed[partition].offset if partition in committed else 0 for partition in partitions}
    return sum(max(0, each.end - max(each.first, places[each.partition])) for each in left)
