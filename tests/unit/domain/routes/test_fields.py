"""Fields of JSON values; what headers give stands in test_mapping.py and test_shaping.py."""

from __future__ import annotations

import pytest

from doka.domain.routes.fields import json_field, read_json, steps_of


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [("/a/b", "deep"), ("/a~1b", "slash"), ("/a~0b", "tilde"), ("/list/1", "2"), ("/list/01", None), ("/list", None)],
)
def test_a_pointer_leads_to_a_scalar(pointer: str, expected: str | None) -> None:
    """By RFC 6901; what is no scalar is nothing."""
    value = b'{"a": {"b": "deep"}, "a/b": "slash", "a~b": "tilde", "list": [1, 2]}'
    assert expected == json_field(value, steps_of(pointer))


@pytest.mark.parametrize(
    ("value", "expected"), [(b"true", "true"), (b"1.50", "1.5"), (b"null", None), (b"", None), (None, None)]
)
def test_scalars_are_told_as_json_writes_them(value: bytes | None, expected: str | None) -> None:
    """A value without bytes is like null."""
    assert expected == json_field(value, [])


@pytest.mark.parametrize("value", [b"{", b"\xff", b"[" * 1_000_000])
def test_what_is_no_json_is_one_error(value: bytes) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"\S"):
        read_json(value)
    assert json_field(value, []) is None
