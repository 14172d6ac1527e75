"""A trace is the whole run in lines, and its hash tells two runs apart."""

from __future__ import annotations

from doka.adapters.simulated.timeline import START_NS, Timeline
from doka.adapters.simulated.trace import Trace


def test_equal_runs_have_equal_hashes_and_one_detail_makes_another() -> None:
    """Time, kind and details all count."""
    digests = []
    for detail, at in ((1, 5), (1, 5), (2, 5), (1, 6)):
        timeline = Timeline()
        trace = Trace(timeline)
        timeline.pass_to(START_NS + at)
        trace.note("put", detail, "s0")
        digests.append(trace.digest())
    assert digests[0] == digests[1]
    assert 3 == len(set(digests))


def test_the_tail_is_readable() -> None:
    """The last events come one line each, with seconds since the start."""
    timeline = Timeline()
    trace = Trace(timeline)
    trace.note("starts", 1)
    timeline.pass_to(START_NS + 1_500_000_000)
    trace.note("put", 7, "s0")
    assert ["1.500000", "put", "7", "s0"] == trace.tail(1)[0].split()
    assert 2 == len(trace.tail(10))
