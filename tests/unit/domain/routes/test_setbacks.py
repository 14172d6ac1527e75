from __future__ import annotations

from doka.domain.limits import BACKOFF_LAST_NS, PACED_BACKOFF_LAST_NS, RETRY_BACKOFF_LAST_NS, THROTTLE_BACKOFF_LAST_NS
from doka.domain.routes.standing import Setbacks
from doka.domain.verdicts import Verdict
from tests.unit.domain.builders import most_jitter, no_jitter


def test_one_failure_is_remembered_until_something_lands() -> None:
    """After a whole request failed only one leaves at a time, until one lands or the stream was described."""
    setbacks = Setbacks(no_jitter)
    assert not setbacks
    setbacks.failed(Verdict.THROTTLED)
    assert setbacks
    setbacks.succeeded(1)
    assert not setbacks
    setbacks.failed(Verdict.RETRY)
    setbacks.forget()
    assert not setbacks


def test_five_requests_of_which_nobody_knows_are_too_many() -> None:
    """A route blocks at the fifth in a row; throttled ones do not count."""
    setbacks = Setbacks(no_jitter)
    assert [False] * 6 == [setbacks.failed(Verdict.THROTTLED) for _ in range(6)]
    assert [False] * 4 + [True] == [setbacks.failed(Verdict.AMBIGUOUS) for _ in range(5)]
    setbacks.succeeded(1)
    assert not setbacks.failed(Verdict.AMBIGUOUS)


def test_only_a_lease_that_worked_is_suspected_and_once() -> None:
    """A denial may be a revoked session's; the next lease's denial is the policy's, until something lands again."""
    setbacks = Setbacks(no_jitter)
    assert not setbacks.may_be_revoked(1)
    setbacks.succeeded(1)
    assert (True, False) == (setbacks.may_be_revoked(1), setbacks.may_be_revoked(2))
    setbacks.denied(1)
    assert (True, False) == (setbacks.may_be_revoked(1), setbacks.may_be_revoked(2))
    setbacks.succeeded(2)
    assert (1 + 1, True, False) == (setbacks.landed_with, setbacks.may_be_revoked(2), setbacks.may_be_revoked(1))


def test_each_verdict_has_its_longest_wait() -> None:
    """A throttled shard is asked again soonest, most of all where its pace is known; what nobody knows least often."""
    setbacks = Setbacks(most_jitter)
    waits = {verdict: setbacks.wait(30, verdict, paced=False) for verdict in Verdict}
    assert {
        Verdict.THROTTLED: THROTTLE_BACKOFF_LAST_NS,
        Verdict.RETRY: RETRY_BACKOFF_LAST_NS,
        Verdict.AMBIGUOUS: RETRY_BACKOFF_LAST_NS,
        Verdict.LANE: BACKOFF_LAST_NS,
        Verdict.BLOCKED: BACKOFF_LAST_NS,
    }.items() <= {verdict: wait + 1 for verdict, wait in waits.items()}.items()
    paced = [setbacks.wait(30, verdict, paced=True) + 1 for verdict in (Verdict.THROTTLED, Verdict.RETRY)]
    assert [PACED_BACKOFF_LAST_NS, RETRY_BACKOFF_LAST_NS] == paced
