"""Where a sentence of /readyz leads: to the part of doka's own documents that says what to do.

Paths are below the repository, as in the `runbook_url` of the alerts; `http.runbook` says where a browser finds that.
"""

from __future__ import annotations

from typing import Final

ELSEWHERE: Final = "docs/failure-modes.md"
_PLACES: Final = (
    ("the loop has not turned", "operating.md#kubernetes"),
    ("nothing was heard of it", "operating.md#more-than-one-core"),
    (" is down: it ", "operating.md#more-than-one-core"),
    (" is starting", "operating.md#more-than-one-core"),
    ("starting: ", "operating.md#before-the-first-start"),
    ("stopping: ", "operating.md#stopping"),
    ("draining: ", "operating.md#stopping"),
    ("halted: ", "failure-modes.md"),
    ("can never land", "operating.md#poison-and-dead-letters"),
    ("the dead letter of ", "operating.md#poison-and-dead-letters"),
    ("cannot be read", "operating.md#passing-one-record"),
    ("too_much_poison", "operating.md#poison-and-dead-letters"),
    (" is blocked: ", "operating.md#when-a-route-is-blocked"),
    (" waits: ", "operating.md#when-a-route-is-blocked"),
    ("the consumer group ", "operating.md#when-a-route-is-blocked"),
    ("topic ", "operating.md#when-a-route-is-blocked"),
)
"""What stands in a sentence -> where it is explained; the first that fits."""


def place_of(sentence: str) -> str:
    """Give the document and the heading for a sentence, as a path below the repository."""
    return next((f"docs/{place}" for words, place in _PLACES if words in sentence), ELSEWHERE)
