"""Looks into the machine between two steps: every record is in its place, and what is counted is there."""

from __future__ import annotations

from collections.abc import Iterator

from doka.domain.held.lanes import KeyLanes
from doka.domain.held.ledger import Part
from doka.domain.held.shared_lanes import SharedLanes
from doka.domain.partitions.partition import Partition
from doka.domain.records import Chunk
from doka.domain.routes.route import Route
from doka.domain.sending.aggregated_outbox import AggregatedOutbox
from doka.domain.sending.order_breaks import REFUSED, REORDERED
from doka.domain.sending.outbox import Outbox
from tests.property.state import State
from tests.property.truth import Ownership


def look(state: State) -> None:
    """Judge what holds between two steps."""
    forwarder = state.forwarder
    partitions = forwarder._partitions
    assert set(state.owned) == set(partitions), "I13: the machine owns something else"
    assert len(state.flights) == forwarder.in_flight, "I14: requests in flight are miscounted"
    assert len(state.flights) <= max(state.limits.requests_in_flight, len(state.rules.routes)), "I7: requests"
    budget = forwarder._budget
    assert sum(p.held_bytes for p in partitions.values()) == budget.held >= 0, "I7: held bytes are miscounted"
    status = forwarder.status(state.now)
    for tp, own in state.owned.items():
        partition = partitions[tp]
        ledger = partition.ledger
        assert ledger.above_watermark <= state.limits.ahead_records, "I7: further ahead than allowed"
        places, wanted = _places(partition, own), own.accounted()
        assert places == wanted, f"I14: of {tp} the machine has {places}, fetched and not settled are {wanted}"
        assert status.partitions[tp].unsettled == len(own.unsettled()), f"I14: the un-settled of {tp} are miscounted"
        if not own.unsettled():
            assert partition.held_bytes == 0, f"I7: {tp} holds bytes of nothing"
    _look_at_breaks(state)
    for route in forwarder._routes.values():
        waiting = sum(len(part.places) for part in _ready(route))
        assert waiting == route.outbox.waiting, f"I14: {route.rules.name} counts {route.outbox.waiting} of {waiting}"
    if forwarder.drained():
        _is_drained(state)


def _look_at_breaks(state: State) -> None:
    """Judge what was told of the order: all that was overtaken, and for certain only what was."""
    passed = sum(len(own.passed) for own in state.ownerships)
    certain = state.breaks[REFUSED] + state.breaks[REORDERED]
    assert certain <= passed, f"I4: {state.breaks} breaks of order were told, and {passed} may be"
    overtaken = sum(len(own.overtaken) for own in state.ownerships)
    assert overtaken <= state.breaks.total(), f"I4: {overtaken} records were overtaken, and {state.breaks} told"


def _is_drained(state: State) -> None:
    for route in state.forwarder._routes.values():
        for flight in route.outbox.flights.values():
            for part in flight.parts:
                assert part.chunk.owner.gone, "I13: drained with a request in flight"


def _places(partition: Partition, own: Ownership) -> list[int]:
    """Give the offsets of all records that the machine still has to do with, wherever they are."""
    parts = [*_parts(partition.route)]
    found = [part.chunk.offsets[i] for part in parts if part.chunk.owner is partition for i in part.places]
    if isinstance(partition.lanes, KeyLanes | SharedLanes):
        found += partition.lanes.waiting()
    found += [o for item in partition.backlog if isinstance(item, Chunk) for o in item.offsets]
    outbox = partition.route.outbox
    assert isinstance(outbox, Outbox | AggregatedOutbox)
    poison = [*partition.route.quarantine._waiting, *outbox._met_poison]
    found += [p.chunk.offsets[p.place] for p in poison if p.chunk.owner is partition]
    found += own.parked - own.settled
    draining = own.drain_below is not None
    return sorted(o for o in found if not (draining and own.fetched[o].poison))


def _parts(route: Route) -> Iterator[Part]:
    """Walk over all that a route has let in, but for what waits in lanes of keys and what is poison."""
    outbox, isolation = route.outbox, route._isolation
    for flight in outbox.flights.values():
        yield from flight.parts
    yield from _ready(route)
    yield from route._group
    if isinstance(outbox, Outbox):
        yield from (part for _, _, part in outbox._delayed)
    elif isinstance(outbox, AggregatedOutbox):
        yield from outbox.parking.waiting()
    if isolation is not None:
        yield from isolation.suspects
        yield from isolation._behind
        for group in isolation._groups:
            yield from group


def _ready(route: Route) -> Iterator[Part]:
    """Walk over what a route counts as waiting."""
    outbox = route.outbox
    if isinstance(outbox, Outbox):
        yield from outbox._ready
    elif isinstance(outbox, AggregatedOutbox):
        for lane in outbox.lanes:
            yield from lane.again
            yield from lane.queue
