from __future__ import annotations

import gzip
import zlib

import pytest

from doka.adapters.compression.gzip import GZIP
from tests.unit.adapters.compression.judged import DATA, judge


def test_it_gives_back_every_byte_and_nothing_of_others() -> None:
    """Data of all sizes and kinds comes back; what is torn, lengthened, of somebody else or too much does not."""
    judge(GZIP)


@pytest.mark.parametrize("data", DATA, ids=len)
def test_everybody_can_read_it(data: bytes) -> None:
    """It is a whole file of gzip, without a time in it; several in a row are one, as Firehose lays them."""
    (made,) = GZIP.compress([data])
    assert data == gzip.decompress(made)
    assert b"\x1f\x8b\x08\x00" + bytes(4) == made[:8]
    assert data + data == gzip.decompress(made + made)


def test_a_small_window_costs_no_size() -> None:
    """What repeats itself at any distance within a small record is found, as with the largest window."""
    data = b"".join(b'{"id":%d,"name":"a name that is in each"}' % number for number in range(300))
    assert len(data) < 1 << 14
    (made,) = GZIP.compress([data])
    assert len(made) <= 1.02 * len(zlib.compress(data, wbits=31))
