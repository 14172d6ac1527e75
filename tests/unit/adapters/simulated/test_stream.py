"""A simulated stream has real hash ranges and rates, and forgets nothing that it accepted."""

from __future__ import annotations

from hashlib import md5

import pytest

from doka.adapters.simulated.stream import HASH_SPACE, THROTTLED, Shard, Stream
from doka.domain.limits import NS_PER_SECOND


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_the_shards_cover_the_hash_space_without_overlap(shards: int) -> None:
    """Each hash belongs to exactly one shard, from the first to the last."""
    ranges = [(shard.first, shard.last) for shard in Stream("s", shards).shards]
    assert (0, HASH_SPACE - 1) == (ranges[0][0], ranges[-1][1])
    assert [last + 1 for _, last in ranges[:-1]] == [first for first, _ in ranges[1:]]


def test_a_key_goes_by_its_md5_unless_an_explicit_hash_says_otherwise() -> None:
    """The place of a record is that of the service: MD5 of the key, or the explicit hash key."""
    stream = Stream("s", 4)
    place = int(md5(b"key", usedforsecurity=False).hexdigest(), 16)
    shard = stream.shard_of("key")
    assert shard.first <= place <= shard.last
    assert stream.shards[0] is stream.shard_of("key", "0")
    assert stream.shards[3] is stream.shard_of("key", str(HASH_SPACE - 1))


def test_a_shard_takes_its_rate_and_fills_up_again() -> None:
    """A second's worth is accepted at once, the rest refused; half a second later half of it is there again."""
    shard = Shard(0, 0, 1, records_per_second=10, bytes_per_second=1_000)
    assert 10 == sum(shard.accepts(1, 0) for _ in range(20))
    assert 5 == sum(shard.accepts(1, NS_PER_SECOND // 2) for _ in range(20))


def test_a_shard_counts_bytes_too() -> None:
    """Large records use up a shard before many of them came."""
    shard = Shard(0, 0, 1, records_per_second=10, bytes_per_second=1_000)
    assert [True, True, False, True] == [shard.accepts(size, 0) for size in (400, 400, 400, 100)]


def test_what_is_refused_is_not_in_the_stream() -> None:
    """A hot shard refuses with the service's code; only what was accepted can be read."""
    stream = Stream("s", 1)
    assert stream.offer("a", b"1", None, 0) is None
    stream.shards[0].hot = True
    assert THROTTLED == stream.offer("b", b"2", None, 0)
    assert [("a", b"1")] == [(record.key, record.value) for record in stream.landed]


def test_a_split_keeps_every_key_covered() -> None:
    """After a split the halves hold what the parent held, under new numbers."""
    stream = Stream("s", 2)
    parent = stream.shards[1]
    stream.split(1, now=5)
    lower, upper = stream.shards[1:]
    assert (parent.first, parent.last) == (lower.first, upper.last)
    assert lower.last + 1 == upper.first
    assert [0, 2, 3] == [shard.number for shard in stream.shards]


@pytest.mark.parametrize(
    ("status", "usable"), [("ACTIVE", True), ("UPDATING", True), ("CREATING", False), (None, False)]
)
def test_only_a_live_stream_takes_records(status: str | None, *, usable: bool) -> None:
    """A stream that is not there yet, or no more, is not usable."""
    stream = Stream("s", 1)
    stream.status = status
    assert usable is stream.usable


def test_merged_shards_close_and_one_takes_their_range() -> None:
    """Two neighbours make one new shard of both ranges, which is hot only where both were."""
    stream = Stream("s", 3)
    stream.shards[0].hot = True
    stream.merge(0, NS_PER_SECOND)
    assert [(0, stream.shards[1].first - 1), (stream.shards[1].first, HASH_SPACE - 1)] == [
        (shard.first, shard.last) for shard in stream.shards
    ]
    assert (3, False, 2) == (stream.shards[0].number, stream.shards[0].hot, stream.shards[1].number)
