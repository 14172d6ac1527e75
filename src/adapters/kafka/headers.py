"""What headers take, and so how many messages may be in hand at a time.

The client unpacks the headers of each message that it hands over, whether somebody needs them or not, and counts them
nowhere: a hundred headers of 100 B are 17 kB of small allocations, and 5,000 such messages 85 MB. So a few messages of each run
are asked for theirs, no more, because whoever asks makes Python objects of all headers of a message.

It must never ask a record twice that somebody else still has to ask: the client refuses a name that is not UTF-8 only once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from doka.domain.records import Chunk, Original, ask_headers

ASKED_EVERY: Final = 32  # records; it costs some 4 ns a record then
HEADER_OVERHEAD_BYTES: Final = 170
"""What CPython adds to a header: a tuple, a str, a bytes object and a list slot. librdkafka adds some 64 bytes."""
AT_ONCE_BYTES: Final = 4 * 1024 * 1024  # of headers in hand
AT_ONCE_FIRST: Final = 500  # messages, before any was seen


class RefusedOriginal:
    """A record whose headers the client has refused to give, and which refuses once more: as if nobody had asked it."""

    __slots__ = ("_error", "_record", "key", "timestamp", "value")

    def __init__(self, record: Original, error: SystemError) -> None:
        self._record = record
        self._error: SystemError | None = error
        self.key, self.value, self.timestamp = record.key, record.value, record.timestamp

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Raise SystemError the first time, then give what the client gives from the second time on."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        return ask_headers(self._record)


def header_bytes(records: list[Any]) -> int:
    """Give the bytes that the headers of a record take on average, by one of `ASKED_EVERY` messages, the first among them.

    One that refuses is not counted, and gives its place in `records` to what refuses again.
    """
    places = range(0, len(records), ASKED_EVERY)
    found = 0
    for place in places:
        try:
            headers = ask_headers(records[place])
        except SystemError as error:
            records[place] = RefusedOriginal(records[place], error)
            continue
        if headers:
            found += sum(len(name) + len(value or b"") + HEADER_OVERHEAD_BYTES for name, value in headers)
    return found // len(places)


class AtOnce:
    """How many messages may be in hand at a time: few at first, fewer at once where headers are large, more by and by."""

    def __init__(self) -> None:
        self._header_bytes = AT_ONCE_BYTES / AT_ONCE_FIRST  # of a message, of late

    @property
    def messages(self) -> int:
        """Give the bound; it ends where nobody has headers, for keys and values have a budget of their own."""
        return max(1, int(AT_ONCE_BYTES / self._header_bytes))

    def seen(self, chunks: Iterable[Chunk]) -> None:
        """Learn from what one look brought."""
        mean = max((chunk.header_bytes for chunk in chunks), default=0)
        self._header_bytes = max(1.0, mean, 0.8 * self._header_bytes + 0.2 * mean)
