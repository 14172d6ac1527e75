from __future__ import annotations

import pytest

from doka.app.simulate.engine import history_of, run_side
from doka.app.simulate.history import History
from doka.app.simulate.incident import incident_scene, moral, told
from doka.app.simulate.scene import DOKA, ORIGINAL


def weekend(hours: float) -> History:
    """Give the first hours of the weekend, with a record every ten seconds."""
    scenes = [(incident_scene(side, hours=hours, rate=0.1), side) for side in (ORIGINAL, DOKA)]
    return told(history_of(scenes[-1][0], [run_side(scene, side) for scene, side in scenes]))


@pytest.fixture(scope="module")
def thirteen_hours() -> History:
    """Give so much of the weekend that somebody has looked once."""
    return weekend(13.0)


def test_each_side_has_its_story(thirteen_hours: History) -> None:
    """The original's token ends and takes everything with it; doka's is renewed, however often it is looked at."""
    original, doka = thirteen_hours.sides
    assert [
        "deployed; its token ends Fri 19:00",
        "token ends; nobody renews it",
        "put refused: ExpiredTokenException",
        "the error is logged, the offset moves on",
        "lag 0: looks healthy; 3,959 gone by now",
        "somebody looks: 4,320 records are gone",
    ] == [moment.told for moment in original.moments]
    story = [moment.told for moment in doka.moments]
    assert story[1].startswith("token renewed, 1")
    assert ["lag 0; 4,319 delivered", "all 4,680 records delivered"] == story[-2:]


def test_the_moral_has_the_numbers_of_the_run(thirteen_hours: History) -> None:
    """It names how many were lost, since when, and how high the lag ever was."""
    first, second = moral(thirteen_hours)
    assert "lost 4,320 records from Fri 19:00 on. Its lag was never above 1 records" in first
    assert second.startswith("doka lost 0: it renews a token before its end (16 leases, 0 refused)")


def test_a_run_within_the_first_token_has_no_loss_to_tell() -> None:
    """Whoever simulates half an hour is not told of an incident."""
    assert "The original lost nothing" in moral(weekend(0.5))[0]
