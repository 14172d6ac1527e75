from __future__ import annotations

import re

import pytest

from doka.app.conformance.bench import Bench, LeftOutError, NotJudgedError
from doka.app.conformance.case import Case, Outcome
from doka.app.conformance.refusals import CASES, expired, session, skewed
from doka.domain.limits import NS_PER_SECOND
from tests.fake_aws import Answer, FakeAws, Refuse, Reset
from tests.integration.app.conformance.conftest import MakeBench

BY_NAME = {case.name: case for case in CASES}
PUTS = [BY_NAME[name] for name in ("wrong_key_id", "wrong_secret", "wrong_token")]
STORED = {"FailedRecordCount": 0, "Records": [{"ShardId": "shardId-000000000000", "SequenceNumber": "1"}]}


@pytest.mark.parametrize("case", PUTS, ids=lambda case: case.name)
def test_credentials_that_are_not_good_are_refused_by_codes_that_renew_the_lease(bench: Bench, case: Case) -> None:
    """And nothing landed."""
    seen = case.play(bench)
    assert (Outcome.HOLDS, True) == (seen.outcome, seen.design.startswith("the lease is renewed at once"))


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("AccessDeniedException", Outcome.DIFFERS),
        ("RequestExpired", Outcome.DIFFERS),
        ("NewCode", Outcome.FAILS),
        ("ResourceNotFoundException", Outcome.FAILS),
    ],
)
def test_another_code_is_judged_by_what_follows_from_it(
    bench: Bench, fake_aws: FakeAws, code: str, outcome: Outcome
) -> None:
    """One that renews nothing would leave the route blocked under a dead lease."""
    fake_aws.will(Refuse(code))
    assert outcome is PUTS[0].play(bench).outcome


def test_where_credentials_are_not_looked_at_nothing_is_known(bench: Bench, fake_aws: FakeAws) -> None:
    """As with most stand-ins."""
    fake_aws.will(Answer(STORED))
    assert Outcome.OPEN is PUTS[0].play(bench).outcome


def test_without_an_answer_nothing_is_judged(bench: Bench, fake_aws: FakeAws) -> None:
    """The put may not have come there."""
    fake_aws.inject(Reset("before"), on="PutRecords", times=1)
    with pytest.raises(NotJudgedError):
        PUTS[0].play(bench)


def test_a_skewed_clock_heals_by_the_first_refusal(bench: Bench, fake_aws: FakeAws) -> None:
    """The second put is taken; where it is not, the design fails."""
    seen = skewed(bench)
    assert Outcome.HOLDS is seen.outcome
    assert seen.answered.startswith("first InvalidSignatureException (Signature not yet current")
    fake_aws.inject(Refuse("InvalidSignatureException"), skip=2, times=None)
    assert Outcome.FAILS is skewed(bench).outcome


@pytest.mark.parametrize(("seconds", "outcome"), [(900, Outcome.HOLDS), (300, Outcome.DIFFERS), (3_600, Outcome.FAILS)])
def test_a_session_lives_as_long_as_was_asked_for(
    bench_on: MakeBench, fake_aws: FakeAws, seconds: int, outcome: Outcome
) -> None:
    """By the two dates of the answer."""
    bench = bench_on()
    fake_aws.shape_leases(told_seconds=seconds)
    assert outcome is session(bench).outcome


def test_an_expired_session_is_waited_for(bench: Bench) -> None:
    """It is taken to its end, and refused from there on by a code that renews the lease."""
    seen = expired(bench)
    assert Outcome.HOLDS is seen.outcome
    assert re.match(r"5 s before its end taken, \d s after it ExpiredTokenException", seen.answered)


def test_a_session_that_ends_before_it_was_told_is_found(bench: Bench, fake_aws: FakeAws) -> None:
    """Its lease would be used beyond its end."""
    fake_aws.shape_leases(told_seconds=900, true_seconds=600)
    assert Outcome.FAILS is expired(bench).outcome


def test_a_session_that_does_not_end_is_given_up(
    bench: Bench, fake_aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that doka does leans on it; a code that renews nothing does matter."""
    monkeypatch.setattr("doka.app.conformance.refusals.PATIENCE_NS", NS_PER_SECOND)
    fake_aws.inject(Answer(STORED), times=None)
    fake_aws.shape_leases(told_seconds=900, true_seconds=9_000)
    assert Outcome.OPEN is expired(bench).outcome


def test_a_route_without_a_role_asks_sts_for_nothing(bench_on: MakeBench) -> None:
    """So there is no session whose end could be told."""
    bench = bench_on(short=None)
    for play in (session, expired):
        with pytest.raises(LeftOutError, match="the route has no role"):
            play(bench)


def test_where_sts_refuses_the_session_is_not_judged(bench: Bench, fake_aws: FakeAws) -> None:
    """Its code says why."""
    fake_aws.inject(Refuse("AccessDenied", status=403), on="AssumeRole")
    with pytest.raises(NotJudgedError, match="no session of 900 s: AccessDenied"):
        session(bench)
