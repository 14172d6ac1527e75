from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from doka.adapters.telemetry.otlp.form import Resource
from doka.adapters.telemetry.otlp.spans import CLIENT, ERROR, INTERNAL, SPANS_MAX, Span, Spans, traces_request
from doka.domain.facts import (
    Fact,
    GroupBack,
    LeaseRenewalFailed,
    LeaseRenewed,
    OffsetsCommitted,
    PartitionsOwned,
    RecordsSettled,
    RouteBlocked,
    RouteOpened,
    StopBegan,
)
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from tests.collector import resource_of, traces_of
from tests.manual_clock import ManualClock
from tests.unit.adapters.telemetry.given import NEW_YEAR, ORDERS_3, hand_clock

AT = round(NEW_YEAR) * NS_PER_SECOND
PUT = RecordsSettled("orders", 500, 12_345, 20 * NS_PER_MS)
HALF = 0.5


class Taking:
    """Spans of a clock that stands, and how many were dropped."""

    def __init__(self, put_share: float = 0.0, chance: Callable[[], float] = lambda: HALF) -> None:
        self.clock: ManualClock = hand_clock()
        self.dropped = 0
        self.spans = Spans(self.clock, put_share, chance, self._drop)

    def _drop(self) -> None:
        self.dropped += 1

    def told(self, *facts: Fact) -> list[Span]:
        """Give the spans of some facts."""
        for fact in facts:
            self.spans.tell(fact)
        return self.spans.taken()


def shown(span: Span) -> tuple[str, int, int, dict[str, object], int, str]:
    """Give what a span says; times in ms before now."""
    begun, ended = (AT - span.begun) // NS_PER_MS, (AT - span.ended) // NS_PER_MS
    return span.name, begun, ended, dict(span.attributes), span.kind, span.error


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (
            LeaseRenewed("writer", 4, 3_600 * NS_PER_SECOND, 300 * NS_PER_MS),
            (
                "lease renewal",
                300,
                0,
                {"doka.role": "writer", "doka.lease_serial": 4, "doka.life_seconds": 3_600.0},
                CLIENT,
                "",
            ),
        ),
        (
            LeaseRenewed("ambient", 1, None),
            ("lease renewal", 0, 0, {"doka.role": "ambient", "doka.lease_serial": 1}, CLIENT, ""),
        ),
        (
            LeaseRenewalFailed("writer", "AccessDenied", "no, by arn:aws:iam::1:role/x", 1, None, took=80 * NS_PER_MS),
            ("lease renewal", 80, 0, {"doka.role": "writer"}, CLIENT, "AccessDenied"),
        ),
        (
            PartitionsOwned("assigned", frozenset({ORDERS_3}), {ORDERS_3: 4}),
            ("rebalance", 0, 0, {"doka.change": "assigned", "doka.partitions": 1}, INTERNAL, ""),
        ),
        (
            PartitionsOwned("revoked", frozenset({ORDERS_3}), {}, 700 * NS_PER_MS),
            ("drain", 700, 0, {"doka.change": "revoked", "doka.partitions": 1}, INTERNAL, ""),
        ),
        (
            PartitionsOwned("lost", frozenset({ORDERS_3}), {}),
            ("rebalance", 0, 0, {"doka.change": "lost", "doka.partitions": 1}, INTERNAL, "lost"),
        ),
        (GroupBack(9 * NS_PER_SECOND), ("group out of reach", 9_000, 0, {}, INTERNAL, "group_lost")),
    ],
)
def test_what_is_rare_is_a_span_as_long_as_it_took(fact: Fact, expected: object) -> None:
    """Each is told once, with its code and never with what a service said."""
    (span,) = Taking().told(fact)
    assert expected == shown(span)


def test_a_blocked_time_is_one_span_when_the_route_opens() -> None:
    """It has the last reason, and is as long as the route says; a route that opens at the start has none."""
    taking = Taking()
    assert [] == taking.told(RouteOpened("orders", 0), RouteBlocked("orders", "starting", "x"))
    taking.clock.pass_seconds(2)
    assert [] == taking.told(RouteBlocked("orders", "clock_skew", "Signature expired"))
    taking.clock.jump_wall(-2)
    (span,) = taking.told(RouteOpened("orders", 5 * NS_PER_SECOND))
    assert ("route blocked", 5_000, 0, {"doka.route": "orders"}, INTERNAL, "clock_skew") == shown(span)


def test_the_end_closes_what_is_open() -> None:
    """A route that is blocked still, and the stop, of which the last drain is a part."""
    taking = Taking()
    taking.spans.tell(RouteBlocked("orders", "access", "x"))
    taking.spans.tell(StopBegan("SIGTERM", NS_PER_SECOND))
    taking.clock.pass_seconds(3)
    taking.spans.tell(PartitionsOwned("revoked", frozenset({ORDERS_3}), {}, NS_PER_SECOND))
    taking.spans.ended(1)
    drain, blocked, stop = taking.spans.taken()
    assert ("drain", "route blocked", "stop") == (drain.name, blocked.name, stop.name)
    assert (stop.trace, stop.id) == (drain.trace, drain.parent)
    assert stop.trace != blocked.trace
    assert {"doka.route": "orders", "doka.unfinished": True} == blocked.attributes
    assert (3 * NS_PER_SECOND, "1", {"doka.exit_code": 1}) == (stop.ended - stop.begun, stop.error, stop.attributes)
    taking.spans.ended(1)
    assert [] == taking.spans.taken()


def test_a_stop_that_goes_well_is_no_error() -> None:
    """Exit code 0 is told, and nothing is marked."""
    taking = Taking()
    taking.spans.tell(StopBegan("SIGTERM", NS_PER_SECOND))
    taking.spans.ended(0)
    (stop,) = taking.spans.taken()
    assert ("", {"doka.exit_code": 0}) == (stop.error, stop.attributes)


def test_a_put_is_drawn() -> None:
    """A draw below the share makes a span; it says the share, so that whoever counts spans can count puts."""
    drawn = iter([0.25, 0.2499])
    spans = Taking(0.25, lambda: next(drawn)).told(PUT, PUT)
    told = {"doka.route": "orders", "doka.records": 500, "doka.payload_bytes": 12_345, "doka.put_share": 0.25}
    assert [("put", 20, 0, told, CLIENT, "")] == [shown(span) for span in spans]


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 3)])
def test_no_share_is_none_and_a_whole_one_is_all(share: float, expected: int) -> None:
    """The ends of the range are exact."""
    assert expected == len(Taking(share, lambda: 0.0).told(PUT, PUT, PUT))


def test_what_is_told_all_the_time_has_no_span() -> None:
    """A commit comes each second."""
    assert [] == Taking(1.0).told(OffsetsCommitted(3))


def test_what_nobody_takes_is_bounded_and_counted() -> None:
    """A collector that is away costs spans, not memory."""
    taking = Taking(1.0)
    for _ in range(SPANS_MAX + 3):
        taking.spans.tell(PUT)
    assert (3, SPANS_MAX, 0) == (taking.dropped, len(taking.spans.taken()), len(taking.spans.taken()))


def test_codes_of_strangers_are_bounded() -> None:
    """A service could send anything for a code."""
    (span,) = Taking().told(LeaseRenewalFailed("writer", "x" * 200, "", 1, None))
    assert "other" == span.error


def test_the_request_is_what_the_definitions_ask_for() -> None:
    """Ids of their lengths, times, kinds, the status of failures only, and the parent where there is one."""
    taking = Taking(1.0)
    taking.spans.tell(StopBegan("SIGTERM", NS_PER_SECOND))
    spans = taking.told(PUT, PartitionsOwned("lost", frozenset({ORDERS_3}), {}))
    request = traces_of(orjson.loads(traces_request(spans, Resource({"service.name": "doka"}, "1.2.3"))))
    assert {"service.name": "doka"} == resource_of(request)
    put, lost = request.resource_spans[0].scope_spans[0].spans
    assert ("put", CLIENT, AT - PUT.took, AT) == (put.name, put.kind, put.start_time_unix_nano, put.end_time_unix_nano)
    assert (b"", 0, ERROR) == (put.parent_span_id, put.status.code, lost.status.code)
    assert 8 == len(lost.parent_span_id)
    assert put.trace_id != lost.trace_id
    (kind,) = [attribute.value.string_value for attribute in lost.attributes if attribute.key == "error.type"]
    assert "lost" == kind
