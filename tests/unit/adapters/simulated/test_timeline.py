"""Virtual time moves only where somebody waits, and everything planned happens once, in order."""

from __future__ import annotations

from doka.adapters.simulated.timeline import START_NS, Timeline


def test_effects_happen_in_the_order_of_their_moments() -> None:
    """An earlier moment comes first, whenever it was planned."""
    timeline, seen = Timeline(), list[str]()
    timeline.after(20, lambda: seen.append("late"))
    timeline.after(10, lambda: seen.append("early"))
    timeline.pass_to(START_NS + 30)
    assert ["early", "late"] == seen


def test_effects_of_one_moment_keep_the_order_of_their_planning() -> None:
    """A tie is decided by who was planned first, never by chance."""
    timeline, seen = Timeline(), list[int]()
    for number in range(5):
        timeline.after(10, lambda n=number: seen.append(n))  # type: ignore[misc]
    timeline.pass_to(START_NS + 10)
    assert [0, 1, 2, 3, 4] == seen


def test_an_effect_sees_its_own_moment() -> None:
    """While an effect happens, now is its moment, and afterwards the time that was waited for."""
    timeline, seen = Timeline(), list[int]()
    timeline.after(10, lambda: seen.append(timeline.now))
    timeline.pass_to(START_NS + 25)
    assert ([START_NS + 10], START_NS + 25) == (seen, timeline.now)


def test_an_effect_may_plan_another_for_the_same_moment() -> None:
    """What an effect plans for now happens in the same wait."""
    timeline, seen = Timeline(), list[str]()
    timeline.after(10, lambda: timeline.after(0, lambda: seen.append("second")))
    timeline.pass_to(START_NS + 10)
    assert ["second"] == seen


def test_the_past_happens_now_and_time_never_goes_back() -> None:
    """An effect planned for the past happens at the next opportunity; waiting for the past changes nothing."""
    timeline, seen = Timeline(), list[int]()
    timeline.pass_to(START_NS + 100)
    timeline.at(START_NS + 50, lambda: seen.append(timeline.now))
    timeline.pass_to(START_NS + 10)
    assert ([], START_NS + 100) == (seen, timeline.now)
    timeline.pass_to(START_NS + 100)
    assert [START_NS + 100] == seen


def test_a_step_stops_after_one_effect() -> None:
    """Who waits for one thing looks after each effect whether it has come."""
    timeline, seen = Timeline(), list[str]()
    timeline.after(10, lambda: seen.append("first"))
    timeline.after(20, lambda: seen.append("second"))
    assert (True, ["first"], START_NS + 10) == (timeline.step(START_NS + 50), seen, timeline.now)
    assert (True, False) == (timeline.step(START_NS + 50), timeline.step(START_NS + 50))
    assert START_NS + 50 == timeline.now
