"""What a test says shall become of a record, and whether it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from doka.domain.routes.preview import Preview

ANY: Final = object()
"""Stands for what a test does not say."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is said of one record; where neither `filtered` nor `poison` is said, it shall be sent."""

    value: Any = ANY
    """Bytes, or None for a tombstone: the value as it stands before envelope, newline and compression."""
    json: Any = ANY
    """What the value is as JSON, however it is written."""
    partition_key: Any = ANY
    filtered: Literal[True] | str | None = None
    """Whether its route leaves it out, or why it does."""
    poison: Literal[True] | str | None = None
    """Whether it can never land, or by which code."""

    def missed(self, found: Preview, *, payload: bool) -> Iterator[str]:
        """Say what is otherwise, a clause each; what records hold only if `payload` permits it."""
        wanted = (
            f"{_told('filtered', self.filtered)}"
            if self.filtered is not None
            else f"{_told('poison', self.poison)}"
            if self.poison is not None
            else "sent"
        )
        is_so = (
            _is(self.filtered, found.filtered)
            if self.filtered is not None
            else found.filtered is None and _is(self.poison, found.code)
            if self.poison is not None
            else found.filtered is None and found.code is None
        )
        if not is_so:
            yield f"is {state_of(found)}, not {wanted}"
        elif wanted == "sent":
            yield from self._missed_content(found, payload=payload)

    def _missed_content(self, found: Preview, *, payload: bool) -> Iterator[str]:
        if self.value is not ANY and self.value != found.value:
            yield "has another value" + (f": {found.value!r}, not {self.value!r}" if payload else "")
        if self.json is not ANY and not _same_json(found.value, self.json):
            yield "has another value" + (f": {found.value!r}, not {json.dumps(self.json)}" if payload else "")
        if self.partition_key is not ANY and self.partition_key != found.key:
            got = "drawn at random" if found.key is None else repr(found.key)
            yield f"has the partition key {got}, not {self.partition_key!r}"


def state_of(found: Preview) -> str:
    """Say in short what becomes of a record: kept, changed, or filtered or poison and why."""
    if found.filtered is not None:
        return _told("filtered", found.filtered)
    if found.code is not None:
        why = found.code if found.raised is None else f"{found.code}: {found.raised}"
        return _told("poison", why)
    return "changed" if found.changed else "kept"


def _told(what: str, why: Literal[True] | str | None) -> str:
    return what if why is True else f"{what} ({why})"


def _is(wanted: Literal[True] | str | None, found: str | None) -> bool:
    return found is not None if wanted is True else wanted == found


def _same_json(value: bytes | None, wanted: Any) -> bool:
    """Compare as JSON has it, in which 1 and true are different."""
    try:
        found = json.loads(value or b"null")
    except (ValueError, RecursionError):
        return False
    return json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)
