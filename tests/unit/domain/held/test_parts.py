from __future__ import annotations

from doka.domain.held.ledger import Part, count, split, without_unsent
from tests.unit.domain.builders import held, partition


def test_records_are_counted_over_parts() -> None:
    """However they are spread."""
    chunk = held(partition(), "abcd")
    assert (0, 4) == (count([]), count([Part(chunk, range(3)), Part(chunk, [3])]))


def test_a_list_is_cut_after_so_many_records() -> None:
    """The part that lies across the cut is parted, and keeps its attempts."""
    chunk = held(partition(), "abcde")
    one, two = Part(chunk, range(2), 1), Part(chunk, [2, 3, 4], 7)
    assert ([one, Part(chunk, [2], 7)], [Part(chunk, [3, 4], 7)]) == split([one, two], 3)
    assert ([one], [two]) == split([one, two], 2)
    assert ([], [one, two]) == split([one, two], 0)


def test_a_drain_leaves_what_was_sent() -> None:
    """What lies above all that was sent is left out, and all of a partition that is gone; others stay as they are."""
    owner, other = partition(), partition()
    part, beside = Part(held(owner, "abc"), [0, 1, 2]), Part(held(other, "abc"), [2])
    owner.sent_to = 2
    assert [part._replace(places=[0, 1]), beside] == without_unsent([part, beside], owner)
    other.gone = True
    assert [part] == without_unsent([part, beside], other)
