"""Which slice of the hash space a key belongs to."""

from __future__ import annotations

import tracemalloc
from hashlib import md5

import pytest

from doka.domain.errors import InvariantError
from doka.domain.remembered import TEXT_OVERHEAD_BYTES
from doka.domain.sending.slices import HASH_BITS, Slices


@pytest.mark.parametrize("count", [1, 2, 64, 1_024, 65_536])
def test_a_key_is_in_the_slice_that_holds_its_md5(count: int) -> None:
    """As Kinesis would place it: so a stream with no more shards than slices keeps it in its shard."""
    slices = Slices(count)
    width = (1 << HASH_BITS) // count
    for key in ("a", "order-1", "ключ", "x" * 256):
        place = int.from_bytes(md5(key.encode(), usedforsecurity=False).digest())
        assert slices.of(key) * width <= place < (slices.of(key) + 1) * width


@pytest.mark.parametrize("count", [1, 2, 64, 65_536])
def test_the_middle_lies_in_the_middle(count: int) -> None:
    """As far from both ends as there is, and within the hash space."""
    slices = Slices(count)
    width = (1 << HASH_BITS) // count
    assert [width // 2, (1 << HASH_BITS) - width // 2] == [slices.middle(0), slices.middle(count - 1)]


@pytest.mark.parametrize("count", [0, 3, 131_072])
def test_only_powers_of_two(count: int) -> None:
    """Any other number would cut the space unevenly."""
    with pytest.raises(InvariantError):
        Slices(count)


def test_what_is_remembered_is_bounded() -> None:
    """Beyond its bound in bytes the memory starts anew, and gives the same."""
    slices = Slices(64, 10 * (2 + TEXT_OVERHEAD_BYTES))
    found = [slices.of(str(i)) for i in range(25)]
    assert found == [Slices(64).of(str(i)) for i in range(25)]
    assert 5 == len(slices)


def test_what_is_remembered_is_as_large_as_it_says() -> None:
    """What the bound counts is what CPython takes, within a quarter, where nothing else holds the keys."""
    for length in (36, 248):
        slices = Slices(64)
        tracemalloc.start()
        for i in range(16_000):
            slices.of(str(i).zfill(length))
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert slices.size == pytest.approx(taken, rel=0.25)
