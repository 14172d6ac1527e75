from __future__ import annotations

from doka.adapters.simulated.telemetry import RecordingTelemetry
from doka.domain.facts import Fact, OffsetsCommitted, RecordsSettled
from doka.domain.records import TopicPartition
from doka.domain.status import Status


def test_it_keeps_what_it_is_told() -> None:
    """Facts, statuses, turns and endings stay in order, fetched records and bytes are added up for each partition."""
    telemetry = RecordingTelemetry()
    facts: list[Fact] = [OffsetsCommitted(1), RecordsSettled("orders", 5, 50, 1), OffsetsCommitted(2)]
    for fact in facts:
        telemetry.tell(fact)
    for _ in range(2):
        telemetry.fetched(TopicPartition("orders", 0), 5, 50)
    telemetry.publish(Status(1, 0, 1))
    telemetry.turned(7)
    telemetry.ended(0, "stopped")
    assert facts == telemetry.facts
    assert [OffsetsCommitted(1), OffsetsCommitted(2)] == telemetry.of(OffsetsCommitted)
    assert {TopicPartition("orders", 0): 10} == telemetry.fetched_records
    assert {TopicPartition("orders", 0): 100} == telemetry.fetched_bytes
    assert [Status(1, 0, 1)] == telemetry.statuses
    assert [7] == telemetry.turns
    assert [(0, "stopped")] == telemetry.endings
