"""A fast, strict, scriptable stand-in for Kinesis and STS.

    with FakeAws() as fake:
        fake.create_stream("orders", shards=4)
        fake.inject(FailEntries(fraction=0.01), Delay(0.015, jitter=0.01), times=None)    # rules
        fake.will(Refuse("ThrottlingException"), None, (Answer("<html>", 503), Close("behind")))    # or one by one
        ...                                   # let the client under test work against fake.url
        assert [] == fake.violations()
        landed = fake.landed("orders")

`RemoteFakeAws` is the same over a server of its own process (`python -m tests.fake_aws`).
"""

from tests.fake_aws.aggregates import consumed, unfold
from tests.fake_aws.clients import kinesis_client, sts_client
from tests.fake_aws.history import Landed, Refused, Violation
from tests.fake_aws.remote import FakeAwsProcess, RemoteFakeAws
from tests.fake_aws.script import (
    Action,
    Answer,
    Call,
    Close,
    Delay,
    FailEntries,
    Garble,
    Headers,
    Hold,
    Refuse,
    Repeat,
    Reset,
    Say,
    Shuffle,
    Step,
)
from tests.fake_aws.server import FakeAws
from tests.fake_aws.world import (
    DESTINATION_ACCOUNT,
    REGION,
    SOURCE_ACCOUNT,
    SOURCE_KEYS,
    WRITER_ROLE,
    IssueView,
    Keys,
)

__all__ = [
    "DESTINATION_ACCOUNT",
    "REGION",
    "SOURCE_ACCOUNT",
    "SOURCE_KEYS",
    "WRITER_ROLE",
    "Action",
    "Answer",
    "Call",
    "Close",
    "Delay",
    "FailEntries",
    "FakeAws",
    "FakeAwsProcess",
    "Garble",
    "Headers",
    "Hold",
    "IssueView",
    "Keys",
    "Landed",
    "Refuse",
    "Refused",
    "RemoteFakeAws",
    "Repeat",
    "Reset",
    "Say",
    "Shuffle",
    "Step",
    "Violation",
    "consumed",
    "kinesis_client",
    "sts_client",
    "unfold",
]
