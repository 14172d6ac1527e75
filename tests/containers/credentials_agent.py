"""What ECS and EKS Pod Identity put beside a container: an endpoint that gives it the credentials of its role.

Like theirs it gives the same ones again until shortly before their end, whenever it is asked.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.fake_aws import Keys


class CredentialsAgent:
    """Listens on a thread of its own until its block ends; `issue` is asked for the next credentials and their end."""

    def __init__(self, issue: Callable[[], tuple[Keys, float]], seconds_before: float) -> None:
        """Take where credentials come from, and how long before their end the next ones are given."""
        self._issue = issue
        self._seconds_before = seconds_before
        self._lock = threading.Lock()
        self._given: tuple[Keys, float] | None = None
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Give what is good now."""
                body = agent.document()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a process finds it."""
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{self._server.server_port}/"}

    def renew(self) -> None:
        """Give the next credentials from now on."""
        with self._lock:
            self._given = None

    def document(self) -> bytes:
        """Give the credentials as the endpoint does."""
        with self._lock:
            if self._given is None or self._given[1] - time.time() <= self._seconds_before:
                self._given = self._issue()
            keys, ends_at = self._given
        end = datetime.fromtimestamp(ends_at, UTC).isoformat()
        return json.dumps(
            {
                "AccessKeyId": keys.access_key,
                "SecretAccessKey": keys.secret_key,
                "Token": keys.token,
                "Expiration": end,
            }
        ).encode()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
