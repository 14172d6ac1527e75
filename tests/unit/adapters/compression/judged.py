"""What every format must do."""

from __future__ import annotations

import random

from doka.domain.compression import Compression

SIZES = (0, 1, 100, 1 << 14, (1 << 14) + 1, 70_000, 1 << 20)
_DRAW = random.Random(1)
DATA = [made for size in SIZES for made in (_DRAW.randbytes(size), b"a" * size)]
"""What cannot be made smaller, and what can."""


def judge(format_: Compression) -> None:
    """Assert all of it."""
    made = format_.compress(DATA)
    assert made == [alone for data in DATA for alone in format_.compress([data])]
    assert DATA == [format_.decompress(each, len(data)) for each, data in zip(made, DATA, strict=True)]
    for data, each in zip(DATA, made, strict=True):
        assert None is format_.decompress(each[:-1], len(data))
        assert None is format_.decompress(each + b"\n", len(data))
        assert len(data) == 0 or None is format_.decompress(each, len(data) - 1)
    for other in (b"", b"{}", b"\n", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"):
        assert None is format_.decompress(other, 1 << 20)
