"""How what a record holds is shown at a terminal."""

from __future__ import annotations

import pytest

from doka.app.cli.shown import KEY_CHARACTERS_SHOWN, content_shown, cut, time_shown


@pytest.mark.parametrize(
    ("content", "shown"),
    [(b"k1", "k1"), ("clé".encode(), "clé"), (b"\x1b[2J", r"'\x1b[2J'"), (b"\xff\x00", r"b'\xff\x00'"), (b"", "")],
)
def test_no_byte_does_anything(content: bytes, shown: str) -> None:
    """Text that can be printed stands as it is."""
    assert shown == content_shown(content)


def test_a_long_key_is_cut_and_a_time_is_utc() -> None:
    """A dash stands for a time that is not known."""
    long = "k" * KEY_CHARACTERS_SHOWN
    assert (long, f"{long}...") == (cut(long), cut(f"{long}k"))
    assert ("2023-11-14 22:13:20", "-") == (time_shown(1_700_000_000_123), time_shown(None))
