"""What is read: no offset is passed in silence (I15), and none that nobody has ordered to skip (I11)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from doka.domain.facts import PartitionsOwned, RecordsSkipped
from doka.domain.limits import RECORD_OVERHEAD_BYTES
from doka.domain.records import Chunk, TopicPartition
from doka.domain.rules import OnGap
from doka.domain.skip import Skip
from tests.simulation.invariants.figures import Figures
from tests.simulation.truth import Ownership

ENVELOPE_BYTES_MAX = (
    150  # what an envelope of the simulated world has besides key and value in base64: names and numbers
)


FRAME_BYTES_MAX = 40  # what a newline, or a format of compression, adds to data of the simulated world


class Delivery(Figures):
    """A jump of the fetched offset is explained by the log, or told (I15)."""

    def delivered(self, chunk: Chunk) -> None:
        ownership = self.owned[chunk.partition]
        self._no_hole(ownership, chunk.offsets[0])
        ownership.expected = chunk.end
        self.note_delivered(ownership, chunk)
        self.note_readable(ownership)
        if self.plan.decodes:
            self.note_frames(chunk)
        ownership.unsettled.update(dict.fromkeys(self._wanted(ownership, chunk)))
        self._delivered_since_death += chunk.count
        if self._fetch_step != self.world.steps:
            self._fetch_step, self._fetched_bytes = self.world.steps, 0
        before = self._fetched_bytes
        self._fetched_bytes += chunk.payload_bytes + chunk.count * RECORD_OVERHEAD_BYTES
        if self.plan.envelope:  # which is held beside what was fetched
            self._fetched_bytes += chunk.payload_bytes * 4 // 3 + chunk.count * ENVELOPE_BYTES_MAX
        if (
            self.plan.newline or self.plan.decodes or self.plan.compress != "none"
        ):  # likewise, where whole records are held
            self._fetched_bytes += chunk.payload_bytes + chunk.count * FRAME_BYTES_MAX
        self._fetched_bytes += (self._fetched_bytes - before) * (self.plan.work.tee - 1)  # each route holds it

    def made_later(self) -> int:
        """Give how many bytes may still be made of what waits for its turn: of several routes' at once, when a commit is taken."""
        if self.alone or not self.plan.envelope:
            return 0
        records = [(own.truth.sizes[offset]) for own in self.owned.values() for offset in own.unsettled]
        return self.plan.work.tee * sum(size * 4 // 3 + ENVELOPE_BYTES_MAX for size in records)

    def _wanted(self, ownership: Ownership, chunk: Chunk) -> Sequence[int]:
        """Give the records that are to be sent: the others are filtered as they come in."""
        unwanted = ownership.truth.unwanted
        if not unwanted:
            return chunk.offsets
        wanted = [offset for offset in chunk.offsets if offset not in unwanted]
        left_out = chunk.count - len(wanted)
        self.reached["a record was filtered"] += left_out
        self._filtered_here[self.world.routes[chunk.partition.topic]] += left_out
        return wanted

    def ended(self, partition: TopicPartition, offset: int) -> None:
        ownership = self.owned[partition]
        self._no_hole(ownership, offset)
        ownership.expected = offset
        self.note_readable(ownership)

    def _no_hole(self, ownership: Ownership, to: int) -> None:
        truth = ownership.truth
        for offset in truth.offsets[bisect_left(truth.offsets, ownership.expected) : bisect_left(truth.offsets, to)]:
            self.require(offset in truth.removed, "I15", f"{truth.tp}: offset {offset} was skipped in silence")
            self.reached["the input offset jumps"] += 1

    def gap_shown(self, partition: TopicPartition, expected: int, log_start: int) -> None:
        self.reached["a gap in the input"] += 1
        self._gaps_untold.add(partition)
        self.note_gap(partition, expected, log_start)
        if self.plan.on_gap is OnGap.BLOCK:
            self.gapped.add(partition)

    def unreadable(self, partition: TopicPartition, first: int, far: int) -> None:
        self.reached["stored records could not be read"] += 1
        self.note_unreadable(self.owned[partition], first, far)

    def sought(self, partition: TopicPartition, offset: int) -> None:
        ownership = self.owned[partition]
        begins_again = offset <= ownership.expected and ownership.ordered and ownership.truth is self.truths[partition]
        if begins_again:  # a gap that it was shown as it drained it finds again
            self._gaps_untold.discard(partition)
        self.require(partition not in self._gaps_untold, "I15", f"a gap of {partition} was stepped over in silence")
        if ownership.truth is not self.truths[partition] or offset < ownership.start:
            # Another topic of the same name, from its start: what was held of the former one is told as the gap.
            self.reached["a recreated topic was read from its start"] += 1
            self._end(self.owned.pop(partition))
            self.assigned({partition: offset})
            self.not_told(PartitionsOwned)
            return
        if offset <= ownership.expected and ownership.ordered:
            self._began_again(ownership, offset)
            return
        self._no_hole(ownership, offset)
        ownership.expected = max(ownership.expected, offset)

    # --- what a person has ordered to skip -------------------------------------------------------------------------

    def orders_told(self, partition: TopicPartition, orders: Sequence[Skip]) -> None:
        self.owned[partition].ordered.update(orders)

    def _began_again(self, ownership: Ownership, offset: int) -> None:
        """Judge that a partition is read again from `offset`: all below has settled (I15), nothing is on its way (I4)."""
        tp = ownership.truth.tp
        open_below = next((each for each in ownership.unsettled if each < offset), None)
        self.require(open_below is None, "I15", f"{tp} began again at {offset} while {open_below} had not settled")
        self.require(not ownership.in_flight, "I4", f"{tp} began again at {offset} with records in flight")
        self.reached["a partition began again because a record is to be skipped"] += 1
        self.judge_repeats(tp, ownership, offset)
        self._end(self.owned.pop(tp))
        self.assigned({tp: offset})
        self.not_told(PartitionsOwned)
        self.owned[tp].go_on_from(ownership)

    def told_skipped(self, fact: RecordsSkipped) -> None:
        """Judge what was passed: all of it was ordered, and just that was told."""
        tp, truth = fact.partition, self.truths[fact.partition]
        ownership = self.owned.get(tp)
        offsets = truth.offsets[bisect_left(truth.offsets, fact.first) : bisect_left(truth.offsets, fact.far)]
        there = [offset for offset in offsets if ownership is None or offset in ownership.unsettled]
        # A person's order passes what the route would leave out as well, and counts it.
        passed = len(there) + sum(1 for offset in truth.unwanted if fact.first <= offset < fact.far)
        for offset in there:
            ordered = any(order.covers(offset, offset + 1) for order in self.world.orders.get(tp, ()))
            self.require(ordered, "I11", f"{tp} {offset} was skipped, and nobody has ordered it")
            truth.dropped.add(offset)
            truth.skipped.add(offset)
            if ownership is not None:
                del ownership.unsettled[offset]
            self.reached[
                f"a record was skipped that {'can never land' if offset in truth.poison else 'could land'}"
            ] += 1
        self.require(
            len(there) <= fact.records <= passed,
            "I14",
            f"{tp}: {fact.records} were told as skipped, and {len(there)} to {passed} were",
        )
