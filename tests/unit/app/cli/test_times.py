"""Times as a person names them to a command."""

from __future__ import annotations

import pytest

from doka.app.cli.times import is_ago, time_ms
from doka.domain.errors import UsageError

NOW = 1_785_542_400.25  # 2026-08-01T00:00:00.250Z


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-07-31T22:00:00Z", 1_785_535_200_000),
        ("2026-08-01T00:00:00+02:00", 1_785_535_200_000),
        (" 2026-07-31 22:00:00.5+00:00 ", 1_785_535_200_500),
        ("90s", 1_785_542_310_250),
        ("30m", 1_785_540_600_250),
        ("63h", 1_785_315_600_250),
        ("2d", 1_785_369_600_250),
        ("0s", 1_785_542_400_250),
    ],
)
def test_a_time_is_a_moment_or_so_long_ago(text: str, ms: int) -> None:
    """With its zone, or as a number of seconds, minutes, hours or days before now."""
    assert ms == time_ms("--since", text, NOW)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2026-07-31T22:00:00", "--since '2026-07-31T22:00:00' has no zone; add one, like 2026-08-01T00:00:00Z"),
        ("yesterday", "--since 'yesterday' is no time; say it like 2026-08-01T00:00:00Z, or 63h for 63 hours ago"),
        ("", "is no time"),
        ("5w", "is no time"),
        ("-5h", "is no time"),
        ("2026-08-01T00:00:01Z", "lies in the future"),
        ("1969-12-31T23:59:59Z", "lies before 1970"),
        ("999999d", "lies before 1970"),
        ("0001-01-01T00:00:00+14:00", "lies before 1970"),
    ],
)
def test_what_is_no_time_is_refused(text: str, sentence: str) -> None:
    """In one line that names the option, and how to say it."""
    with pytest.raises(UsageError) as refused:
        time_ms("--since", text, NOW)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("text", "ago"), [("63h", True), (" 90s ", True), ("2026-08-01T00:00:00Z", False), ("x", False)]
)
def test_how_long_ago_is_told_from_a_time(text: str, ago: bool) -> None:  # noqa: FBT001
    """Only what is counted from now is another time whenever it is read."""
    assert ago is is_ago(text)
