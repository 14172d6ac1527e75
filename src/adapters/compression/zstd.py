"""Zstandard (RFC 8878): each record is a frame of its own, which says how long its data is.

The module is the standard library's where that has one, from Python 3.14 on, else its backport.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdCompressor, ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdCompressor, ZstdDecompressor, ZstdError

from doka.domain.compression import Compression


def _compress(data: Sequence[bytes]) -> list[bytes]:
    # At its default level, 3. One for all: to make it costs more than a small record does.
    compressor = ZstdCompressor()
    return [compressor.compress(each, ZstdCompressor.FLUSH_FRAME) for each in data]


def _decompress(data: bytes, bytes_max: int) -> bytes | None:
    reading = ZstdDecompressor()
    try:
        found = reading.decompress(data, bytes_max + 1)
    except ZstdError:
        return None
    return found if reading.eof and not reading.unused_data and len(found) <= bytes_max else None


ZSTD: Final = Compression("zstd", _compress, _decompress)
