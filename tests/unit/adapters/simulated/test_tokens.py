"""The simulated STS keeps the true time, and refuses what it did not issue or has taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doka.adapters.simulated.chance import Chance
from doka.adapters.simulated.clock import SimulatedClock
from doka.adapters.simulated.plan import Rates
from doka.adapters.simulated.timeline import START_NS, Timeline
from doka.adapters.simulated.tokens import TokenService, triple
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND

LIFE = 100 * NS_PER_SECOND


class Scene:
    """A token service with its time."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.clock = SimulatedClock(self.timeline)
        self.tokens = TokenService(self.timeline, self.clock, Chance(1).of("sts"), LIFE)

    def lease(self) -> Lease:
        """Issue a lease that must come."""
        event = self.tokens.answer("r0", self.timeline.now)
        assert isinstance(event, LeaseIssued)
        return event.lease

    def refusal(self) -> tuple[str, float | None]:
        """Ask for a lease that must be refused."""
        event = self.tokens.answer("r0", self.timeline.now)
        assert isinstance(event, LeaseRefused)
        return event.code, event.skew_seconds


@pytest.fixture
def scene() -> Scene:
    """Give a service that has issued nothing."""
    return Scene()


def test_a_lease_counts_from_the_question_and_lives_from_the_answer(scene: Scene) -> None:
    """The process is told less life than the token truly has, by the time that the question was on its way."""
    scene.timeline.pass_to(START_NS + 5)
    event = scene.tokens.answer("r0", START_NS)
    assert isinstance(event, LeaseIssued)
    assert START_NS + LIFE == event.lease.ends_at
    assert START_NS + 5 + LIFE == scene.tokens.tokens[1].ends_at


def test_a_token_is_good_until_its_true_end(scene: Scene) -> None:
    """A nanosecond before its end a token is accepted, at its end it is expired."""
    lease = scene.lease()
    scene.timeline.pass_to(START_NS + LIFE - 1)
    assert scene.tokens.judge(lease) is None
    scene.timeline.pass_to(START_NS + LIFE)
    assert scene.tokens.judge(lease) == "ExpiredTokenException"


@pytest.mark.parametrize("field", ["access_key", "secret_key", "token"])
def test_a_mixed_triple_is_refused(scene: Scene, field: str) -> None:
    """One field of another issue is enough (I6)."""
    old, new = scene.lease(), scene.lease()
    mixed = replace(new, secrets=replace(new.secrets, **{field: getattr(old.secrets, field)}))
    assert "UnrecognizedClientException" == scene.tokens.judge(mixed)


def test_what_was_never_issued_is_refused(scene: Scene) -> None:
    """A serial that the service does not know is not recognised."""
    unknown = Lease(99, "r0", triple(99), START_NS, START_NS + LIFE)
    assert "UnrecognizedClientException" == scene.tokens.judge(unknown)


def test_a_revocation_ends_the_living_and_not_the_next(scene: Scene) -> None:
    """Tokens alive at the revocation are refused by its code; the next one is good."""
    before = scene.lease()
    scene.tokens.revoke("AccessDeniedException")
    assert ("AccessDeniedException", None) == (scene.tokens.judge(before), scene.tokens.judge(scene.lease()))


def test_moods_refuse_and_end(scene: Scene) -> None:
    """Down, denied and throttled are told by their codes until their time is over."""
    until = START_NS + NS_PER_SECOND
    for mood, code in (
        ("down_until", "EndpointConnectionError"),
        ("denied_until", "AccessDenied"),
        ("throttled_until", "Throttling"),
    ):
        setattr(scene.tokens, mood, until)
        assert (code, None) == scene.refusal()
        scene.tokens.heal()
        assert scene.lease().serial


def test_a_host_clock_that_is_far_off_is_refused_and_measured(scene: Scene) -> None:
    """Twenty minutes of skew are refused with their size; four are not."""
    scene.clock.skew_seconds = -1_200.0
    assert ("SignatureDoesNotMatch", -1_200.0) == scene.refusal()
    scene.clock.skew_seconds = 240.0
    assert scene.lease().serial == 1


def test_short_and_past_leases_say_so(scene: Scene) -> None:
    """Odd leases carry their true end, however short or past it is."""
    scene.tokens.rates = Rates(sts_short=1.0)
    short = scene.lease()
    assert short.life is not None
    assert 0 < short.life < LIFE
    scene.tokens.rates = Rates(sts_past=1.0)
    past = scene.lease()
    assert past.ends_at is not None
    assert past.ends_at < scene.timeline.now
