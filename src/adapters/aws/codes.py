"""Error codes of AWS where they are read: they end up in metrics, in logs and in states, so nothing else may pass for one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

CODE_CHARACTERS_MAX = 128
"""The longest that botocore knows of Kinesis, KMS and STS has 43."""

CODE_PATTERN = re.compile(rf"[A-Za-z][A-Za-z0-9_.]{{0,{CODE_CHARACTERS_MAX - 1}}}", re.ASCII)
"""What an error code looks like."""

UNREADABLE = "unreadable_answer"


def read_code(told: object) -> str | None:
    """Give a code as it was told, or None where it is none: another type, no letters, too long."""
    return told if isinstance(told, str) and CODE_PATTERN.fullmatch(told) else None


def code_of(response: Mapping[str, Any]) -> str:
    """Give the code of a refusal as botocore has read it; by its HTTP status where the service told none.

    botocore itself puts the bare status in the place of a missing code.
    """
    code = read_code(response.get("Error", {}).get("Code"))
    if code is not None:
        return code
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return f"http_{status}" if isinstance(status, int) else UNREADABLE
