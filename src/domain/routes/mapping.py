"""How a Kafka record becomes a Kinesis record: its partition key and its data, column by column.

A chunk goes in, two columns come out, and with them the places of records that can never land as they are
(no usable key, too large for the stream): those are poison, found here before anything is sent.
What becomes of the data is done in this order: the envelope, the newline, the compression; and what comes out must fit.

The keys of a topic repeat, so each is translated once and then found in a bounded cache by a C loop.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat

from doka.domain.compression import UNCOMPRESSED_BYTES_MAX, Compression
from doka.domain.errors import invariant
from doka.domain.limits import KEY_CACHE_BYTES, PARTITION_KEY_BYTES_MAX, PARTITION_KEY_CHARACTERS_MAX
from doka.domain.poison.quarantine import TOO_LARGE
from doka.domain.records import Chunk
from doka.domain.remembered import Remembered
from doka.domain.routes.fields import headers_of, json_field, steps_of
from doka.domain.rules import KeyEncoding, NullKey, NullValue, RouteRules

KEY_OVERHEAD_BYTES = 130
"""What CPython adds to a cached key: the slot of the dict, the heads of a bytes and a str object."""
_RANDOM_KEYS = 1 << 64

REPLAYED = b',"replayed":true}'
"""The end of the envelope of a record that `doka replay` sends, instead of its brace."""

NEWLINE = b"\n"
_NEWLINE_CODE = NEWLINE[0]

UNUSABLE = ""
"""Stands for a key that Kinesis would refuse; no valid partition key is empty."""

# Codes of poison that is found here; fixed, because metrics and dead letters carry them.
EMPTY_KEY = "EmptyPartitionKey"
KEY_TOO_LONG = "PartitionKeyTooLong"
NO_KEY = "NoPartitionKey"
NO_VALUE = "NoValue"

Mapped = tuple[Sequence[str], Sequence[bytes], dict[int, str]]
"""Partition keys, data, and the code of each record that can never land, by its index."""


class KeyCache(Remembered[bytes, str]):
    """Kafka key -> partition key."""

    def __init__(self, encoding: KeyEncoding, bytes_max: int = KEY_CACHE_BYTES) -> None:
        super().__init__(bytes_max)
        self._encode = _ENCODERS[encoding]
        self.fallbacks = 0  # keys that are not UTF-8, each time that one was met and not remembered

    def work_out(self, keys: Sequence[bytes]) -> tuple[Sequence[str], int]:
        """Give keys in their form for Kinesis; UNUSABLE for one that is too long in it."""
        texts = self._of_usual(keys)
        if texts is None:
            texts = list(map(self._of_any, keys))
        return texts, sum(map(len, keys)) + sum(map(len, texts)) + len(keys) * KEY_OVERHEAD_BYTES

    def _of_usual(self, keys: Sequence[bytes]) -> Sequence[str] | None:
        """Give the forms of all keys by C loops; None where one of them needs a look."""
        if max(map(len, keys)) > PARTITION_KEY_BYTES_MAX:
            return None
        try:
            texts = list(map(self._encode, keys))
        except UnicodeDecodeError:
            return None
        return None if max(map(len, texts)) > PARTITION_KEY_CHARACTERS_MAX else texts

    def _of_any(self, key: bytes) -> str:
        if len(key) > PARTITION_KEY_BYTES_MAX:  # too long in any encoding
            return UNUSABLE
        try:
            text = self._encode(key)
        except UnicodeDecodeError:
            self.fallbacks += 1
            text = _base64(key)
        return UNUSABLE if len(text) > PARTITION_KEY_CHARACTERS_MAX else text


def _base64(key: bytes) -> str:
    return b64encode(key).decode("ascii")


_ENCODERS: dict[KeyEncoding, Callable[[bytes], str]] = {
    KeyEncoding.UTF8: bytes.decode,
    KeyEncoding.BASE64: _base64,
    KeyEncoding.HEX: bytes.hex,
}


class RecordMapping:
    """The way of one route from Kafka's columns to Kinesis' columns; `jitter` draws what must be random."""

    def __init__(self, rules: RouteRules, jitter: Callable[[], float], key_cache_bytes: int = KEY_CACHE_BYTES) -> None:
        self.cache = KeyCache(rules.key_encoding, key_cache_bytes)
        self._rules = rules
        self._next_random = int(jitter() * _RANDOM_KEYS)
        self._marks = rules.envelope and rules.replayed
        # What came bounds what is sent, but for the newline; what an envelope or a compression makes of it has no such bound.
        self._bounded = not rules.envelope and rules.compression is None
        self._longer = len(NEWLINE) if rules.newline else 0
        kind, _, argument = rules.partition_key.partition(":")
        self._keys_of = {
            "kafka_key": self._kafka_keys,
            "field": self._field_keys,
            "header": self._header_keys,
            "constant": self._constant_keys,
            "random": self._random_keys,
        }[kind]
        self._argument = argument

    def map(
        self,
        chunk: Chunk,
        record_bytes_max: int,
        poison: Mapping[int, str] | None = None,
        chosen: Sequence[str | None] = (),
    ) -> Mapped:
        """Give the columns of a chunk for a stream that takes records (data + key) of `record_bytes_max` bytes.

        `poison` was found before, as `Mapped` has it. `chosen` are partition keys that a transform chose, None where the rule
        decides; empty: it decides everywhere.
        """
        poison = {} if poison is None else dict(poison)
        keys = self._keys_beside(chunk, chosen, poison) if chosen else self._keys_by_rule(chunk, poison)
        if self._rules.null_value is NullValue.REJECT:
            poison.update((i, NO_VALUE) for i, value in enumerate(chunk.values) if value is None)
        values = self._envelopes(chunk, poison) if self._rules.envelope else self._values(chunk)
        data = self._finished(_marked(values) if self._marks else values)
        fits = record_bytes_max - PARTITION_KEY_BYTES_MAX
        if not (self._bounded and chunk.payload_bytes + self._longer <= fits) and max(map(len, data)) > fits:
            data = self._find_too_large(keys, values, data, poison, record_bytes_max)
        return keys, data, poison

    # --- partition keys ------------------------------------------------------------------------------------------

    def _keys_by_rule(self, chunk: Chunk, poison: dict[int, str]) -> Sequence[str]:
        keys = self._keys_of(chunk, poison)
        if not all(keys):
            self._find_unusable(keys, chunk, poison)
        return keys

    def _keys_beside(self, chunk: Chunk, chosen: Sequence[str | None], poison: dict[int, str]) -> Sequence[str]:
        """Give the keys that were chosen, and by the rule those of the other records, of which alone it is asked."""
        keys = [UNUSABLE] * chunk.count
        for place, key in enumerate(chosen):
            if key is not None:
                keys[place] = self._valid(key)
                if not keys[place]:
                    poison.setdefault(place, KEY_TOO_LONG if key else EMPTY_KEY)
        left = [place for place, key in enumerate(chosen) if key is None]
        if left:
            of_left = {index: poison[place] for index, place in enumerate(left) if place in poison}
            by_rule = self._keys_by_rule(chunk.picked([key is None for key in chosen]), of_left)
            for place, key in zip(left, by_rule, strict=True):
                keys[place] = key
            poison.update((left[index], code) for index, code in of_left.items())
        return keys

    def _kafka_keys(self, chunk: Chunk, poison: dict[int, str]) -> Sequence[str]:
        keys = chunk.keys
        if all(keys) or None not in keys:  # the first is quicker, and nearly always enough
            return self.cache.of_all(keys)  # type: ignore[arg-type]  # no None in it
        translate = self.cache.of
        return [self._null_key(chunk, i, poison) if key is None else translate(key) for i, key in enumerate(keys)]

    def _field_keys(self, chunk: Chunk, poison: dict[int, str]) -> Sequence[str]:
        steps = steps_of(self._argument)
        keys: list[str] = []
        for i, value in enumerate(chunk.values):
            found = json_field(value, steps)
            if found is None:
                key = self._null_key(chunk, i, poison)
            elif len(found) > PARTITION_KEY_CHARACTERS_MAX:
                key = UNUSABLE
            else:
                if not found:
                    poison[i] = EMPTY_KEY
                key = self._valid(found)
            keys.append(key)
        return keys

    def _header_keys(self, chunk: Chunk, poison: dict[int, str]) -> Sequence[str]:
        invariant(len(chunk.originals) == chunk.count, f"{chunk!r} came without its originals")
        keys: list[str] = []
        for i, original in enumerate(chunk.originals):
            headers = headers_of(original, i, poison)
            found = b"" if headers is None else dict(headers).get(self._argument)
            if found == b"":
                poison.setdefault(i, EMPTY_KEY)
            keys.append(self._null_key(chunk, i, poison) if found is None else self.cache.of(found))
        return keys

    def _valid(self, key: str) -> str:
        """Give a key that has a UTF-8 form: JSON can spell half a surrogate pair, which has none."""
        try:
            key.encode()
        except UnicodeEncodeError:
            self.cache.fallbacks += 1
            key = _base64(key.encode(errors="surrogatepass"))
        return key if len(key) <= PARTITION_KEY_CHARACTERS_MAX else UNUSABLE

    def _constant_keys(self, chunk: Chunk, poison: dict[int, str]) -> Sequence[str]:  # noqa: ARG002 - one signature
        return [self._argument] * chunk.count

    def _random_keys(self, chunk: Chunk, poison: dict[int, str]) -> Sequence[str]:  # noqa: ARG002 - one signature
        """Give keys that never repeat: Kinesis spreads them by MD5, so counting up is as even as drawing."""
        first = self._next_random
        self._next_random = first + chunk.count
        return list(map(str, range(first, self._next_random)))

    def _null_key(self, chunk: Chunk, index: int, poison: dict[int, str]) -> str:
        match self._rules.null_key:
            case NullKey.RANDOM:
                self._next_random += 1
                return str(self._next_random)
            case NullKey.PARTITION:
                topic, number = chunk.origins[index][0] if chunk.origins else chunk.partition
                return f"{topic}-{number}"
            case NullKey.REJECT:
                poison.setdefault(index, NO_KEY)
                return UNUSABLE

    def _find_unusable(self, keys: Sequence[str], chunk: Chunk, poison: dict[int, str]) -> None:
        from_kafka = self._rules.partition_key == "kafka_key"
        for i, key in enumerate(keys):
            if key == UNUSABLE:
                poison.setdefault(i, EMPTY_KEY if from_kafka and not chunk.keys[i] else KEY_TOO_LONG)

    # --- data ----------------------------------------------------------------------------------------------------

    def _finished(self, data: Sequence[bytes]) -> Sequence[bytes]:
        """Give what is sent of values or envelopes."""
        if self._rules.newline:
            data = end_in_newline(data)
        return data if self._rules.compression is None else compressed(data, self._rules.compression)

    def _find_too_large(
        self,
        keys: Sequence[str],
        values: Sequence[bytes],
        data: Sequence[bytes],
        poison: dict[int, str],
        record_bytes_max: int,
    ) -> Sequence[bytes]:
        """Note what is too large. An envelope for which the mark of a replay is too much goes without it, and so can land."""
        found = list(data)
        for i, (key, each) in enumerate(zip(keys, data, strict=True)):
            room = record_bytes_max - len(key.encode())
            if len(each) > room and self._marks:
                (found[i],) = self._finished(values[i : i + 1])
            if len(found[i]) > room:
                poison.setdefault(i, TOO_LARGE)
        return found

    def _values(self, chunk: Chunk) -> Sequence[bytes]:
        values = chunk.values
        if all(values) or None not in values:
            return values  # type: ignore[return-value]  # no None in it
        return [b"" if value is None else value for value in values]

    def _envelopes(self, chunk: Chunk, poison: dict[int, str]) -> Sequence[bytes]:
        origins = chunk.origins or zip(repeat(chunk.partition), chunk.offsets, strict=False)
        return [
            json.dumps(
                {
                    "topic": source.topic,
                    "partition": source.partition,
                    "offset": offset,
                    "timestamp": original.timestamp()[1] if original.timestamp()[0] else None,
                    "key": as_text(key),
                    "headers": [[name, as_text(content)] for name, content in headers_of(original, i, poison) or ()],
                    "value": as_text(value),
                },
                ensure_ascii=False,
                separators=(",", ":"),
            ).encode()
            for i, ((source, offset), key, value, original) in enumerate(
                zip(origins, chunk.keys, chunk.values, chunk.originals, strict=True)
            )
        ]


def _marked(envelopes: Sequence[bytes]) -> list[bytes]:
    """Say in envelopes that they are sent once more."""
    return [envelope[:-1] + REPLAYED for envelope in envelopes]


def end_in_newline(data: Sequence[bytes]) -> list[bytes]:
    """Give data that ends in a newline; what ends in one gets no second, and what is empty is no line."""
    return [each + NEWLINE if each and each[-1] != _NEWLINE_CODE else each for each in data]


def compressed(data: Sequence[bytes], compression: Compression) -> list[bytes]:
    """Give the compressed data; what is larger than a reader would unfold stays as it is, and no stream takes so much."""
    if max(map(len, data), default=0) <= UNCOMPRESSED_BYTES_MAX:
        return compression.compress(data)
    return [each if len(each) > UNCOMPRESSED_BYTES_MAX else compression.compress([each])[0] for each in data]


def as_text(content: bytes | None) -> str | dict[str, str] | None:
    """Give bytes as JSON can carry them: text where it is UTF-8, else base64 and said so."""
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": _base64(content)}
