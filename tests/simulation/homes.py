"""Where in the machine records can be: the one place that must follow when the domain gets another home for them.

The rules that are judged by it stand in invariants/holding.py; nothing else in the simulator looks inside the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from doka.domain.forwarder import Forwarder
from doka.domain.held.ledger import OffsetLedger, Part
from doka.domain.partitions.partition import Leg, Partition
from doka.domain.poison.quarantine import Poison
from doka.domain.records import Chunk
from doka.domain.routes.route import Route
from doka.domain.sending.aggregate import FRAME_BYTES_MAX
from doka.domain.sending.aggregated_outbox import AggregatedOutbox
from doka.domain.sending.outbox import Outbox
from doka.domain.sending.wide_lanes import WideLane

Places = tuple[str, Sequence[int]]
"""The name of a home, and the offsets of records that are there."""


def partitions_of(machine: Forwarder) -> Iterable[Partition]:
    """Give what the machine owns."""
    return machine._partitions.values()


def routes_of(machine: Forwarder) -> Iterable[Route]:
    """Give its routes."""
    return machine._routes.values()


def held_bytes_of(machine: Forwarder) -> int:
    """Give the bytes that it counts as held, of all partitions."""
    return machine._budget.held


def puts_of(machine: Forwarder) -> int:
    """Count the requests in flight of all routes, as it counts them."""
    return machine._in_flight.puts


def body_bytes_of(machine: Forwarder) -> int:
    """Give the bytes of the bodies of all requests in flight, as it counts them."""
    return machine._in_flight.body_bytes


def rests(machine: Forwarder) -> bool:
    """Say whether all has been decided that was to be: else the next turn comes at once."""
    decided = machine._decided
    return decided is not None and decided._until != decided.at


def halted(machine: Forwarder) -> bool:
    """Say whether it stopped in the middle of something."""
    return machine._halted is not None


def places_in(route: Route) -> Mapping[OffsetLedger, list[Places]]:
    """Give every record of a route that has not settled, with its home, by the ledger of its partition.

    What is left to `places_beside` is in a lane or in the backlog of its partition. Poison that stays, as
    `on_poison: block` has it, is in none: it keeps its lane.
    """
    found: dict[OffsetLedger, list[Places]] = {}
    for home, parts in _homes_of_parts(route):
        for chunk, places, _ in parts:
            offsets = chunk.offsets
            found.setdefault(chunk.owner, []).append((home, [offsets[i] for i in places]))
    for home, poison in _homes_of_poison(route):
        for each in poison:
            found.setdefault(each.chunk.owner, []).append((home, [each.offset]))
    return found


def leg_of(partition: Partition, route: str) -> Leg:
    """Give the leg of a partition that a route has."""
    return next(leg for leg in partition.legs.values() if leg.route.rules.name == route)


def places_beside(leg: Leg) -> list[Places]:
    """Give every record of a leg that waits in its lane, or has not come into one."""
    backlog = [("the backlog", item.offsets) for item in leg.backlog if isinstance(item, Chunk)]
    return [("its lane", list(leg.ledger.lanes.waiting())), *backlog]


def _homes_of_parts(route: Route) -> Iterator[tuple[str, Iterable[Part]]]:
    for put in route.puts.values():
        yield "a request", put.parts
    yield "the outbox", route.outbox.parts()
    if isinstance(route.outbox, AggregatedOutbox):
        yield "behind poison", route.outbox.parking.waiting()
    if route._search is not None:
        yield "the search", route._search.parts()


def _homes_of_poison(route: Route) -> Iterator[tuple[str, Iterable[Poison]]]:
    quarantine = route.quarantine
    yield "the quarantine", quarantine.waiting
    yield "the doubts", quarantine.doubted
    yield "a letter", [poison for poison, _ in quarantine._letters.values()]
    yield "a letter that goes again", [poison for _, poison, _ in quarantine.again]


def ready_in(route: Route) -> int:
    """Count the records that a route's outbox should say that it has waiting."""
    outbox = route.outbox
    parts = outbox._ready if isinstance(outbox, Outbox) else outbox.parts()
    return sum(len(part.places) for part in parts)


def lanes_due(outbox: AggregatedOutbox, now: int) -> Iterator[WideLane]:
    """Give the lanes of which an aggregate may leave: tried again, full by its records' own sizes, or old enough.

    A lane counts its bytes about, by their mean where they are alike; so one counts as full here that has three times its due.
    """
    rules = outbox._rules
    for lane in outbox.lanes:
        old = lane.again or any(part.chunk.arrived + rules.linger <= now for part in lane.queue[:1])
        data = sum(len(part.chunk.values[i]) + FRAME_BYTES_MAX for part in lane.queue for i in part.places)
        if (old or data >= 3 * rules.target_bytes) and lane.not_before <= now and not lane.out:
            yield lane
