"""A decision lasts until an event, or until the first moment that was foreseen."""

from __future__ import annotations

from doka.domain.turn import LOOK_AGAIN_NS, Decision, Turn

NOW = 1_000


class Foreseen:
    """Moments to be asked for, and how often they were."""

    def __init__(self, *moments: int | None) -> None:
        self.moments = moments
        self.asked: list[int] = []

    def __call__(self, after: int) -> tuple[int | None, ...]:
        self.asked.append(after)
        return self.moments


def decided(foreseen: Foreseen) -> Decision:
    """Make what was decided at NOW, with nothing to do."""
    return Decision((), fetch=None, in_flight=0, left=None, at=NOW, lingers_until=0, moments=foreseen)


def test_each_turn_begins_empty() -> None:
    """What follows from an event is never mixed with what followed before."""
    first, second = Turn(), Turn()
    first.commands.append(None)  # type: ignore[arg-type]  # whatever it is
    assert ([], {}, False) == (second.commands, second.moved, second.look)


def test_a_decision_lasts_until_the_first_moment_after_it() -> None:
    """A moment that lay before the decision was decided by it; the next one ends it."""
    made = decided(Foreseen(None, NOW - 5, NOW, NOW + 30, NOW + 20))
    assert [True, True, False] == [made.lasts(now) for now in (NOW, NOW + 19, NOW + 20)]


def test_what_is_left_to_be_decided_ends_a_decision() -> None:
    """It then lasts for no time at all, and is over at the very moment it was taken."""
    made = decided(Foreseen(NOW + 50))
    made.expires()
    assert (False, NOW) == (made.lasts(NOW), made.until())


def test_a_decision_never_outlasts_a_second() -> None:
    """Where nothing is foreseen another is taken all the same, now and then."""
    made = decided(Foreseen(None))
    assert [True, False] == [made.lasts(NOW + LOOK_AGAIN_NS - left) for left in (1, 0)]


def test_the_moments_are_asked_for_once() -> None:
    """However many turns come, the moments are foreseen once, at the time of the decision."""
    foreseen = Foreseen(NOW + 50)
    made = decided(foreseen)
    assert [] == foreseen.asked
    assert [NOW + 50] * 3 == [made.until() for _ in range(3)]
    assert made.lasts(NOW + 3)
    assert [NOW] == foreseen.asked


def test_where_no_moment_is_foreseen_only_an_event_ends_it() -> None:
    """A moment at or before the decision is none."""
    assert (NOW + 1, None) == (decided(Foreseen(NOW, NOW + 1)).until(), decided(Foreseen(NOW)).until())
