from __future__ import annotations

from collections.abc import Sequence

from doka.domain.remembered import Remembered


class Doubled(Remembered[int, int]):
    """Remembers the double of numbers, 10 bytes each, and which it worked out."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self.worked_out: list[Sequence[int]] = []

    def work_out(self, keys: Sequence[int]) -> tuple[Sequence[int], int]:
        """Double them."""
        self.worked_out.append(list(keys))
        return [2 * key for key in keys], 10 * len(keys)


def test_a_value_is_worked_out_once() -> None:
    """However often it is looked up, alone or among others."""
    found = Doubled(100)
    assert ([2, 4, 2, 2], [[1], [2]], 20) == (list(map(found.of, (1, 2, 1, 1))), found.worked_out, found.size)
    assert ([4, 6, 2, 6, 8], [[1], [2], [3, 4]], 40) == (found.of_all((2, 3, 1, 3, 4)), found.worked_out, found.size)


def test_zero_is_a_value() -> None:
    """What is falsy is remembered like everything else."""
    found = Doubled(100)
    assert ([0, 0], [0, 0], [[0]]) == ([found.of(0), found.of(0)], found.of_all((0, 0)), found.worked_out)


def test_what_is_remembered_never_outgrows_its_bound() -> None:
    """Up to the bound everything is kept; what would go beyond it begins anew, and counts alone."""
    found = Doubled(30)
    sizes = []
    for number in range(7):
        found.of(number)
        sizes.append((len(found), found.size))
    assert [(1, 10), (2, 20), (3, 30), (1, 10), (2, 20), (3, 30), (1, 10)] == sizes


def test_a_batch_beyond_the_bound_keeps_what_was_new_in_it() -> None:
    """What is known is given from what is forgotten, and nothing is worked out twice for it."""
    found = Doubled(30)
    found.of_all((1, 2))
    assert found.of_all((2, 3, 4, 2)) == [4, 6, 8, 4]
    assert ([[1, 2], [3, 4]], 2, 20) == (found.worked_out, len(found), found.size)
    assert ([6, 2], [1]) == (found.of_all((3, 1)), found.worked_out[-1])


def test_what_alone_is_beyond_the_bound_is_found_all_the_same() -> None:
    """A bound that is too small for anything costs time, never an answer or memory."""
    found = Doubled(25)
    assert ([2, 4, 6, 2], 0, 0) == (found.of_all((1, 2, 3, 1)), len(found), found.size)
    small = Doubled(5)
    assert ([2, 4], 0) == ([small.of(1), small.of(2)], len(small))


def test_what_is_forgotten_is_worked_out_again() -> None:
    """And takes nothing meanwhile."""
    found = Doubled(100)
    found.of(1)
    found.forget()
    assert (0, 0, 2, [[1], [1]]) == (len(found), found.size, found.of(1), found.worked_out)
