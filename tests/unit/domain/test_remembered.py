from __future__ import annotations

from doka.domain.remembered import Remembered


class Doubled(Remembered[int, int]):
    """Remembers the double of numbers, 10 bytes each, and which it worked out."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self.worked_out: list[int] = []

    def __missing__(self, key: int) -> int:
        self.worked_out.append(key)
        return self.keep(key, 2 * key, 10)


def test_a_value_is_worked_out_once() -> None:
    """However often it is looked up."""
    found = Doubled(100)
    assert ([2, 4, 2, 2], [1, 2], 20) == (list(map(found.__getitem__, (1, 2, 1, 1))), found.worked_out, found.size)


def test_what_is_remembered_never_outgrows_its_bound() -> None:
    """Up to the bound everything is kept; what would go beyond it begins anew, and counts alone."""
    found = Doubled(30)
    sizes = []
    for number in range(7):
        found[number]
        sizes.append((len(found), found.size))
    assert [(1, 10), (2, 20), (3, 30), (1, 10), (2, 20), (3, 30), (1, 10)] == sizes
    assert {6: 12} == found


def test_what_alone_is_beyond_the_bound_is_found_all_the_same() -> None:
    """A bound that is too small for anything costs time, never an answer."""
    found = Doubled(5)
    assert ([2, 4], 1) == ([found[1], found[2]], len(found))
