"""After the storm: everything is healed, and what was fetched must settle and be committed by itself."""

from __future__ import annotations

from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.rules import OnPoison
from tests.property.truth import New, Ownership
from tests.property.world import World

PATIENCE_NS = 130 * NS_PER_SECOND  # two minutes of poison, two probes of a blocked route
HELPS_MAX = 10
"""One good record is a control for each search; what goes on only as records come does not go on by itself."""
TURNS_MAX = 5_000
"""Far more than the shortest backoff needs for such a time."""
TURN_NS = 100 * NS_PER_MS  # of the loop, with nothing to fetch
HOUR_NS = 3_600 * NS_PER_SECOND


def heal(world: World) -> None:
    """Answer everything well, as often as it takes, and judge where it ends.

    Time goes only to where the machine wants to be woken: what it does not wake for, it would sleep through.
    """
    world.undecided = 0
    world.decide()
    before: object = None
    since, helped, helps, turns = world.now, False, 0, 0
    while not _done(world):
        after = _answer_all(world)
        turns += 1
        assert turns < TURNS_MAX, f"I10: {turns} turns without progress in {world.now - since} ns: {_left(world)}"
        if after != before:
            before, since, helped, turns = after, world.now, False, 0
        elif world.now - since > PATIENCE_NS and not helped and helps < HELPS_MAX:
            _bring_a_good_record(world)
            since, helped, helps = world.now, True, helps + 1
        elif world.now - since > PATIENCE_NS:
            raise AssertionError(f"I9: no progress any more: {_left(world)}")
    for own in world.owned.values():
        _judge(world, own)


def _left(world: World) -> str:
    """Say what is left to do."""
    left = {
        str(own.tp): (_owed(world, own), f"of {own.unsettled()}", f"{own.committed} of {own.reach} committed")
        for own in world.owned.values()
    }
    return f"{left} {world.forwarder.status(world.now)}"


def _bring_a_good_record(world: World) -> None:
    """Let one more record come where it may: the control that shows whether a refused one is poison."""
    for tp in world.readable():
        if len(world.owned[tp].fetched) and tp in world.readable():
            world.fetch(tp, 100, [New(b"good")])


def _answer_all(world: World) -> object:
    """Let everything that was asked for be answered well, then time pass; give what changes with progress."""
    for role in sorted(world.lease_wanted):
        world.issue(role, HOUR_NS)
    for route in sorted(world.describing):
        world.describe(route)
    for put in sorted(world.flights):
        flight = world.flights[put]
        if flight.bad and len(flight.sent) > 1:
            world.refuse(put, "ValidationException")
        elif flight.bad:
            world.refuse(put, "InvalidArgumentException")
        else:
            world.answer(put)
    for letter in sorted(world.letters):
        world.acknowledge(letter)
    for commit in sorted(world.commits):
        world.store(commit, applied=True, error=None)
    asked = world.flights or world.commits or world.letters or world.lease_wanted or world.describing
    if not asked and not _done(world):
        wake = world.forwarder.next_wake(world.now)
        if world.forwarder._rest._since is None:  # the last decision asks for another, which the next turn takes
            wake = world.now + TURN_NS
        assert wake is not None, f"I9: there is work, and the machine sleeps for ever: {_left(world)}"
        world.wait(wake - world.now)
    return [(len(own.settled), own.committed, own.log.stored) for own in world.owned.values()]


def _done(world: World) -> bool:
    """Say whether nothing is left that can be done."""
    if world.flights or world.commits or world.letters:
        return False
    if world.stopped:
        return world.forwarder.drained() and world.forwarder.committed
    return all(not _owed(world, own) and _reached(own) for own in world.owned.values()) and world.forwarder.committed


def _reached(own: Ownership) -> bool:
    """Say whether a partition without an un-settled record is committed as far as it may be."""
    return bool(own.unsettled()) or own.drain_below is not None or own.committed == own.reach


def _owed(world: World, own: Ownership) -> list[int]:
    """Give the un-settled records that nothing excuses: neither poison that stays, nor a place behind it."""
    unsettled = own.unsettled()
    route = world.forwarder._partitions[own.tp].route
    if route.blocked and route.standing.seeks_control and _only_poison_may_leave(world, own):
        return []  # loudly blocked, and nothing that could come would fit
    if own.drain_below is not None and own.log.tp in world.owned:
        return [o for o in unsettled if not _behind(own, o)] if not _blocked(world, own) else []
    if world.setup.on_poison is not OnPoison.BLOCK:
        return unsettled
    stays = [o for o in unsettled if own.fetched[o].poison]
    if stays and world.forwarder._partitions[own.tp].backlog:
        return [o for o in _in_lanes(world, own) if not _behind(own, o)]
    return [o for o in unsettled if not _behind(own, o)]


def _only_poison_may_leave(world: World, own: Ownership) -> bool:
    heads = [o for o in _in_lanes(world, own) if not own.open_before(own.fetched[o])]
    return all(own.fetched[o].poison for o in heads)


def _in_lanes(world: World, own: Ownership) -> list[int]:
    backlog = world.forwarder._partitions[own.tp].backlog
    first = min((item if isinstance(item, int) else item.offsets[0] for item in backlog), default=own.position)
    return [o for o in own.unsettled() if o < first]


def _behind(own: Ownership, offset: int) -> bool:
    """Say whether a record is poison, or waits behind poison of its lane."""
    record = own.fetched[offset]
    return record.poison or any(own.fetched[before].poison for before in own.open_before(record))


def _blocked(world: World, own: Ownership) -> bool:
    return world.forwarder._partitions[own.tp].route.blocked is not None


def _judge(world: World, own: Ownership) -> None:
    """Judge the commit of a partition in which nothing is left to do."""
    unsettled = own.unsettled()
    ledger = world.forwarder._partitions[own.tp].ledger
    if not unsettled and own.drain_below is None:
        assert own.committed == own.reach, f"I9: {own.tp} is settled up to {own.reach} and committed to {own.committed}"
    assert ledger.watermark == max(own.committed, own.start), f"I9: {own.tp} is committed to {own.committed} only"
