from __future__ import annotations

import zlib

import pytest

from doka.adapters.registry import unpacking
from doka.adapters.registry.unpacking import unpacked


def test_what_was_packed_comes_back() -> None:
    """Whole, or not at all."""
    packed = zlib.compress(b"a" * 1_000)
    assert [b"a" * 1_000, None, None, None] == [unpacked(each) for each in (packed, packed[:-5], b"", b"plain")]


def test_what_unfolds_too_far_is_left_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes must not take all memory."""
    monkeypatch.setattr(unpacking, "UNPACKED_BYTES_MAX", 1_000)
    assert [b"a" * 1_000, None] == [unpacked(zlib.compress(b"a" * size)) for size in (1_000, 1_001)]
