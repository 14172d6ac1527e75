from __future__ import annotations

import pytest

from doka.domain.errors import DokaError, InvariantError, invariant


def test_a_broken_rule_is_an_error_of_ours() -> None:
    """A rule that does not hold raises, with its sentence, in every mode of the interpreter."""
    with pytest.raises(InvariantError, match="the sky fell"):
        invariant(False, "the sky fell")  # noqa: FBT003 - that is the point
    assert issubclass(InvariantError, DokaError)


def test_a_rule_that_holds_says_nothing() -> None:
    """Nothing happens while all is well."""
    invariant(True, "unused")  # noqa: FBT003 - that is the point
