"""How each incident of a plan befalls the world, and how it ends.

Most of them only say until when something is wrong, so their end needs no effect of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from doka.adapters.simulated.plan import Incident, Kind
from doka.adapters.simulated.stream import Stream
from doka.adapters.simulated.timeline import START_NS
from doka.adapters.simulated.tokens import REVOKED_CODES
from doka.adapters.simulated.world import World
from doka.domain.events import StopRequested
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.skip import Skip

WALL_JUMP_SECONDS = 1_200.0  # twenty minutes, either way
RELOST_AFTER_NS = 15 * NS_PER_MS  # a second rebalance on the heels of the first
BATCH_OFFSETS = 5  # of a damaged batch
GROWS_AT_MOST = 4  # offsets for a record: its own and three of markers
LIMIT_RAISED_TIMES = 8
WAITS_TO_BEGIN_NS = 10 * NS_PER_MS
KILLED_AFTER_NS = 4 * NS_PER_MS  # of a rebalance's begin: inside the drain, most often


def plan_incidents(world: World) -> None:
    """Put every incident of the plan, and the healing, on the timeline."""
    for incident in world.plan.incidents:
        world.timeline.at(START_NS + incident.at, partial(_befall, world, incident))
    world.timeline.at(START_NS + world.plan.heal_at, world.heal)


def _befall(world: World, incident: Incident) -> None:
    world.trace.note("incident", str(incident))
    world.befell[incident.kind] += 1
    world.witness.befell(incident)
    _STRIKES[incident.kind](world, incident)


def _until(incident: Incident) -> int:
    return START_NS + incident.until


def _stream(world: World, incident: Incident) -> Stream:
    names = list(world.streams)
    return world.streams[names[incident.draw % len(names)]]


def _some_partitions(world: World, incident: Incident) -> list[TopicPartition]:
    """Choose by the bits of the draw; at least one."""
    partitions = list(world.logs)
    chosen = [tp for i, tp in enumerate(partitions) if incident.draw >> (i % 30) & 1]
    return chosen or [partitions[incident.draw % len(partitions)]]


# --- STS and tokens --------------------------------------------------------------------------------------------------


def _sts_down(world: World, incident: Incident) -> None:
    world.tokens.down_until = _until(incident)


def _sts_slow(world: World, incident: Incident) -> None:
    world.tokens.slow_until = _until(incident)


def _sts_denied(world: World, incident: Incident) -> None:
    world.tokens.denied_until = _until(incident)


def _sts_throttled(world: World, incident: Incident) -> None:
    world.tokens.throttled_until = _until(incident)


def _tokens_revoked(world: World, incident: Incident) -> None:
    world.tokens.revoke(REVOKED_CODES[incident.draw % len(REVOKED_CODES)])


def _access_denied(world: World, incident: Incident) -> None:
    world.tokens.writes_denied_until = _until(incident)


# --- the host ----------------------------------------------------------------------------------------------------------


def _wall_jump(world: World, incident: Incident) -> None:
    world.clock.skew_seconds = WALL_JUMP_SECONDS if incident.draw % 2 else -WALL_JUMP_SECONDS

    def back() -> None:
        world.clock.skew_seconds = 0.0

    world.timeline.at(_until(incident), back)


def _suspended(world: World, incident: Incident) -> None:
    if world.life is None:
        return
    if incident.draw % 2:  # with a put decided and not signed, whenever that comes
        world.life.suspended_in_hand = incident.until - incident.at
    else:
        world.life.suspended_for = incident.until - incident.at


def _crash(world: World, _: Incident) -> None:
    if world.life is not None:
        world.life.doomed = True


def _stop(world: World, incident: Incident) -> None:
    if world.life is not None:
        world.life.inbox.put(StopRequested("SIGTERM"))
        if incident.draw % 2:
            world.life.inbox.put(StopRequested("SIGTERM"))


def _consumer_dead(world: World, _: Incident) -> None:
    world.consumer_dead = True


# --- Kafka -------------------------------------------------------------------------------------------------------------


def _rebalance(world: World, incident: Incident) -> None:
    moved = _some_partitions(world, incident)
    world.group.move_to_neighbour(moved)

    def back() -> None:
        world.neighbour.stop(world.group.move_back(moved))

    world.timeline.at(_until(incident), back)
    if incident.draw % 7 == 0:
        world.timeline.after(KILLED_AFTER_NS, partial(_crash, world, incident))
    if incident.draw % 3 == 0:
        others = [tp for tp in world.logs if tp not in moved]

        def others_go() -> None:
            if world.timeline.now < _until(incident):
                world.group.move_to_neighbour(others)

        world.timeline.after(RELOST_AFTER_NS, others_go)

        def others_back() -> None:
            world.neighbour.stop(world.group.move_back(others))

        world.timeline.at(_until(incident), others_back)


def _expelled(world: World, incident: Incident) -> None:
    if incident.draw % 2:
        _rebalance(world, incident)
    world.group.expel()


def _broker_stall(world: World, incident: Incident) -> None:
    world.stalled_until = world.group.frozen_until = _until(incident)


def _coordinator_frozen(world: World, incident: Incident) -> None:
    world.group.frozen_until = _until(incident)


def _partition_stall(world: World, incident: Incident) -> None:
    for tp in _some_partitions(world, incident):
        world.unfetchable_until[tp] = _until(incident)


def _broker_unreachable(world: World, incident: Incident) -> None:
    """Cut this process off from the leaders of some partitions; others, and the group, it still reaches."""
    for tp in _some_partitions(world, incident):
        world.unreachable_until[tp] = _until(incident)
    world.timeline.at(_until(incident), world.stir)


def _group_refused(world: World, incident: Incident) -> None:
    """Throw this process out of the group and let it in no more until the end."""
    world.group.refused_until = _until(incident)
    world.group.expel()


def _transaction_open(world: World, incident: Incident) -> None:
    """Let a producer go away with a transaction open: nothing behind it can be read."""
    for tp in _some_partitions(world, incident):
        world.open_from.setdefault(tp, world.logs[tp].end)
        world.timeline.at(_until(incident), partial(_abort_transaction, world, tp))


def _abort_transaction(world: World, tp: TopicPartition) -> None:
    world.open_from.pop(tp, None)
    world.stir()


def _batch_unreadable(world: World, incident: Incident) -> None:
    """Damage a batch on the broker's disk, the next to be written; at the end it is restored."""
    for tp in _some_partitions(world, incident):
        end = world.logs[tp].end
        world.damaged[tp] = end, end + BATCH_OFFSETS
        world.timeline.at(_until(incident), partial(_restore_batch, world, tp))


def _restore_batch(world: World, tp: TopicPartition) -> None:
    world.damaged.pop(tp, None)
    world.stir()


def _topic_appears(world: World, incident: Incident) -> None:
    """Create a topic that a route's pattern matches, and write into it before anybody can have found it."""
    _grow(world, incident, new=True)


def _partition_added(world: World, incident: Incident) -> None:
    """Add a partition to a topic, and write into it at once."""
    _grow(world, incident, new=False)


def _grow(world: World, incident: Incident, *, new: bool) -> None:
    if not world.begun:  # what there is by then is no news to the group
        world.timeline.after(WAITS_TO_BEGIN_NS, lambda: _grow(world, incident, new=new))
        return
    topics = list(world.routes)
    topic = topics[incident.draw % len(topics)]
    route = world.routes[topic]
    if new:
        count = 1 + incident.draw // len(topics) % 2
        name = f"{topic}.{len(topics)}"
        partitions = [TopicPartition(name, number) for number in range(count)]
    else:
        partitions = [TopicPartition(topic, sum(tp.topic == topic for tp in world.logs))]
    for partition in partitions:
        world.grow(partition, route)


def _topic_missing(world: World, incident: Incident) -> None:
    _hide_topic(world, incident, world.topics_missing)


def _topic_refused(world: World, incident: Incident) -> None:
    _hide_topic(world, incident, world.topics_refused)


def _hide_topic(world: World, incident: Incident, hidden: set[str]) -> None:
    topics = list(world.routes)
    topic = topics[incident.draw % len(topics)]
    hidden.add(topic)

    def back() -> None:
        hidden.discard(topic)
        world.stir()

    world.timeline.at(_until(incident), back)
    world.stir()


def _quota(world: World, incident: Incident) -> None:
    """Let every fetch that brought something be followed by a long wait."""
    world.quota_until = _until(incident)
    world.quota_wait = (5 + incident.draw % 60) * NS_PER_SECOND
    world.timeline.at(_until(incident), world.stir)


def _retention(world: World, incident: Incident) -> None:
    """Trim a log somewhere between the committed offset and its end."""
    for tp in _some_partitions(world, incident)[:1]:
        log = world.logs[tp]
        start = log.start + (log.end - log.start) * (incident.draw % 100) // 100
        gone = log.trim(start)
        world.trimmed = True
        world.trace.note("retention", tp, log.start)
        world.witness.removed(tp, gone, retention=True)


def _compaction(world: World, incident: Incident) -> None:
    for tp in _some_partitions(world, incident):
        log = world.logs[tp]
        victims = log.offsets[incident.draw % 5 :: 5]
        for offset in victims:
            log.compact(offset)
        world.trimmed = True
        world.witness.removed(tp, victims, retention=False)


def _topic_recreated(world: World, incident: Incident) -> None:
    """Begin a log anew, far below what the group has committed.

    Only where the new log can never grow up to that: there nobody could tell (docs/guarantees.md says so). And only
    where no record is poison, whose offset would name two records.
    """
    few = 1 + incident.draw % 5
    for tp in [] if world.plan.poisoned else world.logs:
        log = world.logs[tp]
        if log.incarnation or world.group.committed.get(tp, 0) <= (world.unwritten + few) * GROWS_AT_MOST:
            continue
        log.recreate()
        world.orders.pop(tp, None)  # with a topic goes what groups have stored of it
        world.trace.note("recreated", str(tp))
        world.witness.recreated(tp)
        for _ in range(few):
            world.write(tp)
        return


def _skip_ordered(world: World, incident: Incident) -> None:
    """Let a person order a record to be skipped, or two side by side: of those that can never land the first, else any."""
    for tp in _some_partitions(world, incident):
        log = world.logs[tp]
        above = [offset for offset in log.offsets if offset >= world.group.committed.get(tp, 0)]
        if not above:
            continue
        sick = [offset for offset in above if (tp, offset) in world.poison]
        first = sick[0] if sick and incident.draw % 4 else above[incident.draw % len(above)]
        order = Skip(first, first + 1 + incident.draw % 2, "a person", "2026-01-01T00:00:00Z", "it was drawn")
        world.orders[tp] = (*world.orders.get(tp, ()), order)
        world.trace.note("skip", tp, order.first, order.far)
    world.stir()


def _letters_down(world: World, incident: Incident) -> None:
    world.letters_down_until = _until(incident)


# --- Kinesis -----------------------------------------------------------------------------------------------------------


def _stream_missing(world: World, incident: Incident) -> None:
    _set_status(world, incident, None)


def _stream_updating(world: World, incident: Incident) -> None:
    _set_status(world, incident, "UPDATING" if incident.draw % 2 else "CREATING")


def _set_status(world: World, incident: Incident, status: str | None) -> None:
    stream = _stream(world, incident)
    stream.status = status

    def back() -> None:
        stream.status = "ACTIVE"

    world.timeline.at(_until(incident), back)


def _stream_auto(world: World, incident: Incident) -> None:
    stream = _stream(world, incident)
    stream.honours_keys = False

    def back() -> None:
        stream.honours_keys = True

    world.timeline.at(_until(incident), back)


def _record_limit_raised(world: World, incident: Incident) -> None:
    """Let a stream take larger records from now on; what could never land there before can."""
    stream = _stream(world, incident)
    stream.record_bytes_max *= LIMIT_RAISED_TIMES
    stream.limit_raised_at = world.timeline.now
    for (tp, offset), size in world.large.items():
        if world.routes[tp.topic] == stream.name and size <= stream.record_bytes_max and (tp, offset) in world.poison:
            world.poison.discard((tp, offset))
            world.witness.may_land(tp, offset)


def _describe_denied(world: World, incident: Incident) -> None:
    world.describe_denied_until = _until(incident)


def _registry_down(world: World, incident: Incident) -> None:
    world.registry_down_until = _until(incident)


def _shard_split(world: World, incident: Incident) -> None:
    stream = _stream(world, incident)
    stream.split(incident.draw % len(stream.shards), world.timeline.now)


def _shard_merge(world: World, incident: Incident) -> None:
    stream = _stream(world, incident)
    if len(stream.shards) > 1:
        stream.merge(incident.draw % (len(stream.shards) - 1), world.timeline.now)


def _stream_refusing(world: World, incident: Incident) -> None:
    """Refuse everything as if the records were wrong, as a stream of another account does."""
    if not world.plan.work.refused:  # else nobody could tell which of the two it was
        _refuse_all(world, incident, "InvalidArgumentException")


def _stream_denied(world: World, incident: Incident) -> None:
    """Take the permission for one stream away; the role's other streams go on."""
    _refuse_all(world, incident, "AccessDeniedException")


def _refuse_all(world: World, incident: Incident, code: str) -> None:
    stream = _stream(world, incident)
    stream.refuses_with = code

    def back() -> None:
        stream.refuses_with = None

    world.timeline.at(_until(incident), back)


def _shard_hot(world: World, incident: Incident) -> None:
    stream = _stream(world, incident)
    shard = stream.shards[incident.draw % len(stream.shards)]
    shard.hot = True

    def back() -> None:
        shard.hot = False

    world.timeline.at(_until(incident), back)


_STRIKES: Mapping[Kind, Callable[[World, Incident], None]] = MappingProxyType(
    {
        Kind.STS_DOWN: _sts_down,
        Kind.STS_SLOW: _sts_slow,
        Kind.STS_DENIED: _sts_denied,
        Kind.STS_THROTTLED: _sts_throttled,
        Kind.TOKENS_REVOKED: _tokens_revoked,
        Kind.ACCESS_DENIED: _access_denied,
        Kind.WALL_JUMP: _wall_jump,
        Kind.SUSPENDED: _suspended,
        Kind.REBALANCE: _rebalance,
        Kind.EXPELLED: _expelled,
        Kind.BROKER_STALL: _broker_stall,
        Kind.COORDINATOR_FROZEN: _coordinator_frozen,
        Kind.PARTITION_STALL: _partition_stall,
        Kind.RETENTION: _retention,
        Kind.COMPACTION: _compaction,
        Kind.TOPIC_RECREATED: _topic_recreated,
        Kind.STREAM_MISSING: _stream_missing,
        Kind.STREAM_UPDATING: _stream_updating,
        Kind.STREAM_AUTO: _stream_auto,
        Kind.RECORD_LIMIT_RAISED: _record_limit_raised,
        Kind.DESCRIBE_DENIED: _describe_denied,
        Kind.REGISTRY_DOWN: _registry_down,
        Kind.SHARD_SPLIT: _shard_split,
        Kind.SHARD_HOT: _shard_hot,
        Kind.SHARD_MERGE: _shard_merge,
        Kind.STREAM_REFUSING: _stream_refusing,
        Kind.STREAM_DENIED: _stream_denied,
        Kind.LETTERS_DOWN: _letters_down,
        Kind.CRASH: _crash,
        Kind.STOP: _stop,
        Kind.CONSUMER_DEAD: _consumer_dead,
        Kind.BROKER_UNREACHABLE: _broker_unreachable,
        Kind.GROUP_REFUSED: _group_refused,
        Kind.TRANSACTION_OPEN: _transaction_open,
        Kind.QUOTA: _quota,
        Kind.BATCH_UNREADABLE: _batch_unreadable,
        Kind.TOPIC_APPEARS: _topic_appears,
        Kind.PARTITION_ADDED: _partition_added,
        Kind.TOPIC_MISSING: _topic_missing,
        Kind.TOPIC_REFUSED: _topic_refused,
        Kind.SKIP_ORDERED: _skip_ordered,
    }
)
