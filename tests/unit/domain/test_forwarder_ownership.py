from __future__ import annotations

from dataclasses import replace

import pytest

from doka.domain.commands import CommitOffsets, PausePartitions, ResumePartitions, SeekPartition, SendPut
from doka.domain.errors import InvariantError
from doka.domain.events import (
    GapFound,
    PartitionEnded,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsRevoked,
    PutAmbiguous,
    PutAnswered,
    PutRefused,
    PutUnsent,
    RecordsFetched,
    RecordsUnreadable,
    RevokeStarted,
)
from doka.domain.facts import GapSeen, PartitionsOwned, RecordsWillRepeat, UnreadableSeen
from doka.domain.records import TopicPartition
from doka.domain.rules import OnGap, OnUnreadable
from tests.unit.domain.builders import ORDERS, SECOND, Machine, chunk, described
from tests.unit.domain.forwarding import ONLY, OTHER, machine, sent


class TestOwnership:
    """Assign, revoke, lost."""

    def test_reads_only_what_it_owns(self) -> None:
        """Records of a partition that is not owned cannot be."""
        made = machine()
        with pytest.raises(InvariantError, match=r"orders\[1\] came, which is not owned"):
            made.feed(RecordsFetched(chunk("a", partition=OTHER)))

    def test_is_assigned_once(self) -> None:
        """A partition that is owned cannot be assigned again."""
        with pytest.raises(InvariantError, match="assigned twice"):
            machine().feed(PartitionsAssigned({ORDERS: 0}))

    def test_tells_what_it_owns(self) -> None:
        """Each change is told with its positions; an empty one is not."""
        made = machine()
        made.land(made.fetch("ab"))
        made.step(PartitionsAssigned({}), PartitionsRevoked(ONLY), PartitionsLost(ONLY))
        assert [
            PartitionsOwned("assigned", ONLY, {ORDERS: 0}),
            PartitionsOwned("revoked", ONLY, {ORDERS: 2}),
        ] == made.of(PartitionsOwned)

    def test_tells_how_long_a_drain_took(self) -> None:
        """From the beginning of the revoke to its end; what was revoked without a drain took no time."""
        made = machine()
        made.step(RevokeStarted(ONLY), after=3 * SECOND)
        made.step(PartitionsRevoked(ONLY), after=SECOND)
        made.step(PartitionsAssigned({ORDERS: 0}), after=SECOND)
        made.step(PartitionsRevoked(ONLY))
        assigned = PartitionsOwned("assigned", ONLY, {ORDERS: 0})
        drained = PartitionsOwned("revoked", ONLY, {ORDERS: 0}, 3 * SECOND)
        assert [assigned, drained, assigned, replace(drained, took=0)] == made.of(PartitionsOwned)

    def test_a_revoked_partition_is_settled_then_committed(self) -> None:
        """A drain waits for what was sent; its end commits at once, though the last commit is unanswered."""
        made = machine()
        made.land(made.fetch("a"))  # its commit stays unanswered
        (put,) = made.fetch("b", start=1)
        made.step(RevokeStarted(ONLY))
        assert made.left.drained is False
        made.answer(put)
        assert made.left.drained is True
        commands = made.step(PartitionsRevoked(ONLY))
        assert [{ORDERS: 2}] == [c.offsets for c in commands if isinstance(c, CommitOffsets)]
        assert {} == made.forwarder.status(made.now).partitions

    def test_what_is_left_is_told_between_a_revoke_and_its_end(self) -> None:
        """Whether what is given back has settled, whatever is open of what stays; nothing before and after."""
        made = machine()
        made.step(PartitionsAssigned({OTHER: 0}))
        made.fetch("a", partition=OTHER)
        (put,) = made.fetch("bcde")
        lefts = [made.decision.left]
        made.step(RevokeStarted(ONLY))
        drained = [made.left.drained]
        made.answer(put)
        drained.append(made.left.drained)
        made.step(PartitionsRevoked(ONLY))
        assert ([None, None], [False, True]) == ([*lefts, made.decision.left], drained)

    def test_a_drain_sends_only_what_fills_holes(self) -> None:
        """Below the highest sent offset records still leave, above it none does, and new ones are ignored."""
        made = machine(request_records=2, requests_in_flight=1)
        (put,) = made.fetch("aabcde")
        assert [0, 2] == sent(put)
        made.step(RevokeStarted(ONLY), RecordsFetched(chunk("x", start=6)), after=SECOND)
        assert [[1]] == [sent(more) for more in made.answer(put)]
        assert [] == made.answer(2)
        made.decide(after=SECOND)
        made.step(PartitionsRevoked(ONLY))
        assert {ORDERS: 3} == made.committed()

    def test_holes_at_the_end_of_a_drain_are_told(self) -> None:
        """What landed above a record that did not will land again, and how many is said."""
        made = machine()
        (put,) = made.fetch("abc")
        made.answer(put, {0: "InternalFailure"})
        made.step(RevokeStarted(ONLY))
        assert (False, 2) == (made.left.drained, made.left.holes)
        commands = made.step(PartitionsRevoked(ONLY))
        assert ([RecordsWillRepeat(ORDERS, 2, "orders")], {}) == (
            [c for c in commands if isinstance(c, RecordsWillRepeat)],
            made.committed(),
        )

    def test_a_lost_partition_commits_nothing(self) -> None:
        """What somebody else owns already is forgotten: no commit, no send, no bytes held."""
        made = machine(commit_every=60 * SECOND)
        made.land(made.fetch("a"))
        made.store()
        (put,) = made.fetch("bcdef", start=1)[:1]
        made.answer(put)
        made.told.clear()
        made.step(PartitionsLost(ONLY), after=120 * SECOND)
        assert ([], [], 0) == (
            made.of(CommitOffsets),
            made.of(SendPut),
            made.forwarder.status(made.now).held_bytes,
        )

    def test_after_the_last_loss_nothing_is_asked_for(self) -> None:
        """A fetch without partitions only serves callbacks, from the turn on in which they are gone."""
        made = machine()
        assert made.decision.fetch
        made.step(PartitionsLost(ONLY))
        assert 0 == made.decision.fetch

    @pytest.mark.parametrize("change", [PartitionsLost, PartitionsRevoked])
    @pytest.mark.parametrize(
        "answer",
        [
            PutAnswered(1),
            PutAnswered(1, {0: "InternalFailure"}),
            PutRefused(1, "ThrottlingException"),
            PutRefused(1, "ExpiredTokenException"),
            PutAmbiguous(1, "timeout"),
            PutUnsent(1, "no connection"),
        ],
    )
    def test_a_late_answer_changes_nothing(
        self,
        change: type[PartitionsLost | PartitionsRevoked],
        answer: PutAnswered | PutRefused | PutAmbiguous | PutUnsent,
    ) -> None:
        """After the partition went and came back, an answer to a former request settles nothing and resends nothing."""
        made = machine()
        made.fetch("abc")
        made.step(change(ONLY))
        made.step(PartitionsAssigned({ORDERS: 0}))
        made.told.clear()
        made.step(answer, after=60 * SECOND)
        made.decide(after=60 * SECOND)
        status = made.forwarder.status(made.now)
        assert ([], [], 0, 0, 0) == (
            made.of(SendPut),
            made.of(CommitOffsets),
            status.partitions[ORDERS].watermark,
            made.decision.in_flight,
            status.held_bytes,
        )

    def test_a_partition_that_came_back_is_read_anew(self) -> None:
        """Its records are sent again from the new position, whatever is still in flight from before."""
        made = machine()
        made.fetch("abc")
        made.step(PartitionsLost(ONLY), PartitionsAssigned({ORDERS: 0}))
        (again,) = made.fetch("abcd")
        assert [0, 1, 2, 3] == sent(again)
        made.answer(1)
        assert {} == made.committed()
        made.answer(again)
        assert {ORDERS: 4} == made.committed()

    def test_delayed_records_of_a_lost_partition_never_leave(self) -> None:
        """A record that waits for its next try goes with its partition."""
        made = machine()
        (put,) = made.fetch("a")
        made.answer(put, {0: "InternalFailure"})
        made.told.clear()
        made.step(PartitionsLost(ONLY), after=60 * SECOND)
        assert [] == made.of(SendPut)

    def test_events_about_others_are_ignored(self) -> None:
        """A revoke, a loss, an end or a gap of a partition that is not owned changes nothing."""
        made = machine()
        other = frozenset({OTHER})
        made.told.clear()
        made.step(RevokeStarted(other), PartitionsRevoked(other), PartitionsLost(other), PartitionEnded(OTHER, 9))
        made.step(GapFound(OTHER, 5, 9, 12))
        assert [] == made.told


class TestUnreadable:
    """Stored records that cannot be read."""

    TORN = RecordsUnreadable(ORDERS, 3, 10, "failed CRC32C check")

    def test_blocks_its_partition_until_something_is_read(self) -> None:
        """The partition waits with reason and cure, is not paused, since it is tried again, and goes on by itself."""
        made = machine()
        made.land(made.fetch("abc"))
        commands = made.step(self.TORN, self.TORN)
        assert [UnreadableSeen(ORDERS, 3, 10, "failed CRC32C check", "block")] == made.of(UnreadableSeen)
        assert not [c for c in commands if isinstance(c, PausePartitions)]
        waits = made.forwarder.status(made.now).partitions[ORDERS]
        assert "unreadable" == waits.stuck_reason
        assert (
            "offsets 3 to 9 cannot be read: failed CRC32C check; restore them, pass them by doka skip orders:0:3-9, or set "
            "kafka.on_unreadable: continue to step over what cannot be read"
        ) == waits.stuck
        made.fetch("d", start=3)
        assert made.forwarder.status(made.now).partitions[ORDERS].stuck is None

    def test_may_be_stepped_over_but_not_before_what_was_read(self) -> None:
        """With `on_unreadable: continue` reading goes on behind, and the far side is committed after what is on its way."""
        made = Machine(on_unreadable=OnUnreadable.CONTINUE)
        made.open()
        (put,) = made.fetch("abc")
        commands = made.step(self.TORN, after=SECOND)
        assert SeekPartition(ORDERS, 10) in commands
        assert UnreadableSeen(ORDERS, 3, 10, "failed CRC32C check", "continue") in commands
        assert {} == made.committed()
        made.answer(put)
        assert {ORDERS: 10} == made.committed()

    def test_is_left_alone_while_draining(self) -> None:
        """A drain looks no further ahead."""
        made = Machine(on_unreadable=OnUnreadable.CONTINUE)
        made.open()
        made.step(RevokeStarted(ONLY), self.TORN, after=SECOND)
        assert ({}, []) == (made.committed(), made.of(SeekPartition))


class TestGap:
    """The next offset is not in the log."""

    GAP = GapFound(ORDERS, 3, 10, 20)

    def test_blocks_its_partition(self) -> None:
        """By default the partition waits for a person, with the cure, and what was read before goes on."""
        made = machine()
        (put,) = made.fetch("abc")
        commands = made.step(self.GAP)
        assert PausePartitions(ONLY) in commands
        assert GapSeen(ORDERS, 3, 10, "block") in commands
        made.answer(put)
        assert {ORDERS: 3} == made.committed()
        reason = made.forwarder.status(made.now).partitions[ORDERS].stuck
        assert reason is not None
        assert "on_gap: continue" in reason

    def test_is_told_once(self) -> None:
        """The same gap found again says nothing new."""
        made = machine()
        made.step(self.GAP, self.GAP)
        assert 1 == len(made.of(GapSeen))

    def test_may_be_stepped_over(self) -> None:
        """With `on_gap: continue` reading goes on at the log's start, and the far side is committed."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open()
        assert SeekPartition(ORDERS, 10) in made.step(GapFound(ORDERS, 0, 10, 20), after=SECOND)
        assert {ORDERS: 10} == made.committed()
        assert [10] == sent(made.fetch("a", start=10)[0])

    def test_is_never_stepped_over_before_what_was_read(self) -> None:
        """Records on their way hold the watermark: the far side is committed after them."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open()
        (put,) = made.fetch("abc")
        made.step(self.GAP, after=SECOND)
        assert {} == made.committed()
        made.answer(put)
        assert {ORDERS: 10} == made.committed()

    def test_of_a_topic_made_anew_begins_anew(self) -> None:
        """A log that begins below what was read is another one: it is read and committed from its start."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open({ORDERS: 500})
        made.land(made.fetch("a", start=500))
        assert SeekPartition(ORDERS, 0) in made.step(GapFound(ORDERS, 501, 0, 3), after=SECOND)
        made.store()
        made.land(made.fetch("abc"))
        made.decide(after=SECOND)
        assert {ORDERS: 3} == made.committed()

    def test_of_a_topic_made_anew_tells_what_is_forgotten(self) -> None:
        """What was held of the former log and had not settled is not sent again, and is counted with the gap."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open({ORDERS: 500})
        (put,) = made.fetch("abc", start=500)
        made.fetch("aa", start=503)
        found = made.step(GapFound(ORDERS, 505, 0, 3))
        assert GapSeen(ORDERS, 505, 0, "continue", 5) in found
        made.answer(put)
        assert ([], 0) == (made.of(SendPut)[1:], made.forwarder.status(made.now).held_bytes)

    def test_of_a_topic_made_anew_is_no_rebalance(self) -> None:
        """The group has not moved anything: the gap is told, and no change of what is owned."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open({ORDERS: 500})
        owned = made.of(PartitionsOwned)
        made.step(GapFound(ORDERS, 500, 0, 3))
        assert owned == made.of(PartitionsOwned)

    def test_of_another_topic_is_one_though_the_offset_fits(self) -> None:
        """A topic that was made anew and has grown past the offset: it is read from its start, or waits in words."""
        found = GapFound(ORDERS, 3, 0, 90, anew=True)
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open()
        made.land(made.fetch("abc"))
        commands = made.step(found, after=SECOND)
        assert [GapSeen(ORDERS, 3, 0, "continue", anew=True), SeekPartition(ORDERS, 0)] == [
            c for c in commands if isinstance(c, GapSeen | SeekPartition)
        ]
        made.store()
        made.land(made.fetch("a"))
        made.decide(after=SECOND)
        assert {ORDERS: 1} == made.committed()
        waits = machine()
        waits.land(waits.fetch("abc"))
        waits.step(found)
        assert (
            "offset 3 should be read next and the log holds 0..90 of another topic of the same name; "
            "set kafka.on_gap: continue to read it from its start"
        ) == waits.forwarder.status(waits.now).partitions[ORDERS].stuck

    def test_that_waits_forgets_nothing(self) -> None:
        """With `on_gap: block` what is held of the former log goes on its way."""
        made = Machine()
        made.open({ORDERS: 500})
        made.fetch("abc", start=500)
        assert GapSeen(ORDERS, 503, 0, "block") in made.step(GapFound(ORDERS, 503, 0, 3))
        assert 3 == made.forwarder.status(made.now).partitions[ORDERS].unsettled

    @pytest.mark.parametrize(("lost", "sought"), [(OTHER, [SeekPartition(ORDERS, 10)]), (ORDERS, [])])
    def test_is_sought_as_long_as_it_is_owned(self, lost: TopicPartition, sought: list[SeekPartition]) -> None:
        """A partition that goes in the same turn takes its own seek with it, and nobody else's."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open({ORDERS: 0, OTHER: 0})
        made.step(GapFound(ORDERS, 0, 10, 20), PartitionsLost(frozenset({lost})))
        assert sought == made.of(SeekPartition)

    def test_of_a_paused_partition_keeps_the_pause(self) -> None:
        """The client's pause flag outlives the ledger: what was paused is resumed in words."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open({ORDERS: 500})
        made.step(PutRefused(made.fetch("a", start=500)[0].put, "ResourceNotFoundException"))
        made.told.clear()
        made.step(GapFound(ORDERS, 501, 0, 3))
        made.step(described(), after=SECOND)
        assert [ResumePartitions(ONLY)] == [c for c in made.told if isinstance(c, ResumePartitions | PausePartitions)]

    def test_is_left_alone_while_draining(self) -> None:
        """A drain looks no further ahead: it neither seeks nor commits over a gap."""
        made = Machine(on_gap=OnGap.CONTINUE)
        made.open()
        made.step(RevokeStarted(ONLY), self.GAP, after=SECOND)
        assert ({}, []) == (made.committed(), made.of(SeekPartition))
