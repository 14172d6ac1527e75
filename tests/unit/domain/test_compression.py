from __future__ import annotations

import random

import pytest

from doka.adapters.compression.gzip import GZIP
from doka.adapters.compression.zstd import ZSTD
from doka.domain.compression import Compression, uncompressed_bytes_sure


@pytest.mark.parametrize("format_", [GZIP, ZSTD], ids=lambda each: each.name)
@pytest.mark.parametrize("limit", [130, 200, 1_000, 16_384, 17_000, 150_000, 1 << 20])
def test_what_surely_fits_does(format_: Compression, limit: int) -> None:
    """Data that cannot be made smaller grows by no more than was left for it, whatever the limit of a record."""
    data = random.Random(limit).randbytes(uncompressed_bytes_sure(limit))
    (made,) = format_.compress([data])
    assert len(data) < len(made) <= limit
