"""How keys, data and times are shown at a terminal, where a record's bytes must do nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

KEY_CHARACTERS_SHOWN: Final = 48


def cut(text: str) -> str:
    """Cut a key to what a table can bear."""
    return text if len(text) <= KEY_CHARACTERS_SHOWN else f"{text[:KEY_CHARACTERS_SHOWN]}..."


def content_shown(content: bytes) -> str:
    """Show bytes: text that can do nothing, or the bytes by number."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return repr(content)
    return text if text.isprintable() else repr(text)


def time_shown(timestamp_ms: int | None) -> str:
    """Show a time in UTC, in ms since the epoch; a dash where there is none."""
    if timestamp_ms is None:
        return "-"
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
