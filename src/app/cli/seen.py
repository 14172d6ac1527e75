"""What a command sees of a route's records in Kafka: the newest, or the first from a time on, read beside the group.

Of what records hold nothing is kept unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from doka.adapters.kafka.log_ranges import LogRange, LogRanges
from doka.adapters.kafka.range_source import RangeSource
from doka.app.container import Container
from doka.app.reading import read
from doka.domain.events import Event, GapFound, RecordsFetched, RecordsUnreadable, SkipsOrdered
from doka.domain.records import TopicPartition
from doka.domain.routes.preview import Preview, Previews
from doka.domain.rules import RouteRules
from doka.domain.skip import Skip, offsets_shown

HOLES: Final = 10
"""How many offsets more are read of each partition than records are wanted: some have none, as the markers of transactions."""


@dataclass(slots=True)
class Seen:
    """What was read: the first records, or the newest ones, by their times."""

    limit: int
    newest: bool
    payload: bool
    records: list[Preview] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What stood in the way, a sentence each."""
    skips: dict[TopicPartition, tuple[Skip, ...]] = field(default_factory=dict)

    @property
    def enough(self) -> bool:
        """Whether nothing that comes later is wanted."""
        return not self.newest and len(self.records) >= self.limit

    def take(self, records: Iterable[Preview]) -> None:
        """Keep what is wanted of them, and of that no data where nobody wants to see it."""
        self.records += records if self.payload else (replace(record, data=b"", value=None) for record in records)
        self.records.sort(key=lambda record: (record.timestamp_ms or 0, record.partition, record.offset))
        self.records = self.records[-self.limit :] if self.newest else self.records[: self.limit]

    def skip_of(self, record: Preview) -> Skip | None:
        """Give the order by which a record is passed, if there is one."""
        skips = self.skips.get(record.partition, ())
        return next((skip for skip in skips if skip.covers(record.offset, record.offset + 1)), None)


def look(container: Container, rules: RouteRules, previews: Previews, since_ms: int | None, seen: Seen) -> None:
    """Read the first records from a time on, or the newest there are, of all partitions of a route together.

    Raises:
        NotToldError: nothing comes.
    """
    member, clock, oauth = container.member(), container.clock(), container.oauth()
    ranges = LogRanges(member, clock, oauth)
    if since_ms is None:
        places = _newest(ranges.whole(rules.topics), seen.limit)
    else:
        places = list(ranges.of_window(rules.topics, since_ms))
    seen.notes += (place.missing for place in places if place.missing is not None)
    whole = replace(member, topics_with_originals=rules.topics)  # for the time of each record
    source = RangeSource(whole, places, clock, oauth)
    read(source, clock, partial(_take, previews, seen), enough=lambda: seen.enough, limit=seen.limit)


def _newest(logs: Sequence[LogRange], limit: int) -> list[LogRange]:
    """Give the ends of the logs that hold anything, each long enough that all together hold `limit` records."""
    filled = [log for log in logs if log.offsets]
    each = -(-limit // max(1, len(filled))) + HOLES
    return [replace(log, first=max(log.first, log.end - each)) for log in filled]


def _take(previews: Previews, seen: Seen, event: Event) -> None:
    match event:
        case RecordsFetched(chunk):
            seen.take(previews.of(chunk))
        case SkipsOrdered(partition, skips):
            seen.skips[partition] = skips
        case RecordsUnreadable(partition, first, far, why):
            seen.notes.append(f"{partition} at {offsets_shown(first, far)} cannot be read: {why}")
        case GapFound(partition, expected, log_start):
            seen.notes.append(f"{partition} from {expected} to {log_start - 1} has just left the log")
        case _:
            pass  # ends, which the source counts itself
