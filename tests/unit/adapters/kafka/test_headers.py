from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from doka.adapters.kafka.headers import (
    ASKED_EVERY,
    AT_ONCE_BYTES,
    AT_ONCE_FIRST,
    HEADER_OVERHEAD_BYTES,
    AtOnce,
    RefusedOriginal,
    header_bytes,
)
from doka.domain.limits import FETCH_RECORDS_MAX
from doka.domain.records import Chunk, TopicPartition
from tests.dead_letters import Original
from tests.unit.adapters.kafka.messages import record

LARGE: list[tuple[str, str | bytes | None]] = [(f"header-{number:02}", b"v" * 100) for number in range(100)]
LARGE_BYTES = 100 * (9 + 100 + HEADER_OVERHEAD_BYTES)
REFUSED = "as the library raises it for a name that is not UTF-8"


@dataclass(frozen=True)
class RefusesOnce(Original):
    """A record as the client library gives it: it raises the first time, and has headers with a hole from then on."""

    refusals: list[SystemError] = field(default_factory=lambda: [SystemError(REFUSED)])

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        if self.refusals:
            raise self.refusals.pop()
        return super().headers()


def chunk(header_bytes: int) -> Chunk:
    """Make a chunk of one record whose headers take so much."""
    return Chunk(TopicPartition("orders", 0), [0], [None], [None], header_bytes=header_bytes)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (None, 0),
        ([], 0),
        ([("trace", b"1"), ("null", None)], 5 + 1 + 4 + 2 * HEADER_OVERHEAD_BYTES),
        (LARGE, LARGE_BYTES),
    ],
)
def test_headers_take_their_bytes_and_their_objects(
    headers: list[tuple[str, str | bytes | None]] | None, expected: int
) -> None:
    """Names and values count, and for each header what the interpreter adds; no header is none."""
    assert expected == header_bytes([record(0, headers=headers)])


def test_one_of_many_is_asked() -> None:
    """The others' headers stay where the client has them, and what is said of all is the mean of those that were asked."""
    asked = [record(place, headers=LARGE if place == 0 else None) for place in range(2 * ASKED_EVERY)]
    assert LARGE_BYTES // 2 == header_bytes(asked)


def test_a_record_that_refused_refuses_once_more() -> None:
    """Whoever asks it next meets what the client gives the first time, and after that what it gives the second time."""
    records: list[Any] = [RefusesOnce(own_headers=[("a", b"1")]), record(1)]

    assert 0 == header_bytes(records)

    original = records[0]
    with pytest.raises(SystemError, match=REFUSED):
        original.headers()
    assert [("a", b"1")] == original.headers()


def test_a_record_that_refused_is_whole() -> None:
    """Key, value and timestamp are those of the record."""
    own: Any = record(1, key=b"k", value=b"v", timestamp=(1, 7))
    refused = RefusedOriginal(own, SystemError(REFUSED))
    assert (b"k", b"v", (1, 7)) == (refused.key(), refused.value(), refused.timestamp())


class TestAtOnce:
    """How many messages may be in hand."""

    def test_begins_with_few(self) -> None:
        """Nobody knows what comes first."""
        assert AT_ONCE_FIRST == AtOnce().messages

    def test_is_no_bound_where_there_are_no_headers(self) -> None:
        """After some looks at records without headers a full fetch is allowed."""
        at_once = AtOnce()
        for _ in range(12):
            at_once.seen([chunk(0)])
        assert FETCH_RECORDS_MAX < at_once.messages

    def test_falls_at_once_and_rises_by_and_by(self) -> None:
        """One look at large headers is enough; one at small ones is not."""
        at_once = AtOnce()
        for _ in range(20):
            at_once.seen([chunk(0)])
        at_once.seen([chunk(0), chunk(LARGE_BYTES)])
        assert AT_ONCE_BYTES // LARGE_BYTES == at_once.messages
        at_once.seen([chunk(0)])
        assert int(AT_ONCE_BYTES / (0.8 * LARGE_BYTES)) == at_once.messages

    def test_lets_one_message_pass_whatever_its_headers(self) -> None:
        """Else it would wait for ever."""
        at_once = AtOnce()
        at_once.seen([chunk(2 * AT_ONCE_BYTES)])
        assert 1 == at_once.messages
