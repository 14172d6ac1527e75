"""Which records of a chunk go on to the mapping: what the route's `only` leaves out is filtered.

A filtered record is not sent. It becomes a hole in the offsets, as compaction leaves one, so the watermark passes it in its
turn, when all below it has settled; no rule of commits has anything to know about it. It is counted by its reason.

What cannot be judged is never filtered: a value that is not JSON where a field of it decides, or headers that cannot be
read. Such a record is poison, and the route's policy says what becomes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from doka.domain.errors import invariant
from doka.domain.records import Chunk
from doka.domain.routes.fields import headers_of, read_json, scalar_at, steps_of
from doka.domain.rules import Only, RouteRules

# Why a record is filtered; fixed, because a metric carries them.
OTHER = "other"
"""What decides is there, and is none of the route's texts."""
ABSENT = "absent"
"""There is no such field or header, or a tombstone instead of a value."""
REASONS = (ABSENT, OTHER)

NOT_JSON = "ValueNotJson"
"""Code of poison: a field of the value decides whether a record is sent, and the value is not JSON."""


class Shaped(NamedTuple):
    """What became of a chunk."""

    chunk: Chunk | None
    """The records that go on; None where all are filtered."""
    poison: dict[int, str]
    """The code of each record of `chunk` that can never land, by its index in it."""
    filtered: Mapping[int, str]
    """Why each other record of what came was filtered, by its index in that."""


class Shaping:
    """The step before the mapping, of a route that has one."""

    def __init__(self, only: Only) -> None:
        kind, _, self._argument = only.field.partition(":")
        self._texts = only.texts
        self._contents = frozenset(text.encode() for text in only.texts)
        self._steps = steps_of(self._argument)
        self._judge = self._judge_header if kind == "header" else self._judge_field

    def of(self, chunk: Chunk) -> Shaped:
        """Say what goes on of a chunk."""
        filtered: dict[int, str] = {}
        poison: dict[int, str] = {}
        self._judge(chunk, filtered, poison)
        if not filtered:
            return Shaped(chunk, poison, filtered)
        if len(filtered) == chunk.count:
            return Shaped(None, poison, filtered)
        keep = [place not in filtered for place in range(chunk.count)]
        if poison:
            places = {place: left for left, place in enumerate(place for place, kept in enumerate(keep) if kept)}
            poison = {places[place]: code for place, code in poison.items()}
        return Shaped(chunk.picked(keep), poison, filtered)

    def _judge_field(self, chunk: Chunk, filtered: dict[int, str], poison: dict[int, str]) -> None:
        steps, texts = self._steps, self._texts
        for place, value in enumerate(chunk.values):
            try:
                found = scalar_at(read_json(value), steps)
            except ValueError:
                poison[place] = NOT_JSON
                continue
            if found not in texts:
                filtered[place] = ABSENT if found is None else OTHER

    def _judge_header(self, chunk: Chunk, filtered: dict[int, str], poison: dict[int, str]) -> None:
        invariant(len(chunk.originals) == chunk.count, f"{chunk!r} came without its originals")
        name, contents = self._argument, self._contents
        for place, original in enumerate(chunk.originals):
            headers = headers_of(original, place, poison)
            if headers is None:
                continue
            found = dict(headers).get(name)
            if found not in contents:
                filtered[place] = ABSENT if found is None else OTHER


def shaping_of(rules: RouteRules) -> Shaping | None:
    """Give what stands before the mapping of a route; None where all of its records go on as they are."""
    return None if rules.only is None else Shaping(rules.only)
