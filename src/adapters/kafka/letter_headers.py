"""What a dead letter says about itself: fixed `doka-*` headers, after all headers that the record came with.

They are read by people and by whoever sends letters back, so names and forms are a contract: headers are added, never
renamed. All values are text in UTF-8.
A letter of a letter has each of them twice; the last one counts, as with any repeated header in Kafka.

A header of the record's own whose name is not UTF-8 keeps its place and its value, under a fixed name: the client
library (2.16) loses such a name. It raises the first time it is asked for the headers, and from the second time on it
gives tuples with nothing, not even None, in the place of that name; whatever touches that place ends the process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE

from doka.domain.commands import SendLetter
from doka.domain.letters.letter import Letter, LetterRecord
from doka.domain.records import AskedOnce, Original, TopicPartition, ask_headers

Headers = list[tuple[str, bytes | None]]

SOURCE_TOPIC: Final = "doka-source-topic"
SOURCE_PARTITION: Final = "doka-source-partition"
SOURCE_OFFSET: Final = "doka-source-offset"
SOURCE_TIMESTAMP: Final = "doka-source-timestamp"
"""The record's own, in ms since the epoch; not there where it has none. The topic of letters may stamp its own."""
ERROR_CODE: Final = "doka-error-code"
ATTEMPTS: Final = "doka-attempts"
FAILED_AT: Final = "doka-failed-at"
ROUTE: Final = "doka-route"
"""By which route it could not land; another route of its topic may have landed it."""
RESENT: Final = "doka-resent"
"""How often the record was resent before it became this letter; among the record's own headers, for it may come by its topic."""
NAME_NOT_UTF8: Final = "doka-header-name-not-utf8"
"""Stands for the name of a header of the record's own that the client library cannot give."""

# Looks into a tuple without taking what is there: None where there is nothing. Not the function of that name that all
# users of ctypes share, whose types would be changed for them too.
_place_in = ctypes.pythonapi["PyTuple_GetItem"]
_place_in.argtypes = (ctypes.py_object, ctypes.c_ssize_t)
_place_in.restype = ctypes.c_void_p


class UnreadableHeadersError(Exception):
    """The client library gives no headers of the record, not even those that it can read."""


def letter_headers(command: SendLetter, wall: float) -> Headers:
    """Give the record's own headers in their order, then ours; `wall` is the present in seconds since the epoch.

    Raises UnreadableHeadersError: a letter without its headers would not be the record.
    """
    kind, timestamp_ms = command.original.timestamp()
    return [
        *((_name_of(header), header[1]) for header in _own(command.original)),
        (SOURCE_TOPIC, command.partition.topic.encode()),
        (SOURCE_PARTITION, b"%d" % command.partition.partition),
        (SOURCE_OFFSET, b"%d" % command.offset),
        *([(SOURCE_TIMESTAMP, b"%d" % timestamp_ms)] if kind else []),
        (ERROR_CODE, command.code.encode()),
        (ATTEMPTS, b"%d" % command.attempts),
        (FAILED_AT, datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").encode()),
        (ROUTE, command.route.encode()),
    ]


def source_in(letter: Original, route: str | None = None) -> tuple[TopicPartition, int] | None:
    """Give which record a letter is, as its headers say it; None where they say nothing that can be read.

    None also where they name another route than `route`, if that is given.
    """
    try:
        told = {_name_of(header): header[1] for header in _own(letter)}
    except UnreadableHeadersError:
        return None
    return None if route is not None and _text(told.get(ROUTE)) not in {None, route} else source_among(told)


def letter_in(stored: Original) -> LetterRecord | None:
    """Give the record that a letter is, with what the letter says of it; None for what is no letter of doka's."""
    try:
        headers = [(_name_of(header), header[1]) for header in _own(stored)]
    except UnreadableHeadersError:
        return None
    told = dict(headers)
    source = source_among(told)
    code = told.get(ERROR_CODE)
    if source is None or not code:
        return None
    last = max(place for place, (name, _) in enumerate(headers) if name == SOURCE_TOPIC)  # ours begin there
    ours = dict(headers[last:])
    letter = Letter(
        *source,
        code.decode(errors="replace"),
        attempts=_number(told.get(ATTEMPTS)),
        failed_at_ms=_time_ms(told.get(FAILED_AT)),
        resent=_number(told.get(RESENT)),
        route=_text(ours.get(ROUTE)),
    )
    own = [header for header in headers[:last] if header[0] != RESENT]
    return LetterRecord(stored, letter, own, _timestamp(stored, ours.get(SOURCE_TIMESTAMP)))


def _timestamp(stored: Original, told: bytes | None) -> tuple[int, int]:
    """Give the record's own timestamp as Kafka has it; none where its letter does not say it, and was stamped anew."""
    kind, timestamp_ms = stored.timestamp()
    if told and told.isdigit():
        return TIMESTAMP_CREATE_TIME, int(told)
    return (kind, timestamp_ms) if kind == TIMESTAMP_CREATE_TIME else (TIMESTAMP_NOT_AVAILABLE, -1)


def source_among(told: Mapping[str, bytes | None]) -> tuple[TopicPartition, int] | None:
    """Read which record a letter is; None where its headers say nothing that can be read."""
    try:
        topic, partition, offset = (told[name] or b"" for name in (SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET))
        return TopicPartition(topic.decode(), int(partition)), int(offset)
    except (KeyError, ValueError):
        return None


def _text(content: bytes | None) -> str | None:
    """Read a name; None where there is none."""
    return content.decode(errors="replace") if content else None


def _number(text: bytes | None) -> int:
    """Read a count; 0 where it cannot be read."""
    return int(text) if text and text.isdigit() else 0


def _time_ms(text: bytes | None) -> int | None:
    """Read a time, in ms since the epoch; None where it is none, or has no zone."""
    try:
        moment = datetime.fromisoformat((text or b"").decode())
        return None if moment.tzinfo is None else round(moment.timestamp() * 1_000)
    except (ValueError, OverflowError):
        return None


def _own(original: Original) -> Headers:
    try:
        return ask_headers(original) or []
    except SystemError:  # the library's own decoding error, behind an answer that it has all the same
        try:
            return ask_headers(original.record if isinstance(original, AskedOnce) else original) or []
        except SystemError as error:
            raise UnreadableHeadersError from error


def _name_of(header: tuple[str, bytes | None]) -> str:
    if _place_in(header, 0) is None:
        return NAME_NOT_UTF8
    name = header[0]
    try:
        name.encode()
    except UnicodeError:  # which would take the process down inside the client library
        return NAME_NOT_UTF8
    return name
