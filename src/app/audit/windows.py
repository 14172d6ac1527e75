"""The windows of a continuous audit, one behind the other in one audit file, so that they join.

Theory of operation. Windows join by offsets, not by times: each goes on where the one before ended, up to what the group has
committed, so no record is judged twice and none is passed over, and in no window a record is "not yet". The stream is read
once, too, each shard on behind its last record; what landed and is of no record of the window goes on into the next, for it
may be of one that was not committed yet (`adapters.audit.carrying`). A loss goes on until it is found.

Everything is judged up to the first record that is not committed, or up to when the ends of the logs were asked for. What
comes later with an earlier timestamp is judged if it is found; if not, it may have landed before what was carried, and is not.

A window that was stopped or killed is the same one when it goes on. It must never be followed by another before all of it was
read, but where the stream has deleted what was left of it: then that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from doka.adapters.audit.file import AuditFile
from doka.adapters.kafka.group_lag import NO_RECORD
from doka.adapters.kafka.log_ranges import LogRange
from doka.app.audit.planning import (
    MISSING,
    RETENTION_EDGE_MS,
    Begun,
    check_held,
    identities_of,
    planned_partitions,
    read_plan,
    shown,
    terms_of,
)
from doka.app.audit.sides import Sides, StreamFacts
from doka.domain.audit.fates import CLOCKS_APART_MS, Plan, PlannedPartition, Terms
from doka.domain.errors import UsageError
from doka.domain.records import TopicPartition
from doka.domain.skip import place_shown

JUDGED_AT: Final = "window_judged_at_ms"
TOPIC_IDS: Final = "topic_ids"


@dataclass(frozen=True, slots=True)
class _Next:
    """The window that follows, and what of Kafka or the stream is missing for it, as clauses."""

    terms: Terms
    plan: Plan
    topic_ids: Mapping[str, str]
    missing: Sequence[str]


class Windows:
    """The windows of one route. A first one goes back so many ms from now, where there is no file yet."""

    def __init__(self, sides: Sides, path: Path, group: str, match: str | None, last_ms: int) -> None:
        self.sides = sides
        self.path = path
        self._group = group
        self._match = match
        self._last_ms = last_ms

    def check_file(self) -> None:
        """See that a file that is there is one. Raises UsageError."""
        if self.path.exists():
            AuditFile.open(self.path).close()

    def begin(self) -> Begun:
        """Open the file for the next window, or for the one that was not read to its end.

        Raises:
            NotToldError: Kafka does not say what there is.
            StreamUnreadableError: the stream does not say.
            UsageError: the file is of another audit, or cannot be used.
        """
        facts = self.sides.stream.facts()
        identities = identities_of(self.sides, self._lower_limit(facts), self._match)

        def terms(since_ms: int, until_ms: int) -> Terms:
            return terms_of(self.sides, facts, identities.match, self._group, since_ms=since_ms, until_ms=until_ms)

        if not self.path.exists():
            now_ms = self._now_ms()
            following = self._after(None, terms(now_ms - self._last_ms, now_ms))
            make = AuditFile.create
        else:
            with AuditFile.open(self.path) as file:
                stored = file.terms
            with AuditFile.open(self.path, terms(stored.since_ms, stored.until_ms)) as before:
                if before.noted(TOPIC_IDS) is None:
                    raise UsageError(f"{self.path} is of one audit of a window that was named: name another file")
                if before.noted(JUDGED_AT) is None:
                    unread = self._why_unreadable(before)
                    return Begun(AuditFile.open(self.path), self.path, identities, (), goes_on=True, unreadable=unread)
                following = self._after(before, terms(stored.until_ms - CLOCKS_APART_MS, self._now_ms()))
            make = AuditFile.follow
        notes = {TOPIC_IDS: dict(following.topic_ids), MISSING: list(following.missing)}
        file = make(self.path, following.terms, following.plan, notes=notes)
        return Begun(file, self.path, identities, tuple(following.missing))

    def _lower_limit(self, facts: StreamFacts) -> StreamFacts:
        """Give facts with the lower of the record limits before and now, where somebody has changed it since the last window.

        What was too large when it came was put aside, and is not lost; what has landed has landed, whatever its size.
        """
        if not self.path.exists():
            return facts
        with AuditFile.open(self.path) as file:
            before = file.terms.record_bytes_max or facts.record_bytes_max
        return replace(facts, record_bytes_max=min(before, facts.record_bytes_max))

    def finish(self, file: AuditFile) -> None:
        """Note that the window was judged, so that the next one follows."""
        file.note(JUDGED_AT, self._now_ms())

    def _now_ms(self) -> int:
        return round(self.sides.clock.wall() * 1_000)

    def _why_unreadable(self, file: AuditFile) -> str | None:
        """Say why what is left of a window cannot be read any more; None where it can."""
        try:
            check_held(self.sides.stream.reader, self.path, file)
        except UsageError:
            return "the stream deleted what was left of this window before it was read"
        return None

    # --- the window that follows -------------------------------------------------------------------------------------

    def _after(self, before: AuditFile | None, rough: Terms) -> _Next:
        """Plan a window; `rough` has its beginning, and a moment before anything is asked as its end."""
        kafka, told = self.sides.kafka, list[str]()
        ids = kafka.ids()
        logs = {each.partition: each for each in kafka.whole()}
        firsts = self._firsts(before, logs, ids, rough.since_ms, told)
        ranges = [replace(log, first=firsts[place]) for place, log in logs.items()]
        found, born = planned_partitions(kafka, rough, ranges, to_the_end=True)
        partitions = tuple(
            replace(each, end=max(each.first, min(each.end, each.first if each.committed is None else each.committed)))
            for each in found
        )
        floor_ms = rough.since_ms if before is None else before.terms.until_ms
        until_ms = self._judged_until_ms(partitions, logs, rough.until_ms, floor_ms, told)
        # Behind the commits, so that what is committed had landed by the stream's own time.
        span = self.sides.stream.reader.span(rough.since_ms - CLOCKS_APART_MS)
        from_ms = rough.since_ms - CLOCKS_APART_MS
        reached_ms = from_ms if before is None else min(before.reached_ms.values(), default=from_ms)
        if span.held_since_ms is not None and reached_ms < span.held_since_ms + RETENTION_EDGE_MS:
            from_ms = max(from_ms, span.held_since_ms + RETENTION_EDGE_MS)
            told.append(f"what landed before {shown(from_ms)}: the stream does not hold it any more")
        # By a host's clock that is ahead, landings would be let go of records that are still to come.
        terms = replace(rough, until_ms=max(min(until_ms, span.now_ms), floor_ms))
        return _Next(terms, read_plan(partitions, span, from_ms), ids, (*told, *born))

    def _firsts(
        self,
        before: AuditFile | None,
        logs: Mapping[TopicPartition, LogRange],
        ids: Mapping[str, str],
        since_ms: int,
        told: list[str],
    ) -> dict[TopicPartition, int]:
        """Give where each partition goes on: where the last window ended, or, of one that is new, by the time."""
        ended = {} if before is None else before.next_offsets
        known_ids = {} if before is None else before.noted(TOPIC_IDS) or {}
        new_since_ms = since_ms if before is None else since_ms - CLOCKS_APART_MS
        new = {place: log for place, log in logs.items() if place not in ended}
        by_time = {each.partition: each for each in self.sides.kafka.window(new_since_ms, None)} if new else {}
        told += [each.missing for place, each in by_time.items() if place in new and each.missing is not None]
        firsts: dict[TopicPartition, int] = {}
        for place, log in logs.items():
            first = ended.get(place)
            if first is None:
                firsts[place] = by_time[place].first
            elif place.topic in ids and known_ids.get(place.topic, ids[place.topic]) != ids[place.topic]:
                firsts[place] = log.log_start
                told.append(f"what the topic {place.topic} held before it was made anew")
            elif log.log_end < first:
                firsts[place] = log.log_end
                told.append(f"{place}: its log ends at {log.log_end}, and was judged up to {first}: it is another one")
            else:
                firsts[place] = max(first, log.log_start)
                if first < log.log_start:
                    told.append(f"{place_shown(place, first, log.log_start)} left the log before it was read")
        return firsts

    def _judged_until_ms(
        self,
        partitions: Sequence[PlannedPartition],
        logs: Mapping[TopicPartition, LogRange],
        asked_ms: int,
        floor_ms: int,
        told: list[str],
    ) -> int:
        """Give the time of the first record that belongs to no window yet, never below `floor_ms`."""
        waiting = {each.partition: each.end for each in partitions if each.end < logs[each.partition].log_end}
        times = self.sides.kafka.times(waiting)
        unknown = {place: why for place, why in times.items() if isinstance(why, str) and why != NO_RECORD}
        if unknown:
            place, why = next(iter(unknown.items()))
            told.append(f"what is newer than {shown(floor_ms)}: since when {place} waits is not known ({why})")
            return floor_ms
        return max(floor_ms, min([asked_ms, *(time for time in times.values() if isinstance(time, int))]))
