"""Every bug that is planted. To add one: write a function that plants it, and a line in the BUGS of its module."""

from __future__ import annotations

from tests.simulation.planted import (
    aggregated,
    answers,
    bounds,
    commits,
    decoding,
    filters,
    finished,
    leases,
    mapping,
    order,
    ownership,
    poison,
    sharing,
    sights,
    silence,
    skips,
    streams,
    tees,
    telling,
    topics,
)
from tests.simulation.planted.bug import Bug

PLANTED: tuple[Bug, ...] = (
    *commits.BUGS,
    *answers.BUGS,
    *order.BUGS,
    *leases.BUGS,
    *ownership.BUGS,
    *poison.BUGS,
    *bounds.BUGS,
    *aggregated.BUGS,
    *sharing.BUGS,
    *silence.BUGS,
    *mapping.BUGS,
    *finished.BUGS,
    *filters.BUGS,
    *decoding.BUGS,
    *skips.BUGS,
    *streams.BUGS,
    *tees.BUGS,
    *topics.BUGS,
    *telling.BUGS,
    *sights.BUGS,
)

BY_NAME: dict[str, Bug] = {bug.name: bug for bug in PLANTED}
