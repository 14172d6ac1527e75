"""Makers and drivers of puts, so that a test shows only what it is about."""

from __future__ import annotations

import time
from collections.abc import Sequence

from doka.adapters.aws.kinesis.sink import KinesisSink
from doka.domain.commands import SendPut
from doka.domain.events import Event
from doka.domain.lease import Lease, Secrets
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from tests.fake_aws import Keys
from tests.unit.adapters.aws.kinesis.leases import make_lease

__all__ = ["answer_to", "answers_of", "lease_of", "make_lease", "make_put"]

PATIENCE_SECONDS = 20.0


def make_put(
    put: int = 1,
    keys: Sequence[str] = ("a", "b", "c"),
    values: Sequence[bytes] = (b"1", b"", b"3"),
    *,
    timeout: int = 10 * NS_PER_SECOND,
    lease: Lease | None = None,
    route: str = "orders",
    stream_arn: str | None = None,
    hash_keys: Sequence[str | None] | None = None,
    wants_landings: bool = False,
) -> SendPut:
    """Give a put of three entries, one of them empty."""
    of = lease or make_lease()
    return SendPut(put, route, of, keys, values, timeout, stream_arn, hash_keys, wants_landings=wants_landings)


def lease_of(keys: Keys) -> Lease:
    """Give what a fake has issued as a lease that does not end."""
    return Lease(1, "writer", Secrets(*keys), 0, None)


def answers_of(sink: KinesisSink, count: int) -> list[Event]:
    """Drive the sink until it has given so many answers."""
    found: list[Event] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} answers within {PATIENCE_SECONDS} s: {found}"
        found += sink.answers(50 * NS_PER_MS)
    return found


def answer_to(sink: KinesisSink, put: SendPut) -> Event:
    """Submit one put and give its one answer."""
    sink.submit(put)
    [event] = answers_of(sink, 1)
    return event
