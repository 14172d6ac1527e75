"""The words say what the numbers are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doka.app.simulate import history as h
from doka.app.simulate.report import words
from tests.unit.app.simulate.report.made_up import incident


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.312, "312 ms"),
        (0.006, "6 ms"),
        (1, "1 s"),
        (90.25, "90.2 s"),
        (600, "10 min"),
        (7_200, "2 h"),
        (223_140, "61 h 59 min"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    """Nobody counts 223,140 seconds."""
    assert text == words.lasting(seconds)


def test_the_card_of_the_loser_says_how_much_and_from_when() -> None:
    """The two facts that matter, and the reason below."""
    history = incident()
    card = words.card(history, history.side("original"))
    assert "22,320,000 <small>of 22,680,000 lost, from Fri 19:00 on</small>" in card
    assert '<section class="card bad">' in card
    assert "<li>62 hours of records were committed and never landed</li>" in card
    assert " 1 lease," in card


def test_the_other_card_is_green_and_has_no_date() -> None:
    """Nothing is lost, so there is nothing to date."""
    history = incident()
    card = words.card(history, history.side("doka"))
    assert "0 <small>of 22,680,000 lost</small>" in card
    assert '<section class="card good">' in card


def test_every_verdict_has_a_sentence() -> None:
    """None is shown as a code word."""
    verdicts = {h.CLEAN, h.WAITS, h.LATE, h.DOUBLED, h.DISORDERED, h.LOST, h.BROKEN}
    assert verdicts == set(words.HEADLINES)


def test_the_table_sets_the_sums_side_by_side() -> None:
    """One column a side, in their order."""
    table = words.table(incident())
    assert '<th scope="col">original</th><th scope="col">doka</th>' in table
    assert '<th scope="row">lost</th><td>22,320,000</td><td>0</td>' in table


def test_the_story_is_text_and_not_markup() -> None:
    """A sentence may hold anything."""
    history = incident()
    assert "signs &lt;/script&gt; already" in words.story(history, history.side("doka"))


def test_a_world_without_faults_says_so() -> None:
    """An empty list would look like a fault of the page."""
    history = incident()
    assert "Sat 02:03 to Sat 02:36</time> STS does not answer" in words.faults(history)
    assert "Nothing was wrong" in words.faults(replace(history, faults=()))
