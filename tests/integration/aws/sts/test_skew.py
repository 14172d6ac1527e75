"""A host clock that is plainly wrong: twenty minutes, against a service that allows five."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from doka.adapters.aws.sts.authority import StsAuthority
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.limits import NS_PER_SECOND
from tests.fake_aws import FakeAws, Refuse
from tests.integration.aws.sts.conftest import MIDDLE, UNDATED, WRITER, base_session, chain_to, dated
from tests.manual_clock import ManualClock

TWENTY_MINUTES = 1200.0
EARLY = "Signature expired: 20300317T172640Z is now earlier than 20300317T174140Z (20300317T174640Z - 5 min.)"
LATE = "Signature not yet current: 20300317T180640Z is still later than 20300317T175140Z (20300317T174640Z + 5 min.)"


@pytest.mark.parametrize("ahead", [TWENTY_MINUTES, -TWENTY_MINUTES])
def test_a_wrong_host_clock_changes_no_lease(sts: FakeAws, ahead: float) -> None:
    """With the wall clock twenty minutes off, a chain gets its lease by one issue, with its true life."""
    authority = StsAuthority({"analytics": chain_to(sts.url, MIDDLE, WRITER)}, ManualClock(ahead), base_session)
    event = authority.issue("analytics")
    assert isinstance(event, LeaseIssued), event
    assert (3600 * NS_PER_SECOND, 2) == (event.lease.life, len(sts.issues()))


def test_a_jump_of_the_wall_clock_after_an_answer_changes_no_signature(sts: FakeAws) -> None:
    """What was learned goes on by the clock that never jumps: the next question is right at the first try."""
    clock = ManualClock()
    authority = StsAuthority({"analytics": chain_to(sts.url, WRITER)}, clock, base_session)
    authority.issue("analytics")
    clock.jump_wall(-TWENTY_MINUTES)
    assert isinstance(authority.issue("analytics"), LeaseIssued)


@pytest.mark.parametrize(
    ("code", "words", "ahead"),
    [
        ("SignatureDoesNotMatch", EARLY, -TWENTY_MINUTES),
        ("SignatureDoesNotMatch", LATE, TWENTY_MINUTES),
        ("RequestExpired", "Request has expired.", -TWENTY_MINUTES),
        ("RequestTimeTooSkewed", "too far", TWENTY_MINUTES),
    ],
)
def test_a_refusal_by_date_is_asked_again_once_with_the_date_of_the_answer(
    sts: FakeAws, code: str, words: str, ahead: float
) -> None:
    """The second question is signed with the service's own time, as well as a date in whole seconds tells it."""
    clock = ManualClock(ahead)
    true_time = clock.seconds - ahead
    sts.will((Refuse(code, words, 403), dated(true_time)))
    authority = StsAuthority({"analytics": chain_to(sts.url, WRITER)}, clock, base_session)
    assert isinstance(authority.issue("analytics"), LeaseIssued)
    first, second = (_signed_at(asked.headers["x-amz-date"]) for asked in sts.calls)
    assert int(clock.seconds) == first
    assert second - int(true_time) in {0, 1}


def test_a_second_refusal_by_date_tells_the_measured_skew(sts: FakeAws) -> None:
    """When the service refuses its own time too, there is one refusal, with how far the host is ahead."""
    clock = ManualClock(TWENTY_MINUTES)
    true_time = clock.seconds - TWENTY_MINUTES
    sts.will(*[(Refuse("SignatureDoesNotMatch", LATE, 403), dated(true_time))] * 2)
    event = StsAuthority({"analytics": chain_to(sts.url, WRITER)}, clock, base_session).issue("analytics")
    assert isinstance(event, LeaseRefused)
    assert event.skew_seconds is not None
    assert ("SignatureDoesNotMatch", 1200, 2) == (event.code, round(event.skew_seconds, -1), len(sts.calls))


def test_a_refusal_by_date_that_teaches_nothing_is_not_asked_again(sts: FakeAws) -> None:
    """Where the date of the answer agrees with the one that was signed, or is missing, one question is enough."""
    clock = ManualClock()
    authority = StsAuthority({"analytics": chain_to(sts.url, WRITER)}, clock, base_session)
    skews = []
    for date in (UNDATED, dated(clock.seconds)):
        sts.will((Refuse("SignatureDoesNotMatch", LATE, 403), date))
        event = authority.issue("analytics")
        assert isinstance(event, LeaseRefused)
        skews.append(event.skew_seconds)
    assert (2, None, 0) == (len(sts.calls), skews[0], round(skews[1] or 0.0, -1))


def test_a_wrong_signature_is_no_skew(sts: FakeAws) -> None:
    """The same code with other words claims no skew and is not asked again, though the host's clock is wrong too."""
    clock = ManualClock(TWENTY_MINUTES)
    words = "The request signature we calculated does not match the signature you provided."
    sts.will((Refuse("SignatureDoesNotMatch", words, 403), dated(clock.seconds - TWENTY_MINUTES)))
    event = StsAuthority({"analytics": chain_to(sts.url, WRITER)}, clock, base_session).issue("analytics")
    assert LeaseRefused("analytics", "SignatureDoesNotMatch", words, None) == event
    assert 1 == len(sts.calls)


def _signed_at(amz_date: str) -> int:
    return int(datetime.strptime(amz_date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp())
