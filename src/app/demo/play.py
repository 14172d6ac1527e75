"""One run of the demo: feed, watch, stop when it is over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from doka.app.demo.actors import Actor
from doka.app.demo.feeder import Feeder
from doka.app.demo.screen import Moment, Screen
from doka.app.demo.stage import TOPIC, Stage
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

FEED_RATE = 1_250  # records a second: moto stores about 1,750
FRAME_SECONDS = 0.1
GRACE_SECONDS = 3.0  # for a service that does not deliver, once everything was fed
LATE_SECONDS = 30.0  # after the last order is due: a demo that has not ended by then says what it has


@dataclass(frozen=True, slots=True)
class Play:
    """What is played: how many records, under which policy, with which tokens, by which service."""

    records: int
    token_seconds: float
    policy: str
    original: bool

    @property
    def feed_seconds(self) -> float:
        """How long the feeding takes."""
        return self.records / FEED_RATE

    @property
    def title(self) -> str:
        """One line above the picture."""
        who = "the original service" if self.original else "doka"
        return f"{who}: Kafka -> Kinesis, tokens die after {self.token_seconds:g} s, policy {self.policy}"


def perform(play: Play, stage: Stage, actor: Actor, screen: Screen, clock: Clock) -> Moment:
    """Run the actor on this thread while another feeds, watches, and stops it when the play is over."""
    feeder = Feeder(stage.bootstrap_servers, TOPIC, play.records, play.feed_seconds, clock)
    over = threading.Event()
    began = clock.now()

    def look() -> Moment:
        now = clock.now()
        counts = stage.gate.counts()
        return Moment(
            records=play.records,
            fed=feeder.fed,
            landed=counts.records_passed,
            committed=actor.moved(),
            lease_left=actor.lease_left(now),
            token_seconds=play.token_seconds,
            leases_used=counts.leases_used,
            refused=sum(counts.puts_refused.values()),
            blocked=actor.blocked(),
            lines=actor.lines(),
            elapsed=(now - began) / NS_PER_SECOND,
        )

    watcher = threading.Thread(
        target=_watch,
        args=(feeder, actor, screen, look, over),
        kwargs={"latest": play.feed_seconds + LATE_SECONDS},
        name="demo-watcher",
        daemon=True,
    )
    with screen:
        feeder.start()
        watcher.start()
        try:
            actor.run()
        finally:
            over.set()
            feeder.close()
            watcher.join()
        last = look()
        screen.show(last, last=True)
    return last


def _watch(
    feeder: Feeder, actor: Actor, screen: Screen, look: Callable[[], Moment], over: threading.Event, *, latest: float
) -> None:
    """Show every moment; stop the actor when all is delivered, when it will not be, or when it takes too long."""
    gives_up_at: float | None = None
    while not over.wait(FRAME_SECONDS):
        moment = look()
        screen.show(moment)
        if feeder.failed is not None or moment.elapsed > latest:
            actor.stop(feeder.failed or "the demo's time is over")
            return
        if moment.blocked is None:
            gives_up_at = None
        elif gives_up_at is None and feeder.done:
            gives_up_at = moment.elapsed + GRACE_SECONDS
        gave_up = gives_up_at is not None and moment.elapsed > gives_up_at
        if feeder.done and (moment.committed >= moment.fed or gave_up):
            actor.stop("the end of the demo")
            return
