"""Bugs of several routes that read one topic: what is committed for all of them, who waits for whom, and what goes with one."""

from __future__ import annotations

from dataclasses import replace

from doka.adapters.simulated.faults import draw_plan, on_call, teed
from doka.adapters.simulated.plan import Plan, Sick
from doka.domain.commands import SendLetter
from doka.domain.held.ledger import OffsetLedger
from doka.domain.partitions.commits import Watermarks
from doka.domain.partitions.partition import Intake, Leg, Partition
from doka.domain.poison.quarantine import Poison, Quarantine
from doka.domain.records import Chunk
from doka.domain.rules import OnPoison
from doka.domain.turn import Turn
from tests.simulation.planted.bug import Patch, bug


def tees(seed: int) -> Plan:
    """Give a drawn run whose topics have several routes each."""
    return teed(replace(draw_plan(seed), sick=Sick.NOTHING))


def tees_with_letters(seed: int) -> Plan:
    """Give one in which each route puts the same records into the dead letters."""
    plan = tees(seed)
    return replace(plan, on_poison=OnPoison.DEAD_LETTER, work=replace(plan.work, poison=0.1))


def tees_with_skips(seed: int) -> Plan:
    """Give one with a person who skips records."""
    return on_call(tees(seed))


def commit_the_highest_watermark(patch: Patch) -> None:
    """Commit what the fastest route has settled."""

    def planted(self: Watermarks) -> int:
        return max(ledger.watermark for ledger in self.ledgers)

    patch.replace(Watermarks, "lowest", planted)


def commit_by_the_first_route(patch: Patch) -> None:
    """Commit what the first route has settled, and ask no other."""

    def planted(self: Watermarks) -> int:
        return self.ledgers[0].watermark

    patch.replace(Watermarks, "lowest", planted)


def hand_a_chunk_to_one_route_only(patch: Patch) -> None:
    """Give the last record of each chunk to the first route alone."""
    honest = Intake.admit

    def planted(self: Intake, partition: Partition, leg: Leg, now: int, turn: Turn) -> None:
        last = leg.backlog[-1] if leg.backlog else None
        if leg.ledger is not partition.watermarks.ledgers[0] and isinstance(last, Chunk) and last.count > 1:
            leg.backlog[-1] = last.part(0, last.count - 1)
            leg.backlog.append(last.end)
        honest(self, partition, leg, now, turn)

    patch.replace(Intake, "admit", planted)


def forget_one_route_only(patch: Patch) -> None:
    """Let go of a partition that went in its first route, and keep what the others hold of it."""

    def planted(self: Intake, partition: Partition) -> None:
        (ledger, leg), *_ = partition.legs.items()
        ledger.gone = True
        leg.route.forget_unsent(ledger)
        self._budget.recount(ledger)

    patch.replace(Intake, "forget", planted)


def wait_for_one_route_only(patch: Patch) -> None:
    """Take a partition for drained when its first route is."""

    def planted(self: Partition) -> bool:
        leg = next(iter(self.legs.values()))
        return leg.drained or (leg.route.standing.blocked is not None and not leg.route.puts)

    patch.replace(Partition, "drained", planted)


def leave_the_slower_route_behind(patch: Patch) -> None:
    """Give a partition back before the slower route has sent what the faster one has."""

    def planted(self: Intake, partition: Partition, now: int, turn: Turn) -> None:
        pass

    patch.replace(Intake, "even_out", planted)


def pause_for_nobody(patch: Patch) -> None:
    """Go on asking for records though no route can send any."""
    honest = Intake._must_wait

    def planted(self: Intake, partition: Partition, now: int, turn: Turn, *, crowded: bool) -> bool:
        honest(self, partition, now, turn, crowded=crowded)
        return False

    patch.replace(Intake, "_must_wait", planted)


def pause_for_one_that_is_blocked(patch: Patch) -> None:
    """Ask for no records as soon as one route can send none."""
    honest = Intake._must_wait

    def planted(self: Intake, partition: Partition, now: int, turn: Turn, *, crowded: bool) -> bool:
        waits = honest(self, partition, now, turn, crowded=crowded)
        return waits or any(leg.takes_nothing for leg in partition.legs.values())

    patch.replace(Intake, "_must_wait", planted)


def take_a_commit_for_ones_own(patch: Patch) -> None:
    """Let a faster route believe that Kafka holds all that it has settled, whatever was committed."""
    honest = OffsetLedger.note_committed

    def planted(self: OffsetLedger, offset: int, passed: int) -> None:
        honest(self, offset, self.passed)

    patch.replace(OffsetLedger, "note_committed", planted)


def begin_again_at_the_fastest(patch: Patch) -> None:
    """Read a partition again from where the fastest route stands."""
    honest = Partition.begun_again

    def planted(self: Partition) -> Partition:
        far = max(ledger.watermark for ledger in self.legs)
        for ledger in self.legs:
            ledger.watermark = far
        return honest(self)

    patch.replace(Partition, "begun_again", planted)


def begin_again_with_another_route_in_flight(patch: Patch) -> None:
    """Read a partition again as soon as its first route has nothing on its way."""

    def planted(self: Partition) -> bool:
        ledger, leg = next(iter(self.legs.items()))
        return leg.route.has_in_flight(ledger)

    patch.replace(Partition, "has_in_flight", planted)


def write_letters_of_another_route(patch: Patch) -> None:
    """Say of each dead letter that it is of the first route of its topic."""
    honest = Quarantine._letter

    def planted(self: Quarantine, letter: int, poison: Poison, tries: int) -> SendLetter:
        made = honest(self, letter, poison, tries)
        return replace(made, route=made.route.partition("x")[0])

    patch.replace(Quarantine, "_letter", planted)


def tell_what_repeats_of_one_route_only(patch: Patch) -> None:
    """Count what a crash would repeat of a route above its own watermark only."""
    honest = Leg.status

    def planted(self: Leg, now: int, log: object, partition: Partition) -> object:
        shown = honest(self, now, log, partition)  # type: ignore[arg-type]  # as they come
        return replace(shown, ahead=self.ledger.ahead)

    patch.replace(Leg, "status", planted)


def wait_for_the_wrong_route(patch: Patch) -> None:
    """Say that a route waits for itself."""

    def planted(self: Partition, leg: Leg) -> Leg | None:
        return leg

    patch.replace(Partition, "held_back_by", planted)


BUGS = (
    bug(commit_the_highest_watermark, "I1", plan=tees),
    bug(commit_by_the_first_route, "I1", plan=tees),
    bug(hand_a_chunk_to_one_route_only, "I1", "I2", "I9", "I14", plan=tees),
    bug(forget_one_route_only, "I3", "I7", "I8", "I12", "I13", plan=tees),
    bug(wait_for_one_route_only, "I19", plan=tees),
    bug(leave_the_slower_route_behind, "I19", plan=tees),
    bug(pause_for_nobody, "I9", plan=tees),
    bug(pause_for_one_that_is_blocked, "I9", plan=tees),
    bug(take_a_commit_for_ones_own, "I7", "I8", "I14", plan=tees),
    bug(begin_again_at_the_fastest, "I1", "I9", "I14", "I15", plan=tees_with_skips),
    bug(begin_again_with_another_route_in_flight, "I4", plan=tees_with_skips),
    bug(write_letters_of_another_route, "I11", "I13", "I14", plan=tees_with_letters),
    bug(tell_what_repeats_of_one_route_only, "I14", plan=tees),
    bug(wait_for_the_wrong_route, "I14", plan=tees),
)
