from __future__ import annotations

import pytest

from doka.adapters.kafka.letter_headers import (
    Headers,
    UnreadableHeadersError,
    letter_headers,
    letter_in,
    source_in,
)
from doka.domain.letters.letter import Letter
from doka.domain.records import TopicPartition
from tests.dead_letters import ORDERS_3, Original, letter

OURS: Headers = [
    ("doka-source-topic", b"orders"),
    ("doka-source-partition", b"3"),
    ("doka-source-offset", b"41"),
    ("doka-source-timestamp", b"1700000000123"),
    ("doka-error-code", b"record_too_large"),
    ("doka-attempts", b"2"),
    ("doka-failed-at", b"2026-08-01T12:30:00.250+00:00"),
    ("doka-route", b"orders"),
]
WALL = 1_785_587_400.25


class Unreadable(Original):
    """A record whose headers the client library cannot give."""

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        raise SystemError("as the library raises it for a name that is not UTF-8")


@pytest.mark.parametrize(
    "own",
    [None, [], [("trace", b"1"), ("trace", None), ("", b""), ("clé", b"\xff")]],
)
def test_our_headers_stand_after_those_of_the_record(own: Headers | None) -> None:
    """All headers of the record are kept in their order, repeated, empty and null ones too, and ours follow."""
    assert [*(own or []), *OURS] == letter_headers(letter(1, Original(own_headers=own)), WALL)


def test_the_last_of_a_repeated_header_counts() -> None:
    """A letter that became a letter again keeps where it first came from, and says last where it came from now."""
    first = letter_headers(letter(1), WALL)
    source = TopicPartition("letters", 0)
    again = letter_headers(
        letter(2, Original(own_headers=first), source=source, offset=7, code="other", attempts=0), WALL + 1
    )
    assert first == again[: len(first)]
    assert {
        "doka-source-topic": b"letters",
        "doka-source-partition": b"0",
        "doka-source-offset": b"7",
        "doka-source-timestamp": b"1700000000123",
        "doka-error-code": b"other",
        "doka-attempts": b"0",
        "doka-failed-at": b"2026-08-01T12:30:01.250+00:00",
        "doka-route": b"orders",
    } == dict(again)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (OURS, (TopicPartition("orders", 3), 41)),
        ([*OURS, ("doka-source-offset", b"7")], (TopicPartition("orders", 3), 7)),
        ([("\udcff", b"2"), *OURS], (TopicPartition("orders", 3), 41)),
        (OURS[1:], None),
        ([*OURS, ("doka-source-offset", None)], None),
        ([*OURS, ("doka-source-partition", b"x")], None),
        ([*OURS, ("doka-source-topic", b"\xff")], None),
        (None, None),
    ],
)
def test_a_letter_says_which_record_it_is(headers: Headers | None, found: tuple[TopicPartition, int] | None) -> None:
    """By the last of each header; what says nothing that can be read is no letter."""
    assert found == source_in(Original(own_headers=headers))
    assert source_in(Unreadable()) is None


@pytest.mark.parametrize(
    ("headers", "of"),
    [(OURS, "orders"), (OURS[:-1], "orders archive"), ([*OURS, *OURS[:-1], ("doka-route", b"archive")], "archive")],
)
def test_a_letter_is_of_one_route(headers: Headers, of: str) -> None:
    """Of the last that it names; one that names none may be of any."""
    letter = Original(own_headers=headers)
    assert of.split() == [route for route in ("orders", "archive") if source_in(letter, route)]


def test_a_record_whose_headers_cannot_be_had_makes_no_letter() -> None:
    """What cannot be carried is refused, not left out."""
    with pytest.raises(UnreadableHeadersError):
        letter_headers(letter(1, Unreadable()), WALL)


def test_a_name_without_a_form_in_utf8_is_replaced() -> None:
    """The client library would end the process over it; place and value are kept."""
    own: Headers = [("a", b"1"), ("\udcff", b"2"), ("b", None)]
    expected = [("a", b"1"), ("doka-header-name-not-utf8", b"2"), ("b", None), *OURS]
    assert expected == letter_headers(letter(1, Original(own_headers=own)), WALL)


def test_a_letter_gives_back_the_record_that_it_is() -> None:
    """Its own headers in their order, and what doka says of it apart; also after it came back."""
    own = [("trace", b"1"), ("doka-attempts", b"9"), ("trace", None)]
    command = letter(1, Original(own_headers=[*own, ("doka-resent", b"2")]))
    stored = Original(own_headers=letter_headers(command, 1_700_000_000.5))
    record = letter_in(stored)
    assert record is not None
    assert Letter(ORDERS_3, 41, "record_too_large", 2, 1_700_000_000_500, resent=2, route="orders") == record.letter
    assert (own, b"key", b"value", stored.timestamp()) == (
        record.headers(),
        record.key(),
        record.value(),
        record.timestamp(),
    )


def test_what_a_letter_cannot_say_is_not_made_up() -> None:
    """Without its source or its code it is no letter; a count or a time that cannot be read is none."""
    headers = letter_headers(letter(1), 1.0)
    for missing in ("doka-source-topic", "doka-source-partition", "doka-source-offset", "doka-error-code"):
        assert letter_in(Original(own_headers=[each for each in headers if each[0] != missing])) is None
    assert letter_in(Original()) is None
    strange = {"doka-attempts": b"many", "doka-failed-at": b"yesterday", "doka-resent": b"-1"}
    record = letter_in(Original(own_headers=[*headers, *strange.items()]))
    assert record is not None
    assert (0, None, 0) == (record.letter.attempts, record.letter.failed_at_ms, record.letter.resent)


@pytest.mark.parametrize(
    ("written", "stamped", "told"),
    [((1, 5), (2, 9), (1, 5)), ((0, -1), (1, -1), (0, -1)), ((0, -1), (2, 9), (0, -1)), ((2, 5), (1, 5), (1, 5))],
)
def test_a_topic_that_stamps_its_own_times_hides_none(
    written: tuple[int, int], stamped: tuple[int, int], told: tuple[int, int]
) -> None:
    """The letter says when its record was written; a time that it does not say is none, and never that of the letter."""
    stored = Original(own_headers=letter_headers(letter(1, Original(stamp=written)), 1.0), stamp=stamped)
    record = letter_in(stored)
    assert record is not None
    assert told[1] == record.timestamp()[1]


def test_an_older_letter_has_the_time_that_it_was_stored_with() -> None:
    """It does not say it; where the topic kept the record's it is known all the same."""
    headers = [each for each in letter_headers(letter(1), 1.0) if each[0] != "doka-source-timestamp"]
    times = {
        kind: record.timestamp()
        for kind in (1, 2)
        if (record := letter_in(Original(own_headers=headers, stamp=(kind, 9))))
    }
    assert {1: (1, 9), 2: (0, -1)} == times
