"""Who sees everything that happens in the simulated world, and may stop it with an exception.

The world tells, it does not judge: the rules that must hold are the checkers' matter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from doka.domain.commands import CommitOffsets, SendLetter, SendPut
from doka.domain.events import Event
from doka.domain.records import Chunk, TopicPartition
from doka.domain.skip import Skip

if TYPE_CHECKING:
    from doka.adapters.simulated.kinesis import Put
    from doka.adapters.simulated.plan import Incident


class Witness:
    """Sees and says nothing; a checker overrides what it wants to see."""

    def produced(self, partition: TopicPartition, offset: int, key: bytes | None, value: bytes | None) -> None:
        """A record was written to a log."""

    def poisoned(self, partition: TopicPartition, offset: int) -> None:
        """The record just written can never land."""

    def grown(self, partition: TopicPartition) -> None:
        """There is a partition that there was not."""

    def may_land(self, partition: TopicPartition, offset: int) -> None:
        """A record that could never land can by now: its stream takes larger ones."""

    def unwanted(self, partition: TopicPartition, offset: int) -> None:
        """The record just written is one that its route leaves out."""

    def production_ended(self) -> None:
        """The last record was written."""

    def removed(self, partition: TopicPartition, offsets: Sequence[int], *, retention: bool) -> None:
        """Records left the log, by retention or by compaction."""

    def recreated(self, partition: TopicPartition) -> None:
        """A log began anew, as that of another topic of the same name."""

    def assigned(self, positions: Mapping[TopicPartition, int]) -> None:
        """Our process took partitions over."""

    def revoke_began(self, partitions: Sequence[TopicPartition]) -> None:
        """Our process was asked to give partitions back."""

    def gave_back(self, partitions: Sequence[TopicPartition]) -> None:
        """Our process has given partitions back."""

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Our process learned that partitions are no longer its own."""

    def neighbour_began(self, partition: TopicPartition, start: int) -> None:
        """The other member took a partition over."""

    def delivered(self, chunk: Chunk) -> None:
        """Records were handed to our process."""

    def ended(self, partition: TopicPartition, offset: int) -> None:
        """The end of a log was handed to our process."""

    def gap_shown(self, partition: TopicPartition, expected: int, log_start: int) -> None:
        """A gap was handed to our process."""

    def unreadable(self, partition: TopicPartition, first: int, far: int) -> None:
        """Our process was told that stored records cannot be read, from an offset to below another."""

    def sought(self, partition: TopicPartition, offset: int) -> None:
        """Our process chose another position."""

    def orders_told(self, partition: TopicPartition, orders: Sequence[Skip]) -> None:
        """Our process is about to hear which records of a partition it shall skip."""

    def put_began(self, command: SendPut) -> None:
        """Our process sent a request."""

    def never_signed(self, command: SendPut) -> None:
        """Our process did not send a request, because its lease had ended meanwhile."""

    def landed(self, put: Put | None, entry: int, key: str, value: bytes, route: str) -> None:
        """A record came into the stream of a route: an entry of a put of ours, or (None) a neighbour's."""

    def put_answered(self, put: Put, event: Event) -> None:
        """Our process was told what became of a put."""

    def put_denied(self, put: Put, code: str) -> None:
        """A put came to the service and was not accepted for its lease."""

    def commit_began(self, command: CommitOffsets) -> None:
        """Our process sent a commit."""

    def commit_stored(self, offsets: Mapping[TopicPartition, int], *, ours: bool) -> None:
        """The group stored offsets."""

    def letter_stored(self, partition: TopicPartition, offset: int, route: str) -> None:
        """A dead letter of this record, by this route, is in the dead-letter topic."""

    def asked_again(self, kind: str, name: str) -> None:
        """Our process asked for a lease, or for the facts of a stream, although its last question is not answered."""

    def letter_began(self, command: SendLetter) -> None:
        """Our process sends a dead letter."""

    def letter_answered(self, command: SendLetter, event: Event) -> None:
        """Our process is about to read what became of a letter."""

    def commit_answered(self, commit: int, error: str | None) -> None:
        """Our process is about to read what became of a commit."""

    def commit_answer_lost(self) -> None:
        """The group stored a commit, and our process will never know."""

    def lease_asked(self, role: str) -> None:
        """Our process asked for a lease."""

    def lease_answered(self, event: Event) -> None:
        """The answer to that was left in our process's inbox."""

    def befell(self, incident: Incident) -> None:
        """An incident of the plan begins."""

    def paused(self, partitions: Collection[TopicPartition]) -> None:
        """These are the partitions of which our process's client delivers nothing."""

    def resumed(self) -> None:
        """Our process lets a partition flow again that it had paused."""

    def woke(self) -> None:
        """Our process goes on after it stood still."""

    def died(self) -> None:
        """Our process is gone; what it had sent goes on."""

    def healed(self) -> None:
        """The last fault that heals has healed."""

    def time_is_up(self) -> None:
        """So long after the healing everything must be done."""
