"""What a resend leaves behind of each letter."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Sequence

import pytest

from doka.adapters.kafka.letter_headers import letter_headers, letter_in
from doka.app.letters.receipts import LettersAgain, Receipts, ReceiptSink
from doka.domain.commands import SendLetter, SendPut
from doka.domain.events import Event, Landings, PutAmbiguous, PutAnswered
from doka.domain.letters.letter import Letter, LetterRecord
from doka.domain.records import TopicPartition
from tests.dead_letters import ORDERS_3, Original, letter
from tests.unit.app.replay.test_landings import Inner
from tests.unit.domain.builders import lease

DEAD = TopicPartition("dead", 0)


def receipts(out: io.StringIO | None) -> Receipts:
    """Give receipts of letters 0 to 3."""
    found = Receipts(out, lambda: 1_700_000_000.5)
    for offset in range(4):
        found.begins(DEAD, offset, Letter(ORDERS_3, 40 + offset, "NoValue", 1, None))
    return found


def test_each_letter_that_landed_has_one() -> None:
    """Of an aggregate, each of its letters; of a refused entry, or of a put of which nobody knows, none."""
    out = io.StringIO()
    answers: tuple[Event, ...] = (
        PutAnswered(1, {1: "Slow"}, Landings(["s0", "", "s1"], ["7", "", "9"])),
        PutAmbiguous(2, "timeout"),
    )
    inner = Inner(*answers)
    sink = ReceiptSink(inner, receipts(out))
    places = [[(DEAD, 0), (DEAD, 1)], [(DEAD, 2)], [(DEAD, 3)]]
    sink.submit(SendPut(1, "orders", lease(), ["a", "b", "c"], [b"x"] * 3, timeout=5, places=places))
    sink.submit(SendPut(2, "orders", lease(), ["a"], [b"x"], timeout=5, places=[[(DEAD, 2)]]))
    assert (True, answers) == (inner.given[0].wants_landings, sink.answers(0))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(0, 40, "s0", "7"), (1, 41, "s0", "7"), (3, 43, "s1", "9")] == [
        (each["letter"]["offset"], each["source"]["offset"], each["shard"], each["sequence_number"]) for each in lines
    ]
    assert "2023-11-14T22:13:20.500+00:00" == lines[0]["at"]
    sink.close()
    assert inner.closed


def test_an_error_of_writing_is_told_when_it_must_be_kept() -> None:
    """And never in the middle of an answer, which must be settled all the same."""

    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    found = receipts(Full())
    found.landed([[(DEAD, 0)]], Landings(["s0"], ["7"]))
    with pytest.raises(OSError, match="No space left"):
        found.keep()
    nobody = receipts(None)
    nobody.stored((DEAD, 0), (DEAD, 9))
    nobody.keep()


def test_what_becomes_a_letter_again_says_of_which_record_and_how_often() -> None:
    """As if its own topic had sent it there, and one resend more."""
    sent: list[SendLetter] = []

    class Topic:
        def submit(self, command: SendLetter) -> None:
            sent.append(command)

        def answers(self) -> Sequence[Event]:
            return ()

        def close(self) -> None:
            pass

    stored = Original(own_headers=letter_headers(letter(1, Original(own_headers=[("trace", b"t")])), 1.0))
    record = letter_in(stored)
    for resends in (1, 2):
        assert isinstance(record, LetterRecord)
        LettersAgain(Topic()).submit(SendLetter(1, DEAD, 7, record, "NewCode", 3, "orders"))
        (again,) = sent
        sent.clear()
        headers = letter_headers(again, 2.0)
        assert [("trace", b"t"), ("doka-resent", b"%d" % resends)] == headers[:2]
        record = letter_in(Original(own_headers=headers))
        assert record is not None
        assert Letter(ORDERS_3, 41, "NewCode", 3, 2_000, resends, "orders") == record.letter
        assert stored.timestamp() == record.timestamp()
