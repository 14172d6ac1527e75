"""Reading requests of aggregates in tests of the domain, and finding keys of a lane."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from doka.domain.commands import SendPut
from doka.domain.sending.slices import Slices
from tests.fake_aws.aggregates import unfold


def inner(put: SendPut) -> list[list[tuple[str, int]]]:
    """Give the (key, offset) of the records of each entry of a request: the builders' values are the offsets."""
    entries = []
    assert put.hash_keys is not None
    for key, value, hash_key in zip(put.keys, put.values, put.hash_keys, strict=True):
        records = unfold(value)
        if records is None:
            entries.append([(key, int(value[:20]))])
            continue
        assert {hash_key} == {record.explicit_hash_key for record in records}
        entries.append([(record.partition_key, int(record.data[:20])) for record in records])
    return entries


def keys_of_lane(lane: int, many: int, lanes: int = 4) -> Sequence[str]:
    """Find so many keys of one lane."""
    slices = Slices(lanes)
    found = (key for key in map("k{}".format, count()) if slices.of(key) == lane)
    return [next(found) for _ in range(many)]
