"""What records would become if they were sent now: partition key, data, shard, and whether something speaks against them.

It asks the mapping of the route itself, so that it says what the service would do, and sends nothing. That a record is not
poison here is no promise: what Kinesis alone knows, a put alone can tell.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from doka.domain.compression import UNCOMPRESSED_BYTES_MAX
from doka.domain.events import StreamDescribed
from doka.domain.limits import RECORD_BYTES_DEFAULT
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.fields import UNREADABLE_HEADERS
from doka.domain.routes.mapping import RecordMapping
from doka.domain.routes.shaping import Shaped, Shaping
from doka.domain.rules import RouteRules
from doka.domain.sending.pacing import hash_key
from doka.domain.sending.slices import Slices

DRAWN_KEY_BYTES_MAX: Final = len(str(1 << 64))
_A_DRAW: Final = 0.0
_ANOTHER_DRAW: Final = 0.5


@dataclass(frozen=True, slots=True)
class Preview:
    """What one record would become."""

    partition: TopicPartition
    offset: int
    timestamp_ms: int | None
    """Kafka's; None where the record has none, or came without the rest of it."""
    key: str | None
    """The partition key; None where it is drawn at random when the record is sent."""
    data: bytes
    """As it is to whoever has decompressed it."""
    size: int
    """Bytes of data and key, which the stream's limit counts; at most, where the key is drawn."""
    shard: str | None
    """Which open shard takes it; None where that is not known, or drawn with the key."""
    code: str | None
    """Why it can never land as it is; None where nothing speaks against it."""
    filtered: str | None = None
    """Why its route leaves it out; then it has neither key nor data nor a code. None where it would be sent."""
    value: bytes | None = None
    """The value that goes on to envelope, newline and compression; None is a tombstone, or filtered."""
    changed: bool = False
    """Whether the transform made another value of it, or chose its partition key."""
    raised: str | None = None
    """The class of what the transform raised for it, where it did."""

    @property
    def verdict(self) -> str:
        """What becomes of it, in one word: lands, filtered, or the code."""
        return "filtered" if self.filtered is not None else self.code or "lands"


class Previews:
    """The previews of one route; not for the way of records, which looks at no record by itself."""

    def __init__(self, rules: RouteRules, stream: StreamDescribed | None) -> None:
        """Take the route, and what is known of its stream; None: the usual limits are assumed, and no shard is told."""
        self.record_bytes_max = RECORD_BYTES_DEFAULT if stream is None else stream.record_bytes_max
        self._shaping = Shaping(rules)
        self.broken: str | None = None
        """The class of what the transform raises whatever it is given, for which the service blocks its route."""
        self.took: list[int] = []
        """How long the transform took for each chunk, in ns."""
        self._mapping = RecordMapping(rules, lambda: _A_DRAW)
        self._again = RecordMapping(replace(rules, compression=None), lambda: _ANOTHER_DRAW)  # asked for keys alone
        self._compression = rules.compression
        self._slices = None if rules.aggregation is None else Slices(rules.aggregation.lanes)
        shards = () if stream is None or not stream.honours_keys else stream.shards
        self._shards = sorted(shards, key=lambda shard: shard.first_hash_key)

    def of(self, chunk: Chunk) -> Iterator[Preview]:
        """Give the preview of each record of a chunk, in their order."""
        shaped = self._shaping.of(chunk)
        self.took.append(shaped.took)
        self.broken = self.broken or shaped.broken
        filtered = shaped.filtered
        others = iter(()) if shaped.chunk is None else self._of_left(shaped.chunk, shaped, chunk)
        for place, offset in enumerate(chunk.offsets):
            why = filtered.get(place)
            if why is None:
                yield next(others)
                continue
            yield Preview(
                chunk.partition,
                offset,
                _time_of(chunk, place),
                key=None,
                data=b"",
                size=0,
                shard=None,
                code=None,
                filtered=why,
            )

    def _of_left(self, chunk: Chunk, shaped: Shaped, came: Chunk) -> Iterator[Preview]:
        """Give the preview of the records that go on to the mapping, of all that came."""
        chosen, raised = shaped.keys, shaped.raised
        before = [value for place, value in enumerate(came.values) if place not in shaped.filtered]
        keys, values, poison = self._mapping.map(chunk, self.record_bytes_max, shaped.poison, chosen)
        for place, (offset, key, data) in enumerate(zip(chunk.offsets, keys, values, strict=True)):
            code = poison.get(place)
            is_chosen = bool(chosen) and chosen[place] is not None
            drawn = not is_chosen and self._is_drawn(chunk, place, key, code)
            yield Preview(
                chunk.partition,
                offset,
                _time_of(chunk, place),
                key=None if drawn else key,
                data=self._plain(data),
                size=len(data) + (DRAWN_KEY_BYTES_MAX if drawn else len(key.encode())),
                shard=None if drawn or code is not None else self._shard_of(key),
                code=code,
                value=chunk.values[place],
                changed=is_chosen or chunk.values[place] != before[place],
                raised=raised.get(offset),
            )

    def _plain(self, data: bytes) -> bytes:
        """Give data as it was before it was compressed; what is too large for that was not."""
        plain = None if self._compression is None else self._compression.decompress(data, UNCOMPRESSED_BYTES_MAX)
        return data if plain is None else plain

    def _is_drawn(self, chunk: Chunk, place: int, key: str, code: str | None) -> bool:
        """Say whether a key is drawn: then another draw gives another one."""
        if code == UNREADABLE_HEADERS:  # whose headers must not be asked for twice
            return False
        (again,), _, _ = self._again.map(chunk.part(place, place + 1), self.record_bytes_max)
        return again != key

    def _shard_of(self, key: str) -> str | None:
        if not self._shards:
            return None
        place = hash_key(key) if self._slices is None else self._slices.middle(self._slices.of(key))
        return self._shards[bisect_right(self._shards, place, key=lambda shard: shard.first_hash_key) - 1].shard


def _time_of(chunk: Chunk, place: int) -> int | None:
    if not chunk.originals:
        return None
    kind, time = chunk.originals[place].timestamp()
    return time if kind else None
