"""What is read out of single records: a field of a JSON value, the headers. Only for routes that ask for it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from doka.domain.records import Original, ask_headers

UNREADABLE_HEADERS = "UnreadableHeaders"
"""Code of poison: a header's name is not UTF-8."""
_ARRAY_INDEX = re.compile(r"0|[1-9][0-9]*", re.ASCII)  # RFC 6901, section 4: no sign, no leading zero


def headers_of(original: Original, place: int, poison: dict[int, str]) -> Sequence[tuple[str, bytes | None]] | None:
    """Give a record's headers; None, and poison, where a name is not UTF-8: the client raises for those.

    Such a record is asked once: what the client gives the second time cannot be touched.
    """
    if poison.get(place) == UNREADABLE_HEADERS:
        return None
    try:
        return ask_headers(original) or ()
    except SystemError:
        poison[place] = UNREADABLE_HEADERS
        return None


def steps_of(pointer: str) -> list[str]:
    """Give the steps of a JSON pointer (RFC 6901), which is empty or begins with a slash."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def json_field(value: bytes | None, steps: Sequence[str]) -> str | None:
    """Follow the steps of a JSON pointer; None where the value is not JSON or has no such scalar."""
    try:
        return scalar_at(read_json(value), steps)
    except ValueError:
        return None


def read_json(value: bytes | None) -> Any:
    """Read a value as JSON; one without bytes is null.

    Raises ValueError where it is none: whatever a stranger wrote is one of the two, a million opening brackets too.
    """
    try:
        return json.loads(value or b"null")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def scalar_at(found: Any, steps: Sequence[str]) -> str | None:
    """Follow the steps of a JSON pointer to a scalar, and give it as text; None where there is no such one."""
    try:
        for step in steps:
            if isinstance(found, list):
                if not _ARRAY_INDEX.fullmatch(step):
                    return None
                found = found[int(step)]
            else:
                found = found[step]
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    if found is None or isinstance(found, dict | list):
        return None
    return found if isinstance(found, str) else json.dumps(found)
