"""The world's log of one simulated run: who wrote what, what landed, what the group stored, what STS said, and when.

It sees the world, never the service: no counter of the judged service enters here.
It notes and sums up; what follows from that is the judge's matter (judge.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from doka.adapters.simulated.bulk_landings import BulkLandings
from doka.adapters.simulated.bulk_log import names_in
from doka.adapters.simulated.kinesis import Put
from doka.adapters.simulated.plan import Incident, Kind
from doka.adapters.simulated.timeline import START_NS
from doka.adapters.simulated.tokens import REVOKED_CODES
from doka.adapters.simulated.witness import Witness
from doka.adapters.simulated.world import World
from doka.app.simulate.history import ISSUED, REFUSED, RENEWED, LeaseWindow, Refusals, Series
from doka.app.simulate.own_function import OwnFunctionPlayed
from doka.domain.commands import SendPut
from doka.domain.events import Event, LeaseIssued, LeaseRefused, PutAmbiguous, PutAnswered, PutRefused
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import Chunk, TopicPartition

_AMBIGUOUS_ENTRY = "InternalFailure"


class Observer(Witness):
    """Everything that a history needs; attached to a world before anything happens in it."""

    def __init__(self) -> None:
        self.puts = 0
        self.puts_refused = 0
        self.entries_refused = 0
        self.sts_calls = 0
        self.leases: list[LeaseWindow] = []
        self.deaths: list[float] = []
        self.explained = 0
        """Duplicates that what befell the service allows."""
        self.too_early: list[tuple[int, TopicPartition, int, int]] = []
        """Commits over records that had not landed: when, which partition, from, to."""
        self.all_written = False
        self.trimmed = 0
        """Records that retention took before they had landed."""
        self.first_refused: dict[str, float] = {}
        """When a put was first refused with a code."""
        self._columns: tuple[list[int], ...] = ([], [], [], [], [])
        self._refused: dict[str, list[int]] = {}
        self._refused_now: Counter[str] = Counter()
        self._samples = 0
        self._handed: dict[TopicPartition, int] = {}
        self._flying: dict[int, int] = {}  # put -> its records
        self._revoked_at: dict[int, tuple[float, str]] = {}
        self._world: World | None = None
        self._landings: BulkLandings | None = None
        self._functions: Sequence[OwnFunctionPlayed] = ()
        self.left_out_sent = 0
        """Records that were sent though their route's function leaves them out."""

    def attach(self, world: World, landings: BulkLandings, functions: Sequence[OwnFunctionPlayed] = ()) -> None:
        """Observe this world, in which these functions of the user's are run."""
        self._world, self._landings, self._functions = world, landings, functions

    @property
    def world(self) -> World:
        """The world that is observed."""
        assert self._world is not None
        return self._world

    @property
    def landings(self) -> BulkLandings:
        """What landed in it."""
        assert self._landings is not None
        return self._landings

    @property
    def now(self) -> float:
        """Seconds after the start."""
        return seconds(self.world.timeline.now)

    # --- records -------------------------------------------------------------------------------------------------

    def production_ended(self) -> None:
        """Note that the last record was written."""
        self.all_written = True

    def removed(self, partition: TopicPartition, offsets: Sequence[int], *, retention: bool) -> None:
        """Note what retention took."""
        if offsets and retention:
            landed = self.landings.partitions[partition]
            self.trimmed += landed.missing(max(offsets[0], landed.committed), offsets[-1] + 1)

    def assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        """Note from where our process reads; what is above and landed already may land again."""
        for tp, start in positions.items():
            self._handed[tp] = start
            self.explained += self.landings.partitions[tp].landed_from(start)

    def neighbour_began(self, partition: TopicPartition, start: int) -> None:
        """Note from where the other member reads."""
        self.explained += self.landings.partitions[partition].landed_from(start) + self._in_flight()

    def delivered(self, chunk: Chunk) -> None:
        """Note what was handed over."""
        self._handed[chunk.partition] = chunk.end

    def gave_back(self, partitions: Sequence[TopicPartition]) -> None:
        """Note that partitions are somebody else's."""
        self._let_go(partitions)

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Note that partitions were taken away."""
        self._let_go(partitions)

    def died(self) -> None:
        """Note the death of our process."""
        self.deaths.append(self.now)
        self.life_ended()

    def life_ended(self) -> None:
        """Forget what only that process knew."""
        self._let_go(list(self._handed))
        self._flying.clear()

    def _let_go(self, partitions: Sequence[TopicPartition]) -> None:
        self.explained += self._in_flight()
        for tp in partitions:
            self._handed.pop(tp, None)

    def _in_flight(self) -> int:
        return sum(self._flying.values())

    # --- puts ----------------------------------------------------------------------------------------------------

    def put_began(self, command: SendPut) -> None:
        """Note a request."""
        self.puts += 1
        if self._functions:
            self._look_for_unwanted(command.values)
        records = self._flying[command.put] = _records_in(command.values, aggregated=command.hash_keys is not None)
        member = self.world.member
        number = None if member is None else member.number
        if any(self.world.group.owner[tp] != number for tp in self._handed):  # it was thrown out and does not know yet
            self.explained += records

    def _look_for_unwanted(self, values: Sequence[bytes]) -> None:
        names = [name for value in values for name in names_in(value)]
        places = [(self.landings.partition_of(number), offset) for number, offset in names]
        for function in self._functions:
            self.left_out_sent += sum(offset in function.left_out.get(tp, ()) for tp, offset in places)

    @property
    def unsteady(self) -> int:
        """Records of which a function of the user's made something else the second time."""
        return sum(len(function.unsteady) for function in self._functions)

    def put_answered(self, put: Put, event: Event) -> None:
        """Note what our process was told of a request."""
        command = put.command
        records = self._flying.pop(command.put, 0)
        if isinstance(event, PutRefused):
            self.puts_refused += 1
            self._refused_now[event.code] += 1
            self.first_refused.setdefault(event.code, self.now)
        elif isinstance(event, PutAmbiguous):
            self.explained += records
        elif isinstance(event, PutAnswered) and event.failed:
            self.entries_refused += len(event.failed)
            unknown = [command.values[i] for i, code in event.failed.items() if code == _AMBIGUOUS_ENTRY]
            self.explained += _records_in(unknown, aggregated=command.hash_keys is not None)

    def landed(self, put: Put | None, entry: int, key: str, value: bytes, route: str) -> None:  # noqa: ARG002 - the witness's
        """Note a record that the other member brought."""
        if put is None:
            self.landings.land([key], [value], (), self.world.timeline.now, own_keys=False)

    # --- commits and letters ---------------------------------------------------------------------------------------

    def commit_stored(self, offsets: Mapping[TopicPartition, int], *, ours: bool) -> None:  # noqa: ARG002
        """Note committed offsets, and whether anything below them has not landed."""
        now = self.world.timeline.now
        for tp, to in offsets.items():
            landed = self.landings.partitions[tp]
            if to > landed.committed:
                if landed.missing(landed.committed, to):
                    self.too_early.append((now, tp, landed.committed, to))
                landed.committed = to
        self.world.progress()

    def letter_stored(self, partition: TopicPartition, offset: int, route: str) -> None:  # noqa: ARG002 - the witness's
        """Note a dead letter."""
        self.landings.partitions[partition].otherwise.add(offset)

    # --- leases --------------------------------------------------------------------------------------------------

    def lease_asked(self, role: str) -> None:  # noqa: ARG002 - the witness's signature
        """Count a question."""
        self.sts_calls += 1

    def lease_answered(self, event: Event) -> None:
        """Note a lease, or why there is none."""
        now = self.now
        if isinstance(event, LeaseRefused):
            self.leases.append(LeaseWindow(event.role, REFUSED, now, now, event.code))
        elif isinstance(event, LeaseIssued):
            lease = event.lease
            outcome = RENEWED if any(w.serial and w.role == lease.role for w in self.leases) else ISSUED
            until = now if lease.ends_at is None else seconds(lease.ends_at)
            self.leases.append(LeaseWindow(lease.role, outcome, now, until, "", lease.serial))

    def befell(self, incident: Incident) -> None:
        """Note which leases an incident ends."""
        if incident.kind is Kind.TOKENS_REVOKED:
            code = REVOKED_CODES[incident.draw % len(REVOKED_CODES)]
            for window in self.leases:
                if window.serial and window.until_seconds > self.now:
                    self._revoked_at.setdefault(window.serial, (self.now, f"revoked ({code})"))

    def lease_windows(self) -> tuple[LeaseWindow, ...]:
        """Give all answers of STS; a lease that was revoked ends there."""
        return tuple(
            LeaseWindow(w.role, w.outcome, w.from_seconds, *self._revoked_at[w.serial], w.serial)
            if w.serial in self._revoked_at
            else w
            for w in self.leases
        )

    # --- series --------------------------------------------------------------------------------------------------

    def sample(self) -> None:
        """Add an entry to every column."""
        partitions = self.landings.partitions.values()
        written = sum(p.log.end for p in partitions)
        committed = sum(p.committed for p in partitions)
        held = sum(
            landed.missing(landed.committed, self._handed.get(landed.log.partition, 0)) * landed.log.record_bytes
            for landed in partitions
        )
        for column, value in zip(
            self._columns, (written, self.landings.landed, committed, written - committed, held), strict=True
        ):
            column.append(value)
        for code, count in self._refused_now.items():
            self._refused.setdefault(code, [0] * self._samples).append(count)
        self._samples += 1
        for counts in self._refused.values():
            counts.extend([0] * (self._samples - len(counts)))
        self._refused_now.clear()

    def series(self) -> Series:
        """Give the columns."""
        produced, delivered, committed, lag, held = map(tuple, self._columns)
        return Series(produced, delivered, committed, lag, held)

    def refusals(self) -> tuple[Refusals, ...]:
        """Give the refused puts by their code."""
        return tuple(Refusals(code, tuple(counts)) for code, counts in sorted(self._refused.items()))


def _records_in(values: Sequence[bytes], *, aggregated: bool) -> int:
    """Count the records that these entries carry: one each, unless they are aggregates."""
    return sum(len(names_in(value)) for value in values) if aggregated else len(values)


def seconds(moment: int) -> float:
    """Give a moment of the timeline in seconds after the start, to the ms."""
    return round((moment - START_NS) / NS_PER_SECOND, 3)
