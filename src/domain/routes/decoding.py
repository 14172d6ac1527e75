"""How the values of a route are decoded: which schemas a chunk names, which of these are known, and when to ask for others.

Theory of operation. Nothing is decoded before its schema is known. A chunk of which some schema is not known is taken in up to
the first such record; the rest waits in its partition's backlog, and the schema is asked for.

    known     kept for as long as there is room, for a schema never changes under its id: nothing is asked again
    absent    the registry says that there is none. A registry that follows another one may say so a moment too early, so it is
              asked for some seconds; only then is the record poison, and the id is asked again after a minute
    unusable  it is there, and nothing reads by it: poison too

A registry that does not answer, or answers with anything else, leaves what waits where it is. After the second failure in a
row the route takes in nothing more, loudly, and the registry is probed with a backoff up to 60 s; the first answer opens it.
What was taken in before goes on being sent.

Bounded: schemas in number, and what is asked for at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from doka.domain.backoff import Jitter, backoff
from doka.domain.limits import BACKOFF_FIRST_NS, NS_PER_SECOND
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.fields import UNREADABLE_HEADERS, headers_of
from doka.domain.schemas import HEADER, Ask, Decode, Found, Frame, Framing, Reader, Unusable, read_frame, sizes_of

# Codes of poison that is found here; fixed, because metrics and dead letters carry them.
NOT_FRAMED: Final = "ValueNotFramed"
"""The value names no schema."""
UNKNOWN: Final = "SchemaUnknown"
"""The registry has no schema of this id."""
UNUSABLE: Final = "SchemaUnusable"
"""There is such a schema, and nothing can read by it."""
FAILED: Final = "DecodeFailed"
"""The value does not fit the schema that it names."""

SCHEMAS_MAX: Final = 1_000
"""Of one route, kept: a topic has a handful. One that was forgotten is asked for again."""
ASKED_MAX: Final = 32
"""In one question, so that its answer is not far away."""
ABSENT_AFTER_NS: Final = 3 * NS_PER_SECOND
"""So long a registry must go on saying that it has no such schema."""
ASK_AGAIN_NS: Final = NS_PER_SECOND
ABSENT_FOR_NS: Final = 60 * NS_PER_SECOND
"""So long nothing is asked of a schema that is absent."""
_FAILURES_BEFORE_BLOCK: Final = 2


class _Wait(NamedTuple):
    """What waits in a partition's backlog."""

    offset: int
    """Of its first record."""
    schema: str
    """Of that record."""
    schemas: tuple[str, ...]
    """All that are wanted for what waits."""


class _Framed(NamedTuple):
    """What the values of a chunk say of their schemas: the places of each frame."""

    chunk: Chunk
    places: dict[Frame, list[int]]
    poison: dict[int, str]


class _Doubt(NamedTuple):
    """A schema of which it was said that it is not there."""

    since: int
    again_at: int


class Decoding:
    """The schemas of one route."""

    def __init__(self, rules: Decode, jitter: Jitter) -> None:
        self.rules = rules
        self._jitter = jitter
        self._sizes = sizes_of(rules.framing)
        self._by_header = rules.framing is Framing.CONFLUENT_HEADER
        self._found: dict[str, Reader | Unusable] = {}  # the one used last stands last
        self._absent: dict[str, int] = {}  # until when it is believed
        self._doubts: dict[str, _Doubt] = {}
        self._waits: dict[TopicPartition, _Wait] = {}
        self._unreadable: dict[TopicPartition, set[int]] = {}  # whose headers must not be asked for twice
        self._framed: _Framed | None = None
        self._asking = False
        self._failures = 0  # in a row
        self._ask_at = 0

    @property
    def schemas(self) -> int:
        """How many schemas are kept."""
        return len(self._found)

    # --- chunks --------------------------------------------------------------------------------------------------

    def known_part(self, chunk: Chunk, now: int) -> int:
        """Say how many records of a chunk, from its first on, name schemas of which all is known; what is missing is wanted."""
        wait = self._waits.get(chunk.partition)
        if wait is not None and wait.offset == chunk.offsets[0] and not self._knows(wait.schema, now):
            return 0
        self._waits.pop(chunk.partition, None)
        missing, part = self._missing(chunk, now)
        if missing:
            self._waits[chunk.partition] = _Wait(chunk.offsets[part], missing[0], missing)
        return part

    def _missing(self, chunk: Chunk, now: int) -> tuple[tuple[str, ...], int]:
        """Give the schemas that are not known, in the order of their first records, and the place of the first of all."""
        places = self._frames(chunk).places
        firsts: dict[str, int] = {}
        for frame, found in places.items():
            if not self._knows(frame.schema, now):
                firsts[frame.schema] = min(found[0], firsts.get(frame.schema, found[0]))
        if not firsts:
            return (), chunk.count
        missing = tuple(sorted(firsts, key=firsts.__getitem__))
        return missing, firsts[missing[0]]

    def _knows(self, schema: str, now: int) -> bool:
        return schema in self._found or self._absent.get(schema, now) > now

    def decoded(self, chunk: Chunk, poison: dict[int, str]) -> list[bytes | None]:
        """Give the values as JSON, and the codes of those that are not; a tombstone stays one. All schemas must be known."""
        framed = self._frames(chunk)
        self._framed = None
        unreadable = self._unreadable.pop(chunk.partition, None)
        if unreadable:  # what is behind this chunk was looked at with it
            self._unreadable[chunk.partition] = {offset for offset in unreadable if offset >= chunk.end}
        poison.update(framed.poison)
        values = list(chunk.values)
        for frame, places in framed.places.items():
            found = self._used(frame.schema)
            if not callable(found):
                code = UNKNOWN if found is None else UNUSABLE
                poison.update((place, code) for place in places)
                continue
            size = frame.size
            payloads = [(values[place] or b"")[size:] for place in places]
            for place, value in zip(places, found(payloads, packed=frame.packed), strict=True):
                if value is None:
                    poison[place] = FAILED
                else:
                    values[place] = value
        return values

    def _used(self, schema: str) -> Found:
        found = self._found.pop(schema, None)
        if found is not None:
            self._found[schema] = found
        return found

    def _frames(self, chunk: Chunk) -> _Framed:
        """Read the frames of a chunk; of the last one they are known."""
        if self._framed is not None and self._framed.chunk is chunk:
            return self._framed
        places: dict[Frame, list[int]] = {}
        poison: dict[int, str] = {}
        sizes, frames = self._sizes, dict[bytes, Frame | None]()
        for place, value in enumerate(chunk.values):
            if value is None:
                continue
            frame = self._frame_beside(chunk, place, poison) if self._by_header else None
            if place in poison:
                continue
            if frame is None:
                head = value[: sizes.get(value[0], 0)] if value else value
                if head not in frames:
                    frames[head] = read_frame(head)
                frame = frames[head]
            if frame is None:
                poison[place] = NOT_FRAMED
            elif frame in places:
                places[frame].append(place)
            else:
                places[frame] = [place]
        self._framed = _Framed(chunk, places, poison)
        return self._framed

    def _frame_beside(self, chunk: Chunk, place: int, poison: dict[int, str]) -> Frame | None:
        """Read the frame in a record's header; None where it has no such header."""
        unreadable = self._unreadable.setdefault(chunk.partition, set())
        if chunk.offsets[place] in unreadable:
            poison[place] = UNREADABLE_HEADERS
            return None
        headers = headers_of(chunk.originals[place], place, poison)
        if headers is None:
            unreadable.add(chunk.offsets[place])
            return None
        content = dict(headers).get(HEADER)
        if content is None:
            return None
        frame = read_frame(content)
        if frame is None:
            poison[place] = NOT_FRAMED
            return None
        return frame._replace(size=0)

    def fill(self, chunk: Chunk, ask: Ask) -> None:
        """Ask for what a chunk needs, and wait for it; what is absent is believed at once."""
        self._forget_oldest()  # only now: what this chunk needs must stay until it is decoded
        missing, _ = self._missing(chunk, 0)
        while missing:
            answer = ask(missing[:ASKED_MAX])
            for schema, found in answer.items():
                if found is None:
                    self._absent[schema] = 1
                else:
                    self._found[schema] = found
            missing = tuple(schema for schema in missing if schema not in answer)

    def forget(self, tp: TopicPartition) -> None:
        """Forget what waits of a partition that drains or is gone."""
        self._waits.pop(tp, None)
        self._unreadable.pop(tp, None)

    # --- questions -----------------------------------------------------------------------------------------------

    def wanted(self, now: int) -> tuple[str, ...]:
        """Give the schemas that are to be asked for now, and note that they are; none while an answer is missing."""
        if self._asking or now < self._ask_at or not self._waits:
            return ()
        wanted = dict.fromkeys(
            schema
            for wait in self._waits.values()
            for schema in wait.schemas
            if not self._knows(schema, now) and (schema not in self._doubts or self._doubts[schema].again_at <= now)
        )
        asked = tuple(wanted)[:ASKED_MAX]
        self._asking = bool(asked)
        return asked

    def answered(self, found: Mapping[str, Found], now: int) -> dict[str, Found]:
        """Take an answer; give what is certain by it."""
        self._asking = False
        self._failures = self._ask_at = 0
        certain: dict[str, Found] = {}
        for schema, what in found.items():
            if what is not None:
                self._found[schema] = certain[schema] = what
                self._doubts.pop(schema, None)
            elif self._is_certain(schema, now):
                self._absent.pop(schema, None)
                self._absent[schema] = now + ABSENT_FOR_NS
                certain[schema] = None
        self._forget_oldest()
        return certain

    def _forget_oldest(self) -> None:
        for kept in (self._found, self._absent, self._doubts):
            while len(kept) > SCHEMAS_MAX:
                del kept[next(iter(kept))]

    def _is_certain(self, schema: str, now: int) -> bool:
        """Note that a schema is said to be absent; say whether that was said for long enough."""
        doubt = self._doubts.pop(schema, None)
        if doubt is not None and now - doubt.since >= ABSENT_AFTER_NS:
            return True
        self._doubts[schema] = _Doubt(now if doubt is None else doubt.since, now + ASK_AGAIN_NS)
        return False

    def refused(self, now: int) -> bool:
        """Note that there was no answer; say whether so often in a row that the route is to be blocked."""
        self._asking = False
        self._failures += 1
        self._ask_at = now + backoff(self._failures, self._jitter, first=BACKOFF_FIRST_NS)
        return self._failures >= _FAILURES_BEFORE_BLOCK

    @property
    def waits(self) -> bool:
        """Whether anything waits for a schema."""
        return bool(self._waits)

    def waiting(self, tp: TopicPartition) -> tuple[str, int] | None:
        """Give the schema for which a partition's backlog waits, and the offset of the record that names it."""
        wait = self._waits.get(tp)
        return None if wait is None else (wait.schema, wait.offset)

    def next_wake(self) -> int | None:
        """Give the moment of the next question; None while an answer is missing, or nothing waits."""
        if self._asking or not self._waits:
            return None
        wanted = {schema for wait in self._waits.values() for schema in wait.schemas} - self._found.keys()
        return min(map(self._due, wanted), default=None)

    def _due(self, schema: str) -> int:
        """Give the moment from which on a schema that is not there may be asked for."""
        doubt = self._doubts.get(schema)
        return max(self._ask_at, self._absent.get(schema, 0), 0 if doubt is None else doubt.again_at)
