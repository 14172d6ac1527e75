from __future__ import annotations

import pytest

from doka.adapters.system.clock import SystemClock
from doka.app.conformance.bench import Amounts, Bench, NotJudgedError, RefusedError, SkewedClock, refusal_for_good, told
from doka.domain.events import PutAmbiguous, PutAnswered, PutRefused, PutUnsent, StopRequested
from doka.domain.limits import NS_PER_SECOND
from tests.fake_aws import FailEntries, FakeAws, Refuse
from tests.integration.app.conformance.conftest import STREAM

THROTTLED = "ProvisionedThroughputExceededException"


def test_what_is_throttled_or_unknown_goes_again_until_it_lands(bench: Bench, fake_aws: FakeAws) -> None:
    """As the service does it: the refused entry alone, and all of a request of which nobody knows."""
    fake_aws.will(Refuse("InternalFailure", status=500), FailEntries(indexes=[1]))
    landings = bench.settle([("a", b"1"), ("b", b"2")])
    landed = fake_aws.landed(STREAM)
    assert [("a", b"1"), ("b", b"2")] == [(each.partition_key, each.data) for each in landed]
    assert [each.sequence_number for each in landed] == list(landings.numbers)
    assert 3 == fake_aws.counts()["PutRecords"]


def test_what_is_refused_for_good_is_told_by_its_code(bench: Bench, fake_aws: FakeAws) -> None:
    """Another try would change nothing."""
    fake_aws.will(Refuse("ValidationException"))
    with pytest.raises(RefusedError) as error:
        bench.settle([("a", b"1")])
    assert "ValidationException" == error.value.code


def test_what_never_lands_is_given_up(bench: Bench, fake_aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a time of throttling; a minute of it would be 240 puts."""
    monkeypatch.setattr("doka.app.conformance.bench.PATIENCE_NS", NS_PER_SECOND)
    fake_aws.inject(FailEntries(), times=None)
    with pytest.raises(NotJudgedError, match="did not land within 1 s: 1 refused in an answer of 200"):
        bench.settle([("a", b"1")])


def test_what_was_put_is_read_back_in_its_order(bench: Bench) -> None:
    """All of it, since a mark behind it was seen; and again what came since, each once."""
    bench.settle([("k-1", b"1")])
    bench.settle([("other", b"x")])
    assert [("k-1", b"1")] == [record[:2] for record in bench.landed("k-")]
    bench.settle([("k-2", b"2")])
    assert [("k-1", b"1"), ("k-2", b"2")] == [record[:2] for record in bench.landed("k-")]


def test_a_read_that_is_refused_for_a_moment_is_asked_again(bench: Bench, fake_aws: FakeAws) -> None:
    """A shard gives its readers five answers a second, and others may read there."""
    fake_aws.inject(Refuse(THROTTLED), on="GetRecords", times=2)
    bench.settle([("k", b"1")])
    assert [b"1"] == [record.data for record in bench.landed("k")]


def test_what_cannot_be_read_back_is_given_up(bench: Bench, fake_aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said of what nobody has seen."""
    monkeypatch.setattr("doka.app.conformance.bench.PATIENCE_NS", NS_PER_SECOND)
    fake_aws.inject(Refuse(THROTTLED), on="GetRecords", times=None)
    with pytest.raises(NotJudgedError, match="could not be read back within a minute"):
        bench.landed("k")


@pytest.mark.parametrize(
    ("event", "words", "for_good"),
    [
        (PutAnswered(1), "taken", None),
        (PutAnswered(1, {0: THROTTLED}), f"1 refused in an answer of 200: {THROTTLED}", None),
        (PutAnswered(1, {0: "New"}), "1 refused in an answer of 200: New", "New"),
        (PutRefused(1, "AccessDeniedException", "no."), "AccessDeniedException (no)", "AccessDeniedException"),
        (PutRefused(1, "ThrottlingException"), "ThrottlingException", None),
        (PutAmbiguous(1, "timeout"), "no answer that can be believed: timeout", None),
        (PutUnsent(1, "not_connected"), "not sent: not_connected", None),
        (StopRequested("x"), "StopRequested", None),
    ],
)
def test_an_answer_is_told_by_its_codes(event: PutAnswered, words: str, for_good: str | None) -> None:
    """And whether another try could change it."""
    assert (words, for_good) == (told(event), refusal_for_good(event))


def test_a_skewed_clock_is_wrong_on_its_wall_alone() -> None:
    """What passes is the same."""
    true, wrong = SystemClock(), SkewedClock(SystemClock(), 1_200)
    assert 1_199 < wrong.wall() - true.wall() < 1_201
    assert abs(wrong.now() - true.now()) < 10**9


def test_the_price_is_of_all_that_is_sent() -> None:
    """More requests are more records."""
    assert 500 == Amounts(burst_requests=2).records_at_most - Amounts(burst_requests=1).records_at_most
