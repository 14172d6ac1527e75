import pytest

from doka.adapters.system.clock import SystemClock
from doka.app.demo.actors import DokaActor, OriginalActor
from doka.app.demo.stage import Stage

pytestmark = pytest.mark.xdist_group("demo")


def test_doka_begins_with_nothing_moved(stage: Stage) -> None:
    """Before it runs, doka has moved nothing, holds no lease and is not blocked."""
    actor = DokaActor(stage, "before_expiry")

    assert (actor.moved(), actor.lease_left(0), actor.blocked(), actor.lines()) == (0, None, None, [])


def test_a_stop_before_the_run_ends_it_at_once(stage: Stage) -> None:
    """The wish to stop waits in the inbox: the service joins, finds it, and leaves."""
    actor = DokaActor(stage, "before_expiry")

    actor.stop("the test")
    actor.run()

    assert actor.lines()[-1] == "the service ended with exit code 0: stopped by the test"


def test_the_original_has_its_one_token_from_the_start(stage: Stage) -> None:
    """The service of the incident gets one token before it runs, and never says that it is blocked."""
    actor = OriginalActor(stage)
    now = SystemClock().now()

    left = actor.lease_left(now)
    assert left is not None
    assert 0 < left <= 4
    assert actor.lease_left(now + 10**11) == 0
    assert actor.blocked() is None
    assert actor.lines() == []
