"""What of the letters of a partition is left to be resent, and how that stands beside a commit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doka.domain.letters.resent import NOTE_CHARACTERS_MAX, Resent, TooManyLeftError


@given(st.sets(st.integers(0, 3_000)), st.integers(0, 3_000))
def test_what_is_noted_is_read_again(left: set[int], reached: int) -> None:
    """Below what was reached each letter is done unless it was left out; the commit is never above one that was."""
    below = sorted(offset for offset in left if offset < reached)
    made = Resent.of(below, reached)
    assert made.offset == min([*below, reached])
    read = Resent.parse(made.offset, made.note())
    assert made == read
    assert [offset for offset in range(3_001) if not read.is_done(offset)] == sorted({*below, *range(reached, 3_001)})


@pytest.mark.parametrize(
    ("left", "reached", "note"),
    [([], 7, ""), ([0], 1, "B"), ([2, 3], 9, "CF"), ([0, 40, 41], 2_000, "BnBCm9B")],
)
def test_a_note_is_as_short_as_this(left: list[int], reached: int, note: str) -> None:
    """Pinned: an older doka's commits are read by a newer one."""
    assert note == Resent.of(left, reached).note()


@pytest.mark.parametrize("note", ["", None, "!", "B B", "g", "Bg"])
def test_a_note_that_cannot_be_read_says_nothing(note: str | None) -> None:
    """Then what it would have said is resent once more, and never passed."""
    assert Resent(5) == Resent.parse(5, note)


def test_what_does_not_fit_is_refused() -> None:
    """Each letter but one of two: there is room for so many, and then no more."""
    every_other = list(range(0, NOTE_CHARACTERS_MAX, 2))
    assert NOTE_CHARACTERS_MAX == len(Resent.of(every_other, NOTE_CHARACTERS_MAX).note())
    with pytest.raises(TooManyLeftError):
        Resent.of([*every_other, NOTE_CHARACTERS_MAX], NOTE_CHARACTERS_MAX + 2).note()
