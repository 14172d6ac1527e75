"""The telemetry port in process: it keeps what it is told, for tests and the simulator to judge."""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

from doka.domain.facts import Fact
from doka.domain.records import TopicPartition
from doka.domain.status import Status

F = TypeVar("F")


class RecordingTelemetry:
    """Everything that was told, in order, unmerged."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.statuses: list[Status] = []
        self.turns: list[int] = []
        self.endings: list[tuple[int, str]] = []
        self.fetched_records: Counter[TopicPartition] = Counter()
        self.fetched_bytes: Counter[TopicPartition] = Counter()

    def fetched(self, partition: TopicPartition, records: int, payload_bytes: int) -> None:
        """Count records that arrived, for each partition."""
        self.fetched_records[partition] += records
        self.fetched_bytes[partition] += payload_bytes

    def tell(self, fact: Fact) -> None:
        """Keep one fact."""
        self.facts.append(fact)

    def publish(self, status: Status) -> None:
        """Keep one status."""
        self.statuses.append(status)

    def turned(self, now: int) -> None:
        """Keep the time of one turn."""
        self.turns.append(now)

    def ended(self, code: int, reason: str) -> None:
        """Keep how a run ended."""
        self.endings.append((code, reason))

    def of(self, kind: type[F]) -> list[F]:
        """Give the facts of one kind, in order."""
        return [fact for fact in self.facts if isinstance(fact, kind)]
