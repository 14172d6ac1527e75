"""The simulated consumer's reading of aggregates, held against what doka writes and what other readers see."""

from __future__ import annotations

import gzip
import hashlib
import sys
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doka.adapters.simulated.unfold import Inner, decompressed, unfold
from doka.domain.sending.aggregate import MAGIC, encode
from tests.fake_aws.aggregates import unfold as unfold_as_the_fake

if sys.version_info >= (3, 14):
    from compression.zstd import compress as zstd_of
else:
    from backports.zstd import compress as zstd_of

RECORDS = st.lists(st.tuples(st.text(st.characters(codec="utf-8"), min_size=1), st.binary(max_size=200)), min_size=1)


@given(RECORDS)
def test_reads_every_record_in_order(records: list[tuple[str, bytes]]) -> None:
    """With its own key and the hash key of all; the fake service's reader sees the same."""
    aggregate = encode([key for key, _ in records], [value for _, value in records], "42")
    assert tuple(Inner(key, value, "42") for key, value in records) == unfold("a", aggregate)
    assert [(key, "42", value) for key, value in records] == unfold_as_the_fake(aggregate)


@pytest.mark.parametrize("value", [b"", b"plain", MAGIC, MAGIC + bytes(40)])
def test_what_is_no_aggregate_stands_as_it_is(value: bytes) -> None:
    """Without the magic, or with another digest."""
    assert (Inner("k", value, None),) == unfold("k", value)


@pytest.mark.parametrize(
    "message", [b"\x22\x01x", b"\x0a\x7fx", b"\x08\x01", b"\x0a\x01a\x12\x011\x1a\x06\x08\x00\x10\x00\x18\x00"]
)
def test_a_broken_aggregate_is_an_error(message: bytes) -> None:
    """A right digest over a wrong message is a writer's mistake, never passed over."""
    with pytest.raises(ValueError, match=r"\w"):
        unfold("a", MAGIC + message + hashlib.md5(message, usedforsecurity=False).digest())


@pytest.mark.parametrize(
    ("name", "made"), [("none", bytes), ("gzip", partial(gzip.compress, compresslevel=1)), ("zstd", zstd_of)]
)
def test_reads_what_another_library_has_compressed(name: str, made: Callable[[bytes], bytes]) -> None:
    """By the name that settings have for it."""
    assert [b"data", b""] == [decompressed(made(data), name) for data in (b"data", b"")]


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize("value", [b"", b"plain", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"])
def test_what_was_not_compressed_is_an_error(name: str, value: bytes) -> None:
    """Nothing at all too: it is no file, and no frame."""
    with pytest.raises(ValueError, match=f"it is no {name}"):
        decompressed(value, name)
