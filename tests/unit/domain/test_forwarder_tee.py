"""Several routes of one topic: each has its own settlement, and Kafka is told what all of them have settled."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from doka.domain.commands import CommitOffsets, PausePartitions, ResumePartitions, SeekPartition, SendLetter, SendPut
from doka.domain.events import (
    GapFound,
    PartitionEnded,
    PartitionsAssigned,
    PartitionsLost,
    PartitionsRevoked,
    PutRefused,
    RecordsFetched,
    RecordsUnreadable,
    RevokeStarted,
    SkipsOrdered,
    StreamDescribed,
)
from doka.domain.facts import PartitionStuck, RecordsSkipped, RecordsWillRepeat
from doka.domain.rules import LimitRules, OnGap, OnPoison
from doka.domain.skip import Skip
from doka.domain.status import PartitionStatus
from tests.unit.domain.builders import ORDERS, SECOND, Extras, Machine, chunk, described, route_rules
from tests.unit.domain.forwarding import ONLY, STOP, sent

DENIED = "AccessDeniedException"
HELD_MAX = 64 * 1024 * 1024


def tee(**changes: object) -> Machine:
    """Make a machine whose topic orders is read by the routes orders and archive; it owns orders[0] from 0 on."""
    limits = {"request_records": 4, "commit_every": 1, "linger": 0, "held_bytes": HELD_MAX} | {
        name: changes.pop(name) for name in list(changes) if name not in {"on_gap", "archive"}
    }
    archive = changes.pop("archive", {})
    assert isinstance(archive, dict)
    made = Machine(
        routes=(route_rules("orders"), route_rules("archive", topics=frozenset({"orders"}), **archive)),
        limits=LimitRules(**limits),  # type: ignore[arg-type]  # named by the caller
        **changes,  # type: ignore[arg-type]  # likewise
    )
    made.open()
    return made


def of(made: Machine, route: str) -> list[SendPut]:
    """Give the requests of a route that are in flight."""
    return [put for put in made.puts.values() if put.route == route]


def land(made: Machine, route: str) -> None:
    """Answer the requests of a route well until it has none in flight."""
    while puts := of(made, route):
        made.answer(puts[0])


def legs(made: Machine) -> tuple[PartitionStatus, PartitionStatus]:
    """Give what is shown of orders[0] by each route: orders, archive."""
    (_, first), (_, second) = made.forwarder.status(made.now).legs()
    return first, second


def block(made: Machine, route: str) -> None:
    """Let a route be refused by its stream."""
    (put,) = of(made, route)
    made.puts.pop(put.put)
    made.step(PutRefused(put.put, DENIED, "no"))


def ahead_of_archive(**changes: object) -> Machine:
    """Make one of which orders has settled six records, and archive two; the others of archive are refused again and again."""
    made = tee(**changes)
    made.fetch("ab")
    land(made, "archive")
    (put,) = [put for put in made.fetch("cdef", start=2) if put.route == "archive"]
    made.answer(put, dict.fromkeys(range(4), "InternalFailure"))
    land(made, "orders")
    return made


class TestFetched:
    """One read, for all."""

    def test_each_route_is_given_every_chunk(self) -> None:
        """Both send the same records, each to its own stream."""
        made = tee()
        made.fetch("abc")
        assert [("archive", [0, 1, 2]), ("orders", [0, 1, 2])] == sorted(
            (put.route, sent(put)) for put in made.puts.values()
        )

    def test_each_has_rules_of_its_own(self) -> None:
        """What one filters or takes for poison, the other may send."""
        made = tee(archive={"partition_key": "constant:x", "ordering": route_rules().ordering})
        made.fetch("ab")
        assert {"orders": [0, 1], "archive": [0]} == {put.route: sent(put) for put in made.puts.values()}

    def test_a_record_is_held_once_for_each(self) -> None:
        """What is fetched is asked for by what all of them will hold of it."""
        alone = Machine(limits=LimitRules(held_bytes=10**7))
        alone.open()
        both = tee(held_bytes=10**7)
        rooms = []
        for made in (alone, both):
            made.fetch([str(i) for i in range(40)], values=[bytes(20_000)] * 40)
            rooms.append((made.forwarder.status(made.now).held_bytes, made.decision.fetch))
        (once, room), (twice, less) = rooms
        assert (2 * once, True) == (twice, 0 < (less or 0) < (room or 0) // 2 + 1)


class TestCommitted:
    """Kafka holds the lowest watermark."""

    def test_only_what_all_have_settled_is_committed(self) -> None:
        """The faster route commits nothing by itself; the slower one takes it along."""
        made = tee()
        made.fetch("abc")
        land(made, "orders")
        seen = [made.committed()]
        land(made, "archive")
        assert [{}, {ORDERS: 3}] == [*seen, made.committed()]

    def test_in_the_middle_of_what_the_other_has_passed(self) -> None:
        """The commit is of the slower one; the faster one counts what a crash would repeat of it to the record."""
        made = ahead_of_archive()
        made.store()
        orders, archive = legs(made)
        assert {ORDERS: 2} == made.committed()
        assert ((6, 2, 4), (2, 2, 0)) == (
            (orders.watermark, orders.committed, orders.ahead),
            (archive.watermark, archive.committed, archive.ahead),
        )

    def test_holes_in_the_offsets_are_no_records(self) -> None:
        """Compacted offsets between two watermarks repeat nothing."""
        made = tee(request_records=1)
        made.fetch("a", offsets=[0])
        made.fetch("bc", offsets=[10, 20])
        land(made, "orders")
        made.answer(of(made, "archive")[0])
        made.store()
        assert ({ORDERS: 1}, 2) == (made.committed(), legs(made)[0].ahead)

    def test_the_end_of_the_log_is_reached_by_all(self) -> None:
        """An idle transactional topic stands at its end for each route."""
        made = tee()
        made.fetch("a")
        made.step(PartitionEnded(ORDERS, 5))
        land(made, "orders")
        seen = [made.committed()]
        land(made, "archive")
        assert [{}, {ORDERS: 5}] == [*seen, made.committed()]


class TestAhead:
    """No route goes more than `ahead_records` above what Kafka holds."""

    def test_a_route_waits_for_a_slower_one(self) -> None:
        """It sends no more than the bound, and goes on with what the other settles and Kafka takes."""
        made = tee(ahead_records=4)
        made.fetch("abcdefgh")
        land(made, "orders")
        seen = [legs(made)[0].watermark]
        made.answer(of(made, "archive")[0])
        made.store()
        land(made, "orders")
        assert [4, 8] == [*seen, legs(made)[0].watermark]

    def test_a_commit_that_makes_no_room_is_not_hurried(self) -> None:
        """Above a slower route nothing is won by commits out of their turn; what it settles itself is hurried as ever."""
        made = tee(ahead_records=4, commit_every=60 * SECOND)
        made.fetch("abcdefghijkl")
        land(made, "orders")
        assert [] == made.of(CommitOffsets)
        for _ in range(2):
            land(made, "archive")
            made.store()
            land(made, "orders")
        assert [{ORDERS: 4}, {ORDERS: 8}] == [c.offsets for c in made.of(CommitOffsets) if isinstance(c, CommitOffsets)]

    def test_one_that_waits_says_for_whom(self) -> None:
        """After a while the partition is stuck for it, with the other route's name; it goes on by itself."""
        made = tee(ahead_records=4)
        made.fetch("abcdefgh")
        block(made, "archive")
        land(made, "orders")
        for _ in range(40):
            made.decide(after=SECOND)
        stuck = made.of(PartitionStuck)
        assert [PartitionStuck(ORDERS, 4, stuck=True, route="orders", waits_for="archive")] == stuck
        orders, archive = legs(made)
        assert ("slower_route", None) == (orders.stuck_reason, archive.stuck_reason)
        assert (
            "partition orders[0] waits: route orders is as far above what is committed as it may be, and waits for route "
            "archive, which stands at offset 0"
        ) in made.forwarder.status(made.now).reasons()

    def test_a_blocked_route_holds_nobody_up_before_that(self) -> None:
        """The partition flows while the other route has room; where it has none it is paused, and flows again."""
        made = tee(ahead_records=4)
        made.fetch("ab")
        block(made, "archive")
        land(made, "orders")
        seen = [legs(made)[0].paused]
        made.fetch("cdefgh", start=2)
        land(made, "orders")
        made.decide(after=SECOND)
        made.decide(after=SECOND)
        seen.append(legs(made)[0].paused)
        made.decide(after=60 * SECOND)
        land(made, "archive")
        made.store()
        land(made, "orders")
        land(made, "archive")
        made.store()
        made.decide(after=SECOND)
        assert ([False, True, False], {ORDERS: 8}) == ([*seen, legs(made)[0].paused], made.committed())

    def test_what_a_blocked_route_holds_is_bounded(self) -> None:
        """It is given no more than half of the common memory, so that other topics are not starved; then all wait."""
        made = tee(held_bytes=8 * 1024 * 1024)
        made.fetch("ab")
        block(made, "archive")
        start = 2
        while not legs(made)[0].paused:
            made.fetch("cd", start=start, values=[bytes(200_000)] * 2)
            start += 2
            land(made, "orders")
            made.decide(after=SECOND)
        assert 3 * 1024 * 1024 < made.forwarder.status(made.now).held_bytes < 4 * 1024 * 1024
        for _ in range(20):
            made.decide(after=SECOND)
        orders, archive = legs(made)
        assert ("slower_route", None, True) == (orders.stuck_reason, archive.stuck_reason, orders.paused)

    def test_with_all_routes_blocked_nothing_is_fetched(self) -> None:
        """What nobody can send waits in Kafka."""
        made = tee()
        made.fetch("a")
        block(made, "archive")
        assert [] == made.of(PausePartitions)[1:]
        block(made, "orders")
        assert PausePartitions(ONLY) == made.of(PausePartitions)[-1]


class TestGoing:
    """A partition that goes takes all of its legs along."""

    def test_a_drain_waits_for_every_route(self) -> None:
        """It is over when nothing of any of them is on its way."""
        made = tee()
        made.fetch("a")
        made.step(RevokeStarted(ONLY))
        drained = [made.left.drained]
        land(made, "orders")
        drained.append(made.left.drained)
        land(made, "archive")
        made.step(PartitionsRevoked(ONLY))
        assert ([False, False], {ORDERS: 1}) == (drained, made.committed())

    def test_in_a_drain_a_slower_route_catches_up(self) -> None:
        """What one has sent the other sends too, and nothing above it: so nothing repeats."""
        made = tee(request_records=2, requests_in_flight=2)
        made.fetch("abcdef")
        assert [[0, 1], [0, 1]] == [sent(put) for put in made.puts.values()]
        (first,) = of(made, "orders")
        made.answer(first)
        assert [2, 3] == sent(of(made, "orders")[0])
        made.step(RevokeStarted(ONLY))
        land(made, "archive")
        land(made, "orders")
        assert made.left.drained is True
        made.step(PartitionsRevoked(ONLY))
        assert ({ORDERS: 4}, []) == (made.committed(), made.of(RecordsWillRepeat))

    def test_what_a_route_is_ahead_will_repeat(self) -> None:
        """Of each route it is told how much; nothing of it is committed."""
        made = ahead_of_archive()
        made.store()
        made.step(RevokeStarted(ONLY))
        made.step(PartitionsRevoked(ONLY))
        assert ([RecordsWillRepeat(ORDERS, 4, "orders")], {ORDERS: 2}) == (made.of(RecordsWillRepeat), made.committed())

    def test_a_lost_partition_is_forgotten_by_all(self) -> None:
        """No bytes are held, nothing is sent, and what may repeat is told of each."""
        made = ahead_of_archive(commit_every=60 * SECOND)
        made.step(PartitionsLost(ONLY), after=120 * SECOND)
        assert [RecordsWillRepeat(ORDERS, 6, "orders"), RecordsWillRepeat(ORDERS, 2, "archive")] == made.of(
            RecordsWillRepeat
        )
        assert (0, {ORDERS: 2}) == (made.forwarder.status(made.now).held_bytes, made.committed())

    def test_a_stop_that_leaves_one_behind_is_no_good_end(self) -> None:
        """The holes of all routes are counted."""
        made = ahead_of_archive()
        made.step(STOP)
        assert (4, False) == (made.left.holes, made.left.drained)
        made.decide(after=2 * SECOND)
        land(made, "archive")
        while made.commits:
            made.store()
        assert (0, True, True) == (made.left.holes, made.left.drained, made.left.committed)

    def test_a_blocked_route_is_not_waited_for(self) -> None:
        """A drain ends without it, and what the other has landed is told to repeat."""
        made = tee()
        made.fetch("ab")
        block(made, "archive")
        land(made, "orders")
        made.step(RevokeStarted(ONLY))
        assert made.left.drained is True
        made.step(PartitionsRevoked(ONLY))
        assert ([RecordsWillRepeat(ORDERS, 2, "orders")], {}) == (made.of(RecordsWillRepeat), made.committed())

    def test_one_that_comes_back_begins_for_all_where_kafka_stands(self) -> None:
        """The faster route sends again what lies above the committed offset."""
        made = ahead_of_archive()
        made.store()
        made.step(PartitionsLost(ONLY))
        made.puts.clear()
        made.step(PartitionsAssigned({ORDERS: 2}), RecordsFetched(chunk("cdef", start=2)), after=SECOND)
        assert [2, 3, 4, 5] == sent(of(made, "orders")[0])


class TestRead:
    """What concerns the read concerns all routes of it, and is told once."""

    def test_a_skip_is_of_all(self) -> None:
        """The record is passed by each, and its order is told once."""
        made = tee()
        skip = Skip(1, 2, "me", "now", "why")
        made.step(SkipsOrdered(ORDERS, (skip,)))
        made.fetch("abc")
        assert [("archive", [0, 2]), ("orders", [0, 2])] == sorted((put.route, sent(put)) for put in made.puts.values())
        land(made, "orders")
        land(made, "archive")
        assert ([RecordsSkipped(ORDERS, 1, 2, 1, skip)], {ORDERS: 3}) == (made.of(RecordsSkipped), made.committed())

    def test_an_order_for_what_one_has_sent_begins_at_the_slowest(self) -> None:
        """All are read again from where the slowest stands; what the others had landed above it will repeat, and is told."""
        made = ahead_of_archive()
        made.store()
        made.step(SkipsOrdered(ORDERS, (Skip(2, 3, "me", "now", "why"),)))
        assert [SeekPartition(ORDERS, 2)] == made.of(SeekPartition)
        assert [RecordsWillRepeat(ORDERS, 4, "orders")] == made.of(RecordsWillRepeat)
        made.fetch("cdef", start=2)
        assert [("archive", [3, 4, 5]), ("orders", [3, 4, 5])] == sorted(
            (put.route, sent(put)) for put in made.puts.values()
        )
        land(made, "orders")
        land(made, "archive")
        while made.commits:
            made.store()
        assert ({ORDERS: 6}, 0) == (made.committed(), legs(made)[0].ahead)

    def test_what_is_in_flight_of_any_is_waited_for(self) -> None:
        """A key must not be overtaken on any stream."""
        made = tee()
        made.fetch("abc")
        land(made, "orders")
        made.step(SkipsOrdered(ORDERS, (Skip(2, 3, "me", "now", "why"),)))
        assert [] == made.of(SeekPartition)
        land(made, "archive")
        assert [SeekPartition(ORDERS, 3)] == made.of(SeekPartition)

    def test_a_gap_and_what_cannot_be_read_are_passed_by_all(self) -> None:
        """Both stand behind it, where it shall be stepped over."""
        made = tee(on_gap=OnGap.CONTINUE)
        made.step(GapFound(ORDERS, 0, 5, 9))
        assert [5, 5] == [leg.watermark for leg in legs(made)]
        made.step(RecordsUnreadable(ORDERS, 5, 6, "damaged"))
        orders, archive = legs(made)
        assert ("unreadable", "unreadable") == (orders.stuck_reason, archive.stuck_reason)
        assert 1 == sum("cannot be read" in reason for reason in made.forwarder.status(made.now).reasons())

    def test_a_topic_made_anew_begins_anew_for_all(self) -> None:
        """Nothing of the former log is held by any."""
        made = tee(on_gap=OnGap.CONTINUE)
        made.fetch("abc")
        made.step(GapFound(ORDERS, 3, 0, 9, anew=True))
        assert [(0, 0), (0, 0)] == [(leg.watermark, leg.unsettled) for leg in legs(made)]
        for put in tuple(made.puts.values()):
            made.answer(put)
        made.fetch("x")
        assert [0, 0] == [leg.watermark for leg in legs(made)]


@pytest.mark.parametrize("poisoned", [("orders",), ("orders", "archive")])
def test_a_letter_is_of_its_route(poisoned: Iterable[str]) -> None:
    """What can never land by one route is its letter; the other lands it, or writes one of its own."""
    routes = [
        route_rules(name, topics=frozenset({"orders"}), on_poison=OnPoison.DEAD_LETTER)
        for name in ("orders", "archive")
    ]
    made = Machine(routes=tuple(routes), limits=LimitRules(linger=0, commit_every=1))
    made.open()
    for name in {"orders", "archive"} - set(poisoned):
        made.step(described_larger(name))
    made.fetch("a", values=[bytes(1_100_000)], originals=[Extras()])
    letters = [(c.route, c.offset) for c in made.of(SendLetter) if isinstance(c, SendLetter)]
    assert [(name, 0) for name in poisoned] == letters
    assert {"orders", "archive"} - set(poisoned) == {put.route for put in made.puts.values()}


def described_larger(route: str) -> StreamDescribed:
    """Say of a stream that it takes larger records than usual."""
    return described(route, record_bytes_max=5 * 1024 * 1024)


def test_the_client_is_told_of_a_partition_once() -> None:
    """It is paused and resumed as one, whatever its routes."""
    made = tee()
    made.fetch("a")
    made.step(GapFound(ORDERS, 1, 5, 9))
    land(made, "orders")
    land(made, "archive")
    assert ([PausePartitions(ONLY)], []) == (made.of(PausePartitions)[-1:], made.of(ResumePartitions)[1:])
