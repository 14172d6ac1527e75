"""How a person names records to a command, as the log and `/readyz` do: TOPIC:PARTITION:OFFSET, or a range of offsets."""

from __future__ import annotations

import re
from typing import Final

from doka.domain.errors import UsageError
from doka.domain.records import TopicPartition

_PLACE: Final = re.compile(r"([A-Za-z0-9._-]{1,249}):(\d{1,9}):(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)


def place_of(what: str) -> tuple[TopicPartition, int, int]:
    """Read TOPIC:PARTITION:OFFSET, or a range of offsets; give the first and one above the last.

    Raises:
        UsageError: it names no record.
    """
    found = _PLACE.fullmatch(what)
    if found is None:
        raise UsageError(f"{what!r} names no record: TOPIC:PARTITION:OFFSET, or TOPIC:PARTITION:FIRST-LAST")
    first = int(found[3])
    last = first if found[4] is None else int(found[4])
    if last < first:
        raise UsageError(f"{what!r} ends before it begins")
    return TopicPartition(found[1], int(found[2])), first, last + 1
