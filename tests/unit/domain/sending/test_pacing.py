from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from doka.domain.events import ShardRange
from doka.domain.limits import SHARD_BYTES_PER_SECOND, SHARD_RECORDS_PER_SECOND
from doka.domain.sending.pacing import FORGET_AFTER_NS, PACE_MIN, SLOWER_AT_MOST_EVERY_NS, Pacer, hash_key
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
    assert ({}, NOW) == (pacer.paces, pacer.leaves_at(LOW, 10**9, NOW))


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


def offer(pacer: Pacer, seconds: int, accepts: Callable[[int, int], bool]) -> tuple[int, int]:
    """Send what may leave, millisecond by millisecond; give how many were accepted and refused in the second half.

    `accepts` is told the moment and the number of the record.
    """
    pacer.throttled(LOW, NOW)
    number = accepted = refused = 0
    for now in range(NOW, NOW + seconds * SECOND, MS):
        refusals = 0
        while pacer.leaves_at(LOW, 100, now) == now:
            number += 1
            landed = accepts(now, number)
            refusals += not landed
            if now >= NOW + seconds * SECOND // 2:
                accepted, refused = accepted + landed, refused + (not landed)
        for _ in range(refusals):
            pacer.throttled(LOW, now)
    return accepted, refused


def test_finds_what_the_shard_has_left(pacer: Pacer) -> None:
    """Where others use the shard too, the pace settles at what it still takes: little is refused, little unused."""
    per_second = SHARD_RECORDS_PER_SECOND * 3 // 10
    taken: Counter[int] = Counter()

    def accepts(now: int, _number: int) -> bool:
        tenth = now // (100 * MS)
        taken[tenth] += 1
        return taken[tenth] <= per_second // 10

    accepted, refused = offer(pacer, 20, accepts)
    assert 0.7 * 10 * per_second <= accepted <= 10 * per_second
    assert refused <= 0.3 * accepted


def test_a_few_refusals_among_many_cost_little(pacer: Pacer) -> None:
    """One refusal in a hundred is no shard at its limit: the pace stays near the documented capacity."""
    accepted, _ = offer(pacer, 20, lambda _now, number: number % 100 != 0)
    assert accepted >= 0.6 * 10 * SHARD_RECORDS_PER_SECOND


def test_never_slower_than_a_twentieth(pacer: Pacer) -> None:
    """However much is refused, some records leave: else nobody would learn that the shard takes them again."""
    pacer.throttled(LOW, NOW)
    for _ in range(50):
        pacer.throttled(LOW, NOW + SECOND)
    slower = leave(pacer, LOW, 1, NOW + SECOND)
    assert 0.45 * SHARD_RECORDS_PER_SECOND <= slower <= 0.75 * SHARD_RECORDS_PER_SECOND  # a burst is one message
    for second in range(2, 40):
        pacer.throttled(LOW, NOW + second * SECOND)
    assert leave(pacer, LOW, 1, NOW + 40 * SECOND) >= PACE_MIN * SHARD_RECORDS_PER_SECOND


@pytest.mark.parametrize(
    ("left", "waited", "slowed"),
    [
        (2, SLOWER_AT_MOST_EVERY_NS - 1, False),
        (2, SLOWER_AT_MOST_EVERY_NS, True),
        (1, SLOWER_AT_MOST_EVERY_NS, False),
        (1, SECOND - 1, False),
        (1, SECOND, True),
    ],
)
def test_a_share_of_few_is_taken_over_a_second(left: int, waited: int, *, slowed: bool) -> None:
    """A refusal slows a shard down a tenth of a second after the last time, but of less than `few` after a whole one."""
    pacer = Pacer(few=2)
    pacer.learn(SHARDS)
    pacer.throttled(LOW, NOW)
    for _ in range(left):
        pacer.leaves_at(LOW, 1, NOW)
    pacer.throttled(LOW, NOW + waited)
    assert slowed is (pacer.paces[0].share < 1)


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
    assert {} == pacer.paces


def test_a_split_or_a_merge_begins_anew(pacer: Pacer) -> None:
    """Other ranges are other shards: the old paces mean nothing."""
    pacer.throttled(LOW, NOW)
    pacer.learn(SHARDS)
    assert [0] == list(pacer.paces)
    pacer.learn((ShardRange("shardId-000000000002", 0),))
    assert {} == pacer.paces


def test_new_ranges_place_known_keys_anew(pacer: Pacer) -> None:
    """Which shard a key belongs to is remembered, and forgotten with the ranges that it followed from."""
    pacer.throttled(HIGH, NOW)
    assert [1] == list(pacer.paces)
    pacer.learn((ShardRange("shardId-000000000002", 0),))
    pacer.throttled(HIGH, NOW)
    assert [0] == list(pacer.paces)


def test_a_small_memory_of_keys_places_them_alike() -> None:
    """Where the shards of keys do not fit what may be remembered, they are worked out again."""
    pacer = Pacer(key_cache_bytes=1)
    pacer.learn(SHARDS)
    for key in (LOW, HIGH, LOW, HIGH):
        pacer.throttled(key, NOW)
    assert [0, 1] == sorted(pacer.paces)


def test_without_known_shards_nothing_is_paced() -> None:
    """Where shards may not be listed, throttled records only wait by their own backoff."""
    pacer = Pacer()
    pacer.throttled(LOW, NOW)
    assert ({}, NOW) == (pacer.paces, pacer.leaves_at(LOW, 1, NOW))


def test_an_explicit_hash_key_names_its_shard_by_itself(pacer: Pacer) -> None:
    """An aggregate has one: no MD5 is taken of it."""
    pacer.throttled(HALF, NOW)
    left = leave(pacer, HIGH, 2)
    assert 1.9 * SHARD_RECORDS_PER_SECOND <= left <= 2.2 * SHARD_RECORDS_PER_SECOND
    assert (HALF - 1, NOW) == (HALF - 1, pacer.leaves_at(HALF - 1, 10**9, NOW))


def test_few_large_records_are_judged_over_a_second() -> None:
    """One of two aggregates refused within a moment is one of twenty within the second, and costs as little."""
    pacer = Pacer(few=20)
    pacer.learn(SHARDS)
    pacer.throttled(LOW, NOW)
    for tenth in range(1, 11):
        at = NOW + tenth * 100 * MS
        for _ in range(2):
            pacer.leaves_at(LOW, 50_000, at)
    pacer.throttled(LOW, NOW + SECOND)
    left = leave(pacer, LOW, 2, NOW + 2 * SECOND, size=50_000)
    assert left * 50_000 > 2 * SHARD_BYTES_PER_SECOND * 0.9
