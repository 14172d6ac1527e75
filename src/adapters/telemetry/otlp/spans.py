"""Makes spans of the facts that are rare, and of one put in many: a renewal, a rebalance, a time that a route was blocked.

A fact is told when something has ended, and says how long it took, so a span is whole when it is born and nothing is
carried through the domain for it. The exceptions are a stop and a blocked route, which are begun by one fact and ended by
another. Each is the root of a trace of its own, but what is given back in a stop belongs to the stop.
There are no links: records come with a trace of their own only in Kafka's headers, which are not read on the way of a
record, and one put holds hundreds of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any

import orjson

from doka.adapters.telemetry.labels import BoundedLabels
from doka.adapters.telemetry.otlp.form import Resource, attributes
from doka.domain.facts import (
    Fact,
    GroupBack,
    LeaseRenewalFailed,
    LeaseRenewed,
    PartitionsOwned,
    RecordsSettled,
    RouteBlocked,
    RouteOpened,
    StopBegan,
)
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

SPANS_MAX = 2_048
"""What waits to be sent; as many as the batch processor of OpenTelemetry's SDKs holds by default."""
INTERNAL, CLIENT = 1, 3  # SpanKind of OTLP
ERROR = 2  # Status.StatusCode of OTLP; what went well is left unset, as is asked of instrumentation

Attributes = dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Span:
    """One span: times in ns since the epoch, ids in hexadecimal; an empty `parent` is none, an empty `error` as well."""

    name: str
    begun: int
    ended: int
    attributes: Attributes
    kind: int = INTERNAL
    error: str = ""
    trace: str = ""
    parent: str = ""
    id: str = ""


class Spans:
    """Takes facts on the loop's thread, and gives spans to the one that sends them."""

    def __init__(
        self, clock: Clock, put_share: float, chance: Callable[[], float], dropped: Callable[[], None]
    ) -> None:
        """Take which share of the puts has a span, and what draws from 0 to below 1; `dropped` is called for each that is lost."""
        self._clock = clock
        self._put_share = put_share
        self._chance = chance
        self._dropped = dropped
        self._codes = BoundedLabels()
        self._waiting: SimpleQueue[Span] = SimpleQueue()
        self._blocked: dict[str, Span] = {}
        """By route: it has begun, and ends when the route opens."""
        self._stop: Span | None = None
        self._makers: dict[type[object], Callable[[Any, int], None]] = {
            RecordsSettled: self._put,
            LeaseRenewed: self._renewed,
            LeaseRenewalFailed: self._not_renewed,
            PartitionsOwned: self._moved,
            RouteBlocked: self._block,
            RouteOpened: self._opened,
            GroupBack: self._group_back,
            StopBegan: self._stop_began,
        }

    def tell(self, fact: Fact) -> None:
        """Make a span of a fact that has one."""
        make = self._makers.get(type(fact))
        if make is not None:
            make(fact, self._now())

    def ended(self, code: int) -> None:
        """End what has begun: the stop, by the exit code of the process, and what is blocked still."""
        now = self._now()
        for span in self._blocked.values():
            self._keep(replace(span, ended=now, attributes=span.attributes | {"doka.unfinished": True}))
        self._blocked.clear()
        if self._stop is not None:
            error = "" if code == 0 else str(code)
            self._keep(replace(self._stop, ended=now, error=error, attributes={"doka.exit_code": code}))
            self._stop = None

    def taken(self) -> list[Span]:
        """Take what waits."""
        found: list[Span] = []
        try:
            while len(found) < SPANS_MAX:
                found.append(self._waiting.get_nowait())
        except Empty:
            pass
        return found

    def _now(self) -> int:
        return round(self._clock.wall() * NS_PER_SECOND)

    def _keep(self, span: Span) -> None:
        if self._waiting.qsize() >= SPANS_MAX:
            self._dropped()
        else:
            self._waiting.put(_named(span))

    def _put(self, fact: RecordsSettled, now: int) -> None:
        if self._chance() < self._put_share:
            told: Attributes = {
                "doka.route": fact.route,
                "doka.records": fact.records,
                "doka.payload_bytes": fact.payload_bytes,
                "doka.put_share": self._put_share,
            }
            self._keep(Span("put", now - fact.took, now, told, CLIENT))

    def _renewed(self, fact: LeaseRenewed, now: int) -> None:
        told: Attributes = {"doka.role": fact.role, "doka.lease_serial": fact.serial}
        if fact.life is not None:
            told["doka.life_seconds"] = fact.life / NS_PER_SECOND
        self._keep(Span("lease renewal", now - fact.took, now, told, CLIENT))

    def _not_renewed(self, fact: LeaseRenewalFailed, now: int) -> None:
        code = self._codes.of(fact.code)
        self._keep(Span("lease renewal", now - fact.took, now, {"doka.role": fact.role}, CLIENT, code))

    def _moved(self, fact: PartitionsOwned, now: int) -> None:
        """Tell a rebalance; what is given back has drained for as long as it took."""
        name = "drain" if fact.change == "revoked" else "rebalance"
        told: Attributes = {"doka.change": fact.change, "doka.partitions": len(fact.partitions)}
        span = Span(name, now - fact.took, now, told, error="lost" if fact.change == "lost" else "")
        if self._stop is not None:
            span = replace(span, trace=self._stop.trace, parent=self._stop.id)
        self._keep(span)

    def _block(self, fact: RouteBlocked, now: int) -> None:
        before = self._blocked.get(fact.route)
        begun = now if before is None else before.begun
        told: Attributes = {"doka.route": fact.route}
        self._blocked[fact.route] = Span("route blocked", begun, begun, told, error=self._codes.of(fact.reason))

    def _opened(self, fact: RouteOpened, now: int) -> None:
        span = self._blocked.pop(fact.route, None)
        if span is not None:
            self._keep(replace(span, begun=now - fact.after, ended=now))

    def _group_back(self, fact: GroupBack, now: int) -> None:
        self._keep(Span("group out of reach", now - fact.after, now, {}, error="group_lost"))

    def _stop_began(self, _fact: StopBegan, now: int) -> None:
        self._stop = _named(Span("stop", now, now, {}))


def _named(span: Span) -> Span:
    """Give a span its ids, where it has none yet."""
    return replace(span, trace=span.trace or secrets.token_hex(16), id=span.id or secrets.token_hex(8))


def traces_request(spans: Iterable[Span], resource: Resource) -> bytes:
    """Give the request for these spans."""
    return orjson.dumps(resource.of("Spans", [_shown(span) for span in spans]))


def _shown(span: Span) -> dict[str, Any]:
    told = span.attributes | ({"error.type": span.error} if span.error else {})
    return {
        "traceId": span.trace,
        "spanId": span.id,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.begun),
        "endTimeUnixNano": str(max(span.ended, span.begun)),
        "attributes": attributes(told),
        "status": {"code": ERROR} if span.error else {},
    }
