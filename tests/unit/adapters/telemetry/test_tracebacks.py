from __future__ import annotations

from doka.adapters.telemetry.tracebacks import format_exception
from doka.domain.errors import UsageError

SECRET = "canary\nsecret"


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """Give an exception with a traceback."""
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def test_words_of_libraries_are_kept_back_and_their_place_is_told() -> None:
    """The class and the frames find the place; the words may quote anything."""
    told = format_exception(raised(ValueError(f"Invalid header value b'{SECRET}'")))
    assert "canary" not in told
    assert told.endswith("builtins.ValueError")
    assert "test_tracebacks.py" in told


def test_own_words_are_told() -> None:
    """What doka itself says holds no secret, and names the cure."""
    assert format_exception(raised(UsageError("set aws.region"))).endswith(
        "doka.domain.errors.UsageError: set aws.region"
    )


def test_a_cause_comes_first_and_without_words_too() -> None:
    """A chain is told from its beginning, and no link of it quotes."""
    told = format_exception(raised(UsageError("no client"), raised(KeyError(SECRET))))
    first, second = told.split("\nwhich led to:\n")
    assert first.endswith("builtins.KeyError")
    assert second.endswith("UsageError: no client")
    assert "canary" not in told


def test_a_circle_of_causes_ends() -> None:
    """An exception that is its own cause is told once."""
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    assert ["builtins.KeyError", "builtins.ValueError"] == format_exception(one).split("\nwhich led to:\n")
