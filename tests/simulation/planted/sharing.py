"""Bugs of requests that hold several records of a key, and of what is told of their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from doka.adapters.simulated.faults import draw_plan, sharing
from doka.adapters.simulated.plan import Plan
from doka.domain.events import Landings, PutAnswered
from doka.domain.held.lanes import Run
from doka.domain.held.ledger import OffsetLedger, Part
from doka.domain.held.shared_lanes import SharedLane, SharedLanes
from doka.domain.poison.quarantine import Poison
from doka.domain.routes import route
from doka.domain.sending import order_breaks, outbox
from doka.domain.sending.order_breaks import count_breaks, in_order
from doka.domain.sending.outbox import Outbox, side_by_side
from doka.domain.sending.put import Put, Refusal
from doka.domain.verdicts import Verdict, of_entry
from tests.simulation.planted.bug import Patch
from tests.simulation.planted.bug import bug as any_bug


def shared_requests(seed: int) -> Plan:
    """Give a drawn run in which records of a key share requests."""
    return sharing(draw_plan(seed))


def poison_in_shared_requests(seed: int) -> Plan:
    """Give one in which some records can never land, as only the service knows."""
    plan = shared_requests(seed)
    return replace(plan, work=replace(plan.work, refused=0.3), limits=replace(plan.limits, request_records=20))


bug = partial(any_bug, plan=shared_requests)


def let_a_key_into_two_requests(patch: Patch) -> None:
    """Leave what the end of a request cut off where it is: it leaves with the next one."""

    def planted(self: Outbox, last: Part) -> None:
        """Cut nothing."""

    patch.replace(Outbox, "_cut_behind", planted)


def send_refused_records_again_out_of_order(patch: Patch) -> None:
    """Send what was refused of a key again in the opposite order."""

    def planted(parts: Iterable[Part]) -> list[Part]:
        return side_by_side(parts)[::-1]

    patch.replace(outbox, "side_by_side", planted)


def try_refused_records_of_a_key_apart(patch: Patch) -> None:
    """Let each refused record of a key wait by itself, so that a later one may leave first."""

    def planted(self: Put, failed: Mapping[int, str]) -> list[Refusal]:
        return self._by_part(failed)

    patch.replace(Put, "_by_lane", planted)


def free_a_lane_at_its_first_settled_record(patch: Patch) -> None:
    """Let what waits in a lane go when some of its records have landed, whatever became of the others."""
    honest = SharedLanes.release

    def planted(self: SharedLanes, keys: Sequence[str], runs: list[Run]) -> list[int]:
        for key, settled in Counter(keys).items():
            lane = self._busy[key]
            if lane is not None and lane.waiting and lane.out > settled:
                out = lane.out
                self._let_go(key, lane, runs)
                lane.out += out
        return honest(self, keys, runs)

    patch.replace(SharedLanes, "release", planted)


def forget_what_found_no_room(patch: Patch) -> None:
    """Lose what the end of a request cut off."""

    def planted(self: SharedLanes, key: str, offsets: list[int]) -> None:
        lane = self._busy[key]
        assert lane is not None
        lane.out -= len(offsets)

    patch.replace(SharedLanes, "take_back", planted)


def let_a_key_go_past_its_poison(patch: Patch) -> None:
    """Send what went with a record that can never land without waiting for what becomes of that."""

    def planted(self: Outbox, poison: Poison) -> None:
        """Hold nothing back."""

    patch.replace(Outbox, "_keep_lane", planted)


def tell_of_one_break_too_few(patch: Patch) -> None:
    """Count one record less than was overtaken where it is more than one."""

    def planted(put: Put, answer: PutAnswered | None) -> Mapping[str, int]:
        return {cause: max(1, records - 1) for cause, records in count_breaks(put, answer).items()}

    patch.replace(route, "count_breaks", planted)


def look_at_no_sequence_number(patch: Patch) -> None:
    """Take what landed for landed in order."""

    def planted(keys: Sequence[str], landings: Landings) -> bool:
        return True

    patch.replace(order_breaks, "in_order", planted)


def look_at_the_first_sequence_numbers_only(patch: Patch) -> None:
    """See whether the first two entries are in order, and no other."""

    def planted(keys: Sequence[str], landings: Landings) -> bool:
        return in_order(keys[:2], Landings(landings.shards[:2], landings.numbers[:2]))

    patch.replace(order_breaks, "in_order", planted)


def take_what_nobody_knows_for_refused(patch: Patch) -> None:
    """Tell of a record that may have landed as if it had not."""

    def planted(code: str) -> Verdict:
        verdict = of_entry(code)
        return Verdict.RETRY if verdict is Verdict.AMBIGUOUS else verdict

    patch.replace(order_breaks, "of_entry", planted)


def forget_what_was_told(patch: Patch) -> None:
    """Tell of a record again when it is overtaken once more."""

    def planted(put: Put, answer: PutAnswered | None) -> Mapping[str, int]:
        for key, owner in {(key, part.chunk.owner) for part in put.parts for key in put.keys}:
            lane = _lane(owner, key)
            if lane is not None:
                lane.doubts = None
        return count_breaks(put, answer)

    patch.replace(route, "count_breaks", planted)


def _lane(owner: OffsetLedger, key: str) -> SharedLane | None:
    assert isinstance(owner.lanes, SharedLanes)
    return owner.lanes._busy.get(key)


BUGS = (
    bug(let_a_key_into_two_requests, "I4"),
    bug(send_refused_records_again_out_of_order, "I4"),
    bug(try_refused_records_of_a_key_apart, "I4"),
    bug(free_a_lane_at_its_first_settled_record, "I4"),
    bug(forget_what_found_no_room, "I1", "I4", "I9", "I12", "I14"),
    bug(let_a_key_go_past_its_poison, "I4", plan=poison_in_shared_requests),
    bug(tell_of_one_break_too_few, "I4"),
    bug(look_at_no_sequence_number, "I4"),
    bug(look_at_the_first_sequence_numbers_only, "I4"),
    bug(take_what_nobody_knows_for_refused, "I4"),
    bug(forget_what_was_told, "I4"),
)
