"""Bugs of lanes, and of what waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import cast

from doka.domain.held.lanes import Columns, KeyLanes, Run
from doka.domain.held.ledger import OffsetLedger, Part
from doka.domain.sending.outbox import Outbox
from doka.domain.sending.put import Put
from tests.simulation.planted.bug import Patch, bug

ONE_LANE = "all"


def release_a_lane_too_early(patch: Patch) -> None:
    """Let all records of a key leave at once."""

    def admit(self: KeyLanes, chunk: Columns, runs: list[Run]) -> Sequence[int]:
        return range(chunk.count)

    def release(self: KeyLanes, keys: Sequence[str], runs: list[Run]) -> list[int]:
        return []

    patch.replace(KeyLanes, "admit", admit)
    patch.replace(KeyLanes, "release", release)


def free_the_lane_of_a_refused_record(patch: Patch) -> None:
    """Let the next record of a key go when the one before was refused; that one goes again after it."""
    honest = Outbox.settle

    def planted(self: Outbox, put: Put, failed: Mapping[int, str], moved: dict[OffsetLedger, None], now: int) -> None:
        honest(self, put, failed, moved, now)
        first = 0
        for chunk, places, _ in put.parts:
            refused = [put.keys[i] for i in range(first, first + len(places)) if i in failed]
            first += len(places)
            waiting = [] if chunk.owner.gone else chunk.owner.lanes.release(refused, [])
            for later, indices in chunk.owner.find(waiting):
                self._let_go(later, indices, now)

    patch.replace(Outbox, "settle", planted)


def hand_a_lane_to_the_last(patch: Patch) -> None:
    """Let the record of a key go next that came last."""
    honest = KeyLanes.release

    def planted(self: KeyLanes, keys: Sequence[str], runs: list[Run]) -> list[int]:
        for queue in map(self._busy.get, keys):
            if queue is not None:
                queue.reverse()
        return honest(self, keys, runs)

    patch.replace(KeyLanes, "release", planted)


def forget_who_waits(patch: Patch) -> None:
    """Lose the record that waits in a lane when the lane becomes free."""
    honest = KeyLanes.release

    def planted(self: KeyLanes, keys: Sequence[str], runs: list[Run]) -> list[int]:
        return honest(self, keys, runs)[1:]

    patch.replace(KeyLanes, "release", planted)


def let_one_key_block_the_rest(patch: Patch) -> None:
    """Have one lane for all keys of a partition, so that one sick key holds up the healthy ones."""
    admit, release = KeyLanes.admit, KeyLanes.release

    def planted(self: KeyLanes, chunk: Columns, runs: list[Run]) -> Sequence[int]:
        same = SimpleNamespace(count=chunk.count, offsets=chunk.offsets, keys=[ONE_LANE] * chunk.count)
        return admit(self, cast("Columns", same), runs)

    def planted_release(self: KeyLanes, keys: Sequence[str], runs: list[Run]) -> list[int]:
        return [offset for _ in keys for offset in release(self, [ONE_LANE], runs)]

    patch.replace(KeyLanes, "admit", planted)
    patch.replace(KeyLanes, "release", planted_release)


def sleep_through_a_retry(patch: Patch) -> None:
    """Never wake what waits for another try."""
    honest = Outbox.leaves_at

    def planted(self: Outbox, now: int, *, idle: bool, probe: bool = False) -> int | None:
        delayed, self._delayed = self._delayed, []
        found = honest(self, now, idle=idle, probe=probe)
        self._delayed = delayed
        return found

    patch.replace(Outbox, "leaves_at", planted)


def keep_a_record_in_two_places(patch: Patch) -> None:
    """Let what waits for another try wait twice."""
    honest = Outbox.delay

    def planted(self: Outbox, parts: Iterable[Part], until: int) -> None:
        several = list(parts)
        honest(self, several, until)
        honest(self, several[:1], until)

    patch.replace(Outbox, "delay", planted)


BUGS = (
    bug(keep_a_record_in_two_places, "I14"),
    bug(release_a_lane_too_early, "I4"),
    bug(free_the_lane_of_a_refused_record, "I4", "I12"),
    bug(hand_a_lane_to_the_last, "I4"),
    bug(forget_who_waits, "I1", "I9", "I12", "I14"),
    bug(let_one_key_block_the_rest, "I9"),
    bug(sleep_through_a_retry, "I9", "I19"),
)
