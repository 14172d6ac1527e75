from __future__ import annotations

from uuid import UUID

import pytest

from doka.domain.schemas import Frame, Framing, read_frame, sizes_of

GUID = UUID("89791762-2336-4186-9674-299b90a802e2")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x00\x00\x00\x00\x07", Frame("7", 5)),
        (b"\x00\xff\xff\xff\xff", Frame("4294967295", 5)),
        (b"\x01" + GUID.bytes, Frame(str(GUID), 17)),
        (b"\x03\x00" + GUID.bytes, Frame(str(GUID), 18)),
        (b"\x03\x05" + GUID.bytes, Frame(str(GUID), 18, packed=True)),
        (b"\x03\x01" + GUID.bytes, None),  # no compression of Glue's
        (b"\x00\x00\x00\x07", None),
        (b"\x01" + GUID.bytes[:15], None),
        (b"{", None),
        (b"", None),
    ],
)
def test_a_frame_is_read_or_is_none(head: bytes, expected: Frame | None) -> None:
    """By its first byte; what is too short for it names no schema."""
    assert expected == read_frame(head)


def test_each_framing_has_first_bytes_of_its_own() -> None:
    """What Glue has written is none of Confluent's."""
    assert {0: 5, 1: 17} == sizes_of(Framing.CONFLUENT) == sizes_of(Framing.CONFLUENT_HEADER)
    assert {3: 18} == sizes_of(Framing.GLUE)
