"""What a resend leaves behind of each letter: where its record came to lie, as a line of JSON; or another letter.

A receipt is written when the stream has answered, and before the letter is committed: each letter that counts as done has one,
and one that has two was sent twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TextIO

from doka.adapters.kafka.letter_headers import RESENT
from doka.domain.commands import SendLetter, SendPut
from doka.domain.errors import InvariantError
from doka.domain.events import Event, Landings, PutAnswered
from doka.domain.letters.letter import Letter, LetterRecord
from doka.domain.ports import DeadLetters, Sink
from doka.domain.records import TopicPartition

Place = tuple[TopicPartition, int]


class Receipts:
    """The receipts of one run; an error of writing one is kept until `keep`."""

    def __init__(self, out: TextIO | None, wall: Callable[[], float]) -> None:
        """Take where lines go, None for nowhere, and the clock of the day."""
        self._out = out
        self._wall = wall
        self._under_way: dict[Place, Letter] = {}
        self._error: OSError | None = None

    def begins(self, partition: TopicPartition, offset: int, letter: Letter) -> None:
        """Note a letter that is about to be sent."""
        self._under_way[partition, offset] = letter

    def landed(self, places: Sequence[Sequence[Place]], landings: Landings) -> None:
        """Write a receipt for each letter of a put that landed."""
        for of_entry, shard, number in zip(places, landings.shards, landings.numbers, strict=True):
            for place in of_entry if number else ():
                self._write(place, {"shard": shard, "sequence_number": number})

    def stored(self, place: Place, where: Place) -> None:
        """Write a receipt for a letter whose record stands in a topic now."""
        (topic, partition), offset = where
        self._write(place, {"topic": topic, "partition": partition, "offset": offset})

    def _write(self, place: Place, where: Mapping[str, Any]) -> None:
        letter = self._under_way.pop(place, None)
        if letter is None or self._out is None or self._error is not None:
            return
        partition, offset = place
        line = {
            "letter": {**partition._asdict(), "offset": offset},
            "source": {**letter.source._asdict(), "offset": letter.offset},
            **where,
            "at": datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="milliseconds"),
        }
        try:
            self._out.write(json.dumps(line) + "\n")
        except OSError as error:
            self._error = error

    def keep(self) -> None:
        """See that what was written is out of this process; raises OSError where it is not."""
        if self._error is not None:
            raise self._error
        if self._out is not None:
            self._out.flush()


class ReceiptSink:
    """Stands before the sink, as `domain.ports.Sink`, and sees where each record came to lie; it changes nothing."""

    def __init__(self, inner: Sink, receipts: Receipts) -> None:
        """Take the sink, and who writes receipts."""
        self._inner = inner
        self._receipts = receipts
        self._open: dict[int, Sequence[Sequence[Place]]] = {}

    def submit(self, command: SendPut) -> None:
        """Start one request, whose answer tells where its entries landed."""
        if command.places is not None:
            self._open[command.put] = command.places
        self._inner.submit(replace(command, wants_landings=True))

    def answers(self, wait: int) -> Sequence[Event]:
        """Give the answers that are there."""
        answers = self._inner.answers(wait)
        for answer in answers:
            places = self._open.pop(getattr(answer, "put", -1), None)
            if places is not None and isinstance(answer, PutAnswered) and answer.landings is not None:
                self._receipts.landed(places, answer.landings)
        return answers

    def close(self) -> None:
        """Drop all connections."""
        self._inner.close()


class LettersAgain:
    """Stands before the dead letters, as `domain.ports.DeadLetters`: what comes back says of which record, and how often."""

    def __init__(self, inner: DeadLetters) -> None:
        """Take who stores letters."""
        self._inner = inner

    def submit(self, command: SendLetter) -> None:
        """Start one letter, of the record as it stood in its own topic."""
        record = command.original
        if not isinstance(record, LetterRecord):
            raise InvariantError(f"{command.partition}@{command.offset} was resent, and is no record of a letter")
        letter = record.letter
        self._inner.submit(replace(command, partition=letter.source, offset=letter.offset, original=again(record)))

    def answers(self) -> Sequence[Event]:
        """Give the answers that have arrived."""
        return self._inner.answers()

    def close(self) -> None:
        """Give up what is still under way."""
        self._inner.close()


def again(record: LetterRecord) -> LetterRecord:
    """Give a record that says how often it was resent, this time counted."""
    count = record.letter.resent + 1
    headers = [*(record.headers() or ()), (RESENT, b"%d" % count)]
    return LetterRecord(record, record.letter._replace(resent=count), headers, record.timestamp())
