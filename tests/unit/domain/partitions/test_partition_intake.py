"""What is let in of what was fetched, and who waits meanwhile."""

from __future__ import annotations

import pytest

from doka.domain.commands import Command, CommitOffsets, PausePartitions, ResumePartitions
from doka.domain.errors import InvariantError
from doka.domain.events import CommitAnswered
from doka.domain.facts import PartitionStuck
from doka.domain.held.budget import Budget
from doka.domain.limits import STALL_BEFORE_PAUSE_NS
from doka.domain.partitions.commits import Commits
from doka.domain.partitions.partition import Intake, Leg, Partition
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.route import Route
from doka.domain.rules import LimitRules
from doka.domain.turn import Turn
from tests.unit.domain.builders import (
    MS,
    ORDERS,
    SECOND,
    chunk,
    described,
    keeper,
    leg_of,
    no_jitter,
    route_rules,
    told,
)

NOW = 100 * SECOND
AHEAD = 10
STUCK_AFTER = 15 * SECOND


class Scene:
    """One route with one partition, fed by hand."""

    def __init__(self, *, open_route: bool = True, held: int = 10**6) -> None:
        self.budget = Budget(held)
        self.commits = Commits(SECOND)
        self.intake = Intake(self.budget, self.commits, AHEAD, STUCK_AFTER)
        self.route = Route(route_rules(), LimitRules(), self.budget, keeper(), no_jitter)
        self.partition = Partition(ORDERS, 0, [self.route])
        self.leg = leg_of(self.partition)
        self.ledger = self.leg.ledger
        self.turn = Turn()
        self.stuck: list[PartitionStuck] = []
        if open_route:
            self.open()

    def open(self) -> None:
        """Let the stream be described."""
        self.route.described(described(), NOW, self.turn)

    def block(self) -> None:
        """Let the route be blocked."""
        self.route.standing.block("AccessDeniedException", "", NOW, self.turn)

    def fetch(self, keys: str, start: int = 0) -> None:
        """Let a chunk come."""
        self.intake.fetched(self.partition, chunk(keys, start=start), NOW, self.turn)

    def settle(self, records: int) -> None:
        """Settle records of the oldest chunk."""
        oldest = self.ledger.oldest
        assert oldest is not None
        self.ledger.settle(oldest, records)
        self.intake.admit(self.partition, self.leg, NOW, Turn())

    def commit(self) -> None:
        """Let Kafka take what has settled."""
        self.commits.moved(self.partition.watermarks)
        (commit,) = self.due()
        self.commits.answered(CommitAnswered(commit.commit), self.turn)
        self.intake.admit(self.partition, self.leg, NOW, Turn())

    def due(self, *, hurry: bool = True) -> list[CommitOffsets]:
        """Give the commit that goes out now."""
        return [c for c in told(self.commits.due, NOW, hurry=hurry) if isinstance(c, CommitOffsets)]

    def steer(self, now: int = NOW) -> list[str]:
        """Look at the partition; name what is commanded."""
        names: dict[type[Command], str] = {PausePartitions: "pause", ResumePartitions: "resume"}
        return [names[type(c)] for c in self.steered([self.partition], now)]

    def steered(self, partitions: list[Partition], now: int = NOW) -> list[Command]:
        """Look at these partitions; give what is commanded, and keep what is told of those that are stuck."""
        self.turn.commands.clear()
        self.intake.steer(partitions, now, self.turn)
        self.stuck += [c for c in self.turn.commands if isinstance(c, PartitionStuck)]
        return [c for c in self.turn.commands if not isinstance(c, PartitionStuck)]

    def take_stuck(self) -> list[PartitionStuck]:
        """Give what was told of stuck partitions since the last call."""
        taken, self.stuck = self.stuck, []
        return taken

    def looks(self, *moments: int) -> list[int | None]:
        """Look at these moments; give when the next look is foreseen after each."""
        found = []
        for now in moments:
            self.steer(now)
            found.append(self.intake.next_look([self.partition]))
        return found


def ahead(owner: Leg) -> list[int]:
    """Name the chunks that wait by their first offset, ends of the log by their offset."""
    return [item.offsets[0] if isinstance(item, Chunk) else item for item in owner.backlog]


def in_a_gap() -> Scene:
    """Give a scene whose partition has a gap."""
    scene = Scene()
    scene.partition.gap = "a gap"
    return scene


def draining() -> Scene:
    """Give a scene whose partition drains."""
    scene = Scene()
    scene.intake.begin_drain(scene.partition)
    return scene


class TestAdmit:
    """From the fetch to the lanes."""

    def test_takes_what_fits(self) -> None:
        """A chunk goes into ledger and outbox at once, and its bytes are counted."""
        scene = Scene()
        scene.fetch("abc")
        assert (3, 3, 3, 0) == (
            scene.ledger.open,
            scene.route.outbox.waiting,
            scene.partition.expected,
            len(scene.leg.backlog),
        )
        assert scene.budget.held == scene.ledger.held_bytes == scene.ledger.open_bytes() > 0

    def test_waits_for_the_streams_limits(self) -> None:
        """Nothing is mapped before the stream's own limits are known; then all of it, in order."""
        scene = Scene(open_route=False)
        scene.fetch("ab")
        scene.fetch("cd", 2)
        assert ([0, 2], 0) == (ahead(scene.leg), scene.ledger.open)
        scene.open()
        scene.steer()
        assert ([], 4) == (ahead(scene.leg), scene.ledger.open)

    def test_never_reaches_further_than_ahead_records(self) -> None:
        """A chunk is cut so that exactly `ahead_records` lie above the committed offset, settled or not."""
        scene = Scene()
        scene.fetch("abcdefg")
        scene.fetch("hijklmn", 7)
        assert (AHEAD, [10]) == (scene.ledger.reach, ahead(scene.leg))
        scene.settle(6)
        assert (AHEAD, [10]) == (scene.ledger.reach, ahead(scene.leg))
        scene.settle(1)
        assert (AHEAD, 3, [10]) == (scene.ledger.reach, scene.ledger.open, ahead(scene.leg))
        scene.commit()
        assert (7, []) == (scene.ledger.reach, ahead(scene.leg))

    def test_half_the_reach_settled_and_not_committed_hurries_the_commit(self) -> None:
        """Records that wait for a commit do not wait for its turn; without such records the turn is kept."""
        scene = Scene()
        scene.fetch("z")
        scene.settle(1)
        scene.commit()
        for keys, start, hurried in (("abcd", 1, False), ("e", 5, False), ("f", 6, True)):
            scene.fetch(keys, start)
            scene.settle(len(keys))
            scene.commits.moved(scene.partition.watermarks)
            assert hurried == (scene.commits.next_wake() == NOW), keys
        assert 1 == len(scene.due(hurry=False))

    def test_of_a_cut_chunk_nothing_is_lost(self) -> None:
        """The parts of a cut chunk hold its records once each, and its bytes exactly."""
        scene = Scene()
        scene.fetch("abcdefghijklmnopqrstuvwxyz")
        held = scene.budget.held
        sizes = []
        while scene.ledger.open:
            sizes.append(scene.ledger.open)
            scene.settle(scene.ledger.open)
            scene.commit()
        assert ([10, 10, 6], 26) == (sizes, scene.ledger.watermark)
        assert held == scene.budget.held  # settling by hand releases nothing: that is the outbox's

    def test_refuses_records_that_came_before(self) -> None:
        """A chunk below what is expected next cannot be."""
        scene = Scene()
        scene.fetch("abc")
        with pytest.raises(InvariantError, match="begins below 3"):
            scene.fetch("d", 2)


class TestEnded:
    """The end of the log."""

    def test_is_committed(self) -> None:
        """An end above the watermark of an idle partition moves it, and is committed."""
        scene = Scene()
        scene.intake.ended(scene.partition, 5, NOW, Turn())
        (commit,) = scene.due(hurry=False)
        assert ({ORDERS: 5}, 5) == (commit.offsets, scene.partition.expected)

    def test_never_overtakes_records_that_wait(self) -> None:
        """An end behind records that are in no lane yet waits with them."""
        scene = Scene(open_route=False)
        scene.fetch("ab")
        scene.intake.ended(scene.partition, 9, NOW, Turn())
        assert (0, [0, 9]) == (scene.ledger.watermark, ahead(scene.leg))
        scene.open()
        scene.steer()
        assert 0 == scene.ledger.watermark
        scene.settle(2)
        assert 9 == scene.ledger.watermark

    def test_that_waited_is_committed_when_its_turn_comes(self) -> None:
        """An end that waited for the stream's limits moves the watermark later, and is committed then."""
        scene = Scene(open_route=False)
        scene.intake.ended(scene.partition, 9, NOW, Turn())
        assert [] == scene.due()
        scene.open()
        scene.steer()
        (commit,) = scene.due()
        assert {ORDERS: 9} == commit.offsets


class TestDrain:
    """A drain forgets what was fetched and not sent."""

    def test_of_an_unsent_partition_forgets_everything(self) -> None:
        """Nothing was sent, so nothing is waited for, and all bytes are free."""
        scene = Scene()
        scene.fetch("abc")
        scene.fetch("defghijkl", 3)
        assert [10] == ahead(scene.leg)
        scene.intake.begin_drain(scene.partition)
        assert (0, 0, []) == (scene.budget.held, scene.ledger.held_bytes, ahead(scene.leg))
        assert (0, True) == (scene.ledger.watermark, scene.partition.drained)
        assert 0 == scene.route.outbox.waiting

    def test_keeps_what_was_sent(self) -> None:
        """Records that left stay until they are settled, and what waits below them fills the holes."""
        scene = Scene()
        scene.fetch("aabc")
        scene.ledger.note_sent(2)  # 0 and 2 left; 1 waits for 0; 3 was not sent
        scene.intake.begin_drain(scene.partition)
        assert (3, False) == (scene.ledger.open, scene.partition.drained)
        assert [1] == scene.ledger.lanes.release(["a"], [])
        assert scene.budget.held == scene.ledger.held_bytes == scene.ledger.open_bytes() > 0


def test_of_a_partition_that_is_gone_nothing_is_left() -> None:
    """Whatever of it was fetched or sent belongs to somebody else: it neither holds bytes nor leaves any more."""
    scene = Scene()
    scene.fetch("abc")
    scene.ledger.note_sent(2)
    scene.intake.forget(scene.partition)
    assert (True, 0, 0) == (scene.ledger.gone, scene.budget.held, scene.ledger.held_bytes)
    assert (0, False) == (scene.route.outbox.waiting, scene.route.holds(scene.ledger))


class TestSteer:
    """Who waits, and who goes on."""

    def test_a_route_that_may_not_send_pauses(self) -> None:
        """Partitions of a route that is unknown or blocked wait, and go on once it opens."""
        scene = Scene(open_route=False)
        assert ["pause"] == scene.steer()
        scene.open()
        assert ["resume"] == scene.steer()
        assert 1 == scene.intake.unpaused

    def test_a_gap_and_a_drain_pause(self) -> None:
        """A partition with a gap, or one that drains, is not read."""
        for scene in in_a_gap(), draining():
            assert ["pause"] == scene.steer()

    def test_looks_ten_times_a_second(self) -> None:
        """Between two looks nothing is commanded, unless somebody asks to look soon."""
        scene = Scene()
        scene.steer()
        scene.partition.gap = "a gap"
        assert [[], [], ["pause"]] == [scene.steer(NOW + wait * MS) for wait in (0, 99, 100)]

    def test_at_the_reach_for_half_a_second_pauses(self) -> None:
        """A backlog that does not move pauses its partition after half a second, and it says so once, some seconds later."""
        scene = Scene()
        scene.fetch("abcdefghijkl")
        assert [[], []] == [scene.steer(NOW + wait) for wait in (0, STALL_BEFORE_PAUSE_NS - 1)]
        scene.turn.look = True
        assert ["pause"] == scene.steer(NOW + STALL_BEFORE_PAUSE_NS)
        assert [] == scene.steer(NOW + STUCK_AFTER - 1)
        assert [] == scene.take_stuck()
        scene.turn.look = True
        assert [] == scene.steer(NOW + STUCK_AFTER)
        assert [PartitionStuck(ORDERS, 0, stuck=True, route="orders")] == scene.take_stuck()
        assert [] == scene.steer(NOW + STUCK_AFTER + SECOND)
        assert [] == scene.take_stuck()

    def test_that_is_paused_and_moves_is_not_stuck(self) -> None:
        """With answers that take ten seconds it is paused between them, and never told: slow is not stuck."""
        scene = Scene()
        scene.fetch("abcdefghij")
        scene.fetch("klmnopqrst", 10)
        commanded = []
        for round_of_ten_seconds in range(6):
            commanded += [scene.steer(NOW + (10 * round_of_ten_seconds + wait) * SECOND) for wait in (0, 1, 9)]
            scene.settle(1)
        assert ["pause"] in commanded
        assert [] == scene.take_stuck()

    def test_a_slow_partition_is_not_stuck(self) -> None:
        """While records settle below the backlog, few as they may be, nothing is paused and nothing told."""
        scene = Scene()
        scene.fetch("abcdefghijkl")
        for half_second in range(9):
            assert [] == scene.steer(NOW + half_second * STALL_BEFORE_PAUSE_NS)
            scene.settle(1)
        assert [] == scene.take_stuck()

    def test_a_blocked_route_is_not_told_again_by_its_partitions(self) -> None:
        """The partitions of a blocked route are paused, not stuck; the half second begins when it opens."""
        scene = Scene()
        scene.fetch("abcdefghijkl")
        scene.steer()
        scene.block()
        scene.steer(NOW + SECOND)
        scene.open()
        assert ["resume"] == scene.steer(NOW + 2 * SECOND)
        assert [] == scene.take_stuck()

    @pytest.mark.parametrize("records", [1, 10])
    def test_that_moves_again_is_looked_at(self, records: int) -> None:
        """While it is told as stuck nothing is foreseen; with the first record that settles a look is, which takes it back."""
        scene = Scene()
        scene.fetch("abcdefghij")
        scene.fetch("klmno", 10)
        scene.steer()
        scene.steer(NOW + STUCK_AFTER)
        assert scene.intake.next_look([scene.partition]) is None
        scene.settle(records)
        look = scene.intake.next_look([scene.partition])
        assert look is not None
        scene.take_stuck()
        scene.steer(look)
        assert [False] == [told.stuck for told in scene.take_stuck()]

    def test_resumes_when_half_the_way_is_free(self) -> None:
        """A partition that was stuck goes on below half its reach, and says so."""
        scene = Scene()
        scene.fetch("abcdefghij")
        scene.fetch("klmno", 10)
        scene.steer()
        scene.steer(NOW + STUCK_AFTER)
        assert [PartitionStuck(ORDERS, 0, stuck=True, route="orders")] == scene.take_stuck()
        scene.settle(10)
        assert [] == scene.steer(NOW + STUCK_AFTER + SECOND)
        assert [PartitionStuck(ORDERS, 10, stuck=False, route="orders")] == scene.take_stuck()
        scene.commit()
        assert ["resume"] == scene.steer(NOW + STUCK_AFTER + 2 * SECOND)
        assert [] == scene.take_stuck()

    def test_resumes_with_less_where_nothing_moves(self) -> None:
        """Behind a sick key half the way may never be free: once nothing moves for half a second, what is left is used."""
        scene = Scene()
        scene.fetch("abcd")
        scene.settle(4)
        scene.fetch("efghijkl", 4)
        scene.steer()
        assert ["pause"] == scene.steer(NOW + STALL_BEFORE_PAUSE_NS)
        scene.commit()
        assert [[], [], ["resume"]] == [
            scene.steer(NOW + SECOND + wait) for wait in (0, STALL_BEFORE_PAUSE_NS - 1, STALL_BEFORE_PAUSE_NS + SECOND)
        ]
        assert [] == scene.take_stuck()

    def test_stays_at_the_reach_where_nothing_moves(self) -> None:
        """With the way used to its end and no backlog, a partition that was stuck waits on, however long."""
        scene = Scene()
        scene.fetch("abcd")
        scene.settle(4)
        scene.fetch("efghijklmn", 4)
        scene.steer()
        scene.steer(NOW + STALL_BEFORE_PAUSE_NS)
        scene.commit()
        assert [[], [], []] == [scene.steer(NOW + wait * SECOND) for wait in (1, 2, 60)]

    def test_a_backlog_that_was_taken_in_in_time_is_forgotten(self) -> None:
        """Half a second counts from the backlog that waits, not from one that was taken in meanwhile."""
        scene = Scene()
        scene.fetch("abcd")
        scene.settle(4)
        scene.fetch("efghijkl", 4)
        scene.steer()
        scene.commit()
        assert [[], []] == [scene.steer(NOW + wait * SECOND) for wait in (1, 2)]
        assert [] == scene.take_stuck()

    def test_a_commit_that_does_not_come_is_told_as_such(self) -> None:
        """With everything settled and Kafka silent, the partition waits and names Kafka, not a record."""
        scene = Scene()
        scene.fetch("abcdefghijkl")
        scene.settle(10)
        scene.steer()
        assert ["pause"] == scene.steer(NOW + STALL_BEFORE_PAUSE_NS)
        scene.steer(NOW + STUCK_AFTER)
        assert [PartitionStuck(ORDERS, 10, stuck=True, uncommitted=True, route="orders")] == scene.take_stuck()
        told = scene.partition.status(NOW, None).stuck
        assert "Kafka does not take its offset 10, and limits.ahead_records is reached" == told

    def test_hogs_pause_and_the_others_go_on(self) -> None:
        """With the budget gone for half a second, who holds much waits, who holds little does not."""
        scene = Scene(held=4_000)
        small = Partition(TopicPartition("orders", 1), 0, [scene.route])
        scene.fetch("abcdefghij")  # 2,520 bytes
        scene.intake.fetched(scene.partition, chunk("kl", start=10), NOW, Turn())  # wait in the backlog, and are held
        partitions = [scene.partition, small]
        scene.steered(partitions)
        assert scene.intake.room(2) == 0
        commands = scene.steered(partitions, NOW + STALL_BEFORE_PAUSE_NS)
        assert [PausePartitions(frozenset({ORDERS}))] == commands
        assert 1 == scene.intake.unpaused
        assert scene.intake.room(2) > 0


class TestNextLook:
    """A look is foreseen while time may decide, and only then: whatever else changes asks for one itself."""

    def test_while_a_backlog_may_become_stuck(self) -> None:
        """Half a second without a move is to be noticed, and some more; once it is told, only a commit lets the backlog in."""
        scene = Scene()
        scene.fetch("abcdefghij")
        assert [None] == scene.looks(NOW)
        scene.fetch("kl", 10)
        at = NOW + SECOND
        paused = at + STALL_BEFORE_PAUSE_NS
        assert [at + 100 * MS, paused + 100 * MS, None] == scene.looks(at, paused, at + STUCK_AFTER)

    def test_while_less_than_half_the_way_may_be_used(self) -> None:
        """Behind a sick key what is left is used when nothing moves; with nothing left it is to be told, and no more."""
        at = NOW + SECOND
        rested = at + STALL_BEFORE_PAUSE_NS
        for keys, looks in (("efghijkl", [at, None, None]), ("efghijklmn", [at, rested, None])):
            scene = Scene()
            scene.fetch("abcd")
            scene.settle(4)
            scene.fetch(keys, 4)
            scene.looks(NOW, NOW + STALL_BEFORE_PAUSE_NS)
            scene.commit()
            foreseen = [None if look is None else look + 100 * MS for look in looks]
            assert foreseen == scene.looks(at, rested, at + STUCK_AFTER), keys

    def test_not_while_the_route_is_blocked(self) -> None:
        """A route opens by an event; until then nobody of it is looked at, whatever waits there."""
        scene = Scene()
        scene.fetch("abcdefghijkl")
        scene.block()
        assert [None] == scene.looks(NOW)
        assert scene.partition.paused

    def test_not_for_a_gap_nor_for_a_drain(self) -> None:
        """Neither ends by time alone."""
        for scene in in_a_gap(), draining():
            assert [None] == scene.looks(NOW)

    def test_while_the_budget_squeezes(self) -> None:
        """Who holds much changes with each record, so it is looked at now and then."""
        scene = Scene(held=4_000)
        scene.fetch("abcdefghij")
        scene.intake.fetched(scene.partition, chunk("kl", start=10), NOW, Turn())
        scene.looks(NOW)
        at = NOW + STALL_BEFORE_PAUSE_NS
        assert [at + 100 * MS] == scene.looks(at)
