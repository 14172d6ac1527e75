"""Bugs planted on purpose: a check that cannot fail proves nothing, so each of these must be found.

Every one is the kind of bug that loses data, order or sleep; the storms that pass on the true domain find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import pytest

from domain.airspace import Airspace
from domain.budget import Budget
from domain.commands import CommitOffsets
from domain.commits import Commits
from domain.errors import DokaError
from domain.events import (
    Event,
    LetterAcknowledged,
    LetterRefused,
    PartitionsLost,
    PartitionsRevoked,
    PutAmbiguous,
    PutAnswered,
    PutUnsent,
)
from domain.facts import Fact
from domain.forwarder import Forwarder
from domain.intake import Intake
from domain.isolation import Group, Isolation
from domain.lanes import KeyLanes
from domain.lease_keeper import LeaseKeeper
from domain.limits import NS_PER_SECOND
from domain.offset_ledger import HeldChunk, OffsetLedger
from domain.outbox import Flight, Outbox, Part
from domain.partition import Partition
from domain.quarantine import Poison, Quarantine
from domain.route import Route
from domain.rules import OnPoison
from tests.property.calm import heal
from tests.property.setup import TPS, Setup
from tests.property.storm import run
from tests.property.truth import New
from tests.property.world import World

SEEDS = 400
Patch = pytest.MonkeyPatch


def commit_one_too_far(patch: Patch) -> None:
    """Commit one past the watermark."""
    honest = Commits._of

    def planted(self: Commits, partitions: Iterable[Partition]) -> CommitOffsets | None:
        commit = honest(self, partitions)
        return commit and replace(commit, offsets={tp: offset + 1 for tp, offset in commit.offsets.items()})

    patch.setattr(Commits, "_of", planted)


def commit_over_a_hole(patch: Patch) -> None:
    """Commit the highest settled offset, whatever is open below."""
    honest = OffsetLedger.settle_each

    def planted(self: OffsetLedger, settled: Mapping[HeldChunk, int]) -> int:
        freed = honest(self, settled)
        self.watermark = max(self.watermark, *(chunk.end for chunk in settled if not chunk.open), 0)
        return freed

    patch.setattr(OffsetLedger, "settle_each", planted)


def commit_what_was_fetched(patch: Patch) -> None:
    """Commit a chunk when it arrives."""
    honest = OffsetLedger.append

    def planted(self: OffsetLedger, chunk: HeldChunk) -> None:
        honest(self, chunk)
        self.watermark = chunk.end

    patch.setattr(OffsetLedger, "append", planted)


def commit_after_lost(patch: Patch) -> None:
    """Say goodbye to a lost partition as to a revoked one."""
    honest = Forwarder.handle

    def planted(self: Forwarder, event: Event, now: int) -> None:
        honest(self, PartitionsRevoked(event.partitions) if isinstance(event, PartitionsLost) else event, now)

    patch.setattr(Forwarder, "handle", planted)


def let_the_end_overtake(patch: Patch) -> None:
    """Let the end of the log complete a partition over records that wait."""

    def planted(self: Intake, partition: Partition, offset: int, now: int) -> None:
        partition.expected = max(partition.expected, offset)
        partition.ledger.complete_to(offset)
        self._commits.moved((partition,))

    patch.setattr(Intake, "ended", planted)


def ignore_entry_0(patch: Patch) -> None:
    """Read the answer from its second entry on."""
    honest = Route.answered

    def planted(self: Route, event: PutAnswered, now: int) -> tuple[list[Fact], Iterable[Partition]]:
        failed = {place: code for place, code in event.failed.items() if place}
        return honest(self, PutAnswered(event.put, failed), now)

    patch.setattr(Route, "answered", planted)


def take_200_for_success(patch: Patch) -> None:
    """Take the answer for success of every entry."""
    honest = Route.answered

    def planted(self: Route, event: PutAnswered, now: int) -> tuple[list[Fact], Iterable[Partition]]:
        return honest(self, PutAnswered(event.put), now)

    patch.setattr(Route, "answered", planted)


def take_a_timeout_for_success(patch: Patch) -> None:
    """Settle what nobody knows about."""
    honest = Route.unknown

    def planted(self: Route, event: PutAmbiguous | PutUnsent, now: int) -> list[Fact]:
        if isinstance(event, PutAmbiguous):
            return self.answered(PutAnswered(event.put), now)[0]
        return honest(self, event, now)

    patch.setattr(Route, "unknown", planted)


def resend_the_whole_batch(patch: Patch) -> None:
    """Send everything again where one entry was refused, what landed included."""
    honest = Outbox.failed_parts

    def planted(self: Outbox, flight: Flight, failed: Mapping[int, str]) -> list[tuple[Part, str]]:
        honest(self, flight, failed)
        code = next(iter(failed.values()))
        return [(part, code) for part in flight.parts if not part.chunk.owner.gone and part.chunk.open]

    patch.setattr(Outbox, "failed_parts", planted)


def release_a_lane_too_early(patch: Patch) -> None:
    """Let all records of a chunk go at once, whatever their keys."""
    honest = KeyLanes.admit

    def planted(self: KeyLanes, chunk: HeldChunk) -> Sequence[int]:
        honest(self, chunk)
        return range(chunk.count)

    patch.setattr(KeyLanes, "admit", planted)


def hand_a_lane_to_the_last(patch: Patch) -> None:
    """Let the record go next that came last."""
    honest = KeyLanes.release

    def planted(self: KeyLanes, keys: Sequence[str]) -> list[int]:
        for queue in map(self._busy.get, keys):
            if queue is not None:
                queue.reverse()
        return honest(self, keys)

    patch.setattr(KeyLanes, "release", planted)


def settle_for_somebody_else(patch: Patch) -> None:
    """Answer a request of a partition's former stay in its present one."""
    honest = Outbox.settle

    def planted(self: Outbox, flight: Flight, failed: Mapping[int, str], now: int) -> Iterable[Partition]:
        moved = list(honest(self, flight, failed, now))
        return [*moved, *(part.chunk.owner for part in flight.parts if _revive(part.chunk.owner))]

    def _revive(owner: Partition) -> bool:
        owner.gone = False
        return False

    patch.setattr(Outbox, "settle", planted)


def send_new_records_in_a_drain(patch: Patch) -> None:
    """Keep what was fetched and not sent when a drain begins."""
    honest = Outbox.forget_unsent

    def planted(self: Outbox, partition: Partition) -> None:
        if partition.gone:
            honest(self, partition)

    patch.setattr(Outbox, "forget_unsent", planted)


def keep_what_waits_for_its_pace_in_a_drain(patch: Patch) -> None:
    """Forget ready records when a drain begins, but not those that wait for their shard."""
    honest = Outbox.forget_unsent

    def planted(self: Outbox, partition: Partition) -> None:
        delayed = self._delayed
        honest(self, partition)
        self._delayed = delayed

    patch.setattr(Outbox, "forget_unsent", planted)


def sign_to_the_very_end(patch: Patch) -> None:
    """Let a lease sign for as long as it is held."""
    patch.setattr(LeaseKeeper, "_reserve_starts", lambda self, lease: 1 << 63)


def keep_a_rejected_lease(patch: Patch) -> None:
    """Send again with the lease that was just refused."""
    patch.setattr(LeaseKeeper, "rejected", lambda self, serial, code, now: None)


def forget_that_a_lease_was_asked_for(patch: Patch) -> None:
    """Ask STS again before it has answered."""
    honest = LeaseKeeper.wants_lease

    def planted(self: LeaseKeeper, now: int, *, needed: bool) -> bool:
        self._asking = False
        return honest(self, now, needed=needed)

    patch.setattr(LeaseKeeper, "wants_lease", planted)


def fly_without_limit(patch: Patch) -> None:
    """Send as many requests as there are records for."""
    patch.setattr(Airspace, "may_fly", lambda self, route, routes: True)


def never_give_bytes_back(patch: Patch) -> None:
    """Count what arrives and not what goes."""
    patch.setattr(Budget, "release", lambda self, partition, held_bytes: None)


def sleep_through_a_retry(patch: Patch) -> None:
    """Never wake what waits for another try."""
    patch.setattr(Outbox, "wake", lambda self, now, *, all_of_them=False: None)


def settle_a_letter_that_was_refused(patch: Patch) -> None:
    """Drop a record when the dead-letter topic does not take it."""

    def planted(self: Quarantine, event: LetterRefused, now: int) -> list[Fact]:
        poison, facts = self.acknowledged(LetterAcknowledged(event.letter))
        if poison is not None:
            owner = poison.chunk.owner
            owner.route.outbox.settle_poison(poison, now)
        return facts

    patch.setattr(Quarantine, "refused", planted)


def call_the_rest_of_many_poison(patch: Patch) -> None:
    """Suspect the one record that is left of a refused request, the culprit having gone with its partition."""
    honest = Isolation.refused

    def planted(self: Isolation, parts: Group, *, entries: int | None = None) -> None:
        honest(self, parts)

    patch.setattr(Isolation, "refused", planted)


def drop_poison_that_should_block(patch: Patch) -> None:
    """Settle what can never land, whatever the policy says."""
    honest = Outbox._let_go

    def planted(self: Outbox, chunk: HeldChunk, places: Sequence[int], now: int) -> None:
        honest(self, chunk, places, now)
        for poison in self.take_poison():
            self.settle_poison(Poison(poison.chunk, poison.place, poison.code), now)

    patch.setattr(Outbox, "_let_go", planted)


def storms() -> None:
    """Run storms until one fails."""
    for seed in range(SEEDS):
        run(seed, 100)


def a_search_whose_culprit_goes_away() -> None:
    """Refuse a request of two partitions' records, after the one with the bad record was lost: too rare for storms.

    Two other records of the search have landed by then: without that control nobody is poison.
    """
    world = World(Setup(request_records=4, on_poison=OnPoison.DROP))
    one, other = TPS[:2]
    world.assign(one)
    world.assign(other)
    world.issue("writer", None)
    for route in list(world.describing):
        world.describe(route)
    world.wait(NS_PER_SECOND)
    world.undecided = 2
    world.fetch(other, 2, [New(b"a"), New(b"b")])
    world.fetch(one, 1, [New(b"a", bad=True)])
    world.fetch(other, 1, [New(b"c")])
    (whole,) = world.flights
    world.refuse(whole, "ValidationException")
    (good_half,) = world.flights
    world.answer(good_half)
    (bad_half,) = world.flights
    world.lose(one)
    world.refuse(bad_half, "ValidationException")
    heal(world)
    assert [True, True, True] == [record.landings > 0 for record in world.logs[other].records.values()]


def test_the_rare_scene_is_fine_without_a_bug() -> None:
    """On the true domain the good records land."""
    a_search_whose_culprit_goes_away()


PLANTED: Sequence[Callable[[Patch], None]] = (
    commit_one_too_far,
    commit_over_a_hole,
    commit_what_was_fetched,
    commit_after_lost,
    let_the_end_overtake,
    ignore_entry_0,
    take_200_for_success,
    take_a_timeout_for_success,
    resend_the_whole_batch,
    release_a_lane_too_early,
    hand_a_lane_to_the_last,
    settle_for_somebody_else,
    send_new_records_in_a_drain,
    keep_what_waits_for_its_pace_in_a_drain,
    sign_to_the_very_end,
    keep_a_rejected_lease,
    forget_that_a_lease_was_asked_for,
    fly_without_limit,
    never_give_bytes_back,
    sleep_through_a_retry,
    settle_a_letter_that_was_refused,
    call_the_rest_of_many_poison,
    drop_poison_that_should_block,
)


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_every_planted_bug_is_found(plant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    """Within a few hundred storms, or in a scene that is too rare for them, the world objects."""
    plant(monkeypatch)
    look = a_search_whose_culprit_goes_away if plant is call_the_rest_of_many_poison else storms
    with pytest.raises((AssertionError, DokaError, LookupError)) as found:  # a broken rule, or a fall
        look()
    print(plant.__name__, str(found.value)[:100], *getattr(found.value, "__notes__", [""])[0][:12].split(",")[:1])  # noqa: T201 - shown by -s
