"""The consumer group's coordinator: who owns what, and the committed offsets.

Theory of operation. Members own partitions; a member is told of a change only when it fetches, and a partition that
moves passes through these hands:

    owner -> notice «revoke» -> the member drains, commits, gives back -> free -> next owner

A member that is expelled (its session timed out, it was suspended too long, it died) loses everything at once and
learns of it at its next fetch, if ever. Each change makes a new generation; a commit of an older one is refused.
Commits of one member are stored in the order in which they were sent, as on its one connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from random import Random  # noqa: TID251 - the type of a seeded source that is given

from doka.adapters.simulated.partition_log import PartitionLog
from doka.adapters.simulated.plan import Delays, Rates
from doka.adapters.simulated.timeline import Timeline
from doka.adapters.simulated.trace import Trace
from doka.adapters.simulated.weather import draw_span
from doka.adapters.simulated.witness import Witness
from doka.domain.commands import CommitOffsets
from doka.domain.limits import NS_PER_SECOND
from doka.domain.partitions.start_positions import Birth
from doka.domain.records import TopicPartition

Partitions = tuple[TopicPartition, ...]
CommitCallback = Callable[[str | None], object]

ASK_AGAIN_NS = NS_PER_SECOND  # a member that is refused

NEIGHBOUR = -1
"""Stands for the other member of the group as an owner."""


class Member:
    """One membership of our process; `notices` are the changes that it has not been told yet."""

    def __init__(self, number: int, generation: int, answered: Callable[[], object]) -> None:
        self.number = number
        self.generation = generation
        self.welcomed = False
        self.expelled = False
        self.left = False
        self.commits_done_at = 0
        self.notices: deque[tuple[str, Partitions]] = deque()
        self.wake = answered
        self.topics: set[str] | None = None
        """What it has subscribed to; None: all there is."""


class ConsumerGroup:
    """Every partition has at most one owner, and every committed offset was stored by a member of that generation."""

    def __init__(
        self,
        timeline: Timeline,
        trace: Trace,
        witness: Witness,
        *,
        chance: Random,
        delays: Delays,
        logs: Mapping[TopicPartition, PartitionLog],
    ) -> None:
        self.rates = Rates()
        self.frozen_until = 0
        self.refused_until = 0
        self.committed: dict[TopicPartition, int] = {}
        self.births: dict[TopicPartition, Birth] = {}  # what stands beside commits, where that matters
        self.owner: dict[TopicPartition, int | None] = dict.fromkeys(logs)
        self.generation = 0
        self.wanted_by_neighbour: dict[TopicPartition, None] = {}
        self.on_neighbour_gain: Callable[[Partitions], object] = lambda _: None
        self._member: Member | None = None
        self._members = 0
        self._timeline = timeline
        self._trace = trace
        self._witness = witness
        self._chance = chance
        self.delays = delays
        self._logs = logs

    @property
    def frozen(self) -> bool:
        """Whether the coordinator answers nobody at the moment."""
        return self._timeline.now < self.frozen_until

    # --- membership ----------------------------------------------------------------------------------------------

    def join(self, wake: Callable[[], object], topics: set[str] | None = None) -> Member:
        """Take in our process; what is free, of these topics or of all, becomes its own a little later."""
        self._members += 1
        member = Member(self._members, self.generation, wake)
        member.topics = topics
        self._trace.note("joins", member.number)
        delay = draw_span(self._chance, self.delays.join)
        self._timeline.at(max(self._timeline.now, self.frozen_until) + delay, lambda: self._welcome(member))
        return member

    def _welcome(self, member: Member) -> None:
        if member.expelled or member.left:
            return
        if self._timeline.now < self.refused_until:
            self._timeline.after(ASK_AGAIN_NS, lambda: self._welcome(member))
            return
        member.welcomed = True
        self._member = member
        self._bump()
        self._hand_out()

    def _hand_out(self) -> None:
        """Give whatever is free to whom it is meant for."""
        free = [tp for tp, owner in self.owner.items() if owner is None]
        theirs = tuple(tp for tp in free if tp in self.wanted_by_neighbour)
        if theirs:
            for tp in theirs:
                self.owner[tp] = NEIGHBOUR
            self._trace.note("neighbour_gains", *theirs)
            self.on_neighbour_gain(theirs)
        member = self._member
        ours = tuple(tp for tp in free if tp not in self.wanted_by_neighbour)
        if member is not None and member.topics is not None:
            ours = tuple(tp for tp in ours if tp.topic in member.topics)
        if ours and member is not None:
            for tp in ours:
                self.owner[tp] = member.number
            member.notices.append(("assign", ours))
            member.wake()

    def subscribe(self, member: Member, topics: set[str]) -> None:
        """Take what our process wants to read from now on: what is free of it comes a little later, other topics go."""
        member.topics = topics
        unwanted = tuple(tp for tp, owner in self.owner.items() if owner == member.number and tp.topic not in topics)
        if unwanted:
            member.notices.append(("revoke", unwanted))
        self._trace.note("subscribes", member.number, *sorted(topics))
        self._look_later()

    def grow(self, partition: TopicPartition) -> None:
        """Take notice of a partition that there was not: the member that wants its topic hears of it a little later."""
        self.owner[partition] = None
        self._look_later()

    def _look_later(self) -> None:
        delay = draw_span(self._chance, self.delays.join)

        def look() -> None:
            self._bump()
            self._hand_out()

        self._timeline.at(max(self._timeline.now, self.frozen_until) + delay, look)

    def begin(self, partition: TopicPartition, start: int, birth: Birth | None) -> None:
        """Store where a partition begins, and beside it when the group was born on its topic."""
        self.committed[partition] = start
        if birth is not None:
            self.births[partition] = birth

    def _bump(self) -> None:
        self.generation += 1
        if self._member is not None:
            self._member.generation = self.generation

    def expel(self, member: Member | None = None) -> None:
        """Throw a member out: it owns nothing from now on, and is told so when it fetches."""
        member = member or self._member
        if member is None or member.expelled or member.left:
            return
        member.expelled = True
        if self._member is member:
            self._member = None
        self._trace.note("expelled", member.number)
        self._release(tp for tp, owner in self.owner.items() if owner == member.number)
        member.notices.clear()
        member.notices.append(("lost", ()))
        member.wake()

    def leave(self, member: Member) -> None:
        """Let a member go in good order, after its last commits."""
        if member.left or member.expelled:
            return
        member.left = True
        if self._member is member:
            self._member = None

        def gone() -> None:
            self._trace.note("left", member.number)
            self._release(tp for tp, owner in self.owner.items() if owner == member.number)

        self._timeline.at(max(member.commits_done_at, self._timeline.now), gone)

    def gave_back(self, member: Member, partitions: Iterable[TopicPartition]) -> None:
        """Take back what a member has drained, once its commits before that are stored."""
        given = tuple(partitions)
        delay = draw_span(self._chance, self.delays.join)

        def released() -> None:
            self._release(tp for tp in given if self.owner[tp] == member.number)

        self._timeline.at(max(member.commits_done_at, self.frozen_until, self._timeline.now) + delay, released)

    def _release(self, partitions: Iterable[TopicPartition]) -> None:
        for tp in list(partitions):
            self.owner[tp] = None
        self._bump()
        self._hand_out()

    # --- rebalances ----------------------------------------------------------------------------------------------

    def move_to_neighbour(self, partitions: Iterable[TopicPartition]) -> None:
        """Want these partitions for the other member."""
        wanted = [tp for tp in partitions if tp not in self.wanted_by_neighbour]
        self.wanted_by_neighbour.update(dict.fromkeys(wanted))
        member = self._member
        ours = tuple(tp for tp in wanted if member is not None and self.owner[tp] == member.number)
        if ours and member is not None:
            member.notices.append(("revoke", ours))
            member.wake()
        self._hand_out()

    def move_back(self, partitions: Iterable[TopicPartition]) -> Partitions:
        """Want these partitions for our process again; give those that the neighbour must stop reading now."""
        back = tuple(tp for tp in partitions if tp in self.wanted_by_neighbour)
        for tp in back:
            del self.wanted_by_neighbour[tp]
        held = tuple(tp for tp in back if self.owner[tp] == NEIGHBOUR)
        if held:
            delay = draw_span(self._chance, self.delays.join)
            self._timeline.after(delay, lambda: self._release(tp for tp in held if self.owner[tp] == NEIGHBOUR))
        return held

    # --- offsets -------------------------------------------------------------------------------------------------

    def position(self, partition: TopicPartition) -> int:
        """Give the offset from which a new owner reads: committed, else the start of the log, committed at once."""
        if partition not in self.committed:
            self.committed[partition] = self._logs[partition].start
        return self.committed[partition]

    def commit(self, member: Member, command: CommitOffsets, answer: CommitCallback) -> None:
        """Take a commit on its way; `answer` is called with None or an error name, or never."""
        now = self._timeline.now
        generation = member.generation
        fate = self._chance.random()
        rates = self.rates
        arrives = max(now + draw_span(self._chance, self.delays.commit), member.commits_done_at, self.frozen_until)
        member.commits_done_at = arrives
        back = draw_span(self._chance, self.delays.commit)
        if fate < rates.commit_vanished:
            self._trace.note("commit_vanishes", command.commit)
            return
        fate -= rates.commit_vanished

        def arrive() -> None:
            error = None
            if member.expelled:
                error = "UNKNOWN_MEMBER_ID"
            elif generation != member.generation and not member.left:
                error = "ILLEGAL_GENERATION"
            elif 0 <= fate < rates.commit_refused:
                error = "REBALANCE_IN_PROGRESS"
            if error is None:
                self._store(command.offsets, ours=True)
            self._trace.note("commit_arrives", command.commit, error)
            if rates.commit_refused <= fate < rates.commit_refused + rates.commit_unanswered:
                self._witness.commit_answer_lost()
                return
            self._timeline.after(back, lambda: answer(error))

        self._timeline.at(arrives, arrive)

    def _store(self, offsets: Mapping[TopicPartition, int], *, ours: bool) -> None:
        self.committed.update(offsets)
        self._witness.commit_stored(offsets, ours=ours)

    def store_for_neighbour(self, partition: TopicPartition, offset: int) -> None:
        """Store what the other member has done."""
        self._store({partition: offset}, ours=False)
