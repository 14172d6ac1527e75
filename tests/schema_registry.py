"""A schema registry in this process that speaks Confluent's API, as far as readers of schemas use it.

Paths, members and error codes are those of https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid5

_SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


@dataclass
class SchemaRegistry:
    """What is registered, what is asked, and how it answers."""

    url: str
    login: tuple[str, str] | None = None
    """User name and password that it asks for."""
    status: int = 200
    """Another one: it answers with that, and with nothing else."""
    body: bytes | None = None
    """What it answers instead."""
    hold: threading.Event | None = None
    """Nothing is answered before it is set."""
    asked: list[str] = field(default_factory=list)
    _schemas: dict[int, dict[str, Any]] = field(default_factory=dict)
    _subjects: dict[tuple[str, int], int] = field(default_factory=dict)

    def register(
        self, subject: str, schema: object, kind: str = "AVRO", references: Sequence[Mapping[str, object]] = ()
    ) -> int:
        """Register a schema, as the next version of its subject; give its id."""
        number = len(self._schemas) + 1
        text = schema if isinstance(schema, str) else json.dumps(schema)
        told: dict[str, Any] = {"schema": text, "guid": str(self.guid(number))}
        if kind != "AVRO":  # which is not told
            told["schemaType"] = kind
        if references:
            told["references"] = [dict(each) for each in references]
        self._schemas[number] = told
        version = 1 + sum(each == subject for each, _ in self._subjects)
        self._subjects[subject, version] = number
        return number

    @staticmethod
    def guid(number: int) -> UUID:
        """Give the GUID of a schema."""
        return uuid5(_SPACE, str(number))

    def answer(self, path: str, authorization: str | None) -> tuple[int, bytes]:
        """Give the status and the body for a GET."""
        self.asked.append(path)
        if self.hold is not None:
            self.hold.wait(30)
        if self.status != 200 or self.body is not None:
            return self.status, self.body or b"<html>"
        if self.login is not None:
            wanted = "Basic " + base64.b64encode(":".join(self.login).encode()).decode()
            if authorization != wanted:
                return _told(401, 401, "Unauthorized")
        return self._find([unquote(part) for part in path.partition("?")[0].strip("/").split("/")])

    def _find(self, parts: list[str]) -> tuple[int, bytes]:
        match parts:
            case ["schemas", "ids", number]:
                found = self._schemas.get(int(number))
                told = None if found is None else {k: v for k, v in found.items() if k != "guid"}
            case ["schemas", "guids", guid]:
                told = next((each for each in self._schemas.values() if each["guid"] == guid), None)
            case ["subjects", subject, "versions", version]:
                at = self._subjects.get((subject, int(version)))
                if at is None:
                    known = any(each == subject for each, _ in self._subjects)
                    return _told(404, 40402, "Version not found.") if known else _told(404, 40401, "Subject not found.")
                told = {"subject": subject, "version": int(version), "id": at, **self._schemas[at]}
            case _:
                return _told(404, 404, "HTTP 404 Not Found")
        return _told(404, 40403, "Schema not found") if told is None else (200, json.dumps(told).encode())


def _told(status: int, code: int, message: str) -> tuple[int, bytes]:
    return status, json.dumps({"error_code": code, "message": message}).encode()


def framed(schema: int | UUID, payload: bytes) -> bytes:
    """Give a value as Confluent's serializers frame it."""
    head = b"\x00" + schema.to_bytes(4) if isinstance(schema, int) else b"\x01" + schema.bytes
    return head + payload


@contextmanager
def schema_registry(tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[SchemaRegistry]:
    """Run a registry."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = running.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            if status in {301, 302, 307}:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing on stderr."""

    class Server(ThreadingHTTPServer):
        allow_reuse_address = True

        def handle_error(self, *_: Any) -> None:
            """Say nothing of clients that went away: some are meant to."""

    server = Server(("127.0.0.1", port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    host = "localhost" if tls is not None else "127.0.0.1"
    running = SchemaRegistry(f"http{'s' if tls is not None else ''}://{host}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield running
    finally:
        if running.hold is not None:
            running.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()
