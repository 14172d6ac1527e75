"""Unpacks what AWS Glue's serializers have compressed by zlib."""

from __future__ import annotations

import zlib
from typing import Final

UNPACKED_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one payload; no record that fits a stream is larger by far."""


def unpacked(payload: bytes) -> bytes | None:
    """Give what was packed; None where it was not, or unfolds too far."""
    unfolding = zlib.decompressobj()
    try:
        found = unfolding.decompress(payload, UNPACKED_BYTES_MAX)
    except zlib.error:
        return None
    return found if unfolding.eof else None
