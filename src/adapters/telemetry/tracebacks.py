"""An exception as it may be logged: where it came from and what it is, and its words only where they are doka's own.

Libraries quote in their exceptions what they could not send or read: a header with the session token, a record.
"""

from __future__ import annotations

import traceback

_OWN = "doka."


def format_exception(error: BaseException) -> str:
    """Give the frames and the class of an exception and of those that led to it, the first cause first."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\nwhich led to:\n".join(map(_format_one, reversed(chain)))


def _format_one(error: BaseException) -> str:
    frames = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
    kind = type(error)
    known = kind.__module__.startswith(_OWN)
    return f"{frames}{kind.__module__}.{kind.__qualname__}{f': {error}' if known else ''}"
