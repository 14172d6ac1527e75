"""Streams that are made for a trial: each question is one request, and each refusal the service's own."""

from __future__ import annotations

from typing import Any

import pytest

from doka.adapters.aws.kinesis.questions import Refusal
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.kinesis.trial_stream import Mode, TrialStream
from doka.adapters.system.clock import SystemClock
from tests.fake_aws import FakeAws, Refuse
from tests.integration.aws.kinesis.puts import make_lease

LEASE = make_lease(5)
SHARDS: dict[str, Any] = {"ShardCount": 1}
DEMAND: dict[str, Any] = {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}


@pytest.mark.parametrize(
    ("mode", "asked"),
    [
        (Mode.ONE_SHARD, SHARDS),
        (Mode.ON_DEMAND, DEMAND),
        (Mode.AUTO, DEMAND | {"RecordDistributionStrategy": "AUTO"}),
    ],
)
def test_a_stream_is_made_with_its_tags_and_removed(kinesis: FakeAws, mode: Mode, asked: dict[str, Any]) -> None:
    """By its name; a second end of it is told as the service tells it."""
    stream = TrialStream(StreamTarget("r", "trial", None, "eu-west-1", kinesis.url), SystemClock())
    assert None is stream.create(LEASE, {"made-by": "a test"}, mode=mode)
    assert {"StreamName": "trial", "Tags": {"made-by": "a test"}, **asked} == kinesis.calls[0].body
    assert None is stream.delete(LEASE)
    again = stream.delete(LEASE)
    assert again is not None
    assert "ResourceNotFoundException" == again.code


def test_a_refusal_is_told_and_nothing_is_asked_twice(kinesis: FakeAws) -> None:
    """Who makes something must know what each answer was."""
    kinesis.inject(Refuse("LimitExceededException", "too many"), on="CreateStream", times=None)
    stream = TrialStream(StreamTarget("r", "trial", None, "eu-west-1", kinesis.url), SystemClock())
    assert Refusal("LimitExceededException", "too many") == stream.create(LEASE, {})
    assert 1 == len(kinesis.calls)
