from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from doka.app.conformance.bench import Bench, NotJudgedError, Parts, RefusedError
from doka.app.conformance.case import Need, Outcome, Seen
from doka.app.conformance.table import CASES
from doka.app.conformance.trial import NotMadeError, Result, Trial
from doka.domain.audit.landed import StreamUnreadableError
from doka.domain.events import LeaseRefused, StreamRefused
from tests.fake_aws import FakeAws, Refuse, Reset
from tests.integration.app.conformance.conftest import SMALL, target_on

ONE = ("by_arn",)


@pytest.fixture
def trial(fake_aws: FakeAws, parts: Parts) -> Trial:
    """Give a trial on the fake."""
    return Trial(target_on(fake_aws), parts, SMALL, parts.pause)


def play(trial: Trial, cases: Collection[str] = ONE, *needs: Need) -> list[Result]:
    """Play cases to the end."""
    return list(trial.play(cases, needs, lambda _doing: None))


def streams(fake: FakeAws) -> list[str]:
    """Give the names of all streams that are there."""
    return [stream.name for stream in fake.streams.everything()]


def test_a_stream_is_there_for_the_cases_and_gone_behind_them(trial: Trial, fake_aws: FakeAws) -> None:
    """It is told what is done, and its name says whose it is."""
    told: list[str] = []
    for result in trial.play(ONE, (), told.append):
        assert ("by_arn", Outcome.HOLDS) == (result.case.name, result.seen.outcome)
        assert streams(fake_aws) == trial.left
    assert ([], []) == (streams(fake_aws), trial.left)
    making, asking, removing = told
    name = making.removeprefix("making the stream ")
    assert name.startswith("doka-conformance-")
    assert (f"by_arn: {CASES[next(iter(CASES))][0].asked}", f"removing the stream {name}") == (asking, removing)


def test_what_is_not_offered_is_left_out_with_its_reason(trial: Trial, fake_aws: FakeAws) -> None:
    """And no stream is made for it alone."""
    found = {each.case.name: each.seen for each in play(trial, ("revoked", "auto_is_told"))}
    assert {Outcome.LEFT_OUT} == {seen.outcome for seen in found.values()}
    assert found["auto_is_told"].design.endswith("add --on-demand")
    assert 0 == fake_aws.counts()["CreateStream"]


def test_each_kind_of_stream_is_made_for_its_cases(trial: Trial, fake_aws: FakeAws) -> None:
    """One after the other, and each removed."""
    results = play(trial, (*ONE, "keys_by_md5", "auto_is_told"), Need.ON_DEMAND)
    assert {Outcome.HOLDS} == {each.seen.outcome for each in results}
    assert (3, 3, []) == (fake_aws.counts()["CreateStream"], fake_aws.counts()["DeleteStream"], streams(fake_aws))


def test_without_a_stream_on_demand_its_cases_are_not_known(trial: Trial, fake_aws: FakeAws) -> None:
    """An account may have its quota of them; the other cases are played all the same."""
    fake_aws.inject(Refuse("LimitExceededException", "enough"), on="CreateStream", skip=1)
    one, other = play(trial, (*ONE, "keys_by_md5"), Need.ON_DEMAND)
    assert (Outcome.HOLDS, Outcome.OPEN) == (one.seen.outcome, other.seen.outcome)
    assert "there was no stream: it was not made: LimitExceededException (enough)" == other.seen.answered


def test_without_its_first_stream_nothing_is_asked(trial: Trial, fake_aws: FakeAws) -> None:
    """It was not made, so nothing is left, and nothing is removed."""
    fake_aws.inject(Refuse("AccessDeniedException", "no"), on="CreateStream")
    with pytest.raises(NotMadeError) as error:
        play(trial)
    assert StreamRefused("orders", "AccessDeniedException", "no") == error.value.refusal
    assert ([], 0) == (trial.left, fake_aws.counts()["DeleteStream"])


def test_a_role_without_credentials_is_told(trial: Trial, fake_aws: FakeAws) -> None:
    """Nothing was asked of Kinesis."""
    fake_aws.inject(Refuse("AccessDenied", status=403), on="AssumeRole", times=None)
    with pytest.raises(NotMadeError, match="the role gave no credentials: AccessDenied") as error:
        play(trial)
    assert (LeaseRefused, []) == (type(error.value.refusal), trial.left)


def test_a_stream_that_was_made_without_an_answer_is_removed(trial: Trial, fake_aws: FakeAws) -> None:
    """Nobody knew whether it was there."""
    fake_aws.inject(Reset("after"), on="CreateStream")
    with pytest.raises(NotMadeError):
        play(trial)
    assert ([], []) == (streams(fake_aws), trial.left)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("ResourceNotFoundException", "not_active_within_180_s"),
        ("AccessDeniedException", "it was made, and could not be described: AccessDeniedException"),
    ],
)
def test_a_stream_that_is_never_seen_active_is_removed(trial: Trial, fake_aws: FakeAws, code: str, told: str) -> None:
    """After three minutes, or at once where it may not be described."""
    fake_aws.inject(Refuse(code), on="DescribeStreamSummary", times=None)
    with pytest.raises(NotMadeError, match=told):
        play(trial)
    assert ([], []) == (streams(fake_aws), trial.left)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError])
def test_whatever_breaks_a_case_the_stream_is_removed(
    trial: Trial, fake_aws: FakeAws, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    """A stop, and a fault of ours."""
    _with_case(monkeypatch, fault())
    with pytest.raises(fault):
        play(trial)
    assert ([], []) == (streams(fake_aws), trial.left)


@pytest.mark.parametrize(
    "error",
    [
        NotJudgedError("no answer"),
        RefusedError("NewCode", "NewCode"),
        StreamUnreadableError(StreamRefused("orders", "AccessDeniedException")),
    ],
)
def test_a_case_that_cannot_go_on_is_not_known_and_the_others_are_played(
    trial: Trial, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """One question without an answer is no end."""
    _with_case(monkeypatch, error)
    one, other = play(trial, (*ONE, "no_such_stream"))
    assert (Outcome.OPEN, Outcome.HOLDS) == (one.seen.outcome, other.seen.outcome)


def test_a_removal_that_is_held_up_goes_again(trial: Trial, fake_aws: FakeAws) -> None:
    """AWS removes no stream that is still being made, and takes five such questions a second."""
    fake_aws.inject(Refuse("ResourceInUseException"), on="DeleteStream")
    fake_aws.inject(Refuse("LimitExceededException"), on="DeleteStream", skip=1)
    play(trial)
    assert ([], 3) == (streams(fake_aws), fake_aws.counts()["DeleteStream"])


def test_a_stream_that_cannot_be_removed_is_named(trial: Trial, fake_aws: FakeAws) -> None:
    """For whoever has to do it by hand."""
    fake_aws.inject(Refuse("AccessDeniedException"), on="DeleteStream", times=None)
    play(trial)
    assert streams(fake_aws) == trial.left
    assert 1 == len(trial.left)


def _with_case(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the first case end by this error."""

    def broken(_bench: Bench) -> Seen:
        raise error

    mode = next(iter(CASES))
    changed = {mode: (replace(CASES[mode][0], play=broken), *CASES[mode][1:])}
    monkeypatch.setattr("doka.app.conformance.trial.CASES", {**CASES, **changed})
