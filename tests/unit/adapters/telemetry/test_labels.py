from __future__ import annotations

import pytest

from doka.adapters.telemetry.labels import LABELS_MAX, OTHER, BoundedLabels


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("ExpiredTokenException", "ExpiredTokenException"),
        ("clock_skew", "clock_skew"),
        ("no such stream", "no_such_stream"),
        ("lease_refused:AccessDenied", "lease_refused:AccessDenied"),
        ("arn:aws:iam::210987654321:role", OTHER),
        ("arn:aws:kinesis:eu-west-1:210987654321:stream/orders", OTHER),
        ('evil"} 1\ndoka_up', OTHER),
        ("", OTHER),
        ("x" * 65, OTHER),
    ],
)
def test_plain_words_only(text: str, label: str) -> None:
    """A plain word is its own label; what could be an ARN, a sentence's punctuation or an injection is not shown."""
    assert label == BoundedLabels().of(text)


def test_bounded() -> None:
    """However many codes a service invents, the labels stay within the limit, and the known ones stay themselves."""
    labels = BoundedLabels()
    given = {labels.of(f"Code{n}") for n in range(10 * LABELS_MAX)}
    assert {f"Code{n}" for n in range(LABELS_MAX)} | {OTHER} == given
    assert labels.of("Code0") == "Code0"
