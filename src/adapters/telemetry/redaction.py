"""The second line of defence against secrets in logs.

The first is that nothing which holds a secret is ever handed to a logger. But services put what they received into
their own error texts (a refused signature is answered with the whole canonical request, session token included),
and libraries write what they like: so every line passes here before it is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"

_NAMES = re.compile(
    r"(?i)secret|token|passw|credential|authoriz|signature|api_?key|access_?key|private_?key|payload|^(key|value|data)$"
)
_TEXTS = (
    re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b"),  # access key ids, and the ids of roles and users
    re.compile(r"(?<![A-Za-z0-9/+=])(?=[A-Z0-9/+]*[a-z])(?=[a-z0-9/+]*[A-Z])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"),
    # ^ secret keys: the looks ahead end with the word, so that a long one is not gone through from each of its places
    re.compile(r"[A-Za-z0-9+/_%=-]{80,}"),  # session tokens, payloads in base64
    re.compile(r"(?i)(?<=signature=)[0-9a-f]{16,}"),
    re.compile(r"(?i)(?<=x-amz-security-token)\s*[:=]\s*\S+"),
    re.compile(r"(?i)(?<=authorization)\s*[:=]\s*[^\r\n]+"),
    re.compile(r"(?i)(?<=password)['\"]?\s*[:=]\s*\S+"),
    re.compile(r"(?i)(?<=secret)(?:[ _-]?(?:access)?[ _-]?key)?['\"]?\s*[:=]\s*\S+"),
)
_DEPTH_MAX = 6
TEXT_CHARACTERS_MAX = 8_000
"""Of one text that is shown: as much as the longest traceback, and little enough to be searched at once."""


def redact(text: str) -> str:
    """Give the text with everything that looks like a secret replaced; cut first, and never inside a word.

    What cannot be written as UTF-8 is written as an escape.
    """
    if len(text) > TEXT_CHARACTERS_MAX:
        text = _cut(text)
    text = _writable(text)
    for pattern in _TEXTS:
        text = pattern.sub(HIDDEN, text)
    return text


def _writable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _cut(text: str) -> str:
    """Leave the end out, and what stands there of a word: it may be the half of a secret."""
    kept = text[:TEXT_CHARACTERS_MAX]
    words = kept.rsplit(maxsplit=1)
    return f"{words[0]} [cut]" if len(words) > 1 else HIDDEN


def redacted(value: Any, depth: int = 0) -> Any:
    """Give a value as it may be shown: texts redacted, bytes never shown, what has a secret name hidden."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if depth >= _DEPTH_MAX:
        return HIDDEN
    if isinstance(value, Mapping):
        return {
            _writable(str(name)): HIDDEN if _secret(str(name), item) else redacted(item, depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, depth + 1) for item in value]
    return f"[{type(value).__name__}]"  # an unknown object's text may hold anything


def _secret(name: str, value: Any) -> bool:
    """Tell by its name that a value must not be shown; figures may (`payload_bytes`)."""
    return value is not None and not isinstance(value, bool | int | float) and _NAMES.search(name) is not None
