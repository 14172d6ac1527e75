"""What came, counted as the mapping would send it."""

from __future__ import annotations

import pytest

from doka.app.plan.traffic import SLICES, Percentiles, Traffic, Window, percentiles
from doka.domain.records import Chunk, TopicPartition
from doka.domain.routes.preview import DRAWN_KEY_BYTES_MAX
from doka.domain.rules import NullKey, Only, Ordering
from doka.domain.sending.slices import Slices
from tests.unit.app.plan.played import figures_of, records
from tests.unit.domain.builders import ORDERS, Extras, chunk, route_rules

KIB = 1_024


def test_sizes_and_what_is_billed_of_them() -> None:
    """Data and key count; each record is rounded up by itself, and an empty one is billed, too."""
    found = figures_of([records(["k"] * 4, [0, KIB - 1, KIB, 25 * KIB])])
    assert (4, 1 + 1 + 2 + 26, 1 + 1 + 1 + 2) == (found.records, found.billed, found.payload_units)
    assert (KIB - 1 + KIB + 25 * KIB, 4) == (found.data_bytes, found.key_bytes)
    assert Percentiles(found.bytes / 4, KIB, 25_856, 25_856) == found.sizes  # 25,601, to the next 64th of 16 KiB


def test_rates_are_by_the_records_own_times() -> None:
    """Each second of the window counts, also those in which nothing came; what lies outside is in no rate."""
    chunks = [records(["a"] * 6, 99, [5_000, 5_999, 6_000, 8_999, 9_000, 4_999])]
    found = figures_of(chunks, seconds=4, since_ms=5_000)
    assert ((2.0, 200.0), (1.0, 100.0), (0.0, 0.0), (1.0, 100.0)) == found.rates
    assert (True, 0, 6) == (found.timed, found.quiet_ms, found.records)
    assert Percentiles(1.5, 1.0, 2.0, 2.0) == found.a_second(0)


def test_a_long_window_is_counted_by_ten_seconds() -> None:
    """And what is left of it at its end is no whole interval, so no rate."""
    found = figures_of([records(["a"] * 3, 9, [0, 9_999, 43_201_000])], seconds=43_205)
    assert (4_320, (0.2, 2.0), 0) == (len(found.rates), found.rates[0], found.rates[-1][0])


@pytest.mark.parametrize(("kind", "time"), [(0, -1), (1, 77_000)])
def test_where_times_do_not_tell_only_means_are_known(kind: int, time: int) -> None:
    """Records without a time, or of another time: a replay of last week's."""
    whole = [Extras(of_timestamp=(kind, time))] * 8
    found = figures_of([chunk(["a"] * 8, values=[b"123"] * 8, originals=whole)], seconds=4)
    assert (False, ((2.0, 8.0),)) == (found.timed, found.rates)


def test_a_window_shorter_than_an_interval_has_one_rate() -> None:
    """So has one in which all came in what is left behind the last whole interval."""
    assert ((4.0, 400.0),) == figures_of([records(["a", "b"], 99, [0, 400])], seconds=0.5).rates
    assert ((0.8, 80.0),) == figures_of([records(["a", "b"], 99, [2_100, 2_400])], seconds=2.5).rates


def test_how_long_nothing_came_is_told() -> None:
    """A topic that is younger than the window looks like that."""
    assert 7_000 == figures_of([records(["a"], 1, 7_000)], seconds=10).quiet_ms


def test_keys_that_are_drawn_are_no_keys() -> None:
    """They spread evenly, whatever number the draw gives; null_key: partition draws nothing."""
    found = figures_of([records([None, None, "a"], 30)])
    assert (2, 1, 1) == (found.drawn, found.keys.seen, found.keys.hottest)
    assert 2 * DRAWN_KEY_BYTES_MAX + 1 == found.key_bytes
    of_a = Slices(SLICES).of("a")
    assert found.slices[of_a][0] == pytest.approx(1 / 3 + 2 / 3 / SLICES)
    assert sum(share for share, _ in found.slices) == pytest.approx(1)
    assert sum(size for _, size in found.slices) == pytest.approx(1)
    by_partition = figures_of([records([None, None], 30)], rules=route_rules(null_key=NullKey.PARTITION))
    assert (0, 2) == (by_partition.drawn, by_partition.keys.hottest)
    drawn = figures_of([records(["a", "b"], 30)], rules=route_rules(partition_key="random", ordering=Ordering.NONE))
    assert (2, 0) == (drawn.drawn, drawn.keys.seen)


def test_a_key_out_of_the_data_may_be_missing() -> None:
    """Then it is drawn; the mapping of the route says so, and nothing else."""
    rules = route_rules(partition_key="field:/id")
    whole = [Extras(of_timestamp=(1, 0))] * 3
    values = [b'{"id":"a"}', b"{}", b'{"id":"a"}']
    found = figures_of([chunk(["x", "y", "z"], values=values, originals=whole)], rules=rules)
    assert (1, 2) == (found.drawn, found.keys.hottest)


def test_what_can_never_land_is_counted_apart() -> None:
    """It is in no size and no rate."""
    found = figures_of([records(["", "a", "b"], [50, 50, 2 * KIB * KIB])])
    assert (1, 2, 50, 1) == (found.records, found.poison, found.data_bytes, found.keys.seen)


class Unreadable(Extras):
    """A record one of whose headers has a name that is not UTF-8: the client raises once, and dies the second time."""

    asked = 0

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        Unreadable.asked += 1
        assert 1 == Unreadable.asked
        raise SystemError


def test_headers_that_cannot_be_read_are_asked_for_once() -> None:
    """Whether another key is drawn is not asked of such a record."""
    rules = route_rules(partition_key="header:id")
    fine = Extras(of_headers=[("id", b"a")], of_timestamp=(1, 0))
    bare = Extras(of_headers=[], of_timestamp=(1, 0))
    found = figures_of([chunk(["x", "y", "z"], originals=[fine, Unreadable(), bare])], rules=rules)
    assert (2, 1, 1, 1) == (found.records, found.poison, found.drawn, found.keys.hottest)


def test_chunks_of_several_partitions_add_up() -> None:
    """In whatever order they are read."""
    other = Chunk(TopicPartition("orders", 1), [0], [b"a"], [b"12"], 0, [Extras(of_timestamp=(1, 500))])
    one = records(["a", "b"], 2, 100)
    assert figures_of([one, other]) == figures_of([other, one])
    assert (3, 2, 1) == (
        figures_of([one, other]).records,
        figures_of([one, other]).keys.hottest,
        figures_of([one, other]).keys.hottest_lane,
    )
    assert ORDERS == one.partition


def test_percentiles_are_by_rank() -> None:
    """Of nothing they are zero."""
    assert Percentiles(9.0, 50, 95, 100) == percentiles(list(range(1, 101)), 9.0)
    assert Percentiles(2.0, 2, 3, 3) == percentiles([1, 2, 3], 2.0)
    assert Percentiles(0.0, 0.0, 0.0, 0.0) == percentiles([], 1.0)


def test_nothing_is_nothing() -> None:
    """A route without records has figures, too."""
    found = Traffic(route_rules(), Window(0, 1_000)).figures()
    assert (0, 0.0, 0) == (found.records, found.sizes.most, found.keys.seen)


def test_what_the_route_leaves_out_is_counted_apart() -> None:
    """No figure of what would be sent has it."""
    traffic = Traffic(route_rules(only=Only("pointer:/type", frozenset({"a"}))), Window(0, 1_000))
    given = [b'{"type":"a"}', b'{"type":"b"}', b"no json", None]
    traffic.take(chunk("kkkk", values=given, originals=[Extras()] * 4))
    traffic.take(chunk("k", values=[None], originals=[Extras()]))
    found = traffic.figures()
    assert (1, 1, 3, len(given[0] or b"")) == (found.records, found.poison, found.filtered, found.data_bytes)
