"""gzip (RFC 1952) by the standard library: each record is a file of its own, without a name and without a time.

zlib clears its tables for each record anew, and with its defaults (256 KiB) that is most of what a small record costs. So a
small record gets tables that are large enough for all of it: a fifth of the time for 1 KB, and the same size. Whoever reads it
needs to know nothing of that: a reader's window is always the largest.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from doka.domain.compression import Compression

_LEVEL: Final = 6  # zlib's default
_GZIP: Final = 16  # added to the bits of the window: a header and a trailer of gzip around it
_SMALL_BYTES: Final = 1 << 14
_SMALL: Final = (_LEVEL, zlib.DEFLATED, _GZIP + 14, 5)  # a window of 16 KiB, and tables to it
_LARGE: Final = (_LEVEL, zlib.DEFLATED, _GZIP + zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL)


def _compress(data: Sequence[bytes]) -> list[bytes]:
    return [
        made.compress(each) + made.flush()
        for each in data
        for made in (zlib.compressobj(*(_SMALL if len(each) <= _SMALL_BYTES else _LARGE)),)
    ]


def _decompress(data: bytes, bytes_max: int) -> bytes | None:
    reading = zlib.decompressobj(_GZIP + zlib.MAX_WBITS)
    try:
        found = reading.decompress(data, bytes_max + 1)
    except zlib.error:
        return None
    return found if reading.eof and not reading.unused_data and len(found) <= bytes_max else None


GZIP: Final = Compression("gzip", _compress, _decompress)
