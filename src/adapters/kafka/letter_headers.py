"""What a dead letter says about itself: fixed `doka-*` headers, after all headers that the record came with.

They are read by people and by whoever sends letters back, so names and forms are a contract: headers are added, never
renamed. All values are text in UTF-8.
A letter of a letter has each of them twice; the last one counts, as with any repeated header in Kafka.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from domain.commands import SendLetter

Headers = list[tuple[str, bytes | None]]

SOURCE_TOPIC: Final = "doka-source-topic"
SOURCE_PARTITION: Final = "doka-source-partition"
SOURCE_OFFSET: Final = "doka-source-offset"
ERROR_CODE: Final = "doka-error-code"
ATTEMPTS: Final = "doka-attempts"
FAILED_AT: Final = "doka-failed-at"


class UnreadableHeadersError(Exception):
    """A header of the record has a name that is not UTF-8, so the client library cannot give it."""


def letter_headers(command: SendLetter, wall: float) -> Headers:
    """Give the record's own headers in their order, then ours; `wall` is the present in seconds since the epoch.

    Raises UnreadableHeadersError: a letter without one of its headers would not be the record.
    """
    try:
        own = command.original.headers() or []
        for name, _ in own:
            name.encode()  # the client library takes the process down with a name that has no UTF-8
    except (SystemError, UnicodeError) as error:
        # SystemError: the library leaves its own decoding error behind an answer that it gives all the same.
        raise UnreadableHeadersError from error
    return [
        *own,
        (SOURCE_TOPIC, command.partition.topic.encode()),
        (SOURCE_PARTITION, b"%d" % command.partition.partition),
        (SOURCE_OFFSET, b"%d" % command.offset),
        (ERROR_CODE, command.code.encode()),
        (ATTEMPTS, b"%d" % command.attempts),
        (FAILED_AT, datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").encode()),
    ]
