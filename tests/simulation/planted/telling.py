"""Bugs of what is told: facts that are left out, told twice or with another figure, and figures that are not true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from doka.adapters.simulated.faults import damaged, draw_plan, encoded, unrenewed
from doka.adapters.simulated.plan import Plan
from doka.domain.events import RecordsUnreadable
from doka.domain.facts import (
    LeaseRejected,
    LetterFailed,
    PartitionsOwned,
    PartitionStuck,
    RecordsFailed,
    RecordsSettled,
    RecordsWillRepeat,
    RouteBlocked,
    RouteOpened,
    UnreadableSeen,
)
from doka.domain.forwarder import Forwarder
from doka.domain.leases.keeper import LeaseKeeper
from doka.domain.partitions import partition
from doka.domain.partitions.partition import Intake, Leg, Partition
from doka.domain.records import Chunk
from doka.domain.routes import route
from doka.domain.routes.mapping import RecordMapping
from doka.domain.status import LogStatus, PartitionStatus
from doka.domain.turn import Decision, Turn
from tests.simulation.planted.bug import Patch, bug
from tests.simulation.planted.plans import dead_letters_that_fail


def unreadable(seed: int) -> Plan:
    """Give a run in which stored records cannot be read."""
    return damaged(draw_plan(seed))


def never_renewed(seed: int) -> Plan:
    """Give a run in which the first lease is the last."""
    return unrenewed(draw_plan(seed))


def in_another_alphabet(seed: int) -> Plan:
    """Give a run whose keys are encoded, and in which records without one are placed or refused."""
    return encoded(draw_plan(seed))


def _leave_out(patch: Patch, kind: type) -> None:
    """Tell no fact of a kind."""
    honest = Forwarder.decide

    def planted(self: Forwarder, now: int) -> Decision:
        decision = honest(self, now)
        decision.commands = [command for command in decision.commands if not isinstance(command, kind)]
        return decision

    patch.replace(Forwarder, "decide", planted)


def _spoil(patch: Patch, kind: type, **figures: Any) -> None:
    """Tell a kind of fact with other figures."""
    honest = Forwarder.decide

    def planted(self: Forwarder, now: int) -> Decision:
        decision = honest(self, now)
        decision.commands = [replace(c, **figures) if isinstance(c, kind) else c for c in decision.commands]
        return decision

    patch.replace(Forwarder, "decide", planted)


# --- facts ---------------------------------------------------------------------------------------------------------


def block_a_route_in_silence(patch: Patch) -> None:
    """Stop sending without a word."""
    _leave_out(patch, RouteBlocked)


def be_stuck_in_silence(patch: Patch) -> None:
    """Let a partition wait, full to the last record, without a word."""
    _leave_out(patch, PartitionStuck)


def repeat_in_silence(patch: Patch) -> None:
    """Give partitions back with holes, and say nothing of what will land again."""
    _leave_out(patch, RecordsWillRepeat)


def own_in_silence(patch: Patch) -> None:
    """Say nothing of partitions that come and go."""
    _leave_out(patch, PartitionsOwned)


def fail_in_silence(patch: Patch) -> None:
    """Say nothing of records that were refused."""
    _leave_out(patch, RecordsFailed)


def lose_letters_in_silence(patch: Patch) -> None:
    """Say nothing of dead letters that are not stored."""
    _leave_out(patch, LetterFailed)


def count_no_bytes(patch: Patch) -> None:
    """Tell that what has landed had no bytes."""
    _spoil(patch, RecordsSettled, payload_bytes=0)


def count_the_time_of_a_request_from_the_start(patch: Patch) -> None:
    """Tell that each request took as long as the process runs."""
    _spoil(patch, RecordsSettled, took=1 << 50)


def have_been_blocked_for_no_time(patch: Patch) -> None:
    """Tell that a route that sends again had never been blocked."""
    _spoil(patch, RouteOpened, after=0)


def reject_leases_at_birth(patch: Patch) -> None:
    """Tell that each lease that was refused had just been issued."""
    _spoil(patch, LeaseRejected, age=0)


# --- figures -------------------------------------------------------------------------------------------------------


def show_what_waits_as_flowing(patch: Patch) -> None:
    """Show no partition as paused."""
    honest = Leg.status

    def planted(self: Leg, now: int, log: LogStatus | None, partition: Partition) -> PartitionStatus:
        return replace(honest(self, now, log, partition), paused=False)

    patch.replace(Leg, "status", planted)


def show_what_would_repeat_without_what_is_committed(patch: Patch) -> None:
    """Leave out of what a crash would repeat what Kafka has not said that it holds."""
    honest = Leg.status

    def planted(self: Leg, now: int, log: LogStatus | None, partition: Partition) -> PartitionStatus:
        return replace(honest(self, now, log, partition), ahead=self.ledger.ahead)

    patch.replace(Leg, "status", planted)


def count_no_keys_as_held(patch: Patch) -> None:
    """Count of what is held the values alone."""

    def planted(chunk: Chunk) -> int:
        return sum(len(value or b"") for value in chunk.values)

    for module in (partition, route):
        patch.replace(module, "held_size", planted)


# --- what cannot be read, renewed, or placed -----------------------------------------------------------------------


def step_over_damage_in_silence(patch: Patch) -> None:
    """Go on behind stored records that cannot be read without a word."""
    _leave_out(patch, UnreadableSeen)


def tell_of_damage_at_each_try(patch: Patch) -> None:
    """Tell each second again that records cannot be read."""
    honest = Forwarder._unreadable

    def planted(self: Forwarder, event: RecordsUnreadable, now: int) -> None:
        owned = self._partitions.get(event.partition)
        if owned is not None:
            owned.unreadable = None
        honest(self, event, now)

    patch.replace(Forwarder, "_unreadable", planted)


def renew_what_shall_not_be(patch: Patch) -> None:
    """Ask for the next lease although the policy is to have one only."""
    honest = LeaseKeeper.wants_lease

    def planted(self: LeaseKeeper, now: int, *, needed: bool) -> bool:
        self._asked_once = False
        return honest(self, now, needed=needed)

    patch.replace(LeaseKeeper, "wants_lease", planted)


def place_what_has_no_key_anywhere(patch: Patch) -> None:
    """Draw a key for each record that has none, whatever the route says."""

    def planted(self: RecordMapping, chunk: object, index: int, poison: dict[int, str]) -> str:
        self._next_random += 1
        return str(self._next_random)

    patch.replace(RecordMapping, "_null_key", planted)


def ask_for_more_of_a_blocked_route(patch: Patch) -> None:
    """Pause no partition, whatever becomes of its route."""

    def planted(self: Intake, partition: Partition, now: int, turn: Turn, *, crowded: bool) -> bool:
        for leg in partition.legs.values():
            self.admit(partition, leg, now, turn)
        return False

    patch.replace(Intake, "_must_wait", planted)


BUGS = (
    bug(block_a_route_in_silence, "I14"),
    bug(be_stuck_in_silence, "I14"),
    bug(repeat_in_silence, "I14"),
    bug(own_in_silence, "I14"),
    bug(fail_in_silence, "I14"),
    bug(lose_letters_in_silence, "I14", plan=dead_letters_that_fail),
    bug(count_no_bytes, "I14"),
    bug(count_the_time_of_a_request_from_the_start, "I14"),
    bug(have_been_blocked_for_no_time, "I14"),
    bug(reject_leases_at_birth, "I14"),
    bug(show_what_waits_as_flowing, "I14"),
    bug(show_what_would_repeat_without_what_is_committed, "I14"),
    bug(count_no_keys_as_held, "I7"),
    bug(step_over_damage_in_silence, "I15", plan=unreadable),
    bug(tell_of_damage_at_each_try, "I14", plan=unreadable),
    bug(renew_what_shall_not_be, "I10", plan=never_renewed),
    bug(place_what_has_no_key_anywhere, "I4", plan=in_another_alphabet),
    bug(ask_for_more_of_a_blocked_route, "I9"),
)
