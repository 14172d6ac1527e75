"""The simulated coordinator: generations, fencing, and what becomes of commits."""

from __future__ import annotations

from collections.abc import Mapping

from doka.adapters.simulated.chance import Chance
from doka.adapters.simulated.group import NEIGHBOUR, ConsumerGroup, Member
from doka.adapters.simulated.partition_log import PartitionLog
from doka.adapters.simulated.plan import Delays, Rates, Span
from doka.adapters.simulated.timeline import Timeline
from doka.adapters.simulated.trace import Trace
from doka.adapters.simulated.witness import Witness
from doka.domain.commands import CommitOffsets
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition

ZERO, ONE = TopicPartition("t", 0), TopicPartition("t", 1)


class Scene:
    """A group over two partitions, and the answers to commits."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        logs: Mapping[TopicPartition, PartitionLog] = {tp: PartitionLog(tp) for tp in (ZERO, ONE)}
        self.group = ConsumerGroup(
            self.timeline, Trace(self.timeline), Witness(), chance=Chance(1).of("group"), delays=Delays(), logs=logs
        )
        self.answers: list[str | None] = []

    def wait(self, seconds: int = 1) -> None:
        """Let time pass."""
        self.timeline.pass_to(self.timeline.now + seconds * NS_PER_SECOND)

    def joined(self) -> Member:
        """Join, and wait for the partitions."""
        member = self.group.join(lambda: None)
        self.wait()
        return member

    def commit(self, member: Member, offset: int) -> None:
        """Commit partition 0, and wait for the answer."""
        self.group.commit(member, CommitOffsets(1, {ZERO: offset}), self.answers.append)
        self.wait()


def test_the_first_member_is_given_everything() -> None:
    """Whoever is alone owns all partitions, and is told so by a notice."""
    scene = Scene()
    member = scene.joined()
    assert [("assign", (ZERO, ONE))] == list(member.notices)
    assert {ZERO: member.number, ONE: member.number} == scene.group.owner


def test_a_commit_of_the_present_generation_is_stored() -> None:
    """What a member of the group commits is stored and answered."""
    scene = Scene()
    scene.commit(scene.joined(), 5)
    assert ([None], 5) == (scene.answers, scene.group.committed[ZERO])


def test_an_expelled_member_owns_and_commits_nothing() -> None:
    """Who was thrown out is told that it lost everything, and its commits are refused."""
    scene = Scene()
    member = scene.joined()
    scene.group.expel(member)
    scene.commit(member, 5)
    assert (["UNKNOWN_MEMBER_ID"], {}) == (scene.answers, scene.group.committed)
    assert [("lost", ())] == list(member.notices)


def test_a_commit_that_is_overtaken_by_a_generation_is_refused() -> None:
    """A commit on its way when the group moves on is refused."""
    scene = Scene()
    member = scene.joined()
    scene.group.commit(member, CommitOffsets(1, {ZERO: 5}), scene.answers.append)
    scene.group.move_to_neighbour([ONE])
    scene.group.generation += 1
    member.generation = scene.group.generation
    scene.wait()
    assert ["ILLEGAL_GENERATION"] == scene.answers


def test_the_last_commit_before_giving_back_is_stored_first() -> None:
    """Partitions change hands only after the commits that were sent before."""
    scene = Scene()
    member = scene.joined()
    scene.group.move_to_neighbour([ZERO])
    assert ("revoke", (ZERO,)) == member.notices[-1]
    scene.group.commit(member, CommitOffsets(1, {ZERO: 7}), scene.answers.append)
    seen: list[int] = []
    scene.group.on_neighbour_gain = lambda tps: seen.append(scene.group.position(tps[0]))
    scene.group.gave_back(member, [ZERO])
    scene.wait()
    assert ([7], NEIGHBOUR) == (seen, scene.group.owner[ZERO])


def test_two_wishes_to_have_a_partition_back_take_it_from_the_neighbour_once() -> None:
    """A partition that came back to us is never taken away again without a revoke."""
    scene = Scene()
    scene.group.move_to_neighbour([ZERO])
    member = scene.joined()
    scene.group.delays = Delays(join=Span(NS_PER_SECOND // 10, NS_PER_SECOND // 10))
    assert (ZERO,) == scene.group.move_back([ZERO])
    scene.group.move_to_neighbour([ZERO])
    assert (ZERO,) == scene.group.move_back([ZERO])
    scene.timeline.pass_to(scene.timeline.now + NS_PER_SECOND // 10)
    assert member.number == scene.group.owner[ZERO]
    assert [("assign", (ONE,)), ("assign", (ZERO,))] == list(member.notices)


def test_a_frozen_coordinator_answers_when_it_thaws() -> None:
    """While the coordinator is frozen nothing is stored; afterwards it is."""
    scene = Scene()
    member = scene.joined()
    scene.group.frozen_until = scene.timeline.now + 3 * NS_PER_SECOND
    scene.commit(member, 5)
    assert ([], {}) == (scene.answers, scene.group.committed)
    scene.wait(3)
    assert ([None], {ZERO: 5}) == (scene.answers, scene.group.committed)


def test_fates_of_commits() -> None:
    """A commit may vanish, be refused, or be stored with its answer lost."""
    for rates, answers, stored in (
        (Rates(commit_vanished=1.0), [], {}),
        (Rates(commit_refused=1.0), ["REBALANCE_IN_PROGRESS"], {}),
        (Rates(commit_unanswered=1.0), [], {ZERO: 5}),
    ):
        scene = Scene()
        member = scene.joined()
        scene.group.rates = rates
        scene.commit(member, 5)
        assert (answers, stored) == (scene.answers, scene.group.committed)
