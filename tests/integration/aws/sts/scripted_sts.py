"""An STS that answers what a test tells it to, also what no STS should; it keeps what it was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

ERROR = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
)
ISSUED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>secret {number}</SecretAccessKey>
<SessionToken>token {number}</SessionToken>{expiration}</Credentials>
<AssumedRoleUser><Arn>arn:aws:sts::{account}:assumed-role/writer/doka</Arn><AssumedRoleId>AROA:doka</AssumedRoleId>
</AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"""


@dataclass
class Reply:
    """One answer; `date` in seconds since the epoch, None for an answer without a Date."""

    status: int
    body: str
    date: float | None = None
    close: bool = False
    """Break the connection instead of answering."""


@dataclass
class Asked:
    """One question as it arrived."""

    parameters: dict[str, str]
    headers: dict[str, str]

    @property
    def access_key(self) -> str:
        """The key that signed it."""
        return self.headers["authorization"].partition("Credential=")[2].partition("/")[0]


@dataclass
class ScriptedSts:
    """Answers with the replies of `script`, in order, and then issues credentials that live for an hour."""

    url: str = ""
    script: list[Reply] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    life_seconds: float = 3600.0
    ahead_seconds: float = 0.0
    """How far its clock is ahead of the true time."""

    def reply(self, asked: Asked) -> Reply:
        """Take the next reply of the script, or issue."""
        self.asked.append(asked)
        return self.script.pop(0) if self.script else self.issue(asked)

    def issue(self, asked: Asked) -> Reply:
        """Issue credentials of the role's account, numbered by the question."""
        date = time.time() + self.ahead_seconds
        ends = datetime.fromtimestamp(int(date) + self.life_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        account = asked.parameters["RoleArn"].split(":")[4]
        expiration = f"<Expiration>{ends}</Expiration>"
        return Reply(200, ISSUED.format(number=len(self.asked), expiration=expiration, account=account), date)


def issued(expiration: str) -> str:
    """Write an answer with this Expiration element, whatever it is."""
    return ISSUED.format(number=1, expiration=expiration, account="210987654321")


def refused(code: str, message: str = "no") -> str:
    """Write STS's error."""
    return ERROR.format(code=code, message=message)


@contextmanager
def scripted_sts() -> Iterator[ScriptedSts]:
    """Run one on a free port."""
    sts = ScriptedSts()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Answer by the script."""
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            parameters = {name: values[0] for name, values in parse_qs(body).items()}
            reply = sts.reply(Asked(parameters, {name.lower(): value for name, value in self.headers.items()}))
            self.close_connection = True
            if reply.close:
                return
            self.send_response_only(reply.status)
            if reply.date is not None:
                self.send_header("Date", formatdate(reply.date, usegmt=True))
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(reply.body.encode())))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(reply.body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    sts.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield sts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
