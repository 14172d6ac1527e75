from __future__ import annotations

from doka.adapters.compression.zstd import ZSTD
from tests.unit.adapters.compression.judged import judge


def test_it_gives_back_every_byte_and_nothing_of_others() -> None:
    """Data of all sizes and kinds comes back; what is torn, lengthened, of somebody else or too much does not."""
    judge(ZSTD)


def test_it_is_a_frame_that_tells_its_length() -> None:
    """RFC 8878: the magic number, and the size of the data where readers look for it before they make room."""
    (made,) = ZSTD.compress([b"x" * 200])
    assert (b"\x28\xb5\x2f\xfd", 200) == (made[:4], made[5])
