"""What AWS answers, in the shapes of the two protocols that matter here: Kinesis' JSON and STS' XML."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

JSON_TYPE = "application/x-amz-json-1.1"
XML_TYPE = "text/xml"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole; `code` is the error code, empty for success."""

    status: int
    body: bytes = field(repr=False)
    headers: Sequence[tuple[str, str]] = ()
    code: str = ""
    date: float | None = None
    """The `Date` it must carry, in seconds since the epoch; None: that of the moment in which it leaves."""


def refusal(service: str, status: int, code: str, message: str) -> Answer:
    """Build an error as `service` would answer it."""
    if service == "sts":
        side = "Sender" if status < 500 else "Receiver"  # noqa: PLR2004 - the border that HTTP draws
        body = (
            f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>{side}</Type>'
            f"<Code>{html.escape(code)}</Code><Message>{html.escape(message)}</Message></Error>"
            "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
        )
        return Answer(status, body.encode(), (("Content-Type", XML_TYPE),), code)
    body = json.dumps({"__type": code, "message": message})
    return Answer(status, body.encode(), (("Content-Type", JSON_TYPE),), code)


def error_code(body: bytes) -> str:
    """Read the code out of a JSON error; `Unknown` where there is none."""
    try:
        said = json.loads(body)
    except ValueError:
        return "Unknown"
    return str(said.get("__type", "Unknown")).rpartition("#")[2] if isinstance(said, dict) else "Unknown"
