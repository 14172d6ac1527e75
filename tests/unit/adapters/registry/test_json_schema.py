from __future__ import annotations

import zlib

from doka.adapters.registry.json_schema import json_reader


def test_json_stays_as_it_stands_there() -> None:
    """To the byte; what is no JSON fits no schema."""
    odd = b' {"a": 1.0e5, "b":"\\u0041"}'
    assert [odd, None, None, b"null"] == json_reader([odd, b"{", b"", b"null"])
    assert [odd, None] == json_reader([zlib.compress(odd), odd], packed=True)
