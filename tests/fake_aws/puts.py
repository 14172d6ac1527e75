"""PutRecords and PutRecord: what is checked, what lands, what is answered.

A good request of 500 records is checked and taken by C loops; only a bad one is looked at entry by entry, to say
what is wrong with it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, NamedTuple

import orjson
from pybase64 import b64decode

from tests.fake_aws.errors import ServiceError, invalid, violates
from tests.fake_aws.script import FailEntries, Fate, Script
from tests.fake_aws.streams import HASH_KEYS, SEQUENCE_FIRST, SEQUENCE_PREFIX, Origin, Stream, sequence_number

ENTRIES_MAX = 500
REQUEST_BYTES_MAX = 10 * 1024 * 1024
KEY_CHARACTERS_MAX = 256
SHAPE_BYTES_MAX = 10 * 1024 * 1024
_KEY_BYTES_MAX = 4 * KEY_CHARACTERS_MAX
_HASH_KEY = re.compile(r"0|[1-9]\d{0,38}")
ENTRY_MEMBERS = frozenset({"Data", "PartitionKey", "ExplicitHashKey"})
REQUEST_MEMBERS = {
    "PutRecords": frozenset({"Records", "StreamName", "StreamARN", "StreamId", "DryRun"}),
    "PutRecord": frozenset({"SequenceNumberForOrdering", "StreamName", "StreamARN", "StreamId", "DryRun"})
    | ENTRY_MEMBERS,
}


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of a request that passed every check, as columns of equal length."""

    keys: list[str | None]
    explicit: list[str | None] | None
    datas: list[bytes]
    unknown_members: frozenset[str]

    def sizes(self) -> list[int]:
        """Give data plus key of each entry, in bytes."""
        return [len(data) + _key_bytes(key) for data, key in zip(self.datas, self.keys, strict=True)]


class RefusedEntry(NamedTuple):
    """One entry's error; `landed` when it took its place in the stream all the same."""

    code: str
    message: str
    landed: bool


def read_entries(records: object, stream: Stream) -> Entries:
    """Check the entries against the API's shape and the stream's limits.

    Raises ServiceError for the first fault: ValidationException for the shape, InvalidArgumentException for what the
    stream or the whole request does not allow, SerializationException for what is not even of the right type.
    """
    if not isinstance(records, list):
        raise violates("records", records, "not be null") if records is None else _serialization("Records is no list")
    if not 1 <= len(records) <= ENTRIES_MAX:
        bound = "greater than or equal to 1" if not records else f"less than or equal to {ENTRIES_MAX}"
        raise violates("records", f"[{len(records)} entries]", f"have length {bound}")
    if set(map(type, records)) != {dict}:
        raise _serialization("an entry is no object")
    members = frozenset().union(*records)
    keys = [record.get("PartitionKey") for record in records]
    encoded = [record.get("Data") for record in records]
    explicit = [record.get("ExplicitHashKey") for record in records] if "ExplicitHashKey" in members else None
    _check_keys(keys, stream)
    if explicit is not None:
        _check_explicit(explicit)
    datas = _decode(encoded)
    entries = Entries(keys, explicit, datas, members - ENTRY_MEMBERS)
    lengths = list(map(len, datas))
    allowed = stream.record_kib * 1024
    # Only when the largest conceivable key could break a limit are the keys measured.
    if max(lengths) + _KEY_BYTES_MAX > allowed or sum(lengths) + len(keys) * _KEY_BYTES_MAX > REQUEST_BYTES_MAX:
        _check_sizes(entries, allowed)
    return entries


def put(
    stream: Stream, entries: Entries, fate: Fate, script: Script, *, origin: Origin, now: int
) -> tuple[bytes, int, list[str]]:
    """Land what may land; gives the answer's body, how many landed, and the codes of the refused entries."""
    shards = stream.route(entries.keys, entries.explicit)
    refused: dict[int, RefusedEntry] = {}
    if stream.rate_limited:
        _take_rates(stream, entries, shards, now, refused)
    for fault in fate.entries:
        _fail(fault, entries, script, refused)
    if not refused and not fate.shuffle:
        first = stream.land(entries.keys, entries.explicit, entries.datas, shards, origin)
        return _all_landed(stream, shards, first), len(shards), []
    landing = [i for i in range(len(shards)) if i not in refused or refused[i].landed]
    if fate.shuffle:
        script.chance.shuffle(landing)
    first = stream.land(
        [entries.keys[i] for i in landing],
        None if entries.explicit is None else [entries.explicit[i] for i in landing],
        [entries.datas[i] for i in landing],
        [shards[i] for i in landing],
        origin,
    )
    positions = {index: first + place for place, index in enumerate(landing)}
    return _mixed(stream, shards, positions, refused), len(landing), [entry.code for entry in refused.values()]


def one_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the body of a PutRecord as the entries of a PutRecords."""
    return [{name: body[name] for name in ENTRY_MEMBERS if name in body}]


def _take_rates(
    stream: Stream, entries: Entries, shards: Sequence[int], now: int, refused: dict[int, RefusedEntry]
) -> None:
    for index, (size, shard_index) in enumerate(zip(entries.sizes(), shards, strict=True)):
        shard = stream.shards[shard_index]
        if not shard.bucket.take(size, now):
            text = f"Rate exceeded for shard {shard.id} in stream {stream.name} under account {stream.account}."
            refused[index] = RefusedEntry("ProvisionedThroughputExceededException", text, landed=False)


def _fail(fault: FailEntries, entries: Entries, script: Script, refused: dict[int, RefusedEntry]) -> None:
    wanted = None if fault.keys is None else frozenset(fault.keys)
    indexes = range(len(entries.keys)) if fault.indexes is None else fault.indexes
    for index in indexes:
        if index in refused or not 0 <= index < len(entries.keys):
            continue
        key, data = entries.keys[index], entries.datas[index]
        if (wanted is not None and key not in wanted) or (fault.where is not None and not fault.where(key, data)):
            continue
        if fault.fraction >= 1.0 or script.chance.random() < fault.fraction:
            refused[index] = RefusedEntry(fault.code, fault.message, landed=fault.landed)


def _all_landed(stream: Stream, shards: Sequence[int], first: int) -> bytes:
    tails = [f'","ShardId":"{shard.id}"}}' for shard in stream.shards]
    numbers = map(str, range(SEQUENCE_FIRST + first, SEQUENCE_FIRST + first + len(shards)))
    starts = repeat(f',{{"SequenceNumber":"{SEQUENCE_PREFIX}')
    entries = "".join(chain.from_iterable(zip(starts, numbers, map(tails.__getitem__, shards), strict=False)))
    return f'{{"FailedRecordCount":0,"Records":[{entries[1:]}]}}'.encode()


def _mixed(
    stream: Stream, shards: Sequence[int], positions: Mapping[int, int], refused: Mapping[int, RefusedEntry]
) -> bytes:
    results: list[dict[str, str]] = []
    for index, shard in enumerate(shards):
        if index in refused:
            results.append({"ErrorCode": refused[index].code, "ErrorMessage": refused[index].message})
        else:
            results.append({"SequenceNumber": sequence_number(positions[index]), "ShardId": stream.shards[shard].id})
    return orjson.dumps({"FailedRecordCount": len(refused), "Records": results})


def _check_keys(keys: Sequence[object], stream: Stream) -> None:
    if set(map(type, keys)) == {str}:
        lengths = list(map(len, keys))  # type: ignore[arg-type]  # the line above knows more than the checker
        if min(lengths) >= 1 and max(lengths) <= KEY_CHARACTERS_MAX:
            return
    for place, key in enumerate(keys, 1):
        where = f"records.{place}.member.partitionKey"
        if key is None:
            if stream.strategy != "AUTO":
                raise violates(where, "null", "not be null")
        elif not isinstance(key, str):
            raise _serialization("a partition key is no string")
        elif not key:
            raise violates(where, key, "have length greater than or equal to 1")
        elif len(key) > KEY_CHARACTERS_MAX:
            raise violates(where, key, f"have length less than or equal to {KEY_CHARACTERS_MAX}")


def _check_explicit(explicit: Sequence[object]) -> None:
    for place, given in enumerate(explicit, 1):
        if given is None:
            continue
        if not isinstance(given, str):
            raise _serialization("an explicit hash key is no string")
        if not _HASH_KEY.fullmatch(given):
            where = f"records.{place}.member.explicitHashKey"
            raise violates(where, given, "satisfy regular expression pattern: 0|([1-9]\\d{0,38})")
        if int(given) >= HASH_KEYS:
            raise invalid(
                f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {given}"
            )


def _decode(encoded: Sequence[object]) -> list[bytes]:
    if None in encoded:
        raise violates(f"records.{encoded.index(None) + 1}.member.data", "null", "not be null")
    try:
        # Positional, so that the loop runs in C: no other alphabet, and nothing outside it is skipped over.
        return list(map(b64decode, encoded, repeat(None), repeat(True)))  # type: ignore[arg-type]  # noqa: FBT003
    except (binascii.Error, TypeError, ValueError):
        raise _serialization("data is no base64") from None


def _check_sizes(entries: Entries, allowed: int) -> None:
    for place, data in enumerate(entries.datas, 1):
        if len(data) > SHAPE_BYTES_MAX:
            where = f"records.{place}.member.data"
            raise violates(where, "java.nio.HeapByteBuffer", f"have length less than or equal to {SHAPE_BYTES_MAX}")
    sizes = entries.sizes()
    if max(sizes) > allowed:
        raise invalid(
            f"Record {sizes.index(max(sizes))} is {max(sizes)} bytes with its key; the stream allows {allowed}."
        )
    if sum(sizes) > REQUEST_BYTES_MAX:
        raise invalid(f"Records size exceeds {REQUEST_BYTES_MAX // 1024 // 1024} MB limit.")


def _key_bytes(key: str | None) -> int:
    return 0 if key is None else len(key.encode())


def _serialization(text: str) -> ServiceError:
    return ServiceError("SerializationException", text)
