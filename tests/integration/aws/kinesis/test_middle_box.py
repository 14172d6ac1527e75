"""Behind a box that repeats, holds back and drops, nothing is believed that did not happen."""

from __future__ import annotations

import itertools

import pytest

from doka.adapters.aws.kinesis.sink import KinesisSink
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.system.clock import SystemClock
from doka.domain.commands import SendPut
from doka.domain.events import PutAnswered
from doka.domain.limits import NS_PER_MS
from tests.fake_aws import FailEntries, FakeAws
from tests.integration.aws.kinesis.puts import answers_of, lease_of
from tests.middle_box import MiddleBox, Mischief

SEEDS = range(8)
PUTS = 60
ENTRIES = 3
IN_FLIGHT = 4
TIMEOUT_NS = 300 * NS_PER_MS


def mischief_of(seed: int) -> Mischief:
    """Give each seed its own mixture, from some repeats to nothing but repeats."""
    repeat = (0.1, 0.2, 0.5, 1.0)[seed % 4]
    return Mischief(repeat, hold=(0.0, 0.2)[seed % 2], drop_request=(0.0, 0.05)[seed // 2 % 2], drop_answer=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_believed_has_landed(seed: int) -> None:
    """Entries of which the sink says that they landed are in the stream, whatever the box said when."""
    with FakeAws(seed=seed) as aws, MiddleBox(aws.url, mischief_of(seed), seed) as box:
        aws.create_stream("orders")
        aws.inject(FailEntries(fraction=0.3), times=None, fraction=0.5)
        lease = lease_of(aws.issue().keys)
        sink = KinesisSink({"orders": StreamTarget("orders", "orders", None, "eu-west-1", box.url)}, SystemClock())
        believed: set[bytes] = set()
        flying: dict[int, list[bytes]] = {}
        numbers = itertools.count()
        try:
            for put in range(PUTS):
                values = [b"%d" % next(numbers) for _ in range(ENTRIES)]
                flying[put] = values
                sink.submit(SendPut(put, "orders", lease, ["k"] * ENTRIES, values, TIMEOUT_NS))
                while len(flying) >= IN_FLIGHT or (flying and put == PUTS - 1):
                    for event in answers_of(sink, 1):
                        sent = flying.pop(event.put)  # type: ignore[union-attr]
                        if isinstance(event, PutAnswered):
                            believed |= {value for i, value in enumerate(sent) if i not in event.failed}
        finally:
            sink.close()
        assert set() == believed - set(aws.payloads("orders"))
        assert believed, "nothing was believed: this proves nothing"
        assert box.did["repeat"], "the box did nothing: this proves nothing"
