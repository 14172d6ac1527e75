"""Bugs of what a person has ordered to skip: too much of it, too soon, or never."""

from __future__ import annotations

from dataclasses import replace

from doka.adapters.simulated.faults import draw_plan, on_call
from doka.adapters.simulated.plan import CALM, Incident, Kind, Plan, Span
from doka.domain.commands import SeekPartition
from doka.domain.events import SkipsOrdered
from doka.domain.facts import RecordsSkipped
from doka.domain.forwarder import Forwarder
from doka.domain.held.ledger import OffsetLedger
from doka.domain.limits import NS_PER_MS
from doka.domain.partitions.partition import Intake, Partition
from doka.domain.records import Chunk
from doka.domain.routes.route import Route
from doka.domain.rules import LimitRules, OnPoison
from doka.domain.turn import Turn
from tests.simulation.planted.bug import Patch, bug
from tests.simulation.planted.plans import much_moving


def skips(seed: int) -> Plan:
    """Give a drawn run with a person who skips records."""
    return on_call(draw_plan(seed))


def skips_of_poison(seed: int) -> Plan:
    """Give one without a fault but poison that stops its key, until the person passes it."""
    plan = draw_plan(seed)
    work = replace(plan.work, poison=0.1, refused=0.0)
    return on_call(replace(plan, work=work, rates=CALM, incidents=(), on_poison=OnPoison.BLOCK, limits=LimitRules()))


def skips_while_moving(seed: int) -> Plan:
    """Give one with a rebalance, or a lost session, every 150 ms, and requests that take as long."""
    plan = much_moving(seed)
    slow = replace(plan.delays, put=Span(20 * NS_PER_MS, 100 * NS_PER_MS))
    orders = [Incident(Kind.SKIP_ORDERED, at * NS_PER_MS, at * NS_PER_MS, seed + at) for at in range(110, 2_000, 75)]
    incidents = sorted((*plan.incidents, *orders), key=lambda incident: incident.at)
    limits = replace(plan.limits, ahead_records=20)
    return replace(plan, delays=slow, incidents=tuple(incidents), limits=limits)


def skip_the_neighbour_too(patch: Patch) -> None:
    """Pass one record more than was ordered."""
    honest = Forwarder._skips_ordered

    def planted(self: Forwarder, event: SkipsOrdered) -> None:
        wide = tuple(replace(skip, far=skip.far + 1) for skip in event.skips)
        honest(self, replace(event, skips=wide))

    patch.replace(Forwarder, "_skips_ordered", planted)


def let_a_skip_take_the_watermark_along(patch: Patch) -> None:
    """Move the watermark behind what was skipped at once, whatever is open below it."""
    honest = Intake.fetched

    def planted(self: Intake, partition: Partition, chunk: Chunk, now: int, turn: Turn) -> None:
        told = len(turn.commands)
        honest(self, partition, chunk, now, turn)
        if any(isinstance(command, RecordsSkipped) for command in turn.commands[told:]):
            for ledger in partition.legs:
                ledger.watermark = max(ledger.watermark, chunk.offsets[0] + 1)
            self._commits.moved(partition.watermarks)

    patch.replace(Intake, "fetched", planted)


def skip_in_silence(patch: Patch) -> None:
    """Tell nobody of what was skipped."""
    honest = Intake.fetched

    def planted(self: Intake, partition: Partition, chunk: Chunk, now: int, turn: Turn) -> None:
        told = len(turn.commands)
        honest(self, partition, chunk, now, turn)
        turn.commands[told:] = [each for each in turn.commands[told:] if not isinstance(each, RecordsSkipped)]

    patch.replace(Intake, "fetched", planted)


def begin_again_with_records_in_flight(patch: Patch) -> None:
    """Read a partition again while requests with its records are on their way."""

    def planted(self: Route, ledger: OffsetLedger) -> bool:
        return False

    patch.replace(Route, "has_in_flight", planted)


def skip_only_what_was_not_read(patch: Patch) -> None:
    """Keep what an order came too late for: its key waits on."""
    honest = Forwarder._skips_ordered

    def planted(self: Forwarder, event: SkipsOrdered) -> None:
        partition = self._partitions.get(event.partition)
        expected = 0 if partition is None else partition.expected
        honest(self, replace(event, skips=tuple(skip for skip in event.skips if skip.first >= expected)))

    patch.replace(Forwarder, "_skips_ordered", planted)


def begin_again_too_far_on(patch: Patch) -> None:
    """Begin again behind all that was read, as if it had settled."""
    honest = Forwarder._begin_again

    def planted(self: Forwarder) -> None:
        ends = {tp: self._partitions[tp].expected for tp in self._beginning_again}
        told = len(self._turn.commands)
        honest(self)
        later = self._turn.commands[told:]
        self._turn.commands[told:] = [
            replace(c, offset=ends[c.partition]) if isinstance(c, SeekPartition) else c for c in later
        ]

    patch.replace(Forwarder, "_begin_again", planted)


def forget_that_a_revoke_began(patch: Patch) -> None:
    """Begin a partition again that is about to be given back."""
    honest = Forwarder._begin_drain

    def planted(self: Forwarder, partitions: list[Partition], now: int) -> None:
        waiting = set(self._beginning_again)
        honest(self, partitions, now)
        self._beginning_again |= waiting

    patch.replace(Forwarder, "_begin_drain", planted)


BUGS = (
    bug(skip_the_neighbour_too, "I11", plan=skips),
    bug(let_a_skip_take_the_watermark_along, "I1", plan=skips),
    bug(skip_in_silence, "I1", "I9", "I14", plan=skips),
    bug(begin_again_with_records_in_flight, "I4", plan=skips),
    bug(skip_only_what_was_not_read, "I9", plan=skips_of_poison),
    bug(begin_again_too_far_on, "I15", plan=skips),
    bug(forget_that_a_revoke_began, "I8", "I13", plan=skips_while_moving),
)
