"""What makes a record the same on both sides: what Kafka's record should have become, and what landed.

Both sides are worked out here, so that they can never disagree; the way from Kafka goes through the mapping that the service
itself uses. An identity is a digest: what is compared is never kept.

| match | the same is | where |
|---|---|---|
| coordinates | topic, partition and offset in the envelope | `envelope: json` |
| key_and_data | partition key and data | everywhere else |
| data | data alone | partition keys that nobody can foretell: `partition_key: random`, another forwarder's own |

A route with `null_key: random` gives keys that nobody can foretell to some records only, and a key that landed does not say
of which kind it is. Such keys are decimal digits, so there a record under any key of that form is compared by data alone,
on both sides: fewer tell-tales, and never a wrong loss.

Where a route compresses its data, both sides are compared as they were before that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from hashlib import blake2b
from operator import add, methodcaller
from typing import Final

from doka.domain.audit.landed import Landed
from doka.domain.compression import UNCOMPRESSED_BYTES_MAX, uncompressed_bytes_sure
from doka.domain.errors import invariant
from doka.domain.limits import KEY_CACHE_BYTES
from doka.domain.poison.quarantine import TOO_LARGE
from doka.domain.records import Chunk, TopicPartition
from doka.domain.remembered import TEXT_OVERHEAD_BYTES, Remembered
from doka.domain.routes.mapping import NO_KEY, UNUSABLE, Mapped, RecordMapping, compressed
from doka.domain.routes.shaping import Shaped, Shaping
from doka.domain.rules import NullKey, Ordering, RouteRules

FILTERED: Final = "Filtered"
"""Stands for a code where the route leaves a record out; no poison has it."""
DIGEST_BYTES: Final = 16
"""128 bits: among 45 million records two unlike ones share a digest with a chance of 3 in 10^24."""
_LANE_BYTES: Final = 8
_KEPT_BYTES: Final = 2 * TEXT_OVERHEAD_BYTES + DIGEST_BYTES  # a tuple, a bytes and an int beside the text

RANDOM_KEY_DIGITS: Final = 20  # of the largest number of 64 bits
_LIKE_RANDOM = re.compile(rf"[0-9]{{1,{RANDOM_KEY_DIGITS}}}", re.ASCII)
_ENVELOPE = re.compile(rb'\{"topic":"([A-Za-z0-9._-]{1,249})","partition":(\d{1,10}),"offset":(\d{1,19}),', re.ASCII)

_digest_of = partial(blake2b, digest_size=DIGEST_BYTES)
_ask_timestamp = methodcaller("timestamp")


class Match(Enum):
    """By what records of the two sides are the same."""

    COORDINATES = "coordinates"
    KEY_AND_DATA = "key_and_data"
    DATA = "data"


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What one chunk of Kafka should have become, as columns of equal length."""

    partition: TopicPartition
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    """Kafka's, in ms since the epoch; -1 where a record has none."""
    lanes: Sequence[int | None]
    """A number for each partition key, the same for the same key; None for a record without a place in any order."""
    identities: Sequence[bytes | None]
    """None where nothing that landed could be told to be this record."""
    codes: Mapping[int, str]
    """The code of each record that can never land by today's mapping, by its index; FILTERED of one that is left out."""
    count: int = field(init=False)
    """How many records there are."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", len(self.offsets))


class Identities:
    """Gives the identities of both sides for one route; what keys are translated to is remembered, within a bound."""

    def __init__(
        self,
        rules: RouteRules,
        record_bytes_max: int,
        *,
        by_data: bool = False,
        key_cache_bytes: int = KEY_CACHE_BYTES,
    ) -> None:
        """Take the route, and how large a record its stream takes now.

        `by_data`: another forwarder chose its partition keys itself, so that only the data can be compared.
        """
        draws = rules.null_key is NullKey.RANDOM
        # Under this rule the mapping tells each record whose key would be drawn, as poison of that code.
        told = replace(rules, null_key=NullKey.REJECT) if draws else rules
        self._shaping = Shaping(rules)
        # Compared is what was compressed: other libraries, and later ones, make other bytes of the same.
        self._mapping = RecordMapping(replace(told, compression=None), lambda: 0.0, key_cache_bytes)
        self._compression = rules.compression
        self._record_bytes_max = record_bytes_max
        self.not_compressed = 0
        """Landed records that are none of what the route's compression gives: of another setting, or of somebody else."""
        self._drawn_code = NO_KEY if draws else None
        self._has_order = rules.ordering is not Ordering.NONE and rules.partition_key != "random"
        self.match = _match_of(rules, by_data=by_data)
        """By what the records of this route are compared."""
        self.partly_by_data = draws and self.match is Match.KEY_AND_DATA
        """Whether records under keys of digits are compared by their data alone."""
        self._keys = _Keys(key_cache_bytes, digits_alike=self.partly_by_data)

    def expected(self, chunk: Chunk) -> Expected:
        """Give what a chunk should have become; it must have come with its originals, for their timestamps."""
        invariant(len(chunk.originals) == chunk.count, f"{chunk!r} came without its originals")
        shaped = self._shaping.of(chunk)
        found = None if shaped.chunk is None else self._expected(shaped.chunk, shaped)
        return _with_filtered(chunk, found, shaped.filtered) if shaped.filtered or found is None else found

    def _expected(self, chunk: Chunk, shaped: Shaped) -> Expected:
        """Give what the records should have become that go on to the mapping."""
        keys, data, codes = self._map(chunk, shaped)
        drawn = self._take_drawn(codes, data)
        lanes: Sequence[int | None] = (
            [lane for _, lane in self._keys.of_all(keys)] if self._has_order else [None] * chunk.count
        )
        identities: Sequence[bytes | None]
        match self.match:
            case Match.COORDINATES:
                topic, number = chunk.partition
                identities = [_of_coordinates(topic.encode(), number, offset) for offset in chunk.offsets]
            case Match.KEY_AND_DATA:
                identities = self._by_key(keys, data)
            case Match.DATA:
                identities = _digests(data)
        if drawn or not all(keys):
            unusable = {place for place, key in enumerate(keys) if key == UNUSABLE} - drawn
            lanes = [None if not key else lane for key, lane in zip(keys, lanes, strict=True)]
            identities = self._without_key(identities, data, unusable=unusable, drawn=drawn)
        return Expected(chunk.partition, chunk.offsets, _stamps_of(chunk), lanes, identities, codes)

    def landed(self, landed: Landed) -> Sequence[bytes]:
        """Give the identities of what landed; that of what is not compressed as the route does it no record has."""
        data, strange = self._decompressed(landed.data)
        found: list[bytes]
        match self.match:
            case Match.COORDINATES:
                found = list(map(_of_envelope, data))
            case Match.KEY_AND_DATA:
                found = self._by_key(landed.keys, data)
            case Match.DATA:
                found = _digests(data)
        for place in strange:
            found[place] = _digest_of(landed.data[place], person=b"not compressed").digest()
        self.not_compressed += len(strange)
        return found

    def _decompressed(self, data: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[int]]:
        """Give the data that was compressed, and the places of what was not."""
        if self._compression is None:
            return data, ()
        found = [self._compression.decompress(each, UNCOMPRESSED_BYTES_MAX) for each in data]
        return [each or b"" for each in found], [place for place, each in enumerate(found) if each is None]

    def _map(self, chunk: Chunk, shaped: Shaped) -> Mapped:
        """Give the columns of a chunk as they were before the data was compressed, and the codes of what is sent.

        Only what comes near the limit is compressed once more, to see whether it fits.
        """
        if self._compression is None:
            return self._mapping.map(chunk, self._record_bytes_max, shaped.poison, shaped.keys)
        sure = uncompressed_bytes_sure(self._record_bytes_max)
        keys, data, codes = self._mapping.map(chunk, sure, shaped.poison, shaped.keys)
        for place, code in [*codes.items()]:
            if code == TOO_LARGE and not self._is_too_large(data[place], len(keys[place].encode())):
                del codes[place]
        return keys, data, codes

    def _is_too_large(self, data: bytes, key_bytes: int) -> bool:
        made = (data,) if self._compression is None else compressed((data,), self._compression)
        return len(made[0]) + key_bytes > self._record_bytes_max

    def _by_key(self, keys: Sequence[str], data: Sequence[bytes]) -> list[bytes]:
        suffixes = [suffix for suffix, _ in self._keys.of_all(keys)]
        return _digests(map(add, data, suffixes))

    def _take_drawn(self, codes: dict[int, str], data: Sequence[bytes]) -> frozenset[int]:
        """Take out of the codes those of records whose keys are drawn, and give their places; too large they may be still."""
        if self._drawn_code is None or not codes:
            return frozenset()
        drawn = frozenset(place for place, code in codes.items() if code == self._drawn_code)
        for place in drawn:
            del codes[place]
            if self._is_too_large(data[place], RANDOM_KEY_DIGITS):
                codes[place] = TOO_LARGE
        return drawn

    def _without_key(
        self,
        identities: Sequence[bytes | None],
        data: Sequence[bytes],
        *,
        unusable: set[int],
        drawn: frozenset[int],
    ) -> Sequence[bytes | None]:
        """Give the identities with those of records that have no key, or none that can be foretold."""
        if self.match is not Match.KEY_AND_DATA:
            return identities
        found = list(identities)
        for place in drawn:
            found[place] = _digest_of(data[place] + _BY_DATA).digest()
        for place in unusable:
            found[place] = None
        return found


_BY_DATA: Final = b"\x00\x00"
"""Stands behind the data in the place of a key and its length: no partition key is empty."""


class _Keys(Remembered[str, tuple[bytes, int]]):
    """Partition key -> what stands for it behind the data, and the number of its lane."""

    def __init__(self, bytes_max: int, *, digits_alike: bool) -> None:
        super().__init__(bytes_max)
        self._digits_alike = digits_alike

    def work_out(self, keys: Sequence[str]) -> tuple[Sequence[tuple[bytes, int]], int]:
        """Give what stands for each key, and its lane."""
        found = list(map(self._work_out, keys))
        return found, sum(map(len, keys)) + sum(len(suffix) for suffix, _ in found) + len(keys) * _KEPT_BYTES

    def _work_out(self, key: str) -> tuple[bytes, int]:
        text = key.encode(errors="surrogatepass")  # whatever a stranger's record is called
        lane = int.from_bytes(blake2b(text, digest_size=_LANE_BYTES).digest(), "big", signed=True)
        # The length stands last, so that no data and key run into each other.
        alike = self._digits_alike and _LIKE_RANDOM.fullmatch(key)
        suffix = _BY_DATA if alike else text + len(text).to_bytes(2, "big")
        return suffix, lane


def _with_filtered(chunk: Chunk, found: Expected | None, filtered: Mapping[int, str]) -> Expected:
    """Put records that are left out, of which nothing is expected, between those of which something is."""
    left = [place for place in range(chunk.count) if place not in filtered]
    lanes: list[int | None] = [None] * chunk.count
    identities: list[bytes | None] = [None] * chunk.count
    codes = dict.fromkeys(filtered, FILTERED)
    if found is not None:
        for place, lane, identity in zip(left, found.lanes, found.identities, strict=True):
            lanes[place], identities[place] = lane, identity
        codes.update((left[place], code) for place, code in found.codes.items())
    return Expected(chunk.partition, chunk.offsets, _stamps_of(chunk), lanes, identities, codes)


def _stamps_of(chunk: Chunk) -> list[int]:
    return [stamp if kind else -1 for kind, stamp in map(_ask_timestamp, chunk.originals)]


def _digests(contents: Iterable[bytes]) -> list[bytes]:
    return [
        blake2b(content, digest_size=DIGEST_BYTES).digest() for content in contents
    ]  # a call less than by `partial`


def _match_of(rules: RouteRules, *, by_data: bool) -> Match:
    if by_data:
        return Match.DATA
    if rules.envelope:
        return Match.COORDINATES
    return Match.DATA if rules.partition_key == "random" else Match.KEY_AND_DATA


def _of_coordinates(topic: bytes, partition: int, offset: int) -> bytes:
    return _digest_of(b"%b:%d:%d" % (topic, partition, offset)).digest()


def _of_envelope(data: bytes) -> bytes:
    """Give the identity of the record whose envelope this is; of what is no envelope of ours, one that no record has."""
    found = _ENVELOPE.match(data)
    if found is None:
        coordinates = _read_envelope(data)
        if coordinates is None:
            return _digest_of(data, person=b"no envelope").digest()
        return _of_coordinates(*coordinates)
    topic, partition, offset = found.groups()
    return _of_coordinates(topic, int(partition), int(offset))


def _read_envelope(data: bytes) -> tuple[bytes, int, int] | None:
    """Read an envelope that somebody has written anew on its way: its fields in any order, spaces between them."""
    try:
        found = json.loads(data)
        topic, partition, offset = found["topic"], found["partition"], found["offset"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(topic, str) or type(partition) is not int or type(offset) is not int:
        return None
    return topic.encode(errors="surrogatepass"), partition, offset
