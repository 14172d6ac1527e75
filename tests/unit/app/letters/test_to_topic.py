"""Letters that go to a topic: each lot is answered for before the next, and what is not stored ends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from doka.adapters.kafka.topic_writer import Stored
from doka.app.letters.to_topic import ToTopic
from doka.app.replay.outcome import Outcome
from doka.app.runtime import Ending
from doka.domain.letters.letter import LetterRecord
from doka.domain.records import Original, TopicPartition
from tests.unit.app.letters.world import CODES, DEAD, Kafka, Machine, Member

MENDED = TopicPartition("mended", 0)


class Writer:
    """A topic that takes so many records, and then none."""

    def __init__(self, takes: int = 1_000) -> None:
        self.takes = takes
        self.stored: list[int] = []
        self.resends: list[int] = []
        self.closed = False

    def write(self, records: Sequence[Original]) -> list[Stored | str]:
        """Store what there is room for."""
        found: list[Stored | str] = []
        for record in records:
            assert isinstance(record, LetterRecord)
            if len(self.stored) == self.takes:
                found.append("NOT_ENOUGH_REPLICAS")
                continue
            found.append(Stored(MENDED, len(self.stored)))
            self.stored.append(record.letter.offset)
            self.resends.append(record.letter.resent)
        return found

    def close(self) -> None:
        """Note it."""
        self.closed = True


def resend(kafka: Kafka, writer: Writer, codes: Sequence[str] = CODES) -> tuple[Ending, Outcome, Machine]:
    """Resend letters to a topic."""
    parts = Machine(kafka, Random(1), codes, Member(kafka, Random(1)))
    outcome = Outcome()
    loop = ToTopic(
        parts.source,
        writer,  # type: ignore[arg-type] # what is called of one
        parts.clock,
        parts.inbox,
        receipts=parts.receipts,
        outcome=outcome,
        show=lambda _: None,
    )
    return loop.run(), outcome, parts


def letters(count: int) -> Kafka:
    """Give so many letters, of two codes in turn."""
    kafka = Kafka()
    kafka.codes[DEAD[0]] = [CODES[number % 2] for number in range(count)]
    return kafka


def test_all_that_is_chosen_is_stored_once_and_what_is_left_is_known() -> None:
    """With a receipt each, and one resend more in its header."""
    kafka, writer = letters(20), Writer()
    ending, outcome, parts = resend(kafka, writer, CODES[:1])
    assert (0, 10, list(range(0, 20, 2)), {1}) == (ending.code, outcome.landed, writer.stored, set(writer.resends))
    assert {(DEAD[0], offset): 1 for offset in range(0, 20, 2)} == parts.receipts_given()
    assert writer.closed
    resend(kafka, writer)
    assert dict.fromkeys(range(20), 1) == Counter(writer.stored)


def test_what_is_not_stored_ends_it_and_is_sent_by_the_next() -> None:
    """Nothing behind it is committed, and nothing that was stored is written a second time."""
    kafka, writer = letters(20), Writer(takes=7)
    ending, outcome, _ = resend(kafka, writer)
    assert Ending(1, "the record of letter dead:0:7 is not stored: NOT_ENOUGH_REPLICAS") == ending
    assert (7, {DEAD[0]: (7, "")}) == (outcome.landed, kafka.commits)
    writer.takes = 1_000
    assert 0 == resend(kafka, writer)[0].code
    assert list(range(20)) == writer.stored
