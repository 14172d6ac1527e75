from __future__ import annotations

import pytest

from doka.adapters.aws.kinesis.dry_run import DryRuns
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.app.conformance.addressing import across_accounts, by_arn, dry_run, no_such_stream
from doka.app.conformance.bench import Bench, LeftOutError, NotJudgedError
from doka.app.conformance.case import Outcome
from doka.app.conformance.limits import CASES
from tests.fake_aws import DESTINATION_ACCOUNT, Answer, FakeAws, Refuse
from tests.integration.app.conformance.conftest import SESSIONS, MakeBench

FOREIGN = "444455556666"


def test_puts_go_by_the_arn_that_the_description_tells(bench: Bench) -> None:
    """As the service's do."""
    assert Outcome.HOLDS is by_arn(bench).outcome


def test_a_stand_in_that_knows_no_arn_is_told_and_asked_by_name(bench: Bench, fake_aws: FakeAws) -> None:
    """All other cases go on by the name."""
    fake_aws.inject(Refuse("ValidationException"), where=lambda call: "StreamARN" in call.body, times=None)
    assert Outcome.FAILS is by_arn(bench).outcome
    assert bench.arn is None
    assert Outcome.DIFFERS is by_arn(bench).outcome
    assert Outcome.HOLDS is CASES[0].play(bench).outcome
    with pytest.raises(LeftOutError):
        no_such_stream(bench)


def test_where_no_name_helps_nothing_is_known(bench: Bench, fake_aws: FakeAws) -> None:
    """The refusal is told."""
    fake_aws.inject(Refuse("AccessDeniedException", "no"), times=None)
    with pytest.raises(NotJudgedError, match="neither by its ARN nor by its name: AccessDeniedException"):
        by_arn(bench)


def test_a_stream_that_is_not_there_blocks_its_route(bench: Bench, fake_aws: FakeAws) -> None:
    """By its code; one that does not block is a fault, and so is no refusal at all."""
    arn = bench.arn
    assert Outcome.HOLDS is no_such_stream(bench).outcome
    fake_aws.will(Refuse("ThrottlingException"), Refuse("InternalFailure", status=500))
    assert [Outcome.FAILS, Outcome.FAILS] == [no_such_stream(bench).outcome, no_such_stream(bench).outcome]
    assert arn == bench.arn


def test_a_dry_run_is_not_in_the_stream(bench: Bench) -> None:
    """And would have been taken."""
    assert Outcome.HOLDS is dry_run(bench).outcome


def test_a_dry_run_that_is_stored_is_told(bench: Bench, fake_aws: FakeAws) -> None:
    """`doka check` sends none to a stand-in, so nothing fails by it."""
    fake_aws.inject(
        Answer({"FailedRecordCount": 0, "Records": [{"ShardId": "shardId-0", "SequenceNumber": "1"}]}),
        where=lambda call: "DryRun" in call.body,
    )
    seen = dry_run(bench)
    assert (Outcome.DIFFERS, "taken as a put, and it is not in the stream") == (seen.outcome, seen.answered)


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException"])
def test_a_dry_run_that_is_refused_is_told_by_its_code(bench: Bench, fake_aws: FakeAws, code: str) -> None:
    """AWS takes one a second of a stream: that says nothing."""
    fake_aws.inject(Refuse(code), where=lambda call: "DryRun" in call.body)
    if code == "ThrottlingException":
        with pytest.raises(NotJudgedError):
            dry_run(bench)
    else:
        assert Outcome.DIFFERS is dry_run(bench).outcome


@pytest.mark.parametrize(("allowed", "outcome"), [(True, Outcome.HOLDS), (False, Outcome.FAILS)])
def test_a_stream_of_another_account_is_asked_by_its_arn(
    bench_on: MakeBench, fake_aws: FakeAws, outcome: Outcome, *, allowed: bool
) -> None:
    """Nothing is stored in it, whatever it answers."""
    accounts = (DESTINATION_ACCOUNT,) if allowed else ()
    arn = fake_aws.create_stream("theirs", account=FOREIGN, allowed_accounts=accounts)
    target = StreamTarget("orders", "theirs", arn, "eu-west-1", fake_aws.url)
    bench = bench_on()
    tries = DryRuns({"orders": target}, bench.clock, bench.parts.pause, SESSIONS)
    object.__setattr__(bench.parts, "own", (target, tries))
    assert outcome is across_accounts(bench).outcome
    assert 0 == fake_aws.landed_count(arn)


def test_nothing_is_asked_of_a_route_whose_stream_is_its_own(bench_on: MakeBench, fake_aws: FakeAws) -> None:
    """Nor of a stand-in, which might store it."""
    bench = bench_on()
    with pytest.raises(LeftOutError, match="is not AWS"):
        across_accounts(bench)
    target = StreamTarget("orders", "ours", None, "eu-west-1", fake_aws.url)
    object.__setattr__(
        bench.parts, "own", (target, DryRuns({"orders": target}, bench.clock, bench.parts.pause, SESSIONS))
    )
    with pytest.raises(LeftOutError, match="nothing crosses accounts"):
        across_accounts(bench)
