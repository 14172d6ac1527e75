"""Turns that may be passed over: until an event, or until the first moment that was foreseen."""

from __future__ import annotations

from doka.domain.rest import LOOK_AGAIN_NS, Rest

NOW = 1_000


class Foreseen:
    """Moments to be asked for, and how often they were."""

    def __init__(self, *moments: int | None) -> None:
        self.moments = moments
        self.asked: list[int] = []

    def __call__(self, after: int) -> tuple[int | None, ...]:
        self.asked.append(after)
        return self.moments


def test_it_does_not_rest_before_the_first_decision() -> None:
    """What was never decided may have something to decide."""
    assert not Rest().lasts(NOW, Foreseen())


def test_a_rest_lasts_until_the_first_moment_after_the_decision() -> None:
    """A moment that lay before the decision was decided by it; the next one ends the rest."""
    rest, foreseen = Rest(), Foreseen(None, NOW - 5, NOW, NOW + 30, NOW + 20)
    rest.begin(NOW)
    assert [True, True, False] == [rest.lasts(now, foreseen) for now in (NOW, NOW + 19, NOW + 20)]


def test_an_event_ends_a_rest() -> None:
    """After an event something may have to be decided, at the same moment too."""
    rest = Rest()
    rest.begin(NOW)
    rest.end()
    assert not rest.lasts(NOW, Foreseen())


def test_a_rest_never_outlasts_a_second() -> None:
    """Where nothing is foreseen a decision is taken all the same, now and then."""
    rest = Rest()
    rest.begin(NOW)
    assert [True, False] == [rest.lasts(NOW + LOOK_AGAIN_NS - left, Foreseen(None)) for left in (1, 0)]


def test_the_moments_are_asked_for_once_in_a_rest() -> None:
    """However many turns come, the moments are foreseen once, at the time of the decision."""
    foreseen = Foreseen(NOW + 50)
    rest = Rest()
    rest.begin(NOW)
    assert [NOW + 50] * 3 == [rest.wake(NOW + passed, foreseen) for passed in (1, 2, 60)]
    assert rest.lasts(NOW + 3, foreseen)
    assert [NOW] == foreseen.asked


def test_without_a_rest_the_moments_are_those_after_now() -> None:
    """Whoever asks after an event is told what comes next, seen from now; None where nothing does."""
    assert (NOW + 1, None) == (Rest().wake(NOW, Foreseen(NOW, NOW + 1)), Rest().wake(NOW, Foreseen(NOW)))
