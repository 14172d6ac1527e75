"""Twenty minutes of wrong host clock, and signatures that are right all the same."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import DescribeStream
from doka.domain.events import PutAnswered, PutRefused
from tests.integration.aws.kinesis.conftest import MakeSink
from tests.integration.aws.kinesis.puts import answer_to, make_lease, make_put
from tests.integration.aws.kinesis.scripted_kinesis import Peer, Request, ScriptedKinesis, answer, refuse

TOLERATED_SECONDS = 300


class WrongClock(SystemClock):
    """A host whose wall clock is off by so many seconds."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def wall(self) -> float:
        """Give the wrong time."""
        return super().wall() + self.ahead


def signed_at(headers: dict[str, str]) -> float:
    """Give the time that a request was signed at."""
    return datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


def judge_date(peer: Peer, start: str, headers: dict[str, str]) -> bool:
    """Do as the service does: refuse a signature more than five minutes from its own clock, and give its `Date`."""
    right = abs(signed_at(headers) - time.time()) < TOLERATED_SECONDS
    described = {"StreamDescriptionSummary": {"StreamStatus": "ACTIVE"}}
    well = answer() if headers["x-amz-target"].endswith("PutRecords") else answer(described)
    return (well if right else refuse("InvalidSignatureException", "Signature expired: ..."))(peer, start, headers)


@pytest.mark.parametrize("ahead", [-1200, 1200, 0])
def test_one_refusal_teaches_the_service_s_time(kinesis: ScriptedKinesis, sink_to: MakeSink, ahead: float) -> None:
    """With a wrong clock the first put is refused, and from its answer on every signature is right."""
    kinesis.always = judge_date
    clock = WrongClock(ahead)
    sink = sink_to(kinesis.url, clock=clock)
    first = answer_to(sink, make_put(0))
    assert (PutRefused if ahead else PutAnswered) is type(first)
    for number in range(1, 4):
        assert PutAnswered(number) == answer_to(sink, make_put(number))
    clock.ahead += 86_400  # and a clock that somebody sets meanwhile changes nothing
    assert PutAnswered(4) == answer_to(sink, make_put(4))
    request: Request = kinesis.accepted[-1]
    assert abs(signed_at(dict(request.headers)) - time.time()) < 5


def test_only_the_service_s_own_answers_teach(kinesis: ScriptedKinesis, sink_to: MakeSink) -> None:
    """A box in the way with a wrong clock, whose page is no answer of the service, moves nothing."""
    kinesis.will(answer(b"<html>", status=503, date=1.0), answer(b"<html>", status=403, date=1.0))
    sink = sink_to(kinesis.url)
    for number in range(3):
        answer_to(sink, make_put(number))
    assert abs(signed_at(dict(kinesis.accepted[-1].headers)) - time.time()) < 5


def test_the_describer_learns_as_well(kinesis: ScriptedKinesis) -> None:
    """Its first question may be refused for its date, its second is signed at the service's time."""
    kinesis.always = judge_date
    target = StreamTarget("orders", "orders", None, "eu-west-1", kinesis.url)
    describer = KinesisDescriber({"orders": target}, WrongClock(1200))
    asked = [type(describer.describe(DescribeStream("orders", make_lease()))).__name__ for _ in range(2)]
    assert ["StreamRefused", "StreamDescribed"] == asked
