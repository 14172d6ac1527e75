"""When a resend gives up."""

from __future__ import annotations

from doka.adapters.system.inbox import ThreadInbox
from doka.app.letters.telemetry import GIVEN_UP_NS, ResendTelemetry
from doka.app.replay.outcome import Outcome
from doka.domain.events import StopRequested
from doka.domain.replay.pace import Pace
from doka.domain.status import RouteStatus, Status
from tests.manual_clock import ManualClock


def status(at: int, blocked: str | None) -> Status:
    """Give the state of a route."""
    route = RouteStatus("orders", blocked, in_flight=0, waiting=1, key_fallbacks=0)
    return Status(at=at, held_bytes=0, held_bytes_max=1, routes={"orders": route})


def test_a_route_that_is_blocked_for_long_ends_it_and_one_that_goes_on_does_not() -> None:
    """The time begins anew with each block."""
    inbox, shown = ThreadInbox(), list[Status]()
    telemetry = ResendTelemetry(Outcome(), Pace(1, 0), ManualClock(), shown.append, inbox)
    for at, blocked in ((0, "denied"), (GIVEN_UP_NS - 1, "denied"), (GIVEN_UP_NS, None), (GIVEN_UP_NS + 1, "denied")):
        telemetry.publish(status(at, blocked))
    assert ([], 4) == (list(inbox.drain()), len(shown))
    telemetry.publish(status(2 * GIVEN_UP_NS + 1, "denied"))
    assert [StopRequested("the stream, which takes nothing: denied")] == list(inbox.drain())
