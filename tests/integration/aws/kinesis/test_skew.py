"""Twenty minutes of wrong host clock, and signatures that are right all the same."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import formatdate

import pytest

from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import DescribeStream
from doka.domain.events import PutAnswered, PutRefused
from tests.fake_aws import Answer, Call, FakeAws, Headers
from tests.integration.aws.kinesis.conftest import MakeSink
from tests.integration.aws.kinesis.puts import answer_to, make_lease, make_put

LONG_AGO = Headers({"Date": formatdate(1.0, usegmt=True)})


class WrongClock(SystemClock):
    """A host whose wall clock is off by so many seconds."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead

    def wall(self) -> float:
        """Give the wrong time."""
        return super().wall() + self.ahead


def signed_at(call: Call) -> float:
    """Give the time that a request was signed at."""
    return datetime.strptime(call.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("ahead", [-1200, 1200, 0])
def test_one_refusal_teaches_the_service_s_time(kinesis: FakeAws, sink_to: MakeSink, ahead: float) -> None:
    """With a wrong clock the first put is refused, and from its answer on every signature is right."""
    clock = WrongClock(ahead)
    sink = sink_to(kinesis.url, clock=clock)
    first = answer_to(sink, make_put(0))
    assert (PutRefused if ahead else PutAnswered) is type(first)
    for number in range(1, 4):
        assert PutAnswered(number) == answer_to(sink, make_put(number))
    clock.ahead += 86_400  # and a clock that somebody sets meanwhile changes nothing
    assert PutAnswered(4) == answer_to(sink, make_put(4))
    assert abs(signed_at(kinesis.calls[-1]) - time.time()) < 5


def test_only_the_service_s_own_answers_teach(kinesis: FakeAws, sink_to: MakeSink) -> None:
    """A box in the way with a wrong clock, whose page is no answer of the service, moves nothing."""
    kinesis.will((Answer(b"<html>", 503), LONG_AGO), (Answer(b"<html>", 403), LONG_AGO))
    sink = sink_to(kinesis.url)
    for number in range(3):
        answer_to(sink, make_put(number))
    assert abs(signed_at(kinesis.calls[-1]) - time.time()) < 5


def test_the_describer_learns_as_well(kinesis: FakeAws) -> None:
    """Its first question may be refused for its date, its second is signed at the service's time."""
    target = StreamTarget("orders", "orders", None, "eu-west-1", kinesis.url)
    describer = KinesisDescriber({"orders": target}, WrongClock(1200))
    asked = [type(describer.describe(DescribeStream("orders", make_lease()))).__name__ for _ in range(2)]
    assert ["StreamRefused", "StreamDescribed"] == asked
