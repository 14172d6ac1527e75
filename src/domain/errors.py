"""The errors of doka, by whose fault they are.

    DokaError
    +-- UsageError         the operator's: a setting, an argument, a file; exit code 2, one line, no traceback
    +-- InvariantError    ours: the forwarder found itself in a state that cannot be; it halts, exit code 1

What the outside does wrong is never an exception here: it arrives as an event.
"""

from __future__ import annotations


class DokaError(Exception):
    """Any error that doka raises itself."""


class UsageError(DokaError):
    """The operator asked for something that cannot be; the text names the setting and the cure."""


class InvariantError(DokaError):
    """A rule that must hold does not; going on could lose data."""


def invariant(condition: bool, message: str) -> None:  # noqa: FBT001 - reads like `assert`, and -O cannot strip it
    """Raise InvariantError with `message` unless `condition` holds; stays on in production."""
    if not condition:
        raise InvariantError(message)
