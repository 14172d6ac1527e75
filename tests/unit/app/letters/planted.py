"""Bugs of a resend, put in one at a time: what becomes of the letters must show each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from doka.app.letters.receipts import Receipts
from doka.app.letters.source import LetterSource
from doka.domain.events import Event, PartitionEnded
from doka.domain.letters.resent import Resent
from doka.domain.letters.share import Planned, Share
from doka.domain.records import TopicPartition
from tests.unit.adapters.audit.planted import in_place_of

Plant = Callable[[pytest.MonkeyPatch], None]


def forgets_what_was_left_out(patch: pytest.MonkeyPatch) -> None:
    """Commit the machine's watermark, as a service does: below it letters stand that nobody chose."""
    in_place_of(patch, Share, "after", lambda _self, watermark: Resent(watermark))


def forgets_what_was_done_above(patch: pytest.MonkeyPatch) -> None:
    """Commit the first letter that was left out, and nothing beside it."""
    in_place_of(patch, Resent, "note", lambda _self: "")


def takes_over_as_if_nothing_was_done(patch: pytest.MonkeyPatch) -> None:
    """Send what was planned, whoever has sent some of it since."""
    in_place_of(patch, Resent, "is_done", lambda _self, _offset: False)


def goes_back_with_its_watermark(patch: pytest.MonkeyPatch) -> None:
    """Say that nothing is done above the own watermark, though an earlier resend has been there."""
    honest = Share.after

    def planted(self: Share, watermark: int) -> Resent:
        found = honest(self, watermark)
        return Resent.of(
            [offset for first, end in found.left for offset in range(first, end) if offset < watermark], watermark
        )

    in_place_of(patch, Share, "after", planted)


def calls_done_what_is_not_settled(patch: pytest.MonkeyPatch) -> None:
    """Forget that of what was left out earlier some is chosen now, and not sent yet."""
    honest = Share.after

    def planted(self: Share, watermark: int) -> Resent:
        found, waiting = honest(self, watermark), set(self.chosen)
        left = [offset for first, end in found.left for offset in range(first, end) if offset not in waiting]
        return Resent.of(left, found.reached)

    in_place_of(patch, Share, "after", planted)


def reaches_its_watermark(self: Share, watermark: int) -> Resent:
    """Say that all was looked at below the watermark, wherever that is."""
    found = HONEST_AFTER(self, min(watermark, self.up_to))
    left = [offset for first, end in found.left for offset in range(first, end)]
    return Resent.of(left, max(found.reached, watermark))


HONEST_AFTER = Share.after


def passes_what_came_later(patch: pytest.MonkeyPatch) -> None:
    """Let the machine reach the end of the log: letters that came since the plan are passed unsent."""

    def planted(self: LetterSource, partition: TopicPartition, offset: int) -> Iterator[Event]:
        if partition in self._shares:
            yield PartitionEnded(partition, offset)

    in_place_of(patch, LetterSource, "_end", planted)
    in_place_of(patch, Share, "after", reaches_its_watermark)


def leaves_the_others_out_of_the_plan(patch: pytest.MonkeyPatch) -> None:
    """Know of the chosen letters alone."""
    honest = Share.__init__

    def planted(self: Share, before: Resent, letters: Planned) -> None:
        honest(self, before, letters._replace(others=()))

    in_place_of(patch, Share, "__init__", planted)


def ends_before_kafka_has_it(patch: pytest.MonkeyPatch) -> None:
    """Take a commit for stored when it was sent, though it may be refused."""
    honest = LetterSource.commit

    def planted(self: LetterSource, command: Any) -> None:
        honest(self, command)
        self._committed(command.offsets)

    in_place_of(patch, LetterSource, "commit", planted)


def writes_no_receipt_for_some(patch: pytest.MonkeyPatch) -> None:
    """Write one receipt for a put, and not for each letter."""
    honest = Receipts._write

    def planted(self: Receipts, place: tuple[TopicPartition, int], where: Mapping[str, Any]) -> None:
        if place[1] % 5:
            honest(self, place, where)

    in_place_of(patch, Receipts, "_write", planted)


BUGS: Sequence[Plant] = (
    forgets_what_was_left_out,
    forgets_what_was_done_above,
    takes_over_as_if_nothing_was_done,
    goes_back_with_its_watermark,
    calls_done_what_is_not_settled,
    passes_what_came_later,
    leaves_the_others_out_of_the_plan,
    ends_before_kafka_has_it,
    writes_no_receipt_for_some,
)
