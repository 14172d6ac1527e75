"""The cases of credentials that are not good: by which codes a put is refused, and that nothing of it lands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from doka.app.conformance.bench import PATIENCE_NS, TAKEN, Bench, LeftOutError, NotJudgedError, SkewedClock, told
from doka.app.conformance.case import (
    DATE,
    EVERY_CODE,
    EXPIRATION,
    REFUSED_IS_NOT_LANDED,
    REVOKED,
    SKEW,
    Case,
    Need,
    Outcome,
    Seen,
)
from doka.domain.events import Event, LeaseIssued, LeaseRefused, PutAnswered, PutRefused
from doka.domain.lease import Lease, Secrets
from doka.domain.limits import NS_PER_SECOND, ROLE_SECONDS_MIN
from doka.domain.verdicts import Verdict, of_request

SKEW_SECONDS = 1_200.0
"""Four times of what AWS bears."""
NO_KEY = "ASIADOKACONFORMANCE0"
LIFE_TOLERANCE_SECONDS = 10.0
"""A session of 900 s is told to the second, and both dates are cut off."""
LOOK_EVERY_NS = 5 * NS_PER_SECOND


def wrong(change: Callable[[Secrets], Secrets], prefix: str) -> Callable[[Bench], Seen]:
    """Give the case of a put that is signed with changed secrets."""

    def play(bench: Bench) -> Seen:
        lease = bench.lease()
        answer = bench.put([(prefix, b"0")], lease=replace(lease, secrets=change(lease.secrets)))
        return _judged(bench, answer, prefix)

    return play


def _judged(bench: Bench, answer: Event, prefix: str) -> Seen:
    """Judge the answer to a put whose credentials are not good."""
    if isinstance(answer, PutAnswered):
        return Seen(Outcome.OPEN, TAKEN, "what answers does not look at credentials, so nothing is known")
    if not isinstance(answer, PutRefused):
        raise NotJudgedError(told(answer))
    if bench.landed(prefix):
        return Seen(Outcome.FAILS, f"{told(answer)}, and it landed", "what is refused would come twice")
    verdict = of_request(answer.code)
    if verdict is Verdict.LEASE:
        return Seen(
            Outcome.HOLDS, told(answer), "the lease is renewed at once, and the records go again under the next"
        )
    if verdict is Verdict.DENIED:
        return Seen(
            Outcome.DIFFERS, told(answer), "the lease is renewed once; where that does not help the route blocks"
        )
    if verdict is Verdict.RETRY:
        return Seen(Outcome.DIFFERS, told(answer), "the records go again, and the lease is renewed in its time only")
    return Seen(Outcome.FAILS, told(answer), f"doka takes this code for {verdict.value} and would not renew: report it")


def _other_secret(secrets: Secrets) -> Secrets:
    return replace(secrets, secret_key=secrets.secret_key[::-1] + "0")


def _other_token(secrets: Secrets) -> Secrets:
    token = secrets.token or "FwoGZXIvYXdzEXAMPLE"
    return replace(secrets, token=token[: len(token) // 2] + token[len(token) // 2 :].swapcase() + "A")


def skewed(bench: Bench) -> Seen:
    """Put with a host's clock that is twenty minutes ahead, twice: the sink learns the time from the first answer."""
    sink = bench.new_sink(SkewedClock(bench.clock, SKEW_SECONDS))
    first = bench.put([("skewed-1", b"0")], sink=sink)
    if isinstance(first, PutAnswered):
        return Seen(Outcome.OPEN, TAKEN, "what answers does not look at the date of a signature")
    if bench.landed("skewed-1"):
        return Seen(Outcome.FAILS, f"{told(first)}, and it landed", "what is refused would come twice")
    second = bench.put([("skewed-2", b"0")], sink=sink)
    answered = f"first {told(first)}, then {told(second)}"
    if isinstance(second, PutAnswered):
        return Seen(Outcome.HOLDS, answered, "the date of the refusal is learned, and the next put is taken")
    return Seen(Outcome.FAILS, answered, "a host with a wrong clock would not heal: set it by NTP, and report this")


# --- sessions ----------------------------------------------------------------------------------------------------------


def session(bench: Bench) -> Seen:
    """Assume the role for 900 s, and look what STS says of the end."""
    lease = _short_lease(bench)
    life = (lease.life or 0) / NS_PER_SECOND
    answered = f"a session that lives {life:.0f} s by its `Expiration` and the `Date` of the answer"
    if abs(life - ROLE_SECONDS_MIN) <= LIFE_TOLERANCE_SECONDS:
        return Seen(Outcome.HOLDS, answered, "a lease's end is known without the host's clock")
    if life < ROLE_SECONDS_MIN:
        return Seen(Outcome.DIFFERS, answered, "the lease is renewed sooner")
    return Seen(Outcome.FAILS, answered, "a lease would be used beyond its end")


def expired(bench: Bench) -> Seen:
    """Wait for the end of a session; put shortly before it, and from it on until that is refused."""
    lease = _short_lease(bench)
    if lease.ends_at is None:
        raise NotJudgedError("the session has no end")
    bench.parts.pause(max(lease.ends_at - LOOK_EVERY_NS - bench.clock.now(), 0))
    before = bench.put([("expired-before", b"0")], lease=lease)
    endless = replace(lease, ends_at=None)  # or the sink would not even sign it
    bench.parts.pause(max(lease.ends_at - bench.clock.now(), 0))
    while True:
        seconds = (bench.clock.now() - lease.ends_at) / NS_PER_SECOND
        answer = bench.put([("expired", b"0")], lease=endless)
        if not isinstance(answer, PutAnswered):
            break
        if seconds > 10 * PATIENCE_NS / NS_PER_SECOND:
            return Seen(
                Outcome.OPEN, f"still taken {seconds:.0f} s after its end", "doka signs nothing with it by then"
            )
        bench.parts.pause(LOOK_EVERY_NS)
    answered = f"5 s before its end {told(before)}, {max(seconds, 0):.0f} s after it {told(answer)}"
    if not isinstance(before, PutAnswered):
        return Seen(Outcome.FAILS, answered, "a session ends before STS says: doka would learn it by refusals")
    code = answer.code if isinstance(answer, PutRefused) else ""
    if of_request(code) is Verdict.LEASE:
        return Seen(Outcome.HOLDS, answered, "doka signs nothing so near to the end, and renews at such a refusal")
    return Seen(Outcome.FAILS, answered, "doka would not renew at this refusal: report it")


def _short_lease(bench: Bench) -> Lease:
    if bench.parts.short is None:
        raise LeftOutError("the route has no role, so doka asks STS for nothing")
    role, authority = bench.parts.short
    answer = authority.issue(role)
    if isinstance(answer, LeaseIssued):
        return answer.lease
    if isinstance(answer, LeaseRefused):
        raise NotJudgedError(f"no session of {ROLE_SECONDS_MIN} s: {answer.code}")
    raise NotJudgedError("STS gave no session")


def _never(_bench: Bench) -> Seen:
    raise NotJudgedError("nobody asks this")


_LEANS = (EVERY_CODE, REFUSED_IS_NOT_LANDED)
CASES = (
    Case(
        "wrong_key_id",
        "a put signed with an access key that there is not",
        _LEANS,
        wrong(lambda secrets: replace(secrets, access_key=NO_KEY), "wrong-key"),
    ),
    Case("wrong_secret", "a put signed with a wrong secret key", _LEANS, wrong(_other_secret, "wrong-secret")),
    Case("wrong_token", "a put with a session token that is garbled", _LEANS, wrong(_other_token, "wrong-token")),
    Case("skewed_clock", "two puts signed by a clock that is 20 minutes ahead", (SKEW, REFUSED_IS_NOT_LANDED), skewed),
    Case("session", "a session of 900 s, the shortest that there is", (EXPIRATION, DATE), session),
    Case("expired", "puts around the end of a session", (EXPIRATION, EVERY_CODE), expired, Need.EXPIRY),
    Case("revoked", "a put with a session that was revoked", (REVOKED,), _never, Need.RIGHTS),
)
