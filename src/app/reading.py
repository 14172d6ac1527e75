"""How a command reads ranges of a log beside the service: until all is read, or enough, and never for ever."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from doka.adapters.kafka.not_told import NotToldError
from doka.adapters.kafka.range_source import RangeSource
from doka.domain.events import Event, GapFound, RecordsUnreadable, SourceFailed
from doka.domain.limits import NS_PER_SECOND, SERVE_CALLBACKS_NS
from doka.domain.ports import Clock
from doka.domain.records import TopicPartition

QUIET_NS: Final = 30 * NS_PER_SECOND


class Nobody:
    """Who is told of partitions that no group gives and none takes, as `domain.ports.RebalanceListener`."""

    def partitions_assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        """Do nothing."""

    def partitions_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Do nothing."""

    def partitions_lost(self, partitions: frozenset[TopicPartition]) -> None:
        """Do nothing."""

    def asked_to_stop(self) -> bool:
        """Say no: a signal ends a command by itself."""
        return False


def read(
    source: RangeSource, clock: Clock, take: Callable[[Event], None], *, enough: Callable[[], bool], limit: int
) -> None:
    """Give what comes to `take`, at most `limit` records at a time, stepping over what is gone or cannot be read.

    Raises:
        NotToldError: nothing comes any more.
    """
    source.open(Nobody())
    try:
        heard_at = clock.now()
        while not source.finished and not enough():
            events = source.fetch(limit, SERVE_CALLBACKS_NS)
            if events:
                heard_at = clock.now()
            elif clock.now() - heard_at >= QUIET_NS:
                raise NotToldError(f"Kafka gave nothing for {QUIET_NS // NS_PER_SECOND} s; try: doka check")
            for event in events:
                take(event)
                _go_on(event, source)
    finally:
        source.close()


def _go_on(event: Event, source: RangeSource) -> None:
    match event:
        case RecordsUnreadable(partition, _, far):
            source.seek(partition, far)
        case GapFound(partition, _, log_start):
            source.seek(partition, log_start)
        case SourceFailed(reason):
            raise NotToldError(reason)
        case _:
            pass
