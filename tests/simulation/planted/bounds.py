"""Bugs of bounds, of what is told, and of what decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

from doka.domain.events import PutRefused
from doka.domain.facts import RecordsSettled
from doka.domain.forwarder import Forwarder, InFlight
from doka.domain.held.budget import Budget
from doka.domain.held.ledger import OffsetLedger
from doka.domain.limits import RECORD_BYTES_DEFAULT
from doka.domain.routes import route
from doka.domain.routes.route import Route
from doka.domain.sending.aggregated_outbox import AggregatedOutbox
from doka.domain.sending.outbox import Outbox
from doka.domain.turn import Turn
from tests.simulation.planted.bug import Patch, bug, overwrite
from tests.simulation.planted.plans import aggregates_in_little_room, little_room


def fly_without_limit(patch: Patch) -> None:
    """Send as many requests as there are records for."""

    def planted(self: InFlight, route: Route) -> bool:
        return True

    patch.replace(InFlight, "allow", planted)


def never_give_bytes_back(patch: Patch) -> None:
    """Keep what was sent in the count of what is held."""

    def planted(self: Budget, ledger: OffsetLedger, held_bytes: int) -> None:
        """Keep."""

    patch.replace(Budget, "release", planted)


def count_refused_as_settled(patch: Patch) -> None:
    """Tell telemetry one record more than landed."""

    def planted(route: str, records: int, *told: Any) -> RecordsSettled:
        return RecordsSettled(route, records + 1, *told)

    patch.replace(route, "RecordsSettled", planted)


def put_a_payload_into_a_message(patch: Patch) -> None:
    """Show the first value of a refused request to help whoever reads the log."""
    honest = Route.refused

    def planted(self: Route, event: PutRefused, now: int, turn: Turn) -> None:
        first = self.puts[event.put].values[0]
        honest(self, replace(event, message=f"{event.message}: {first!r}"), now, turn)

    patch.replace(Route, "refused", planted)


def decide_by_a_set(patch: Patch) -> None:
    """Let the iteration order of a set say whose turn it is."""
    honest = Forwarder.__init__

    def planted(self: Forwarder, rules: object, jitter: object) -> None:
        honest(self, rules, jitter)  # type: ignore[arg-type]  # as they come
        overwrite(self, "_routes", {name: self._routes[name] for name in set(self._routes)})

    patch.replace(Forwarder, "__init__", planted)


def count_keys_in_characters(patch: Patch) -> None:
    """Fill requests by the characters of keys, of which UTF-8 may make several bytes each."""

    def planted(self: Outbox, keys: Sequence[str], values: Sequence[bytes]) -> int:
        sizes = accumulate(len(value) + len(key) for key, value in zip(keys, values, strict=True))
        return max(1, sum(size <= self._limits.request_bytes for size in sizes))

    patch.replace(Outbox, "_how_many_fit", planted)


def ignore_what_the_stream_takes(patch: Patch) -> None:
    """Make aggregates as large as they are to be, whatever the stream takes as one record."""
    honest = AggregatedOutbox._hold_to

    def planted(self: AggregatedOutbox, record_bytes_max: int) -> None:
        honest(self, RECORD_BYTES_DEFAULT)

    patch.replace(AggregatedOutbox, "_hold_to", planted)


def linger_after_the_last_record(patch: Patch) -> None:
    """Let a request that is not full wait from the record that came last, and not from the request before."""
    honest = Outbox.leaves_at

    def planted(self: Outbox, now: int, *, idle: bool, probe: bool = False) -> int | None:
        self._left_at = max(self._left_at, self._ready_since or 0)
        return honest(self, now, idle=idle, probe=probe)

    patch.replace(Outbox, "leaves_at", planted)


def linger_anew_beside_others(patch: Patch) -> None:
    """Let what comes while a request is on its way wait anew, though the one before has left long ago."""
    honest = Outbox.leaves_at

    def planted(self: Outbox, now: int, *, idle: bool, probe: bool = False) -> int | None:
        at = honest(self, now, idle=idle, probe=probe)
        anew = (self._ready_since or 0) + self._limits.linger
        return at if idle or not at else max(at, anew)

    patch.replace(Outbox, "leaves_at", planted)


def never_forget_to_linger(patch: Patch) -> None:
    """Let what waits for more wait for a request that is full, however long that takes."""
    honest = Outbox.leaves_at

    def planted(self: Outbox, now: int, *, idle: bool, probe: bool = False) -> int | None:
        at = honest(self, now, idle=idle, probe=probe)
        return at if not at or at > now else now + self._limits.linger

    patch.replace(Outbox, "leaves_at", planted)


BUGS = (
    bug(fly_without_limit, "I7"),
    bug(never_give_bytes_back, "I7", "I9"),
    bug(count_keys_in_characters, "I7", plan=little_room),
    bug(ignore_what_the_stream_takes, "I7", plan=aggregates_in_little_room),
    bug(count_refused_as_settled, "I14"),
    bug(put_a_payload_into_a_message, "I17"),
    bug(linger_after_the_last_record, "I9"),
    bug(linger_anew_beside_others, "I9"),
    bug(never_forget_to_linger, "I9"),
    bug(decide_by_a_set, "I18", by_hash_seed=True),
)
