"""A Kinesis that counts and answers right, and keeps nothing: so quick that it is never what a benchmark measures.

It is the tests' stand-in for AWS with its PutRecords replaced: STS, DescribeStreamSummary and the HTTP server are that
one's. An accepted request is looked at once, by one C loop over its body; what is wrong with it is answered 400 and
told at the end, so a benchmark over broken requests fails. A record's text can hold no quote (base64), so counting a
member's name counts the entries. What stands inside an aggregate is counted by the head of its data, which can stand
nowhere else: the keys and values of a benchmark are printable.

    python -m benchmarks.null_kinesis [--ca-folder DIR]        prints its URL, ends with its standard input
"""

from __future__ import annotations

import argparse
import re
import selectors
import ssl
import sys
import time
from array import array
from functools import cache
from pathlib import Path

import orjson
from pybase64 import b64decode

from benchmarks.feeding import STAMP_BYTES
from doka.domain.limits import ROUTES_OF_A_TOPIC_MAX
from doka.domain.sending.aggregate import DIGEST_BYTES, MAGIC, varint
from tests.certificates import make_authority
from tests.fake_aws import FakeAws
from tests.fake_aws.connection import Exchange
from tests.fake_aws.http import HttpLoop
from tests.fake_aws.wire import Reply, Request

STREAM = "benchmark"
SHARDS = 4
ENTRIES_MAX = 500
CONTROL = "/null"
HEAD_BYTES = 160  # of a body, where the stream stands
_ENTRY = b'"PartitionKey": '
_DATA = re.compile(rb'"Data": "([^"]*)"')
_STAMP = re.compile(rb'"Data": "([^"]{%d})' % (STAMP_BYTES * 4 // 3))


def stream_of(leg: int) -> str:
    """Name the stream to which the routes of a topic go that are so far behind the first of it."""
    return STREAM if leg == 0 else f"{STREAM}-{leg}"


class NullKinesis:
    """Counts what lands; takes its orders over `CONTROL`.

    `records` only grows between two `forget`s; `moment` is of CLOCK_MONOTONIC, which all processes of a host share.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        fake = FakeAws()
        self._answer_others = fake.loop.handle
        fake.loop.stop()  # its own server is not needed: this closes its sockets
        fake.loop.run()
        names = [stream_of(leg) for leg in range(ROUTES_OF_A_TOPIC_MAX)]
        self._addresses = tuple(
            address
            for name in names
            for address in (fake.create_stream(name, shards=SHARDS).encode(), b'"%b"' % name.encode())
        )
        self.loop = HttpLoop(fake.clock, self.handle, "127.0.0.1", 0, tls)
        self._awaited: tuple[int, Exchange] | None = None
        self.forget()

    @property
    def url(self) -> str:
        """The endpoint of both services."""
        return self.loop.url

    def forget(self, *, delay: float = 0.0, stamped: bool = False, aggregates_of: int = 0) -> None:
        """Begin anew: answer after `delay` seconds; `stamped` records begin with when they were produced.

        `aggregates_of` is the size of the records inside aggregates; with 0 nothing is looked into.
        """
        self._delay, self._stamped = delay, stamped
        self._inner = head_of_data(aggregates_of) if aggregates_of else b""
        self._records = self._entries = self._requests = self._body_bytes = 0
        self._first = self._last = 0
        self._produced, self._latencies = array("q"), array("q")
        self._faults: list[str] = []

    def handle(self, request: Request, exchange: Exchange) -> None:
        """Take every request of the server."""
        if request.path == CONTROL:
            self._control(request, exchange)
        elif request.headers.get("x-amz-target", "").endswith(".PutRecords"):
            if self._delay:
                self.loop.call_later(self._delay, lambda: self._put(request, exchange))
            else:
                self._put(request, exchange)
        else:
            self._answer_others(request, exchange)

    def _put(self, request: Request, exchange: Exchange) -> None:
        entries = request.body.count(_ENTRY)
        fault = self._fault(request, entries)
        if fault:
            self._faults.append(fault)
            exchange.answer(Reply(b'{"__type":"InvalidArgumentException","message":"see the benchmark"}', 400))
            return
        exchange.answer(Reply(answer_of(entries)))
        self._last = time.monotonic_ns()
        self._first = self._first or self._last
        self._records += self._inside(request.body) if self._inner else entries
        self._entries += entries
        self._requests += 1
        self._body_bytes += request.length
        if self._stamped:
            produced = self._stamps(request.body)
            self._produced.extend(produced)
            self._latencies.extend(self._last // 1000 - each for each in produced)
        if self._awaited is not None and self._records >= self._awaited[0]:
            self._report(self._awaited[1])
            self._awaited = None

    def _inside(self, body: bytes | bytearray) -> int:
        """Count the records of a body, those inside aggregates too."""
        found = map(b64decode, _DATA.findall(body))
        return sum(data.count(self._inner, 0, -DIGEST_BYTES) if data.startswith(MAGIC) else 1 for data in found)

    def _stamps(self, body: bytes | bytearray) -> list[int]:
        """Give when each record of a body was produced, those inside aggregates too."""
        if not self._inner:
            return list(map(int, map(b64decode, _STAMP.findall(body))))
        stamp = re.compile(re.escape(self._inner) + rb"([0-9]{%d})" % STAMP_BYTES)
        return [
            int(found)
            for data in map(b64decode, _DATA.findall(body))
            for found in (stamp.findall(data) if data.startswith(MAGIC) else (data[:STAMP_BYTES],))
        ]

    def _fault(self, request: Request, entries: int) -> str:
        """Say what is wrong with a put; nothing is nearly always right."""
        body = request.body
        if not 1 <= entries <= ENTRIES_MAX:
            return f"{entries} entries"
        if (
            not body.startswith(b'{"Stream')
            or not body.endswith(b"}]}")
            or not any(map(body[:HEAD_BYTES].__contains__, self._addresses))
        ):
            return f"a body for another stream, or cut: {bytes(body[:HEAD_BYTES])!r}"
        if "authorization" not in request.headers or "x-amz-security-token" not in request.headers:
            return "no signature by a lease"
        return ""

    def _control(self, request: Request, exchange: Exchange) -> None:
        given = orjson.loads(request.body)
        do = given.pop("do")
        if do == "forget":
            self.forget(**given)
        elif do == "await" and self._records < given["records"]:
            self._awaited = (given["records"], exchange)
            self.loop.call_later(given["within"], lambda: self._give_up(exchange))
            return
        self._report(exchange)

    def _give_up(self, exchange: Exchange) -> None:
        if self._awaited is not None and self._awaited[1] is exchange:
            self._awaited = None
            self._report(exchange)

    def _report(self, exchange: Exchange) -> None:
        exchange.answer(
            Reply(
                orjson.dumps(
                    {
                        "records": self._records,
                        "entries": self._entries,
                        "requests": self._requests,
                        "body_bytes": self._body_bytes,
                        "first": self._first,
                        "last": self._last,
                        "faults": self._faults[:5],
                        "produced_us": self._produced.tolist() if self._stamped else [],
                        "latencies_us": self._latencies.tolist() if self._stamped else [],
                        "cpu_ns": time.process_time_ns(),
                        "at": time.monotonic_ns(),
                    }
                )
            )
        )


def head_of_data(size: int) -> bytes:
    """Give what stands before the data of each record of `size` bytes in an aggregate: protobuf's tag, and the length."""
    return b"\x1a" + varint(size)


@cache
def answer_of(entries: int) -> bytes:
    """Give the answer to a put of so many entries that all landed, as long as a real one."""
    results = [
        {"SequenceNumber": f"4964{place:052d}", "ShardId": f"shardId-{place % SHARDS:012d}"} for place in range(entries)
    ]
    return orjson.dumps({"FailedRecordCount": 0, "Records": results})


def main() -> int:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.null_kinesis")
    parser.add_argument("--ca-folder", type=Path, help="serve TLS; the authority's certificate is left there as ca.pem")
    folder: Path | None = parser.parse_args().ca_folder
    null = NullKinesis(None if folder is None else make_authority(folder).server)
    null.loop.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, lambda _: null.loop.stop())
    sys.stdout.write(f"{null.url}\n")
    sys.stdout.flush()
    null.loop.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
