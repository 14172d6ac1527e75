from __future__ import annotations

from doka.app.simulate.engine import history_of, run_side
from doka.app.simulate.history import History
from doka.app.simulate.incident import incident_scene, moral, told
from doka.app.simulate.scene import DOKA, ORIGINAL


def weekend(hours: float) -> History:
    """Give the first hours of the weekend, slowly."""
    scenes = [(incident_scene(side, hours=hours, rate=1.0), side) for side in (ORIGINAL, DOKA)]
    return told(history_of(scenes[-1][0], [run_side(scene, side) for scene, side in scenes]))


def test_each_side_has_its_story() -> None:
    """The original's token ends and takes everything with it; doka's is renewed, however often it is looked at."""
    original, doka = weekend(13.0).sides
    assert [
        "deployed; its token ends Fri 19:00",
        "token ends; nobody renews it",
        "put refused: ExpiredTokenException",
        "the error is logged, the offset moves on",
        "lag 0: looks healthy; 39,590 gone by now",
        "somebody looks: 43,200 records are gone",
    ] == [moment.told for moment in original.moments]
    story = [moment.told for moment in doka.moments]
    assert story[1].startswith("token renewed, 1")
    assert ["lag 0; 43,190 delivered", "all 46,800 records delivered"] == story[-2:]


def test_the_moral_has_the_numbers_of_the_run() -> None:
    """It names how many were lost, since when, and how high the lag ever was."""
    first, second = moral(weekend(2.0))
    assert "lost 3,600 records from Fri 19:00 on. Its lag was never above 10 records" in first
    assert second.startswith("doka lost 0: it renews a token before its end (3 leases, 0 refused)")


def test_a_run_within_the_first_token_has_no_loss_to_tell() -> None:
    """Whoever simulates half an hour is not told of an incident."""
    assert "The original lost nothing" in moral(weekend(0.5))[0]
