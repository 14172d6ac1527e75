"""A collector for tests: it takes OTLP/HTTP as JSON, reads it by the published protobuf definitions, and answers as it is told."""

from __future__ import annotations

import gzip
import json
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from ssl import SSLContext
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.waiting import eventually

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""By name and labels, as a page of Prometheus has them; histograms by their parts."""


@dataclass(frozen=True)
class Reply:
    """What a request is answered with; `hold` is waited for first."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None


@dataclass(frozen=True)
class Request:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    reply: Reply

    @property
    def data(self) -> Any:
        """Give the JSON."""
        return json.loads(gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body)


def metrics_of(data: Any) -> ExportMetricsServiceRequest:
    """Read metrics strictly: an unknown field, or a kind that does not fit, raises ParseError."""
    request = ExportMetricsServiceRequest()
    ParseDict(data, request)
    return request


def traces_of(data: Any) -> ExportTraceServiceRequest:
    """Read spans strictly. OTLP writes ids in hexadecimal, where the JSON of protobuf has base64."""
    for resource in data["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name, size in (("traceId", 16), ("spanId", 8), ("parentSpanId", 8)):
                    if name in span:
                        told = bytes.fromhex(span[name])
                        assert size == len(told), name
                        span[name] = b64encode(told).decode()
    request = ExportTraceServiceRequest()
    ParseDict(data, request)
    return request


def series_of(request: ExportMetricsServiceRequest) -> Series:
    """Give all series as a page of Prometheus would have them."""
    found: Series = {}
    for metric in (m for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics):
        for point in metric.gauge.data_points or metric.sum.data_points:
            found[metric.name, _labels(point)] = point.as_double
        for point in metric.histogram.data_points:
            labels, below = _labels(point), 0
            for bound, count in zip([*map(str, point.explicit_bounds), "+Inf"], point.bucket_counts, strict=True):
                below += count
                found[f"{metric.name}_bucket", tuple(sorted((*labels, ("le", bound))))] = below
            found[f"{metric.name}_count", labels] = point.count
            found[f"{metric.name}_sum", labels] = point.sum
    return found


def resource_of(request: ExportMetricsServiceRequest | ExportTraceServiceRequest) -> dict[str, str]:
    """Give the attributes of the one resource of a request."""
    (one,) = request.resource_metrics if isinstance(request, ExportMetricsServiceRequest) else request.resource_spans
    return {attribute.key: attribute.value.string_value for attribute in one.resource.attributes}


def _labels(point: Any) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((attribute.key, attribute.value.string_value) for attribute in point.attributes))


class Collector:
    """Listens at `url`; keeps what came, also what it did not take."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self._replies: SimpleQueue[Reply] = SimpleQueue()
        self.otherwise = Reply()

    def will(self, *replies: Reply) -> None:
        """Answer the next requests like this, one each."""
        for reply in replies:
            self._replies.put(reply)

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Keep a request, and give its answer."""
        try:
            reply = self._replies.get_nowait()
        except Empty:
            reply = self.otherwise
        self.requests.append(Request(path, headers, body, reply))
        return reply

    def taken(self, path: str = "/v1/metrics") -> list[Request]:
        """Give what came to a path and was taken."""
        return [one for one in self.requests if one.path == path and one.reply.status == 200]

    def await_requests(self, count: int, path: str = "/v1/metrics") -> list[Request]:
        """Wait until so many came to a path, taken or not, and give them."""
        return eventually(
            lambda: found if len(found := [r for r in self.requests if r.path == path]) >= count else [],
            what=f"{count} requests to {path}",
        )


@contextmanager
def collector(tls: SSLContext | None = None) -> Iterator[Collector]:
    """Run one on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = running.take(self.path, headers, body)
            if reply.hold is not None:
                reply.hold.wait()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: Any) -> None:
            """Say nothing on stderr."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Say nothing of clients that went away: some are meant to."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    host = "localhost" if tls is not None else "127.0.0.1"
    running = Collector(f"http{'s' if tls is not None else ''}://{host}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield running
    finally:
        for request in running.requests:
            if request.reply.hold is not None:
                request.reply.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()
