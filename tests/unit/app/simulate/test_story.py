from __future__ import annotations

from doka.app.simulate.engine import run_side
from doka.app.simulate.history import BAD, GOOD
from doka.app.simulate.scene import DOKA, ORIGINAL, Scene, Traffic, Trouble, simple_rules
from doka.domain.rules import RotationPolicy

SLOW = Traffic(rate=1.0, keys=100, burst_seconds=10.0)


def test_the_story_of_the_original_tells_what_nobody_saw() -> None:
    """The lease ends, the first put is refused, the offset moves on, and the lag is 0 at the end."""
    scene = Scene("test", 1_800.0, 900.0, traffic=SLOW, rules=simple_rules(RotationPolicy.NEVER))
    story = [moment.told for moment in run_side(scene, ORIGINAL).moments]
    assert [
        "first lease, until Fri 18:15",
        "the last lease ends, and nobody asked for another",
        "first put refused: ExpiredTokenException",
        "the offset moves on over records that never landed",
        "900 of 1,800 records delivered, lag 0, 900 lost",
    ] == story


def test_the_story_of_an_outage_has_its_end() -> None:
    """STS goes away, gives no lease, comes back; delivery goes on, and nothing is lost."""
    trouble = Trouble("sts_down", 100.0, 1_500.0)
    scene = Scene("test", 1_800.0, 900.0, traffic=SLOW, troubles=(trouble,))
    story = run_side(scene, DOKA).moments
    told = [moment.told for moment in story]
    assert story == tuple(sorted(story, key=lambda moment: moment.at_seconds))
    assert told.index("STS does not answer") < told.index("STS gives no lease: EndpointConnectionError")
    assert told.index("over: STS does not answer") < told.index("STS gives a lease again")
    assert any(moment.told.startswith("delivers again, after ") and moment.tone == GOOD for moment in story)
    assert (GOOD, "1,800 of 1,800 records delivered, lag 0, 0 lost") == (story[-1].tone, told[-1])
    assert BAD == story[told.index("STS does not answer")].tone
