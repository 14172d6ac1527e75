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
from datetime import UTC, datetime
from typing import Final

from doka.domain.commands import SendLetter
from doka.domain.records import Original, TopicPartition, ask_headers

Headers = list[tuple[str, bytes | None]]

SOURCE_TOPIC: Final = "doka-source-topic"
SOURCE_PARTITION: Final = "doka-source-partition"
SOURCE_OFFSET: Final = "doka-source-offset"
ERROR_CODE: Final = "doka-error-code"
ATTEMPTS: Final = "doka-attempts"
FAILED_AT: Final = "doka-failed-at"
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
    return [
        *((_name_of(header), header[1]) for header in _own(command.original)),
        (SOURCE_TOPIC, command.partition.topic.encode()),
        (SOURCE_PARTITION, b"%d" % command.partition.partition),
        (SOURCE_OFFSET, b"%d" % command.offset),
        (ERROR_CODE, command.code.encode()),
        (ATTEMPTS, b"%d" % command.attempts),
        (FAILED_AT, datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").encode()),
    ]


def source_in(letter: Original) -> tuple[TopicPartition, int] | None:
    """Give which record a letter is, as its headers say it; None where they say nothing that can be read."""
    try:
        told = {_name_of(header): header[1] for header in _own(letter)}
        topic, partition, offset = (told[name] or b"" for name in (SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET))
        return TopicPartition(topic.decode(), int(partition)), int(offset)
    except (UnreadableHeadersError, KeyError, ValueError):
        return None


def _own(original: Original) -> Headers:
    try:
        return ask_headers(original) or []
    except SystemError:  # the library's own decoding error, behind an answer that it has all the same
        try:
            return ask_headers(original) or []
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
