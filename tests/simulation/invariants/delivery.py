"""What is read: no offset is skipped in silence (I15)."""

from __future__ import annotations

from bisect import bisect_left

from doka.domain.limits import RECORD_OVERHEAD_BYTES
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import OnGap
from tests.simulation.invariants.evidence import Evidence
from tests.simulation.truth import Ownership


class Delivery(Evidence):
    """A jump of the fetched offset is explained by the log, or told (I15)."""

    def delivered(self, chunk: Chunk) -> None:
        ownership = self.owned[chunk.partition]
        self._no_hole(ownership, chunk.offsets[0])
        ownership.expected = chunk.end
        ownership.unsettled.update(dict.fromkeys(chunk.offsets))
        self._delivered_since_death += chunk.count
        if self._fetch_step != self.world.steps:
            self._fetch_step, self._fetched_bytes = self.world.steps, 0
        self._fetched_bytes += chunk.payload_bytes + chunk.count * RECORD_OVERHEAD_BYTES

    def ended(self, partition: TopicPartition, offset: int) -> None:
        ownership = self.owned[partition]
        self._no_hole(ownership, offset)
        ownership.expected = offset

    def _no_hole(self, ownership: Ownership, to: int) -> None:
        truth = ownership.truth
        for offset in truth.offsets[bisect_left(truth.offsets, ownership.expected) : bisect_left(truth.offsets, to)]:
            self.require(offset in truth.removed, "I15", f"{truth.tp}: offset {offset} was skipped in silence")
            self.reached["the input offset jumps"] += 1

    def gap_shown(self, partition: TopicPartition, expected: int, log_start: int) -> None:
        self.reached["a gap in the input"] += 1
        self._gaps_untold.add(partition)
        if self.plan.on_gap is OnGap.BLOCK:
            self.gapped.add(partition)

    def sought(self, partition: TopicPartition, offset: int) -> None:
        ownership = self.owned[partition]
        self.require(partition not in self._gaps_untold, "I15", f"a gap of {partition} was stepped over in silence")
        if ownership.truth is not self.truths[partition] or offset < ownership.start:
            # Another topic of the same name, from its start: what was held of the former one is told as the gap.
            self.reached["a recreated topic was read from its start"] += 1
            self._end(self.owned.pop(partition))
            self.assigned({partition: offset})
            return
        self._no_hole(ownership, offset)
        ownership.expected = max(ownership.expected, offset)
