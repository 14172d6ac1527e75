"""Shards, ranges, rates and the log of the fake's streams."""

from __future__ import annotations

import pytest

from tests.fake_aws.clock import NS_PER_SECOND
from tests.fake_aws.errors import ServiceError
from tests.fake_aws.streams import (
    HASH_KEYS,
    SHARD_BYTES_PER_SECOND,
    Bucket,
    Origin,
    Reads,
    Stream,
    hash_of,
    sequence_number,
)

ORIGIN = Origin("request", 1, 0, 0.0)


def stream(shards: int = 4) -> Stream:
    """Give an empty stream."""
    return Stream("orders", "210987654321", "eu-west-1", shards=shards, created_wall=0.0)


def land(into: Stream, *keys: str) -> None:
    """Land one record for each key, the key as its data too."""
    into.land(list(keys), None, [key.encode() for key in keys], into.route(keys, None), ORIGIN)


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 64])
def test_the_ranges_cover_every_hash_key_once(shards: int) -> None:
    """The first range starts at 0, the last ends at 2^128-1, and each begins where the one before it ended."""
    found = stream(shards).open_shards
    assert [0, *(each.last_hash + 1 for each in found)] == [*(each.first_hash for each in found), HASH_KEYS]


def test_the_hash_of_a_key_is_its_md5() -> None:
    """A digest known from elsewhere."""
    assert 0xD41D8CD98F00B204E9800998ECF8427E == hash_of("")


@pytest.mark.parametrize("hashed", [0, HASH_KEYS // 2 - 1, HASH_KEYS // 2, HASH_KEYS - 1])
def test_an_edge_belongs_to_the_range_that_names_it(hashed: int) -> None:
    """Both ends of a range are inside it."""
    shard = stream(2).shard_of(hashed)
    assert shard.first_hash <= hashed <= shard.last_hash


def test_routing_forgets_its_cache_when_shards_change() -> None:
    """A key that was routed before a split is routed anew after it."""
    orders = stream(1)
    before = orders.route(["a", "b"], None)
    orders.split(orders.shards[0], HASH_KEYS // 2)
    assert ([0, 0], [orders.shard_of(hash_of(key)).index for key in "ab"]) == (before, orders.route(["a", "b"], None))


def test_landed_can_be_read_from_and_to_any_position() -> None:
    """Slices of the log agree with the whole, across the seams of requests."""
    orders = stream()
    land(orders, "a", "b", "c")
    land(orders, "d")
    land(orders, "e", "f")
    whole = orders.landed()
    assert ["a", "b", "c", "d", "e", "f"] == [record.partition_key for record in whole]
    assert [sequence_number(i) for i in range(6)] == [record.sequence_number for record in whole]
    assert [(start, limit) for start in range(8) for limit in (None, 0, 1, 2, 9)] == [
        (start, limit)
        for start in range(8)
        for limit in (None, 0, 1, 2, 9)
        if whole[start : None if limit is None else start + limit] == orders.landed(start, limit)
    ]


def test_a_closed_shard_cannot_be_split_or_merged_again() -> None:
    """Only open shards change, only neighbours merge, and only inside is there a place to split."""
    orders = stream(3)
    one, two, three = orders.shards
    for wrong in (
        lambda: orders.merge(one, three),
        lambda: orders.split(one, one.first_hash),
        lambda: orders.split(one, two.first_hash),
    ):
        with pytest.raises(ServiceError):
            wrong()
    orders.split(one, 5)
    with pytest.raises(ServiceError):
        orders.split(one, 5)
    with pytest.raises(ServiceError):
        orders.merge(one, two)


def test_a_stream_can_be_rearranged() -> None:
    """Taken out, doubled and swapped: the log is what is asked for, its shards keep theirs, times go on ascending."""
    orders = stream(1)
    land(orders, "a", "b", "c")
    orders.split(orders.shards[0], HASH_KEYS // 2)
    land(orders, "d", "e")
    shards = [record.shard for record in orders.landed()]
    orders.rearrange([1, 0, 0, 4, 3, 3])
    landed = orders.landed()
    assert ["b", "a", "a", "e", "d", "d"] == [record.partition_key for record in landed]
    assert [shards[place] for place in (1, 0, 0, 4, 3, 3)] == [record.shard for record in landed]
    assert [sequence_number(place) for place in range(6)] == [record.sequence_number for record in landed]
    assert (3, 3) == (orders.shards[0].closed_at, orders.shards[1].opened_at)
    walls = [orders.arrival_wall(place) for place in range(6)]
    assert sorted(walls) == walls


def test_a_shard_answers_its_readers_five_times_a_second() -> None:
    """Five at once, none more, and after a fifth of a second one; a large answer takes those of the next seconds."""
    reads = Reads()
    assert [True] * 5 + [False] == [reads.may_begin(0) for _ in range(6)]
    assert [True, False] == [reads.may_begin(NS_PER_SECOND // 5) for _ in range(2)]
    reads.took(10 * 1024 * 1024)
    assert [False, True] == [reads.may_begin(second * NS_PER_SECOND) for second in (4, 6)]


def test_a_bucket_refuses_the_1001st_record_of_a_second() -> None:
    """A thousand at once, none more, and after half a second five hundred."""
    bucket = Bucket()
    assert [True] * 1000 + [False] == [bucket.take(1, 0) for _ in range(1001)]
    assert [True] * 500 + [False] == [bucket.take(1, 500_000_000) for _ in range(501)]


def test_a_bucket_refuses_beyond_a_mebibyte_a_second() -> None:
    """Bytes bind as records do."""
    bucket = Bucket()
    half = SHARD_BYTES_PER_SECOND // 2
    assert [True, True, False] == [bucket.take(half, 0), bucket.take(half, 0), bucket.take(1, 0)]
    assert bucket.take(half, 500_000_000)


def test_a_record_larger_than_a_seconds_worth_is_paid_for_afterwards() -> None:
    """A large record passes a full bucket, and the shard then takes nothing until it is paid for."""
    bucket = Bucket()
    assert bucket.take(3 * SHARD_BYTES_PER_SECOND, 0)
    assert [False, False, True] == [bucket.take(1, second * 1_000_000_000) for second in (1, 2, 3)]
