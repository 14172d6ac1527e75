"""A route whose records travel as aggregates: one on its way in each lane, in order, whatever is refused."""

from __future__ import annotations

import pytest

from doka.domain.commands import SendPut
from doka.domain.errors import InvariantError
from doka.domain.events import (
    PartitionsLost,
    PutAmbiguous,
    PutAnswered,
    PutRefused,
    RecordsFetched,
    RevokeStarted,
    ShardRange,
    StopRequested,
)
from doka.domain.facts import RecordsFailed, RecordsPoisoned, RecordsSettled, RouteBlocked
from doka.domain.limits import PARTIAL_PUT_WAIT_NS, RECORD_BYTES_DEFAULT
from doka.domain.records import TopicPartition
from doka.domain.rules import AggregationRules, LimitRules, OnPoison, Ordering
from doka.domain.sending.aggregate import FIXED_BYTES, FRAME_BYTES_MAX, encode
from doka.domain.sending.aggregated_outbox import OUTER_KEY, AggregatedOutbox
from doka.domain.sending.slices import Slices
from tests.fake_aws.aggregates import unfold
from tests.unit.domain.aggregating import inner, keys_of_lane
from tests.unit.domain.builders import MS, ORDERS, SECOND, Extras, Machine, chunk, described, route_rules

LANES = 4
A, B, C = keys_of_lane(0, 3)
OTHER = keys_of_lane(1, 1)[0]
THROTTLED = "ProvisionedThroughputExceededException"
SECOND_PARTITION = TopicPartition("orders", 1)


def machine(limits: LimitRules | None = None, **changes: object) -> Machine:
    """Make a machine with one aggregated route of four lanes that wait for nothing; open."""
    aggregation = changes.pop("aggregation", AggregationRules(linger=0, lanes=LANES))
    made = Machine(routes=(route_rules(aggregation=aggregation, **changes),), limits=limits or LimitRules())
    made.open({ORDERS: 0, SECOND_PARTITION: 0})
    return made


def sent(puts: list[SendPut]) -> list[list[list[tuple[str, int]]]]:
    """Give the records of each entry of each request."""
    return [inner(put) for put in puts]


def aggregated_outbox(made: Machine) -> AggregatedOutbox:
    """Give where the records of the route wait."""
    found = made.forwarder._routes["orders"].outbox
    assert isinstance(found, AggregatedOutbox)
    return found


def drained(made: Machine) -> bool:
    """Say whether nothing is on its way any more of what is given back."""
    left = made.forwarder.decide(made.now).left
    assert left is not None
    return left.drained


class TestLanes:
    """All that waits in a lane goes at once; the next goes when it has settled."""

    def test_records_of_a_lane_travel_together_in_order(self) -> None:
        """Keys of one slice share an aggregate, those of another have their own, in the same request."""
        made = machine()
        assert [[[(A, 0), (B, 2), (A, 3)], [(OTHER, 1)]]] == sent(made.fetch([A, OTHER, B, A]))

    def test_the_next_waits_for_the_one_on_its_way(self) -> None:
        """What comes while an aggregate is in flight waits, and leaves together when it has settled."""
        made = machine()
        (first,) = made.fetch([A])
        assert [] == made.fetch([B], start=1)
        assert [] == made.fetch([A], start=2)
        assert [[[(B, 1), (A, 2)]]] == sent(made.answer(first))

    def test_partitions_share_an_aggregate(self) -> None:
        """A lane is the route's: records of several partitions wait in it together."""
        made = machine()
        (first,) = made.fetch([A])
        made.fetch([B], start=1)
        made.fetch([B], partition=SECOND_PARTITION)
        (second,) = made.answer(first)
        assert [[(B, 1), (B, 0)]] == inner(second)
        made.answer(second)
        made.store()
        made.decide(after=2 * SECOND)
        assert {ORDERS: 2, SECOND_PARTITION: 1} == made.committed()

    def test_every_entry_is_placed_by_the_middle_of_its_slice(self) -> None:
        """The outer record has the explicit hash key that the inner ones have."""
        made = machine()
        (put,) = made.fetch([A, OTHER])
        assert [str(1 << 125), str(3 << 125)] == put.hash_keys

    def test_a_request_takes_no_more_lanes_than_it_may_have_entries(self) -> None:
        """The rest goes with the next request."""
        made = machine(LimitRules(request_records=1))
        (first, second) = made.fetch([A, OTHER])
        assert [[[(A, 0)]], [[(OTHER, 1)]]] == sent([first, second])

    def test_a_request_that_is_not_full_waits_a_moment_while_another_is_in_flight(self) -> None:
        """It leaves 5 ms after its first lane became ready, not before."""
        made = machine()
        made.fetch([A])
        assert [] == made.fetch([OTHER], start=1)  # 1 ms later
        assert PARTIAL_PUT_WAIT_NS - MS == made.wakes_in()
        assert [] == [c for c in made.decide(after=PARTIAL_PUT_WAIT_NS - MS - 1) if isinstance(c, SendPut)]
        assert [[[(OTHER, 1)]]] == sent([c for c in made.decide(after=1) if isinstance(c, SendPut)])


class TestSize:
    """An aggregate is never larger than its target, nor than the stream takes."""

    def test_an_aggregate_is_cut_at_its_target(self) -> None:
        """What does not fit waits for the next, in order."""
        made = machine(aggregation=AggregationRules(target_bytes=1_024, linger=0, lanes=LANES))
        values = [b"%020d" % offset + bytes(280) for offset in range(5)]
        (first,) = made.fetch([A] * 5, values=values)
        assert max(map(len, first.values)) <= 1_024
        (second,) = made.answer(first)
        assert [[[(A, 0), (A, 1), (A, 2)]], [[(A, 3), (A, 4)]]] == sent([first, second])

    @pytest.mark.parametrize(("more", "at_most", "entries"), [(0, 500, 2), (-1, 500, 1), (0, 1, 1)])
    def test_a_request_of_chosen_records_is_full_at_its_limits(self, more: int, at_most: int, entries: int) -> None:
        """What goes once more with its control takes as many aggregates as just fit, and gives back the others."""
        made = machine(aggregation=AggregationRules(linger=SECOND, lanes=LANES))
        made.fetch([A, OTHER])
        outbox = aggregated_outbox(made)
        parts = outbox.take_for_control(2)
        whole, _ = outbox.pack_parts(parts, 1, 1, made.now)
        size = sum(map(len, [*whole.keys, *whole.values, *(whole.hash_keys or ())]))
        bound = LimitRules(request_bytes=size + more, request_records=at_most)
        tight = aggregated_outbox(machine(bound, aggregation=AggregationRules(linger=SECOND, lanes=LANES)))
        put, left = tight.pack_parts(parts, 1, 1, made.now)
        assert (entries, 2 - entries) == (len(put.values), len(left))

    @pytest.mark.parametrize(("lanes", "taken"), [(1, [0]), (2, [0, 1])])
    def test_a_control_takes_no_more_lanes_than_a_request_may_have_entries(self, lanes: int, taken: list[int]) -> None:
        """Of lanes that wait for more as many are asked as fit one request, whatever room there is for records."""
        made = machine(LimitRules(request_records=lanes), aggregation=AggregationRules(linger=SECOND, lanes=LANES))
        made.fetch([A, OTHER])
        parts = aggregated_outbox(made).take_for_control(10)
        assert taken == sorted(place for part in parts for place in part.places)

    def test_a_control_takes_nothing_of_a_lane_of_which_something_is_on_its_way(self) -> None:
        """A request of chosen records holds its lanes as any other does: what comes behind waits."""
        made = machine(aggregation=AggregationRules(linger=SECOND, lanes=LANES))
        made.fetch([A, B, OTHER])
        outbox = aggregated_outbox(made)
        outbox.pack_parts(outbox.take_for_control(1), 1, 1, made.now)
        assert [2] == [place for part in outbox.take_for_control(10) for place in part.places]

    def test_a_record_too_large_travels_as_it_is(self) -> None:
        """By its own key, with its lane's hash key, and only in its lane's turn."""
        made = machine(aggregation=AggregationRules(target_bytes=1_024, linger=0, lanes=LANES))
        values = [b"0", b"%020d" % 1 + bytes(2_000), b"2"]
        (first,) = made.fetch([A, B, A], values=values)
        (second,) = made.answer(first)
        (third,) = made.answer(second)
        assert [[[(A, 0)]], [[(B, 1)]], [[(A, 2)]]] == sent([first, second, third])
        assert ([B], [values[1]], first.hash_keys) == (second.keys, second.values, second.hash_keys)

    def test_an_aggregate_of_somebody_elses_is_wrapped_whatever_its_size(self) -> None:
        """Else a consumer unfolds it in its place, and drops it, since its keys are not of that shard."""
        made = machine(aggregation=AggregationRules(target_bytes=1_024, linger=0, lanes=LANES))
        values = [encode(["k"], [b"%020d" % 0 + bytes(size)], "0") for size in (10, 2_000)]
        (first,) = made.fetch([A, A], values=values)
        (second,) = made.answer(first)
        assert [[value] for value in values] == [
            [each.data for each in unfold(made_of.values[0]) or ()] for made_of in (first, second)
        ]
        assert {(OUTER_KEY,)} == {tuple(put.keys) for put in (first, second)}

    def test_an_aggregate_that_would_not_fit_wrapped_travels_as_it_is(self) -> None:
        """The stream's limit is the last word: what it would refuse wrapped goes bare, as any record too large does."""
        made = machine(aggregation=AggregationRules(target_bytes=1_024, linger=0, lanes=LANES))
        made.step(described(record_bytes_max=2_100))
        value = encode(["k"], [b"%020d" % 0 + bytes(1_980)], "0")
        (put,) = made.fetch([A], values=[value])
        assert ([A], [value]) == (put.keys, put.values)

    def test_the_streams_own_limit_holds(self) -> None:
        """A stream that takes less than the target bounds every aggregate, its outer key included."""
        made = Machine(routes=(route_rules(aggregation=AggregationRules(target_bytes=10**6, linger=0, lanes=1)),))
        made.open({ORDERS: 0})
        made.step(described(record_bytes_max=2_000))
        puts = made.fetch([A] * 50, values=[b"%020d" % offset + bytes(80) for offset in range(50)])
        landed = []
        while puts:
            assert (
                max(len(value) + len(key) for put in puts for key, value in zip(put.keys, put.values, strict=True))
                <= 2_000
            )
            landed += [offset for put in puts for entry in inner(put) for _, offset in entry]
            puts = made.land(puts)
        assert list(range(50)) == landed

    @pytest.mark.parametrize(("more", "taken"), [(0, 10), (-1, 9)])
    def test_the_streams_own_limit_is_met_to_the_byte(self, more: int, taken: int) -> None:
        """What surely fits with its outer key travels whole; where a byte is missing the last record waits."""
        values = [b"%020d" % offset + bytes(80) for offset in range(10)]
        sure = len(OUTER_KEY) + FIXED_BYTES + 10 * (100 + FRAME_BYTES_MAX) + len(A) + 3
        made = machine(aggregation=AggregationRules(target_bytes=10**6, linger=0, lanes=LANES))
        made.step(described(record_bytes_max=sure + more))
        (put,) = made.fetch([A] * 10, values=values)
        assert taken == len(inner(put)[0])

    def test_a_request_is_cut_by_bytes(self) -> None:
        """Aggregates that do not fit a request go with the next one."""
        rules = AggregationRules(target_bytes=4_000, linger=0, lanes=LANES)
        made = machine(LimitRules(request_bytes=5_000), aggregation=rules)
        values = [b"%020d" % offset + bytes(3_000) for offset in range(2)]
        puts = made.fetch([A, OTHER], values=values)
        puts += [c for c in made.decide(after=10 * MS) if isinstance(c, SendPut)]
        assert [[[(A, 0)]], [[(OTHER, 1)]]] == sent(puts)

    @pytest.mark.parametrize(("more", "entries"), [(0, [2]), (-1, [1, 1])])
    def test_a_request_is_full_at_its_last_byte(self, more: int, entries: list[int]) -> None:
        """Data, keys and hash keys count; what just fits goes along."""
        rules = AggregationRules(linger=0, lanes=LANES)
        (whole,) = machine(aggregation=rules).fetch([A, OTHER])
        size = sum(map(len, [*whole.keys, *whole.values, *filter(None, whole.hash_keys or ())]))
        made = machine(LimitRules(request_bytes=size + more), aggregation=rules)
        puts = made.fetch([A, OTHER])
        puts += [c for c in made.decide(after=10 * MS) if isinstance(c, SendPut)]
        assert entries == [len(put.values) for put in puts]

    def test_the_keys_of_lone_records_count_in_bytes(self) -> None:
        """A record too large for an aggregate travels under its own key, which may have more bytes than characters."""
        wide = next(key for key in ("\u0436" * length for length in range(100, 200)) if Slices(LANES).of(key) == 0)
        values = [b"%020d" % offset + bytes(2_000) for offset in range(2)]
        room = 2 * 2_020 + len(wide) + len(OTHER) + 2 * 39
        made = machine(LimitRules(request_bytes=room), aggregation=AggregationRules(1_024, linger=0, lanes=LANES))
        puts = made.fetch([wide, OTHER], values=values)
        puts += [c for c in made.decide(after=10 * MS) if isinstance(c, SendPut)]
        assert [[[(wide, 0)]], [[(OTHER, 1)]]] == sent(puts)


class TestLinger:
    """A small aggregate waits for more, up to its time."""

    RULES = AggregationRules(target_bytes=1_024, linger=100 * MS, lanes=LANES)

    def test_a_lane_leaves_when_it_has_lingered(self) -> None:
        """Not before its time, and the machine wakes up by itself for it."""
        made = machine(aggregation=self.RULES)
        assert [] == made.fetch([A])
        wake = made.forwarder._routes["orders"].next_wake(made.now)
        assert wake is not None
        assert 99 * MS == wake - made.now
        (put,) = [c for c in made.decide(after=99 * MS) if isinstance(c, SendPut)]
        assert [[(A, 0)]] == inner(put)

    def test_a_full_lane_leaves_at_once(self) -> None:
        """Nobody waits for time when there is enough."""
        made = machine(aggregation=self.RULES)
        values = [b"%020d" % offset + bytes(380) for offset in range(3)]
        assert [[[(A, 0), (A, 1)]]] == sent(made.fetch([A, A, A], values=values))

    def test_a_drain_waits_for_no_linger(self) -> None:
        """What fills holes below what was sent goes at once; what was never sent is forgotten."""
        rules = AggregationRules(target_bytes=1_024, linger=60 * SECOND, lanes=LANES)
        made = machine(aggregation=rules)
        full = [b"%020d" % offset + bytes(1_000) for offset in range(1, 2)]
        puts = made.fetch([A, OTHER], values=[b"0", *full])
        assert [[[(OTHER, 1)]]] == sent(puts)
        made.fetch([B], start=2)
        (hole,) = [c for c in made.step(RevokeStarted(frozenset({ORDERS}))) if isinstance(c, SendPut)] or [
            c for c in made.decide(after=10 * MS) if isinstance(c, SendPut)
        ]
        assert [[(A, 0)]] == inner(hole)
        made.land([*puts, hole])
        assert drained(made)


class TestRefused:
    """A refused entry is a whole lane's aggregate."""

    def test_it_goes_again_as_the_same_records(self) -> None:
        """Byte for byte, before what came meanwhile; the other lanes go on."""
        made = machine()
        (first,) = made.fetch([A, OTHER, B])
        made.fetch([A, OTHER], start=3)
        after = made.answer(first, {0: THROTTLED})
        assert [[[(OTHER, 4)]]] == sent(after)
        made.land(after)
        (again,) = [c for c in made.decide(after=SECOND) if isinstance(c, SendPut)]
        assert (first.values[:1], [[(A, 0), (B, 2)]]) == (again.values, inner(again))
        (third,) = made.answer(again)
        assert [[(A, 3)]] == inner(third)

    def test_records_are_counted_not_entries(self) -> None:
        """Facts speak of the records of the user."""
        made = machine()
        (first,) = made.fetch([A, OTHER, B])
        made.answer(first, {0: "InternalFailure"})
        assert [(2, True)] == [(f.records, f.ambiguous) for f in made.of(RecordsFailed) if isinstance(f, RecordsFailed)]
        assert [(1, 1)] == [
            (f.records, f.payload_bytes) for f in made.of(RecordsSettled) if isinstance(f, RecordsSettled)
        ]

    def test_an_unknown_outcome_goes_again_as_a_whole(self) -> None:
        """Every lane of the request, the same aggregates."""
        made = machine()
        (first,) = made.fetch([A, OTHER, B])
        made.step(PutAmbiguous(first.put, "timeout"))
        (again,) = [c for c in made.decide(after=SECOND) if isinstance(c, SendPut)]
        assert first.values == again.values

    def test_an_answer_about_more_than_was_asked_settles_nothing(self) -> None:
        """A refused entry beyond the last one cannot be."""
        made = machine()
        (put,) = made.fetch([A, OTHER])
        with pytest.raises(InvariantError, match="1 beyond its last"):
            made.feed(PutAnswered(put.put, {2: THROTTLED}))
        assert 2 == made.forwarder.status(made.now).partitions[ORDERS].unsettled

    def test_a_code_that_nobody_knows_is_told_of_each_partition(self) -> None:
        """All records of the aggregate wait, so each partition of them says so, with its first."""
        made = machine()
        (first,) = made.fetch([A])
        made.fetch([B, B], start=1)
        made.fetch([C], partition=SECOND_PARTITION)
        (put,) = made.answer(first)
        made.answer(put, {0: "UnheardOfException"})
        shown = made.forwarder.status(made.now).partitions
        told = {tp: (partition.stuck_reason, (partition.stuck or "")[:22]) for tp, partition in shown.items()}
        assert {
            ORDERS: ("unknown_code", "the record at offset 1"),
            SECOND_PARTITION: ("unknown_code", "the record at offset 0"),
        } == told

    def test_a_throttled_lane_slows_its_shard_alone(self) -> None:
        """By the lane's hash key, not by the keys in it."""
        made = machine()
        shards = (ShardRange("s0", 0), ShardRange("s1", 1 << 127))
        made.step(described(shards=shards, open_shards=2))
        (put,) = made.fetch([A])
        made.answer(put, {0: THROTTLED})
        pacer = made.forwarder._routes["orders"].outbox.pacer
        assert [0] == list(pacer.paces)


class TestOwnership:
    """A partition that goes takes its own records with it, and nobody else's."""

    def test_lost_records_in_flight_settle_nothing(self) -> None:
        """The lane is free when its aggregate is answered, whoever owns what was in it."""
        made = machine()
        made.fetch([A], partition=SECOND_PARTITION)
        (first,) = [c for c in made.told if isinstance(c, SendPut)]
        made.fetch([B])
        made.step(PartitionsLost(frozenset({SECOND_PARTITION})))
        (second,) = made.answer(first)
        assert [[(B, 0)]] == inner(second)

    def test_a_refused_aggregate_of_a_lost_partition_frees_its_lane(self) -> None:
        """Nothing of it goes again, and what waited goes on."""
        made = machine()
        made.fetch([A], partition=SECOND_PARTITION)
        (first,) = [c for c in made.told if isinstance(c, SendPut)]
        made.fetch([B])
        made.step(PartitionsLost(frozenset({SECOND_PARTITION})))
        (second,) = made.answer(first, {0: THROTTLED})
        assert [[(B, 0)]] == inner(second)

    @pytest.mark.parametrize("others_landed", [False, True])
    def test_what_is_left_of_a_refused_aggregate_is_not_judged_by_its_refusal(self, *, others_landed: bool) -> None:
        """The record that made the service refuse may have gone with its partition; who stays is asked about alone."""
        made = machine(on_poison=OnPoison.DROP)
        (first,) = made.fetch([B, OTHER])
        made.fetch([A], start=2)
        made.fetch([A, OTHER][: 1 + others_landed], partition=SECOND_PARTITION)
        (put,) = made.answer(first)
        assert [(A, 2), (A, 0)] == inner(put)[0]
        made.step(PartitionsLost(frozenset({SECOND_PARTITION})))
        (again,) = made.answer(put, {0: "InvalidArgumentException"})
        assert ([[(A, 2)]], []) == (inner(again), made.of(RecordsPoisoned))
        made.answer(again)
        made.store()
        made.decide(after=2 * SECOND)
        assert {ORDERS: 3} == made.committed()

    def test_a_stop_forgets_what_was_not_sent(self) -> None:
        """What waits behind an aggregate of another partition and was never sent is read again by the next owner."""
        made = machine()
        (first,) = made.fetch([A])
        made.fetch([B], partition=SECOND_PARTITION)
        made.step(StopRequested("test"))
        assert [] == made.answer(first)
        assert drained(made)


class TestPoison:
    """A record that can never land holds up its own key, and nobody else."""

    def test_poison_known_at_intake_holds_its_key_alone(self) -> None:
        """Its lane goes on; the later records of its key in its partition wait."""
        made = machine()
        large = bytes(RECORD_BYTES_DEFAULT)
        puts = made.fetch([A, B, A, B], values=[large, b"1", b"2", b"3"])
        assert [[[(B, 1), (B, 3)]]] == sent(puts)
        assert [0] == [f.offset for f in made.of(RecordsPoisoned) if isinstance(f, RecordsPoisoned)]

    def test_what_waited_goes_on_when_poison_is_dropped(self) -> None:
        """In order, and only then."""
        made = machine(on_poison=OnPoison.DROP)
        large = bytes(RECORD_BYTES_DEFAULT)
        puts = made.fetch([A, B, A, A], values=[large, b"1", b"2", large])
        puts += made.land(puts)
        assert [(B, 1), (A, 2)] == [record for put in puts for entry in inner(put) for record in entry]
        made.land(puts[1:])
        made.decide(after=2 * SECOND)
        assert {ORDERS: 4} == made.committed()

    @pytest.mark.parametrize("policy", list(OnPoison))
    def test_a_record_on_its_way_does_not_wait_for_later_poison_of_its_key(self, policy: OnPoison) -> None:
        """Refused and due again, it goes again before all that is behind the poison, whatever becomes of that."""
        made = machine(on_poison=policy)
        whole = [Extras()] * 2
        (put,) = made.fetch([A], originals=whole[:1])
        made.fetch([A, A], start=1, values=[bytes(RECORD_BYTES_DEFAULT), b"2"], originals=whole)
        made.answer(put, {0: THROTTLED})
        again = [command for command in made.decide(after=SECOND) if isinstance(command, SendPut)]
        assert [(A, 0)] == [record for put in again for record in inner(put)[0]][:1]

    @pytest.mark.parametrize("bad", range(6))
    @pytest.mark.parametrize("by_entry", [False, True])
    def test_a_bad_record_is_found_inside_an_aggregate(self, bad: int, *, by_entry: bool) -> None:
        """By halves, in order: no later record of its key lands before it is known what becomes of it."""
        made = machine(on_poison=OnPoison.DROP)
        landed = self.play(made, made.fetch([A, B, A, C, B, A]), {bad}, by_entry=by_entry)
        assert [bad] == [f.offset for f in made.of(RecordsPoisoned) if isinstance(f, RecordsPoisoned)]
        assert set(range(6)) - {bad} == set(landed)
        for key_offsets in ([0, 2, 5], [1, 4], [3]):
            assert [o for o in key_offsets if o != bad] == [o for o in landed if o in key_offsets]

    def play(self, made: Machine, puts: list[SendPut], bad: set[int], *, by_entry: bool) -> list[int]:
        """Answer every request as a service that refuses these; give what landed, in order."""
        landed: list[int] = []
        for _ in range(100):
            if not puts:
                puts = [c for c in made.decide(after=SECOND) if isinstance(c, SendPut)]
                if not puts:
                    return landed
            put, *puts = puts
            entries = [[offset for _, offset in entry] for entry in inner(put)]
            refused = {i: "InvalidArgumentException" for i, entry in enumerate(entries) if bad & set(entry)}
            if refused and not by_entry:
                commands = made.step(PutRefused(put.put, "ValidationException"), after=MS)
                puts += [c for c in commands if isinstance(c, SendPut)]
                continue
            landed += [offset for i, entry in enumerate(entries) if i not in refused for offset in entry]
            puts += made.answer(put, refused)
        raise AssertionError("no end")

    def test_what_is_behind_poison_of_a_search_stays_in_order(self) -> None:
        """What the search still held goes before what waits in the lane, when the poison has settled."""
        made = machine(on_poison=OnPoison.DROP)
        (whole,) = made.fetch([A, OTHER, OTHER, OTHER])
        made.fetch([OTHER], start=4)
        (half,) = [
            c for c in made.step(PutRefused(whole.put, "ValidationException"), after=MS) if isinstance(c, SendPut)
        ]
        assert [[(A, 0)], [(OTHER, 1)]] == inner(half)
        puts = made.answer(half, {1: "InvalidArgumentException"})
        landed = self.play(made, puts, {1}, by_entry=True)
        assert [2, 3, 4] == landed

    def test_a_refused_aggregate_beside_one_that_landed_is_searched(self) -> None:
        """The other one is the control, and no more is needed for it."""
        made = machine(on_poison=OnPoison.DROP)
        landed = self.play(made, made.fetch([A, OTHER, B]), {2}, by_entry=True)
        assert ([1, 0], [2]) == (
            landed,
            [f.offset for f in made.of(RecordsPoisoned) if isinstance(f, RecordsPoisoned)],
        )

    def test_without_a_control_the_route_blocks(self) -> None:
        """A single record that is refused, and no other that lands, is nobody's proof."""
        made = machine()
        self.play(made, made.fetch([A]), {0}, by_entry=False)
        assert [] != made.of(RouteBlocked)
        assert [] == made.of(RecordsPoisoned)


def test_a_stream_that_ignores_keys_is_refused_for_aggregates_too() -> None:
    """Consumers drop an aggregate that is outside the shard of its hash key, so `ordering: none` is no excuse."""
    made = Machine(routes=(route_rules(ordering=Ordering.NONE, aggregation=AggregationRules()),))
    made.open()
    made.step(described(honours_keys=False))
    assert ["auto_distribution"] == [f.reason for f in made.of(RouteBlocked) if isinstance(f, RouteBlocked)]


def test_the_lanes_are_those_of_the_slices() -> None:
    """The keys of these tests are where they say."""
    slices = Slices(LANES)
    assert [0, 0, 0, 1] == [slices.of(key) for key in (A, B, C, OTHER)]


def test_waiting_records_are_counted() -> None:
    """What is in lanes is what could leave."""
    made = machine(aggregation=AggregationRules(linger=SECOND, lanes=LANES))
    made.step(RecordsFetched(chunk([A, B, OTHER])))
    assert 3 == made.forwarder.status(made.now).routes["orders"].waiting
