"""Who writes into the topics: bursts of records over virtual time, with everything that strangers put into records."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter

from doka.adapters.simulated.plan import UNWANTED, WANTED, Plan
from doka.adapters.simulated.schemas import LATE_NS, SCHEMAS, UNKNOWN, written
from doka.adapters.simulated.weather import draw_span
from doka.adapters.simulated.world import World
from doka.domain.limits import NS_PER_MS
from doka.domain.records import TopicPartition
from doka.domain.rules import NullKey, NullValue

UNUSABLE_KEYS = (b"", b"k" * 257)
"""Keys that Kinesis refuses: empty, and longer than 256 characters."""
WIDE = "\u0436" * 100
"""The beginning of keys that have twice as many bytes as characters, of which Kinesis takes 256."""

BEGUN_NS = 10 * NS_PER_MS
"""How often it is looked whether the group has begun, where it may begin at the ends of the logs."""


class Producer:
    """Writes `plan.work.records` records, then no more; every value names its partition and offset."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._work = plan.work
        self._chance = world.chance.of("producer")
        self._partitions = list(world.logs)
        self._left = plan.work.records
        self._poisoned: set[TopicPartition] = set()  # one for each partition: unusable keys are one lane
        self._refused: Counter[TopicPartition] = Counter()
        self._large: Counter[TopicPartition] = Counter()
        self._undecodable: Counter[TopicPartition] = Counter()
        self._fits_compressed = b"." * plan.record_bytes_max
        self._too_large = self._fits_compressed
        if plan.work.large and plan.compress != "none":  # text that no compression can make smaller than by a quarter
            self._too_large = b64encode(world.chance.of("large").randbytes(plan.record_bytes_max * 3 // 2))
        world.write = self._write
        world.write_too = self._partitions.append
        letter = WIDE if plan.work.wide_keys else "k"
        before = b"\xff" if plan.work.raw_keys else b""
        self._keys = [before + f"{letter}{i}".encode() for i in range(plan.work.keys)]
        self._keys_count = plan.partition_key != "random"
        self._fields = plan.partition_key.startswith("field:")
        self._lines = plan.newline and not self._fields
        self._padding = b"." * plan.work.value_bytes
        self._of_schemas = world.chance.of("schemas")
        self._of_filters = world.chance.of("filters")  # its own, so that worlds without a filter stay as they are

    def start(self) -> None:
        """Write the first burst now, the others in their time."""
        chance, work = self._chance, self._work
        if self._plan.patterned and not self._world.begun:
            self._world.timeline.after(BEGUN_NS, self.start)
            return
        for _ in range(min(self._left, 1 + int(chance.random() * work.burst))):
            self._left -= 1
            self._write(self._partitions[int(chance.random() * len(self._partitions))])
        self._world.unwritten = self._left
        if self._left:
            self._world.timeline.after(draw_span(chance, work.every), self.start)
        else:
            self._world.witness.production_ended()

    def _write(self, tp: TopicPartition) -> None:
        chance, work, log, witness = self._chance, self._work, self._world.logs[tp], self._world.witness
        if work.markers and chance.random() < work.markers:
            log.skip(1 + int(chance.random() * 3))
        key: bytes | None = self._keys[int(chance.random() * len(self._keys))]
        again = (
            b"~%d" % log.incarnation if log.incarnation else b""
        )  # another record than the one of this offset before
        ends = b"\n" if self._lines and log.end % 3 == 0 else b""
        unwanted = bool(work.unwanted) and self._of_filters.random() < work.unwanted
        named = b"%s/%d/%d%s%s" % (tp.topic.encode(), tp.partition, log.end, again, self._padding)
        if work.unwanted:
            named = b'%b,"is":"%b"}' % (UNWANTED if unwanted else WANTED, named)
        value: bytes | None = named + ends
        large = 0
        sound = unwanted or not self._keys_count or tp in self._poisoned
        poison = not sound and bool(work.poison) and chance.random() < work.poison
        if poison:
            self._poisoned.add(tp)
            key = UNUSABLE_KEYS[int(chance.random() * len(UNUSABLE_KEYS))]
        elif work.null_keys and chance.random() < work.null_keys:
            key = None
            poison = self._keys_count and not unwanted and self._plan.null_key is NullKey.REJECT
        elif work.tombstones and not work.unwanted and chance.random() < work.tombstones:
            key, value = value, None
            poison = self._plan.null_value is NullValue.REJECT
        elif work.large and self._large[tp] < work.poisons and value and chance.random() < work.large:
            self._large[tp] += 1
            fits = self._plan.compress != "none" and self._large[tp] % 2 == 0
            value += self._fits_compressed if fits else self._too_large
            large = 0 if fits else len(key or b"") + len(value)
            poison = large > self._world.streams[self._world.routes[tp.topic]].record_bytes_max
        elif (
            work.refused
            and not unwanted
            and self._refused[tp] < work.poisons
            and value
            and chance.random() < work.refused
        ):
            poison = True
            self._refused[tp] += 1
            self._world.refused_values.add(value)
        if self._fields and value is not None:
            value = _as_json(key, value)
        stored, decodes = self._stored(tp, value, sound=not (poison or unwanted))
        poison = poison or not decodes
        offset = log.append(key, stored, int(self._world.clock.true_wall() * 1000))
        witness.produced(tp, offset, key if decodes or self._has_key(stored, value) else None, value)
        if unwanted:
            witness.unwanted(tp, offset)
        if poison:
            witness.poisoned(tp, offset)
            self._world.poison.add((tp, offset))
            if large:
                self._world.large[tp, offset] = large
        if work.holes and chance.random() < work.holes:
            log.compact(offset)
            witness.removed(tp, [offset], retention=False)
        self._world.stir()

    def _has_key(self, stored: bytes | None, value: bytes | None) -> bool:
        """Say whether the key of a value that cannot be decoded is known: none is where it is a field that nothing can read."""
        return not self._fields or stored == value

    def _stored(self, tp: TopicPartition, value: bytes | None, *, sound: bool) -> tuple[bytes | None, bool]:
        """Give a value as it stands in the log, and whether it can be decoded; one of `sound` records may not be."""
        if value is None or not self._plan.decodes:
            return value, True
        chance, now = self._of_schemas, self._world.timeline.now
        before = max(0, self._work.records - self._left - 1)
        schema = 1 + before * SCHEMAS // self._work.records
        self._world.schemas_since.setdefault(str(schema), now + int(chance.random() * LATE_NS))
        spoilt = sound and self._undecodable[tp] < self._work.poisons and chance.random() < self._work.undecodable
        if not spoilt:
            return written(schema, value), True
        self._undecodable[tp] += 1
        return chance.choice((value, written(UNKNOWN, value), written(schema, value)[:-1])), False


def _as_json(key: bytes | None, text: bytes) -> bytes:
    """Give a document that has the key in it, where there is one."""
    return b'{"is":"%s"}' % text if key is None else b'{"key":"%s","is":"%s"}' % (key, text)
