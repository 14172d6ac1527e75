"""The STS of the simulated world: it issues tokens, knows the true time of their end, and may revoke them.

It must never accept what it did not issue: a triple of which one field comes from another issue is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random  # noqa: TID251 - the type of a seeded source that is given

from doka.adapters.simulated.clock import SimulatedClock
from doka.adapters.simulated.plan import Rates
from doka.adapters.simulated.timeline import Timeline
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.lease import Lease, Secrets
from doka.domain.limits import NS_PER_SECOND

SKEW_SECONDS_MAX = 300.0  # beyond it AWS refuses a signature's date
REVOKED_CODES = (
    "ExpiredTokenException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "AccessDeniedException",
)


@dataclass(slots=True)
class Token:
    """One issue, as the authority knows it."""

    serial: int
    role: str
    ends_at: int
    refused_with: str | None = None


@lru_cache(maxsize=4_096)
def triple(serial: int) -> Secrets:
    """Give the three secrets of one issue; each names its serial, so that a mixture shows."""
    return Secrets(f"AKIA{serial}", f"secret-{serial}", f"token-{serial}")


class TokenService:
    """Every token ever issued, and the authority's moods; all `until` are moments on the timeline."""

    def __init__(self, timeline: Timeline, clock: SimulatedClock, chance: Random, life: int) -> None:
        self.rates = Rates()
        self.down_until = 0
        self.slow_until = 0
        self.denied_until = 0
        self.throttled_until = 0
        self.writes_denied_until = 0
        self.tokens: dict[int, Token] = {}
        self._timeline = timeline
        self._clock = clock
        self._chance = chance
        self.life = life

    def heal(self) -> None:
        """Let every mood end."""
        self.rates = Rates()
        self.down_until = self.slow_until = self.denied_until = self.throttled_until = self.writes_denied_until = 0

    def answer(self, role: str, asked_at: int) -> LeaseIssued | LeaseRefused:
        """Decide a question that was asked at `asked_at` and arrives now."""
        now = self._timeline.now
        rates = self.rates
        if now < self.down_until or self._chance.random() < rates.sts_failed:
            return LeaseRefused(role, "EndpointConnectionError", "could not connect to STS")
        if abs(self._clock.skew_seconds) > SKEW_SECONDS_MAX:
            return LeaseRefused(role, "SignatureDoesNotMatch", "signature expired", self._clock.skew_seconds)
        if now < self.denied_until:
            return LeaseRefused(role, "AccessDenied", "not authorized to perform: sts:AssumeRole")
        if now < self.throttled_until:
            return LeaseRefused(role, "Throttling", "rate exceeded")
        life = self.life
        if self._chance.random() < rates.sts_short:
            life //= 1 + self._chance.randrange(1, 8)
        if self._chance.random() < rates.sts_past:
            life = -NS_PER_SECOND
        serial = len(self.tokens) + 1
        token = self.tokens[serial] = Token(serial, role, now + life)
        if rates.sts_unknown and self._chance.random() < rates.sts_unknown:
            token.refused_with = "UnrecognizedClientException"
        # As the real adapter does: the life that the authority names, counted from before the question was sent.
        return LeaseIssued(Lease(serial, role, triple(serial), asked_at, asked_at + life))

    def revoke(self, code: str) -> None:
        """End every token that is alive: requests signed with one are refused with `code` from now on."""
        for token in self.tokens.values():
            if token.refused_with is None and token.ends_at > self._timeline.now:
                token.refused_with = code

    def judge(self, lease: Lease) -> str | None:
        """Give the code with which a request signed by this lease is refused now; None when it is accepted."""
        token = self.tokens.get(lease.serial)
        if token is None or lease.secrets != triple(lease.serial):
            return "UnrecognizedClientException"
        if self._timeline.now >= token.ends_at:
            return "ExpiredTokenException"
        if self._timeline.now < self.writes_denied_until:
            return "AccessDeniedException"
        return token.refused_with
