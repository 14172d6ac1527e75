from __future__ import annotations

from random import Random

import pytest

from doka.adapters.simulated.bulk_stream import BulkStream
from doka.adapters.simulated.stream import Stream

SECOND = 1_000_000_000


@pytest.mark.parametrize("seed", range(20))
def test_it_takes_what_the_stream_takes(seed: int) -> None:
    """Put by put, the same entries are refused as entry by entry, through splits, hot shards and full ones."""
    chance = Random(seed)
    plain, bulk = Stream("s0", 3), BulkStream("s0", 3)
    now = 0
    for _ in range(40):
        now += int(chance.random() * SECOND)
        if chance.random() < 0.1:
            place = chance.randrange(len(plain.shards))
            plain.split(place, now)
            bulk.split(place, now)
        for stream in (plain, bulk):
            stream.shards[0].hot = now % 7 == 0
        keys = [f"k{chance.randrange(10_000):05d}" for _ in range(chance.choice([1, 10, 500]))]
        value = b"." * chance.choice([10, 1_000, 9_000])
        values = [value] * len(keys)
        codes = [plain.offer(key, value, None, now) for key in keys]
        assert {i: code for i, code in enumerate(codes) if code} == bulk.offer_all(
            keys, values, chance.choice([None, [None] * len(keys)]), now
        )


def test_what_a_neighbour_brings_is_judged_and_not_kept() -> None:
    """A single record passes the same shard, and no list of records grows."""
    stream = BulkStream("s0", 1)
    taken = [stream.offer("k", b"v", None, 0) for _ in range(1_001)]
    assert 1_000 == taken.count(None)
    assert [] == stream.landed
