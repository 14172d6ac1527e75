"""What this member knows of Kafka beside the records: of the group, and of each log, and since when.

Theory of operation. Nothing in here is asked of a broker on the loop's thread. The group's state and the leaders come
from the client's statistics (client_stats.py), the ends of logs from questions beside the loop (log_ends.py) and from
what the consumer's fetches brought, throttling from a callback, and words from the errors that the client told last.
The callbacks run inside `consume`, where an exception would destroy records: they only lay down what they are given.

The group counts as lost from the first moment at which its coordinator is out of reach, at which it refuses this member,
at which it has declared the member dead, or from which a member without partitions waits to be taken in.
Of an assignment without partitions the client tells nothing under the newer group protocol (KIP-848), and its state stays
that of a member that has not joined. There such a member counts as taken in when its coordinator has been reachable for
two heartbeats and no broker has refused anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Final

from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.kafka.client_errors import ClientErrors
from doka.adapters.kafka.client_stats import STATS_EVERY_MS, ClientStats, read
from doka.adapters.kafka.log_ends import LogEnds
from doka.adapters.kafka.membership import Membership
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition
from doka.domain.status import GroupStatus, LogStatus, SourceStatus

QUIET_NS: Final = 10 * NS_PER_SECOND
"""Two heartbeats of the newer group protocol, by the broker's default: a member that is refused hears of it by then."""


class Overview:
    """From the source's open to its close; its answer never waits for anybody."""

    def __init__(self, log_ends: LogEnds, errors: ClientErrors, clock: Clock, *, tells_empty: bool) -> None:
        """Take the parts; `tells_empty`: the client calls back for an empty assignment, too."""
        self._tells_empty = tells_empty
        self._log_ends = log_ends
        self._errors = errors
        self._clock = clock
        self._opened_at = clock.now()
        self._document: str | None = None
        self._document_at = 0
        self._stats: ClientStats | None = None
        self._stats_at = 0
        self._outside_since: int | None = None  # a member that is declared dead, or waits to be taken in
        self._brought: dict[TopicPartition, int] = {}  # when something of a partition came
        self._throttled_until: dict[int, int] = {}
        self._throttled = 0

    # --- callbacks of the client: inside consume, so they must not raise ------------------------------------------

    def keys(self) -> dict[str, Any]:
        """Give the client's keys by which it tells."""
        return {"statistics.interval.ms": STATS_EVERY_MS, "stats_cb": self._told, "throttle_cb": self._let_wait}

    def _told(self, document: str) -> None:
        self._document, self._document_at = document, self._clock.now()

    def _let_wait(self, throttle: Any) -> None:
        """Note that a broker lets the client wait; `throttle_time` is in seconds, and 0 when it is over."""
        span = int(throttle.throttle_time * NS_PER_SECOND)
        self._throttled_until[throttle.broker_id] = self._clock.now() + span
        self._throttled += span

    # --- what is known --------------------------------------------------------------------------------------------

    def brought(self, partitions: Iterable[TopicPartition]) -> None:
        """Note that something of these partitions arrived just now."""
        self._brought.update(dict.fromkeys(partitions, self._clock.now()))

    def status(self, consumer: Consumer, members: Membership, topic_partitions: Mapping[str, int]) -> SourceStatus:
        """Say what is known, with the sizes of topics that somebody else found, and ask beside the loop for what is due."""
        now = self._clock.now()
        owned = members.next_offsets
        if self._document is not None:
            document, self._document = self._document, None
            self._stats, self._stats_at = read(document, owned), self._document_at
        self._forget(owned)
        if self._log_ends.due(owned, now):
            self._log_ends.ask(self._leaders(owned), now)
        told = self._log_ends.told()
        logs = {partition: self._log(partition, consumer, told.get(partition)) for partition in owned}
        return SourceStatus(self._group(members, now), logs, self._throttled, dict(topic_partitions))

    def _forget(self, owned: Mapping[TopicPartition, int]) -> None:
        self._log_ends.forget(frozenset(self._log_ends.told().keys() - owned.keys()))
        for partition in self._brought.keys() - owned.keys():
            del self._brought[partition]

    def _leaders(self, owned: Iterable[TopicPartition]) -> Mapping[Hashable, list[TopicPartition]]:
        known = {} if self._stats is None else self._stats.leaders
        leaders: defaultdict[Hashable, list[TopicPartition]] = defaultdict(list)
        for partition in owned:
            leaders[known.get(partition, -1)].append(partition)
        return leaders

    def _log(self, partition: TopicPartition, consumer: Consumer, told: tuple[int, int] | None) -> LogStatus:
        _, fetched = consumer.get_watermark_offsets(KafkaPartition(*partition), cached=True)
        end, told_at = told or (-1, None)
        brought_at = self._brought.get(partition)
        if fetched >= 0 and brought_at is not None:
            told_at = brought_at if told_at is None else max(told_at, brought_at)
            end = max(end, fetched)
        stats = self._stats
        leader = -1 if stats is None else stats.leaders.get(partition, -1)
        name = "" if stats is None else stats.brokers.get(leader, "")
        return LogStatus(
            end=None if end < 0 else end,
            told_at=told_at,
            open_from=None if stats is None else stats.open_from.get(partition),
            broker=f"broker {leader}{f' ({name})' if name else ''}" if leader >= 0 else "its broker",
            throttled_until=self._throttled_until.get(leader),
        )

    def _group(self, members: Membership, now: int) -> GroupStatus:
        stats = self._stats
        quiet = not self._tells_empty and not members.next_offsets and self._is_quiet(now)
        joined = (members.joined and not members.expelled) or quiet
        since: list[int] = []
        if not (members.joined or quiet):
            since.append(self._opened_at)
        if self._errors.shut_out_since is not None:
            since.append(self._errors.shut_out_since)
        if stats is not None and not stats.reachable:
            since.append(self._stats_at - stats.reachable_for)
        waits = self._tells_empty and stats is not None and not stats.steady and not members.next_offsets
        if not (members.expelled or waits) or quiet:
            self._outside_since = None
        elif self._outside_since is None:
            self._outside_since = now
        if self._outside_since is not None:
            since.append(self._outside_since)
        why = self._errors.last_words if since else ""
        return GroupStatus(joined, min(since, default=None), why)

    def _is_quiet(self, now: int) -> bool:
        """Say whether the coordinator has been there for a while, and has refused nothing."""
        stats, errors = self._stats, self._errors
        if stats is None or not stats.reachable or errors.shut_out_since is not None:
            return False
        refused_at = errors.broker_refused_at
        return stats.reachable_for >= QUIET_NS and (refused_at is None or now - refused_at >= QUIET_NS)
