"""The other member of the group: a flawless forwarder without a network, to whom partitions go and come back from.

It settles and commits each record at once, in order, so it never makes a duplicate of its own;
whatever repeats after a rebalance is our process's doing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from doka.adapters.simulated.group import NEIGHBOUR, ConsumerGroup
from doka.adapters.simulated.partition_log import PartitionLog
from doka.adapters.simulated.timeline import Timeline
from doka.adapters.simulated.witness import Witness
from doka.domain.limits import NS_PER_MS
from doka.domain.records import TopicPartition

Deliver = Callable[[TopicPartition, int, bytes | None, bytes | None], bool]
"""Settle one record; False when it cannot be settled now."""

TURN_NS = 20 * NS_PER_MS
RECORDS_A_TURN = 3


class Neighbour:
    """Reads what it owns from the committed offset on, a few records a turn."""

    def __init__(
        self,
        timeline: Timeline,
        group: ConsumerGroup,
        logs: dict[TopicPartition, PartitionLog],
        witness: Witness,
        deliver: Deliver,
    ) -> None:
        self._witness = witness
        self._timeline = timeline
        self._group = group
        self._logs = logs
        self._deliver = deliver
        self._reading: dict[TopicPartition, int] = {}
        self._turning = False
        group.on_neighbour_gain = self.gain

    def gain(self, partitions: Iterable[TopicPartition]) -> None:
        """Begin with partitions."""
        for tp in partitions:
            self._reading[tp] = start = self._group.position(tp)
            self._witness.neighbour_began(tp, start)
        if not self._turning:
            self._turning = True
            self._timeline.after(TURN_NS, self._turn)

    def stop(self, partitions: Iterable[TopicPartition]) -> None:
        """End with partitions; everything read of them is committed."""
        for tp in partitions:
            self._reading.pop(tp, None)

    def _turn(self) -> None:
        for tp in list(self._reading):
            if self._group.owner[tp] == NEIGHBOUR:
                self._read_some(tp)
            else:
                del self._reading[tp]
        self._turning = bool(self._reading)
        if self._turning:
            self._timeline.after(TURN_NS, self._turn)

    def _read_some(self, tp: TopicPartition) -> None:
        log = self._logs[tp]
        began = position = self._reading[tp]
        if position < log.start or position > log.end:
            return  # a gap: it waits, as `on_gap: block` does
        chunk = log.read(position, RECORDS_A_TURN)
        if chunk is None:
            position = max(position, log.end)
        else:
            for offset, key, value in zip(chunk.offsets, chunk.keys, chunk.values, strict=True):
                if not self._deliver(tp, offset, key, value):
                    break
                position = offset + 1
        if position > began:
            self._reading[tp] = position
            self._group.store_for_neighbour(tp, position)
