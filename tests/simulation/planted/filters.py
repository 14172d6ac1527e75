"""Bugs of what a route leaves out, by its filter or its transform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from doka.adapters.simulated.faults import draw_plan, filtered
from doka.adapters.simulated.plan import Plan
from doka.domain.audit.identity import Identities
from doka.domain.held.ledger import OffsetLedger
from doka.domain.records import Chunk
from doka.domain.routes import shaping
from doka.domain.routes.route import Route
from doka.domain.routes.shaping import Shaped, Shaping
from doka.domain.routes.transforming import Headers, Made, Transforming
from doka.domain.rules import RouteRules
from tests.simulation.planted.bug import Patch, bug


def with_a_filter(seed: int) -> Plan:
    """Give a drawn run whose routes leave records out."""
    return filtered(draw_plan(seed))


def leave_out_the_neighbour_as_well(patch: Patch) -> None:
    """Cut the record behind one that is filtered out of the chunk, too."""
    honest = shaping._cut

    def planted(
        chunk: Chunk, filtered: Mapping[int, str], poison: dict[int, str], keys: Sequence[str | None] = ()
    ) -> Shaped:
        more = {place + 1: why for place, why in filtered.items() if place + 1 < chunk.count}
        return honest(chunk, {**more, **filtered}, poison, keys)

    patch.replace(shaping, "_cut", planted)


def pass_what_is_filtered_at_once(patch: Patch) -> None:
    """Let the watermark pass a chunk as soon as something of it is filtered, whatever is on its way below."""
    honest = Route._admit_shaped

    def planted(self: Route, ledger: OffsetLedger, chunk: Chunk, shaped: Shaped, now: int) -> None:
        honest(self, ledger, chunk, shaped, now)
        if shaped.filtered:
            ledger.watermark = max(ledger.watermark, chunk.end)

    patch.replace(Route, "_admit_shaped", planted)


def wait_for_what_is_filtered(patch: Patch) -> None:
    """Say nothing of a chunk of which all is filtered, so that its partition never passes it where it is the last."""
    honest = Route._admit_shaped

    def planted(self: Route, ledger: OffsetLedger, chunk: Chunk, shaped: Shaped, now: int) -> None:
        if shaped.chunk is not None:
            honest(self, ledger, chunk, shaped, now)

    patch.replace(Route, "_admit_shaped", planted)


def send_what_is_filtered(patch: Patch) -> None:
    """Count what is filtered, and send it all the same."""
    honest = Shaping.of

    def planted(self: Shaping, chunk: Chunk) -> Shaped:
        return honest(self, chunk)._replace(chunk=chunk, poison={}, keys=())

    patch.replace(Shaping, "of", planted)


def let_a_transform_swap_two_records(patch: Patch) -> None:
    """Give the first two records that a transform was given each other's value."""
    honest = Transforming.of

    def planted(self: Transforming, chunk: Chunk, headers: Headers | None) -> Made:
        made = honest(self, chunk, headers)
        made.values[:2] = made.values[:2][::-1]
        return made

    patch.replace(Transforming, "of", planted)


def count_twice_what_is_filtered(patch: Patch) -> None:
    """Count each filtered record twice."""
    honest = Route._admit_shaped

    def planted(self: Route, ledger: OffsetLedger, chunk: Chunk, shaped: Shaped, now: int) -> None:
        self._filtered.update(shaped.filtered.values())
        honest(self, ledger, chunk, shaped, now)

    patch.replace(Route, "_admit_shaped", planted)


def audit_without_the_filter(patch: Patch) -> None:
    """Let an audit expect what its route leaves out."""
    honest = Identities.__init__

    def planted(self: Identities, rules: RouteRules, *given: Any, **named: Any) -> None:
        honest(self, replace(rules, only=None, transform=None), *given, **named)

    patch.replace(Identities, "__init__", planted)


BUGS = (
    bug(leave_out_the_neighbour_as_well, "I1", "I2", "I4", "I14", "I16", plan=with_a_filter),
    bug(pass_what_is_filtered_at_once, "I1", "I3", "I14", plan=with_a_filter),
    bug(wait_for_what_is_filtered, "I7", "I9", "I14", "I21", plan=with_a_filter),
    bug(send_what_is_filtered, "I11", "I14", plan=with_a_filter),
    bug(let_a_transform_swap_two_records, "I2", "I4", "I8", "I16", plan=with_a_filter),
    bug(count_twice_what_is_filtered, "I14", plan=with_a_filter),
    bug(audit_without_the_filter, "I16", plan=with_a_filter),
)
