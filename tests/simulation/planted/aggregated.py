"""Bugs of aggregates and of their lanes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from doka.adapters.simulated.faults import aggregated, draw_plan
from doka.adapters.simulated.plan import Plan
from doka.domain.held.ledger import HeldChunk, OffsetLedger, Part
from doka.domain.poison.parking import Parking
from doka.domain.poison.quarantine import Poison
from doka.domain.rules import OnPoison
from doka.domain.sending import aggregated_outbox
from doka.domain.sending.aggregate import encode
from doka.domain.sending.aggregated_outbox import AggregatedOutbox
from doka.domain.sending.put import Put, Refusal
from doka.domain.sending.slices import Slices
from doka.domain.sending.wide_lanes import WideLane, WideLanes
from tests.simulation.planted.bug import Patch, bug
from tests.simulation.planted.plans import aggregates_in_little_room


def plan(seed: int) -> Plan:
    """Give the run of a seed, with aggregation."""
    return aggregated(draw_plan(seed))


def poisoned(seed: int) -> Plan:
    """Give the run of a seed, with aggregation, with poison that stays, and room for the healthy keys to go on."""
    drawn = plan(seed)
    return replace(
        drawn,
        work=replace(drawn.work, poison=0.05),
        limits=replace(drawn.limits, held_bytes=64 * 1024 * 1024, ahead_records=20),
        on_poison=OnPoison.BLOCK,
    )


def let_two_aggregates_of_a_lane_fly(patch: Patch) -> None:
    """Send the next aggregate of a lane while one is on its way."""
    honest = AggregatedOutbox.pack

    def planted(self: AggregatedOutbox, number: int, lease: int, now: int) -> Put | None:
        put = honest(self, number, lease, now)
        for lane in self._out.get(number, ()):
            lane.out = False
            self.lanes.look(lane, now)
        return put

    patch.replace(AggregatedOutbox, "pack", planted)


def send_on_before_what_was_refused(patch: Patch) -> None:
    """Let what waits in a lane go before what was refused."""

    def planted(self: WideLanes, parts: Iterable[Part], not_before: int, now: int) -> None:
        for lane, of_lane in self.by_lane(parts).items():
            lane.queue += of_lane
            lane.not_before = not_before
            self.waiting += sum(len(part.places) for part in of_lane)
            self.look(lane, now)

    patch.replace(WideLanes, "send_again", planted)


def place_a_lane_in_the_next_slice(patch: Patch) -> None:
    """Give a lane the hash key of its neighbour."""
    honest = Slices.middle

    def planted(self: Slices, number: int) -> int:
        return honest(self, (number + 1) % self.count)

    patch.replace(Slices, "middle", planted)


def choose_lanes_by_the_wrong_bits(patch: Patch) -> None:
    """Forget now and then which lane a key had."""
    honest = Slices.work_out

    def planted(self: Slices, keys: Sequence[str]) -> tuple[Sequence[int], int]:
        found, size = honest(self, keys)
        if self.count > 1 and len(self) % 2:
            found = [number ^ 1 for number in found]
        return found, size

    patch.replace(Slices, "work_out", planted)


def reverse_the_inner_order(patch: Patch) -> None:
    """Write the records of an aggregate in reverse."""

    def planted(keys: Sequence[str], values: Sequence[bytes], hash_key: str) -> bytes:
        return encode(keys[::-1], values[::-1], hash_key)

    patch.replace(aggregated_outbox, "encode", planted)


def give_a_record_the_key_of_its_neighbour(patch: Patch) -> None:
    """Write each record of an aggregate under the key of the one before it."""

    def planted(keys: Sequence[str], values: Sequence[bytes], hash_key: str) -> bytes:
        return encode([*keys[-1:], *keys[:-1]], values, hash_key)

    patch.replace(aggregated_outbox, "encode", planted)


def write_no_hash_key_inside(patch: Patch) -> None:
    """Write another explicit hash key inside than outside: consumers drop the whole aggregate."""

    def planted(keys: Sequence[str], values: Sequence[bytes], hash_key: str) -> bytes:
        return encode(keys, values, "0")

    patch.replace(aggregated_outbox, "encode", planted)


def leave_the_last_one_out(patch: Patch) -> None:
    """Leave the last record out of every aggregate, and settle it all the same."""

    def planted(keys: Sequence[str], values: Sequence[bytes], hash_key: str) -> bytes:
        return encode(keys[:-1] or keys, values[:-1] or values, hash_key)

    patch.replace(aggregated_outbox, "encode", planted)


def settle_only_the_first_record(patch: Patch) -> None:
    """Take a refused aggregate for one refused record: settle the others."""
    honest = Put.refusals

    def planted(self: Put, failed: Mapping[int, str]) -> list[Refusal]:
        return [Refusal(parts[:1], codes[:1], apart) for parts, codes, apart in honest(self, failed)]

    patch.replace(Put, "refusals", planted)


def forget_a_lane_after_a_loss(patch: Patch) -> None:
    """Never look at a lane again whose aggregate was answered."""

    def planted(self: AggregatedOutbox, put: Put, now: int) -> None:
        del self._out[put.number]

    patch.replace(AggregatedOutbox, "_free_lanes", planted)


def keep_the_records_of_the_gone(patch: Patch) -> None:
    """Send on what waits in lanes of a partition that somebody else owns."""

    def planted(self: WideLanes, ledger: OffsetLedger) -> None:
        ledger.gone = False

    patch.replace(WideLanes, "forget_unsent", planted)


def let_poison_block_its_partition(patch: Patch) -> None:
    """Hold up all keys of a partition for one record that can never land."""
    honest = Parking.sift

    def planted(self: Parking, chunk: HeldChunk, places: Sequence[int]) -> tuple[Sequence[int], list[Poison]]:
        for key in self._keys.get(chunk.owner, {}).values():
            key.waiting.append(Part(chunk, places))
            return [], []
        return honest(self, chunk, places)

    patch.replace(Parking, "sift", planted)


def hold_up_what_came_before_poison(patch: Patch) -> None:
    """Let records wait for poison of their key that came later, where they go again."""

    def planted(self: Parking, chunk: HeldChunk, place: int) -> bool:
        return chunk.keys[place] in self._keys.get(chunk.owner, {})

    patch.replace(Parking, "_waits", planted)


def forget_the_second_poison_of_a_key(patch: Patch) -> None:
    """Let all that waits behind poison of a key go when the first of it has settled, past the next."""
    honest = Parking.release

    def planted(self: Parking, poison: Poison) -> list[Part]:
        key = self._keys.get(poison.chunk.owner, {}).get(poison.chunk.keys[poison.place])
        if key is not None:
            key.poison = [poison.offset]
        return honest(self, poison)

    patch.replace(Parking, "release", planted)


def overfill_an_aggregate(patch: Patch) -> None:
    """Put into an aggregate whatever was taken, whatever its size."""

    def planted(keys: Sequence[str], values: Sequence[bytes], bytes_max: int) -> int:
        return len(keys)

    patch.replace(aggregated_outbox, "how_many_fit", planted)


def linger_for_ever(patch: Patch) -> None:
    """Never send a lane that is not full."""
    honest = WideLanes.due

    def planted(self: WideLanes, lane: WideLane) -> int | None:
        full = lane.again or lane.urgent or lane.bytes >= self._rules.target_bytes
        return honest(self, lane) if full else None

    patch.replace(WideLanes, "due", planted)


BUGS = (
    bug(let_two_aggregates_of_a_lane_fly, "I4", plan=plan),
    bug(send_on_before_what_was_refused, "I4", plan=plan),
    bug(place_a_lane_in_the_next_slice, "I4", plan=plan),
    bug(choose_lanes_by_the_wrong_bits, "I4", plan=plan),
    bug(reverse_the_inner_order, "I4", plan=plan),
    bug(give_a_record_the_key_of_its_neighbour, "I2", "I4", plan=plan),
    bug(write_no_hash_key_inside, "I2", plan=plan),
    bug(leave_the_last_one_out, "I1", "I2", "I14", "I16", "I4", plan=plan),
    bug(settle_only_the_first_record, "I9", "I1", "I4", "I12", "I19", "I14", plan=plan),
    bug(forget_a_lane_after_a_loss, "I9", "I19", plan=plan),
    bug(keep_the_records_of_the_gone, "I13", "I8", "I12", "I3", "I7", plan=plan),
    bug(let_poison_block_its_partition, "I9", plan=poisoned),
    bug(hold_up_what_came_before_poison, "I4", "I9", plan=aggregates_in_little_room),
    bug(forget_the_second_poison_of_a_key, "I4", plan=aggregates_in_little_room),
    bug(overfill_an_aggregate, "I7", plan=plan),
    bug(linger_for_ever, "I9", "I19", plan=plan),
)
