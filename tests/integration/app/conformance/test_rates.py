from __future__ import annotations

import pytest

from doka.app.conformance.bench import Bench, NotJudgedError
from doka.app.conformance.case import Outcome
from doka.app.conformance.rates import bytes_a_second, order_while_throttled, records_a_second
from tests.fake_aws import FailEntries, FakeAws, Refuse
from tests.integration.app.conformance.conftest import MakeBench

THROTTLED = "ProvisionedThroughputExceededException"


@pytest.mark.parametrize("play", [records_a_second, bytes_a_second, order_while_throttled])
def test_a_shard_with_its_rates_throttles_and_the_design_holds(bench_on: MakeBench, play: object) -> None:
    """Its refusals are at their places, and nothing that it refused is in the stream."""
    assert callable(play)
    seen = play(bench_on(rate_limited=True))
    assert Outcome.HOLDS is seen.outcome
    assert "refused" in seen.answered


@pytest.mark.parametrize("play", [records_a_second, order_while_throttled])
def test_where_nothing_is_throttled_nothing_is_known(bench: Bench, play: object) -> None:
    """A stand-in has no rates."""
    assert callable(play)
    assert Outcome.OPEN is play(bench).outcome


def test_what_is_called_throttled_and_landed_is_found(bench: Bench, fake_aws: FakeAws) -> None:
    """It would come twice."""
    fake_aws.inject(FailEntries(indexes=[3], landed=True), times=1)
    seen = records_a_second(bench)
    assert (Outcome.FAILS, True) == (seen.outcome, seen.answered.endswith("1 landed though refused"))


def test_a_code_that_doka_does_not_know_is_found(bench: Bench, fake_aws: FakeAws) -> None:
    """Its lane would wait for a person."""
    fake_aws.inject(FailEntries("SlowDownPlease", indexes=[3]), times=1)
    seen = records_a_second(bench)
    assert (Outcome.FAILS, "doka does not know SlowDownPlease as throttling: report it") == (seen.outcome, seen.design)


def test_a_request_that_is_throttled_as_a_whole_is_one_of_them(bench: Bench, fake_aws: FakeAws) -> None:
    """Nothing of it landed."""
    fake_aws.inject(Refuse(THROTTLED), times=1)
    seen = records_a_second(bench)
    assert Outcome.HOLDS is seen.outcome
    assert f"refused 1 by {THROTTLED} (whole request)" in seen.answered


def test_a_request_without_an_answer_is_not_judged(bench: Bench, fake_aws: FakeAws) -> None:
    """What landed of it nobody knows."""
    fake_aws.inject(Refuse("InternalFailure", status=500), times=1)
    with pytest.raises(NotJudgedError, match="InternalFailure"):
        records_a_second(bench)


def test_records_that_are_called_landed_and_are_not_there_are_found(bench: Bench, fake_aws: FakeAws) -> None:
    """Each key is looked at to its last record."""
    original = bench.landed
    bench.landed = lambda prefix: original(prefix)[1:]  # type: ignore[method-assign]  # the fake loses nothing by itself
    seen = order_while_throttled(bench)
    assert (Outcome.FAILS, True) == (seen.outcome, seen.answered.endswith("1 records are not there"))
