"""How the data of each record is compressed by itself, as the domain is told: what does it is handed in.

It must give back every byte: what it has compressed, it reads again as it was. Whatever else it is shown, it says is not its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

UNCOMPRESSED_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one record's data. Our own: what is larger is left as it is, so no stream takes it; and nobody who reads a stream has to
unfold more of a record than this, whoever wrote it and whatever it claims to be."""


def uncompressed_bytes_sure(compressed_bytes_max: int) -> int:
    """Give how many bytes surely become no more than so many, in either format and with room to spare.

    Data that does not compress is stored in blocks: gzip adds 5 bytes for each of some KiB (RFC 1951, section 3.2.4) and 18
    around them, Zstandard 3 bytes for each of 128 KiB at most (RFC 8878, section 3.1.1.2) and no more than 18.
    """
    return compressed_bytes_max - (compressed_bytes_max >> 7) - 128


@dataclass(frozen=True, slots=True)
class Compression:
    """One format, by the name that it has in settings and documents."""

    name: str
    compress: Callable[[Sequence[bytes]], list[bytes]]
    """Give the data of each record, complete by itself; of the same data always the same, an empty one's too."""
    decompress: Callable[[bytes, int], bytes | None]
    """Give the data that was compressed; None where it is none of this format, torn, or more than so many bytes."""
