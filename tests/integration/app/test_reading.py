"""How a command reads ranges of a log, against a mock cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.log_ranges import LogRange
from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.kafka.range_source import RangeSource
from doka.adapters.system.clock import SystemClock
from doka.app import reading
from doka.app.reading import read
from doka.domain.events import Event, GapFound, RecordsFetched
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from tests.integration.kafka.group import numbered, produce, settings_for

P0 = TopicPartition("orders", 0)
CLOCK = SystemClock()
FETCH, NOT_LEADER = 1, 6


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    """Give a topic with a hundred records, of which the first thirty are gone."""
    with KafkaCluster() as running:
        running.create_topic("orders", 1)
        produce(running, "orders", {0: numbered(100)})
        running.delete_records("orders", 0, 30)
        yield running


def source_of(cluster: KafkaCluster) -> RangeSource:
    """Give a source of offsets 10 to 79."""
    return RangeSource(settings_for(cluster.bootstrap_servers, "orders"), [LogRange(P0, 10, 80, 0, 100)], CLOCK)


def offsets(events: list[Event]) -> list[int]:
    """Give the offsets that came."""
    return [offset for event in events if isinstance(event, RecordsFetched) for offset in event.chunk.offsets]


def test_all_is_read_and_what_is_gone_is_stepped_over(cluster: KafkaCluster) -> None:
    """And told."""
    events: list[Event] = []
    read(source_of(cluster), CLOCK, events.append, enough=lambda: False, limit=1_000)
    assert (list(range(30, 80)), True) == (offsets(events), GapFound(P0, 10, 30, 100) in events)


def test_it_ends_where_there_is_enough(cluster: KafkaCluster) -> None:
    """With no more than were asked for at a time."""
    events: list[Event] = []
    read(source_of(cluster), CLOCK, events.append, enough=lambda: len(offsets(events)) >= 6, limit=4)
    assert 6 <= len(offsets(events)) < 10


def test_where_nothing_comes_it_does_not_wait_for_ever(cluster: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends as a sentence."""
    monkeypatch.setattr(reading, "QUIET_NS", NS_PER_SECOND)
    cluster.push_errors(FETCH, [NOT_LEADER] * 10_000)
    with pytest.raises(NotToldError, match="Kafka gave nothing for 1 s; try: doka check"):
        read(source_of(cluster), CLOCK, lambda _: None, enough=lambda: False, limit=10)
