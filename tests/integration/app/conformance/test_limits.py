from __future__ import annotations

from typing import Any

import pytest

from doka.app.conformance.bench import Bench, NotJudgedError
from doka.app.conformance.case import Case, Outcome
from doka.app.conformance.limits import CASES
from tests.fake_aws import FakeAws, Refuse
from tests.integration.app.conformance.conftest import MakeBench

BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_limits_of_the_fake_are_those_that_aws_documents(bench: Bench, case: Case) -> None:
    """What is at a limit lands as it was sent, what is above lands nothing."""
    assert Outcome.HOLDS is case.play(bench).outcome


@pytest.mark.parametrize(
    ("name", "act", "outcome", "words"),
    [
        ("record_at_limit", Refuse("ValidationException"), Outcome.FAILS, "the record is found and told as poison"),
        ("record_at_limit", Refuse("NewCode"), Outcome.FAILS, "the route blocks, loudly"),
        ("request_at_limit", Refuse("InvalidArgumentException"), Outcome.FAILS, "lower limits.request_mib"),
        ("key_above_limit", Refuse("NewCode"), Outcome.DIFFERS, "the route blocks, loudly"),
        ("key_above_limit", Refuse("InternalFailure", status=500), Outcome.DIFFERS, "until somebody looks"),
        ("hash_keys", Refuse("ValidationException"), Outcome.FAILS, "do not enable aggregation"),
        ("hash_keys", Refuse("InternalFailure", status=500), Outcome.FAILS, "would be sent for ever"),
    ],
)
def test_what_is_answered_otherwise_is_judged_by_what_doka_would_do(
    bench: Bench, fake_aws: FakeAws, *, name: str, act: Any, outcome: Outcome, words: str
) -> None:
    """Only what doka sends can make its design fail."""
    fake_aws.will(act)
    seen = BY_NAME[name].play(bench)
    assert (outcome, True) == (seen.outcome, words in seen.design)


def test_a_limit_that_is_higher_is_no_failure(bench_on: MakeBench, fake_aws: FakeAws) -> None:
    """Doka keeps to what the description said."""
    bench = bench_on()
    fake_aws.change_stream(bench.stream.target.stream_name or "", record_kib=2_048)
    seen = BY_NAME["record_above_limit"].play(bench)
    assert (Outcome.DIFFERS, "taken: the limit is higher here") == (seen.outcome, seen.answered)


def test_a_large_request_without_an_answer_is_not_judged(bench: Bench, fake_aws: FakeAws) -> None:
    """A line may be too thin for it."""
    fake_aws.will(Refuse("InternalFailure", status=500))
    with pytest.raises(NotJudgedError):
        BY_NAME["request_at_limit"].play(bench)
