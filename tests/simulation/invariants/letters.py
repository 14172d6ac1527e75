"""What goes to the dead letters: poison alone, acknowledged before it settles (I11)."""

from __future__ import annotations

from collections import deque

from doka.adapters.simulated.plan import Plan
from doka.domain.commands import SendLetter
from doka.domain.events import Event, LetterRefused
from doka.domain.facts import RecordsPoisoned
from doka.domain.poison.quarantine import MINUTE_NS, TOO_LARGE
from doka.domain.records import TopicPartition
from doka.domain.rules import OnPoison
from tests.simulation.invariants.facts import SLACK_NS, Facts
from tests.simulation.invariants.streams import Streams
from tests.simulation.invariants.violation import ViolationError


class Letters(Facts, Streams):
    """A record that can land is never put aside, and of the others no more than a minute may take (I11)."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._met: dict[str, deque[int]] = {}  # when records of a route were put aside

    def end_life(self) -> None:
        super().end_life()
        self._met.clear()

    def letter_stored(self, partition: TopicPartition, offset: int, route: str) -> None:
        truth = self.truths[partition]
        known = offset in truth.poison or offset in truth.put_aside
        self.require(known, "I11", f"{partition} {offset} is no poison, and went to the dead letters")
        truth.dropped.add(offset)

    def letter_began(self, command: SendLetter) -> None:
        tp, offset = command.partition, command.offset
        ownership = self._letter_of[command.letter] = self.owned.get(tp)
        if ownership is None:
            raise ViolationError("I13", f"a letter left for {tp} {offset}, which is not owned")
        self.require(offset in ownership.unsettled, "I13", f"a letter left for {tp} {offset}, which is not in hand")
        known = offset in ownership.truth.poison or offset in ownership.truth.put_aside
        self.require(known, "I11", f"{tp} {offset} is no poison, and a letter leaves for it")

    def letter_answered(self, command: SendLetter, event: Event) -> None:
        ownership = self._letter_of.pop(command.letter)
        self.note_letter(command, ownership, event)
        if isinstance(event, LetterRefused):
            self.reached["a dead letter was refused or not acknowledged"] += 1
        elif ownership is not None and self.owned.get(command.partition) is ownership:
            self.reached["a dead letter was acknowledged"] += 1
            ownership.unsettled.pop(command.offset, None)
            ownership.settled.add(command.offset)
            ownership.settled_at = ownership.moved_at = self.world.timeline.now

    def told_poison(self, fact: RecordsPoisoned) -> None:
        """Judge that the service calls a record poison, and note what its policy makes of it."""
        truth, ownership = self.truths[fact.partition], self.owned.get(fact.partition)
        excused = fact.policy == OnPoison.BLOCK.value or self.may_not_know(fact.route)
        excused = excused and fact.code == TOO_LARGE and self.world.streams[fact.route].limit_raised_at is not None
        self.require(fact.offset in truth.poison or excused, "I11", f"{fact.partition} {fact.offset} is no poison")
        if fact.policy != OnPoison.BLOCK.value:
            truth.put_aside.add(fact.offset)
        self.reached[f"a poison record was met, policy {fact.policy}"] += 1
        if fact.policy != OnPoison.BLOCK.value:
            met, now = self._met.setdefault(fact.route, deque()), self.world.timeline.now
            met.append(now)
            while now - met[0] >= MINUTE_NS - SLACK_NS:  # each is told a moment after its decision
                met.popleft()
            most = self.plan.limits.poison_per_minute
            self.require(len(met) <= most, "I11", f"{fact.route} has put {len(met)} aside within a minute, of {most}")
        if fact.policy == OnPoison.BLOCK.value and ownership is not None:
            ownership.parked.add(fact.offset)
        if fact.policy == OnPoison.DROP.value:
            truth.dropped.add(fact.offset)
            if ownership is not None:
                ownership.unsettled.pop(fact.offset, None)
                ownership.settled_at = ownership.moved_at = self.world.timeline.now
                ownership.settled.add(fact.offset)  # it takes room of `ahead_records`, also when compaction removes it
        if (
            ownership is not None and fact.policy != OnPoison.BLOCK.value
        ):  # its letter leaves: a drain fills holes below
            ownership.sent_to = max(ownership.sent_to, fact.offset + 1)
