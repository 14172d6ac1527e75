"""Bugs of what is owned, of drains, and of the client's callbacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from doka.adapters.simulated.group import Partitions
from doka.adapters.simulated.kafka import SimulatedSource
from doka.app.runtime import Runtime
from doka.domain.commands import SeekPartition
from doka.domain.events import Event, GapFound, PartitionEnded, RecordsFetched, StopRequested
from doka.domain.forwarder import Forwarder
from doka.domain.held.ledger import OffsetLedger, Part
from doka.domain.partitions.commits import Commits, Watermarks
from doka.domain.sending.outbox import Outbox
from doka.domain.sending.put import Put
from doka.domain.turn import Left, Turn
from tests.simulation.planted.bug import Patch, bug, overwrite
from tests.simulation.planted.plans import much_moving, paced_and_moving


def send_on_in_a_drain(patch: Patch) -> None:
    """Go on with new records while a partition is given back."""

    def begin_drain(self: OffsetLedger) -> None:
        self.draining = True

    def forget_unsent(self: Outbox, ledger: OffsetLedger) -> None:
        """Forget nothing."""

    patch.replace(OffsetLedger, "begin_drain", begin_drain)
    patch.replace(Outbox, "forget_unsent", forget_unsent)


def keep_what_waits_for_its_pace_in_a_drain(patch: Patch) -> None:
    """Forget ready records when a drain begins, but not those that wait for their shard."""
    honest = Outbox.forget_unsent

    def planted(self: Outbox, ledger: OffsetLedger) -> None:
        delayed = self._delayed
        honest(self, ledger)
        self._delayed = delayed

    patch.replace(Outbox, "forget_unsent", planted)


def resend_for_the_next_owner(patch: Patch) -> None:
    """Send what was not settled of a partition that is no longer owned."""
    take = Outbox._take

    def again(self: Put) -> list[Part]:
        return list(self.parts)

    def planted(self: Outbox, room: int) -> list[Part]:
        for part in self._ready:
            part.chunk.owner.gone = False
        return take(self, room)

    patch.replace(Put, "again", again)
    patch.replace(Outbox, "_take", planted)


def settle_for_somebody_else(patch: Patch) -> None:
    """Answer a request of a partition's former stay in its present one."""
    honest = Outbox.settle

    def planted(self: Outbox, put: Put, failed: Mapping[int, str], moved: dict[OffsetLedger, None], now: int) -> None:
        for part in put.parts:
            part.chunk.owner.gone = False
        honest(self, put, failed, moved, now)

    patch.replace(Outbox, "settle", planted)


def skip_a_gap_in_silence(patch: Patch) -> None:
    """Go on behind a gap in the input without a word."""

    def planted(self: Forwarder, event: GapFound, now: int) -> None:
        partition = self._partitions.get(event.partition)
        if partition is not None and not partition.draining:
            self._intake.ended(partition, event.log_start, now, self._turn)
            self._turn.commands.append(SeekPartition(event.partition, event.log_start))

    patch.replace(Forwarder, "_gap_found", planted)


def lose_a_batch_in_a_callback(patch: Patch) -> None:
    """Let a rebalance callback raise inside the fetch, which costs the records of that call."""
    honest = SimulatedSource.fetch

    def planted(self: SimulatedSource, limit: int, wait: int) -> Sequence[Event]:
        calls = bool(self._joined().notices)
        events = honest(self, limit, wait)
        return [e for e in events if not (calls and isinstance(e, RecordsFetched | PartitionEnded))]

    patch.replace(SimulatedSource, "fetch", planted)


def take_an_assignment_for_unpaused(patch: Patch) -> None:
    """Forget that the client's pause flag survives a rebalance."""
    assign, forget = SimulatedSource._assign, SimulatedSource._forget

    def planted_forget(self: SimulatedSource, partitions: Partitions) -> None:
        paused = set(self.paused)
        forget(self, partitions)
        self.paused |= paused

    def planted(self: SimulatedSource, partitions: Partitions) -> None:
        paused = set(self.paused)
        assign(self, partitions)
        self.paused |= paused.intersection(partitions)

    patch.replace(SimulatedSource, "_forget", planted_forget)
    patch.replace(SimulatedSource, "_assign", planted)


def let_a_second_stop_skip_the_drain(patch: Patch) -> None:
    """Leave at once when SIGTERM comes twice."""
    honest = Runtime._note_stop

    def planted(self: Runtime, event: Event, now: int) -> None:
        if isinstance(event, StopRequested) and self._stop_at is not None:
            overwrite(self, "_stop_at", now)
        honest(self, event, now)

    patch.replace(Runtime, "_note_stop", planted)


def go_on_after_a_halt(patch: Patch) -> None:
    """Log what can never be right again, and go on."""

    def planted(self: Forwarder, reason: str) -> None:
        """Go on."""

    patch.replace(Forwarder, "halt", planted)


def take_a_stop_for_done(patch: Patch) -> None:
    """Say that nothing is left to do as soon as a stop has begun."""
    honest = Forwarder._left

    def planted(self: Forwarder) -> Left | None:
        return Left(drained=True, committed=True, holes=0) if self._stopping else honest(self)

    patch.replace(Forwarder, "_left", planted)


def forget_what_went_during_a_stop(patch: Patch) -> None:
    """End well although partitions went before what was sent of them was settled."""
    honest = Forwarder._left

    def planted(self: Forwarder) -> Left | None:
        overwrite(self, "_gone", 0)
        return honest(self)

    patch.replace(Forwarder, "_left", planted)


def believe_in_the_last_commit(patch: Patch) -> None:
    """End well before the group has said whether it took the last commit of a partition."""
    honest = Commits.last

    def planted(self: Commits, partitions: Collection[Watermarks], turn: Turn, *, awaited: bool) -> None:
        honest(self, partitions, turn, awaited=False)

    patch.replace(Commits, "last", planted)


BUGS = (
    bug(send_on_in_a_drain, "I13", "I14"),
    bug(keep_what_waits_for_its_pace_in_a_drain, "I12", "I13", "I14", plan=paced_and_moving),
    bug(resend_for_the_next_owner, "I3", "I8", "I12", "I13", plan=much_moving, budget=1_000),
    bug(settle_for_somebody_else, "I3", "I4", "I8", "I12", "I13", plan=much_moving),
    bug(skip_a_gap_in_silence, "I15"),
    bug(lose_a_batch_in_a_callback, "I1", "I4", "I9", "I14", "I15"),
    bug(take_an_assignment_for_unpaused, "I9"),
    bug(let_a_second_stop_skip_the_drain, "I19"),
    bug(go_on_after_a_halt, "I12"),
    bug(take_a_stop_for_done, "I19"),
    bug(forget_what_went_during_a_stop, "I19"),
    bug(believe_in_the_last_commit, "I19"),
)
