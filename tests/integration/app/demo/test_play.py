import io

import pytest
from rich.console import Console

from doka.adapters.system.clock import SystemClock
from doka.app.demo.actors import DokaActor
from doka.app.demo.orders import judge
from doka.app.demo.play import Play, perform
from doka.app.demo.screen import Screen
from doka.app.demo.stage import Stage

pytestmark = pytest.mark.xdist_group("demo")


def test_a_play_ends_when_everything_is_delivered_and_committed(stage: Stage) -> None:
    """A small play feeds, delivers, commits, stops by itself, and its last moment holds the whole."""
    out = io.StringIO()
    play = Play(records=1_000, token_seconds=5.0, policy="before_expiry", original=False)

    moment = perform(
        play, stage, DokaActor(stage, play.policy), Screen(Console(file=out, width=120), play.title), SystemClock()
    )

    assert (moment.fed, moment.landed, moment.committed) == (1_000, 1_000, 1_000)
    assert judge(moment.fed, stage.read_back()).clean
    assert "in   1000  out   1000  committed   1000" in out.getvalue().splitlines()[-1]


def test_a_play_says_who_plays() -> None:
    """The title names the service, the token's life and the policy."""
    assert Play(1, 5.0, "never", original=True).title == (
        "the original service: Kafka -> Kinesis, tokens die after 5 s, policy never"
    )
    assert Play(20_000, 5.0, "before_expiry", original=False).feed_seconds == 16.0
