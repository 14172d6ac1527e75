"""Nothing of a record or a lease in any log, repr or event, even at DEBUG."""

from __future__ import annotations

import base64
import logging

import pytest

from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.sink import KinesisSink
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import DescribeStream
from doka.domain.events import Event
from tests.fake_aws import Answer, Call, Close, FakeAws, Refuse, Reset
from tests.integration.aws.kinesis.puts import answer_to, make_lease, make_put
from tests.unit.adapters.aws.kinesis.leases import ACCESS_KEY, SECRET_KEY, TOKEN

KEY = "key-that-nobody-may-see"
VALUE = b"payload-that-nobody-may-see"
FORBIDDEN = (SECRET_KEY, TOKEN, ACCESS_KEY, KEY, VALUE.decode(), base64.b64encode(VALUE).decode(), "Signature=")


def quote_all(call: Call, _: bytes) -> object:
    """Give a refusal whose words are all that was sent, as the service's are for signatures and fields."""
    told = f"{dict(call.headers)} {dict(call.body)} {KEY} {VALUE.decode()} {SECRET_KEY}"
    return {"__type": "InvalidSignatureException", "message": told}


def test_no_secret_and_no_record_is_ever_told(kinesis: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    """Success, refusals that quote the request, garbage and dead connections: none leaks into logs, reprs or events."""
    caplog.set_level(logging.DEBUG)
    for name in ("boto3", "botocore", "urllib3"):
        logging.getLogger(name).setLevel(logging.DEBUG)  # whoever set this before doka made its clients
    targets = {"orders": StreamTarget("orders", "orders", None, "eu-west-1", kinesis.url)}
    sink, describer = KinesisSink(targets, SystemClock()), KinesisDescriber(targets, SystemClock())
    quoted = f"Value '{KEY}' at 'records.1.member.partitionKey' failed to satisfy constraint"
    echo = Answer(quote_all, status=400)
    kinesis.will(None, echo, Refuse("ValidationException", quoted), Answer(KEY.encode()), Close(), Reset("during"))
    told: list[Event] = []
    commands = [make_put(number, [KEY], [VALUE]) for number in range(6)]
    try:
        told += [answer_to(sink, put) for put in commands]
        kinesis.will(echo, Answer(KEY.encode()), Close())
        told += [describer.describe(DescribeStream("orders", make_lease())) for _ in range(3)]
        assert 8 == len(kinesis.calls)
        sink.submit(commands[0])
        in_flight = repr(sink) + repr(sink._wire._in_flight)
    finally:
        sink.close()
    everything = "\n".join([caplog.text, in_flight, *map(repr, (sink, describer, *told, *commands, commands[0].lease))])
    assert "puts of route orders fail" in everything
    assert [] == [word for word in FORBIDDEN if word in everything]
