from __future__ import annotations

import pytest

from domain.limits import SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND
from domain.pacing import FORGET_AFTER_NS, PACE_MIN, Pacer, ShardRange, hash_key
from tests.unit.domain.builders import MS, SECOND

NOW = 100 * SECOND
HALF = 1 << 127
SHARDS = (ShardRange("shardId-000000000000", 0), ShardRange("shardId-000000000001", HALF))
LOW = next(key for key in map(str, range(100)) if hash_key(key) < HALF)
HIGH = next(key for key in map(str, range(100)) if hash_key(key) >= HALF)


@pytest.fixture
def pacer() -> Pacer:
    """Give a pacer of two shards."""
    made = Pacer()
    made.learn(SHARDS)
    return made


def leave(pacer: Pacer, key: str, seconds: int, start: int = NOW, *, size: int = 100) -> int:
    """Count the records of a key that leave within so many seconds, offered as often as they may."""
    left = 0
    now = start
    while now < start + seconds * SECOND:
        while pacer.leaves_at(key, size, now) <= now:
            left += 1
            if left > 100_000:
                return left
        now += MS
    return left


def test_the_hash_key_is_the_services_own() -> None:
    """The shard is chosen by the MD5 of the key's UTF-8, read as one big-endian number."""
    assert 0xD41D8CD98F00B204E9800998ECF8427E == hash_key("")
    assert 0x900150983CD24FB0D6963F7D28E17F72 == hash_key("abc")


def test_nothing_is_paced_before_something_is_throttled(pacer: Pacer) -> None:
    """A quiet stream costs nothing and holds nothing back."""
    assert (False, NOW) == (pacer.active, pacer.leaves_at(LOW, 10**9, NOW))


def test_a_throttled_shard_keeps_to_what_a_shard_takes(pacer: Pacer) -> None:
    """After a throttling at most 1,000 records a second leave for that shard, and a tenth of a second at once."""
    pacer.throttled(LOW, NOW)
    left = leave(pacer, LOW, 4)
    assert 3.9 * SHARD_RECORDS_PER_SECOND <= left <= 4.2 * SHARD_RECORDS_PER_SECOND


def test_what_is_held_back_leaves_in_bursts(pacer: Pacer) -> None:
    """A record that must wait is sent for when a whole burst may leave, not one by one."""
    pacer.throttled(LOW, NOW)
    while (at := pacer.leaves_at(LOW, 100, NOW)) == NOW:
        pass
    burst = 1
    while pacer.leaves_at(LOW, 100, at) == at:
        burst += 1
    assert 95 <= burst <= 105


def test_large_records_cost_by_their_bytes(pacer: Pacer) -> None:
    """At most 1 MiB a second leaves, whatever the number of records."""
    pacer.throttled(LOW, NOW)
    left = leave(pacer, LOW, 8, size=SHARD_BYTES_PER_SECOND // 4)
    assert 31 <= left <= 34


def test_the_other_shards_go_on(pacer: Pacer) -> None:
    """One hot shard slows nobody else."""
    pacer.throttled(LOW, NOW)
    assert leave(pacer, HIGH, 1) > 100_000


def test_each_further_throttling_slows_it_down(pacer: Pacer) -> None:
    """Refusals at the pace make it slower, a burst of them only once, and never slower than a fiftieth."""
    pacer.throttled(LOW, NOW)
    for _ in range(50):
        pacer.throttled(LOW, NOW + SECOND)
    slower = leave(pacer, LOW, 1, NOW + SECOND)
    assert 0.65 * SHARD_RECORDS_PER_SECOND <= slower <= 0.9 * SHARD_RECORDS_PER_SECOND
    for second in range(2, 40):
        pacer.throttled(LOW, NOW + second * SECOND)
    assert leave(pacer, LOW, 1, NOW + 40 * SECOND) >= PACE_MIN * SHARD_RECORDS_PER_SECOND


def test_a_quiet_shard_gets_faster_again(pacer: Pacer) -> None:
    """Seconds without a refusal give back what was taken."""
    pacer.throttled(LOW, NOW)
    for tenth in range(1, 11):
        pacer.throttled(LOW, NOW + tenth * 100 * MS)
    slow = leave(pacer, LOW, 1, NOW + 2 * SECOND)
    assert 2 * slow < leave(pacer, LOW, 1, NOW + 20 * SECOND)


def test_a_shard_that_stays_quiet_is_forgotten(pacer: Pacer) -> None:
    """A minute without a refusal ends the pacing, and its cost."""
    pacer.throttled(LOW, NOW)
    pacer.leaves_at(LOW, 1, NOW + FORGET_AFTER_NS)
    assert pacer.active is False


def test_a_split_or_a_merge_begins_anew(pacer: Pacer) -> None:
    """Other ranges are other shards: the old paces mean nothing."""
    pacer.throttled(LOW, NOW)
    pacer.learn(SHARDS)
    assert pacer.active is True
    pacer.learn((ShardRange("shardId-000000000002", 0),))
    assert pacer.active is False


def test_without_known_shards_nothing_is_paced() -> None:
    """Where shards may not be listed, throttled records only wait by their own backoff."""
    pacer = Pacer()
    pacer.throttled(LOW, NOW)
    assert (False, NOW) == (pacer.active, pacer.leaves_at(LOW, 1, NOW))
