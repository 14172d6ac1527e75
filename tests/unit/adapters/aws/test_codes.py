from __future__ import annotations

from typing import Any

import pytest

from doka.adapters.aws.codes import CODE_CHARACTERS_MAX, code_of, read_code


@pytest.mark.parametrize(
    "code",
    ["ExpiredTokenException", "InvalidClientTokenId", "aws.v1.Error_2", "X", "X" * CODE_CHARACTERS_MAX],
)
def test_what_looks_like_a_code_is_one(code: str) -> None:
    """Every code of AWS is letters, digits, dots and underscores after a letter."""
    assert code == read_code(code)


@pytest.mark.parametrize(
    "told",
    [
        None,
        7,
        b"X",
        "",
        "two words",
        "7",
        "X\n",
        "X\ud800",
        "\N{LATIN SMALL LETTER E WITH ACUTE}",
        pytest.param("X" * 129, id="too long"),
        pytest.param("X" * 30_000, id="much too long"),
    ],
)
def test_what_does_not_is_none(told: object) -> None:
    """It would end up in metrics, logs and states as it is."""
    assert read_code(told) is None


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "AccessDenied"),
        ({"Error": {"Code": "502"}, "ResponseMetadata": {"HTTPStatusCode": 502}}, "http_502"),
        ({"Error": {"Code": "X" * 30_000}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "http_400"),
        ({"ResponseMetadata": {"HTTPStatusCode": 400}}, "http_400"),
        ({}, "unreadable_answer"),
    ],
)
def test_a_refusal_without_a_code_is_named_by_its_status(response: dict[str, Any], code: str) -> None:
    """Botocore puts the status where there is no code; what is no code is not told either."""
    assert code == code_of(response)
