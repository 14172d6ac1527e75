"""Bugs on purpose: a check that cannot fail proves nothing, so each of these must be found, and by the right rule.

A planted bug is a patch of one function of the machine, alive only inside its test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from adapters.simulated.faults import draw_plan
from domain.commands import CommitOffsets
from domain.commits import Commits
from domain.events import PutAmbiguous, PutAnswered, PutRefused, PutUnsent
from domain.forwarder import Forwarder
from domain.lanes import KeyLanes
from domain.lease import Lease
from domain.lease_keeper import LeaseKeeper
from domain.offset_ledger import HeldChunk
from domain.outbox import Flight, Outbox, Part
from domain.partition import Partition
from domain.route import Route
from tests.simulation.checkers import ViolationError
from tests.simulation.runner import run_plan

SEEDS_MAX = 400
Plant = Callable[[pytest.MonkeyPatch], None]


def commit_one_too_far(patch: pytest.MonkeyPatch) -> None:
    """Commit one past the watermark."""
    original = Commits._of

    def planted(self: Commits, partitions: Iterable[Partition]) -> CommitOffsets | None:
        commit = original(self, partitions)
        return commit and replace(commit, offsets={tp: to + 1 for tp, to in commit.offsets.items()})

    patch.setattr(Commits, "_of", planted)


def commit_what_was_fetched(patch: pytest.MonkeyPatch) -> None:
    """Commit what was fetched, not what settled."""
    original = Commits._of

    def planted(self: Commits, partitions: Iterable[Partition]) -> CommitOffsets | None:
        several = list(partitions)
        commit = original(self, several)
        return commit and replace(commit, offsets={p.tp: p.expected for p in several if p.tp in commit.offsets})

    patch.setattr(Commits, "_of", planted)


def commit_after_lost(patch: pytest.MonkeyPatch) -> None:
    """Commit partitions that somebody else owns."""
    original = Forwarder._forget

    def planted(self: Forwarder, partitions: list[Partition], change: str) -> None:
        last = self._commits.last(partitions)
        original(self, partitions, change)
        if change == "lost" and last is not None:
            self._commands.append(last)

    patch.setattr(Forwarder, "_forget", planted)


def ignore_entry_zero(patch: pytest.MonkeyPatch) -> None:
    """Never look at the first entry of an answer."""
    original = Route.answered

    def planted(self: Route, event: PutAnswered, now: int) -> Any:
        return original(self, replace(event, failed={i: c for i, c in event.failed.items() if i}), now)

    patch.setattr(Route, "answered", planted)


def take_200_as_success(patch: pytest.MonkeyPatch) -> None:
    """Take an answer of 200 as success of every entry."""
    original = Route.answered

    def planted(self: Route, event: PutAnswered, now: int) -> Any:
        return original(self, PutAnswered(event.put), now)

    patch.setattr(Route, "answered", planted)


def resend_the_whole_batch(patch: pytest.MonkeyPatch) -> None:
    """After a partial failure send everything again."""
    original = Outbox.failed_parts

    def planted(self: Outbox, flight: Flight, failed: Any) -> list[tuple[Part, str]]:
        code = next(iter(failed.values()))
        found = original(self, flight, dict.fromkeys(range(len(flight.keys)), code))
        return [(part, code) for part, _ in found]

    patch.setattr(Outbox, "failed_parts", planted)


def take_unknown_for_landed(patch: pytest.MonkeyPatch) -> None:
    """Take a put of which nobody knows for one that landed."""

    def planted(self: Route, event: PutAmbiguous | PutUnsent, now: int) -> Any:
        return self.answered(PutAnswered(event.put), now)[0]

    patch.setattr(Route, "unknown", planted)


def drop_on_expired_token(patch: pytest.MonkeyPatch) -> None:
    """Drop what an expired token refused: the incident itself."""
    original = Route.refused

    def planted(self: Route, event: PutRefused, now: int) -> Any:
        if event.code == "ExpiredTokenException":
            return self.answered(PutAnswered(event.put), now)[0]
        return original(self, event, now)

    patch.setattr(Route, "refused", planted)


def no_lanes(patch: pytest.MonkeyPatch) -> None:
    """Let all records of a key leave at once."""

    def admit(self: KeyLanes, chunk: HeldChunk) -> Sequence[int]:
        return range(chunk.count)

    def release(self: KeyLanes, keys: Sequence[str]) -> list[Any]:
        return []

    patch.setattr(KeyLanes, "admit", admit)
    patch.setattr(KeyLanes, "release", release)


def forget_who_waits(patch: pytest.MonkeyPatch) -> None:
    """Lose the record that waits in a lane when the lane becomes free."""
    original = KeyLanes.release

    def planted(self: KeyLanes, keys: Sequence[str]) -> list[Any]:
        return original(self, keys)[1:]

    patch.setattr(KeyLanes, "release", planted)


def sign_to_the_last_moment(patch: pytest.MonkeyPatch) -> None:
    """Give a request its full timeout under a lease that ends before."""

    def planted(self: LeaseKeeper, now: int) -> tuple[Lease, int] | None:
        self.tick(now)
        return None if self._lease is None else (self._lease, self._timeout)

    patch.setattr(LeaseKeeper, "for_signing", planted)


def never_wait(patch: pytest.MonkeyPatch) -> None:
    """Try again at once, always."""
    for module in ("domain.route", "domain.lease_keeper", "domain.standing"):
        patch.setattr(f"{module}.backoff", lambda *_args, **_more: 0)


def send_on_in_a_drain(patch: pytest.MonkeyPatch) -> None:
    """Go on with new records while a partition is given back."""

    def planted(self: Partition) -> int:
        self.draining = True
        return 0

    patch.setattr(Partition, "begin_drain", planted)
    patch.setattr(Outbox, "forget_unsent", lambda _self, _partition: None)


def resend_for_the_next_owner(patch: pytest.MonkeyPatch) -> None:
    """Send what was not settled of a partition that is no longer owned."""
    patch.setattr(Outbox, "unsettled_parts", lambda _self, flight: list(flight.parts))
    original = Outbox.take

    def planted(self: Outbox, room: int) -> list[Part]:
        for part in self._ready:
            part.chunk.owner.gone = False
        return original(self, room)

    patch.setattr(Outbox, "take", planted)


def ignore_ahead_records(patch: pytest.MonkeyPatch) -> None:
    """Let a partition run ahead of its watermark without a bound."""
    original = Forwarder.__init__

    def planted(self: Forwarder, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        self._intake._ahead_records = 10**9

    patch.setattr(Forwarder, "__init__", planted)


def count_refused_as_settled(patch: pytest.MonkeyPatch) -> None:
    """Tell telemetry one record more than landed."""
    patch.setattr("domain.route.RecordsSettled", lambda route, records, *rest: _settled(route, records + 1, *rest))


def _settled(*given: Any) -> Any:
    from domain.facts import RecordsSettled

    return RecordsSettled(*given)


PLANTED: tuple[tuple[Plant, frozenset[str]], ...] = (
    (commit_one_too_far, frozenset({"I1", "I3"})),
    (commit_what_was_fetched, frozenset({"I1"})),
    (commit_after_lost, frozenset({"I3", "I13"})),
    (ignore_entry_zero, frozenset({"I1", "I4", "I14"})),
    (take_200_as_success, frozenset({"I1", "I4", "I14"})),
    (resend_the_whole_batch, frozenset({"I8", "I4", "I12"})),
    (take_unknown_for_landed, frozenset({"I1", "I4", "I14"})),
    (drop_on_expired_token, frozenset({"I1", "I4", "I14"})),
    (no_lanes, frozenset({"I4"})),
    (forget_who_waits, frozenset({"I9", "I12", "I1"})),
    (sign_to_the_last_moment, frozenset({"I5"})),
    (never_wait, frozenset({"I10"})),
    (send_on_in_a_drain, frozenset({"I13"})),
    (resend_for_the_next_owner, frozenset({"I13", "I12", "I8", "I3"})),
    (ignore_ahead_records, frozenset({"I8", "I14"})),
    (count_refused_as_settled, frozenset({"I14"})),
)


@pytest.mark.parametrize(("plant", "rules"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_a_planted_bug_is_found(plant: Plant, rules: frozenset[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a few hundred seeds the bug breaks one of the rules that are there for it."""
    plant(monkeypatch)
    for seed in range(SEEDS_MAX):
        violation = run_plan(draw_plan(seed)).violation
        if violation is not None:
            found = violation.rule if isinstance(violation, ViolationError) else type(violation).__name__
            assert found in rules, f"seed {seed}: {violation}"
            return
    pytest.fail(f"not found in {SEEDS_MAX} seeds")
