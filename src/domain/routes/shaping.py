"""Which records of a chunk go on to the mapping, and as what: decoded first, then the route's `only`, then its transform.

A filtered record is not sent. It becomes a hole in the offsets, as compaction leaves one, so the watermark passes it in its
turn, when all below it has settled; no rule of commits has anything to know about it. It is counted by its reason.

A transform gets what `only` has left, but for poison. What it changes is the value and the partition key, never the original:
dead letters carry what stands in Kafka.

What cannot be judged is never filtered: a value that is not JSON where a field of it decides, or headers that cannot be
read. Such a record is poison, and the route's policy says what becomes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from doka.domain.errors import invariant
from doka.domain.records import Chunk
from doka.domain.routes.decoding import Decoding
from doka.domain.routes.fields import headers_of, read_json, scalar_at, steps_of
from doka.domain.routes.transforming import Headers, Transforming
from doka.domain.rules import Only, RouteRules

# Why a record is filtered; fixed, because a metric carries them.
OTHER = "other"
"""What decides is there, and is none of the route's texts."""
ABSENT = "absent"
"""There is no such field or header, or a tombstone instead of a value."""
DROPPED = "transform"
"""The route's transform drops it."""

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
    keys: Sequence[str | None] = ()
    """The partition key of each record of `chunk` that the transform chose, None where it chose none; empty: of all of them."""
    raised: Mapping[int, str] = {}
    """The class of what the transform raised for a record, by its offset."""
    took: int = 0
    """How long the transform took, in ns."""
    broken: str | None = None
    """The class of what the transform raises whatever it is given; where the shaping gives up, nothing else here means anything."""


class Shaping:
    """All that stands before the mapping of a route, step by step; where nothing does, all records go on as they are.

    Whoever asks what becomes of records asks this, and then the mapping of what it leaves: the route, and all that foretell
    or retell it. So a step stands here, or nobody knows of it.
    """

    def __init__(self, rules: RouteRules, *, gives_up: bool = False, decoding: Decoding | None = None) -> None:
        """Take the route. `gives_up`: a transform that fails for all records makes poison of none.

        `decoding`: what knows the schemas of each chunk that comes, of a route that decodes; without it the registry is asked,
        and waited for.
        """
        self._gives_up = gives_up
        self._ask = None if rules.decode is None or decoding is not None else rules.decode.ask
        self._decoding = decoding or (None if rules.decode is None else Decoding(rules.decode, lambda: 0.0))
        self._filter = None if rules.only is None else _Filter(rules.only)
        self._transforming = None if rules.transform is None else Transforming(rules.transform, gives_up=gives_up)
        self.reasons = (
            *(() if rules.only is None else (ABSENT, OTHER)),
            *(() if rules.transform is None else (DROPPED,)),
        )
        """Why a record of this route may be filtered."""

    def of(self, chunk: Chunk) -> Shaped:
        """Say what goes on of a chunk."""
        filtered: dict[int, str] = {}
        poison: dict[int, str] = {}
        if self._decoding is not None:
            if self._ask is not None:
                self._decoding.fill(chunk, self._ask)
            chunk = replace(chunk, values=self._decoding.decoded(chunk, poison))
        if self._filter is not None:
            self._filter.judge(chunk, filtered, poison)
        if self._transforming is None:
            return _cut(chunk, filtered, poison)
        now = self._transforming.transform.now
        since = now()
        shaped = self._transformed(chunk, filtered, poison, self._transforming)
        return shaped._replace(took=now() - since)

    def _transformed(self, chunk: Chunk, filtered: dict[int, str], poison: dict[int, str], by: Transforming) -> Shaped:
        """Let the transform at what is left, but for poison."""
        of_headers = _headers(chunk, filtered, poison) if by.transform.headers else None
        sound: Sequence[int] = range(chunk.count)
        if filtered or poison:
            sound = [place for place in sound if place not in filtered and place not in poison]
        if not sound:
            return _cut(chunk, filtered, poison)
        part = chunk
        if len(sound) < chunk.count:
            wanted = set(sound)
            part = chunk.picked([place in wanted for place in range(chunk.count)])
            of_headers = of_headers and [of_headers[place] for place in sound]
        made = by.of(part, of_headers)
        if made.broken is not None and self._gives_up:
            return Shaped(None, {}, {}, broken=made.broken)
        values, keys = made.values, made.keys
        if len(sound) < chunk.count:
            values, keys = list(chunk.values), [None] * chunk.count
            for place, value, key in zip(sound, made.values, made.keys, strict=True):
                values[place], keys[place] = value, key
        filtered.update((sound[index], DROPPED) for index in made.dropped)
        poison.update((sound[index], code) for index, code in made.poison.items())
        raised = {part.offsets[index]: kind for index, kind in made.raised.items()}
        chosen = () if keys.count(None) == chunk.count else keys
        if values != chunk.values:  # by identity, for what was left as it is
            chunk = replace(chunk, values=values)
        return _cut(chunk, filtered, poison, chosen)._replace(raised=raised, broken=made.broken)


class _Filter:
    """What a route's `only` says of records."""

    def __init__(self, only: Only) -> None:
        self._kind, _, self._argument = only.field.partition(":")
        self._texts = only.texts
        self._contents = frozenset(text.encode() for text in only.texts)

    def judge(self, chunk: Chunk, filtered: dict[int, str], poison: dict[int, str]) -> None:
        """Note which records are filtered and why, and which can not be judged, with their code."""
        judge = self._judge_headers if self._kind == "header" else self._judge_fields
        judge(chunk, filtered, poison)

    def _judge_fields(self, chunk: Chunk, filtered: dict[int, str], poison: dict[int, str]) -> None:
        steps, texts = steps_of(self._argument), self._texts
        for place, value in enumerate(chunk.values):
            if place in poison:
                continue
            try:
                found = scalar_at(read_json(value), steps)
            except ValueError:
                poison[place] = NOT_JSON
                continue
            if found not in texts:
                filtered[place] = ABSENT if found is None else OTHER

    def _judge_headers(self, chunk: Chunk, filtered: dict[int, str], poison: dict[int, str]) -> None:
        invariant(len(chunk.originals) == chunk.count, f"{chunk!r} came without its originals")
        name, contents = self._argument, self._contents
        for place, original in enumerate(chunk.originals):
            headers = None if place in poison else headers_of(original, place, poison)
            if headers is None:
                continue
            found = dict(headers).get(name)
            if found not in contents:
                filtered[place] = ABSENT if found is None else OTHER


def _headers(chunk: Chunk, filtered: Mapping[int, str], poison: dict[int, str]) -> Headers:
    """Give the headers of each record that is left; where they cannot be read it is poison, and has none."""
    invariant(len(chunk.originals) == chunk.count, f"{chunk!r} came without its originals")
    return [
        () if place in filtered else headers_of(original, place, poison) or ()
        for place, original in enumerate(chunk.originals)
    ]


def _cut(chunk: Chunk, filtered: Mapping[int, str], poison: dict[int, str], keys: Sequence[str | None] = ()) -> Shaped:
    """Cut what is filtered out of a chunk, its poison, and the keys that were chosen for it."""
    if not filtered:
        return Shaped(chunk, poison, filtered, keys)
    if len(filtered) == chunk.count:
        return Shaped(None, {}, filtered)
    left = [place for place in range(chunk.count) if place not in filtered]
    if poison:
        places = {place: index for index, place in enumerate(left)}
        poison = {places[place]: code for place, code in poison.items() if place in places}
    picked = chunk.picked([place not in filtered for place in range(chunk.count)])
    return Shaped(picked, poison, filtered, [keys[place] for place in left] if keys else ())


def shaping_of(rules: RouteRules, *, gives_up: bool = False, decoding: Decoding | None = None) -> Shaping | None:
    """Give what stands before the mapping of a route; None, which costs nothing, where all of its records go on as they are."""
    if rules.only is None and rules.transform is None and rules.decode is None:
        return None
    return Shaping(rules, gives_up=gives_up, decoding=decoding)
