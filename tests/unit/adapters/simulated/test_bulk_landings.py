from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from doka.adapters.simulated.bulk_landings import STALL_NS, BulkLandings
from doka.adapters.simulated.bulk_log import BulkLog
from doka.domain.records import TopicPartition

MS = 1_000_000


def world_of(records: int, *, partitions: int = 2, keys: int = 5) -> BulkLandings:
    """Give landings of partitions that hold so many records each, written at 0."""
    logs = [BulkLog(TopicPartition("t0", i), i, keys=keys, value_bytes=30) for i in range(partitions)]
    for log in logs:
        log.extend(records, 0)
    landings = BulkLandings(logs)
    landings.wrote(records * partitions, 0)
    return landings


def put(landings: BulkLandings, records: list[tuple[int, int]], now: int = MS, failed: tuple[int, ...] = ()) -> None:
    """Land records, each as (partition, offset), in one put."""
    logs = [partition.log for partition in landings.partitions.values()]
    columns = [logs[p].columns(o, o + 1) for p, o in records]
    landings.land([c[2][0] for c in columns], [c[1][0] for c in columns], failed, now, own_keys=True)


@pytest.mark.parametrize("seed", range(30))
def test_runs_are_judged_as_single_records_are(seed: int) -> None:
    """Whatever lands in whatever shape, the sums are those of a count record by record."""
    chance = Random(seed)
    landings = world_of(40, keys=chance.choice([1, 3, 8, 40, 100]))
    keys = next(iter(landings.partitions.values())).log.keys
    times: Counter[tuple[int, int]] = Counter()
    top: dict[tuple[int, int], int] = {}
    disordered = 0
    for _ in range(12):
        records: list[tuple[int, int]] = []
        for _ in range(chance.randint(1, 4)):
            partition, first = chance.randrange(2), chance.randrange(40)
            records += [(partition, o) for o in range(first, min(40, first + chance.choice([1, 2, 5, 30])))]
        failed = tuple(i for i in range(len(records)) if chance.random() < chance.choice([0.0, 0.2]))
        put(landings, records, failed=failed)
        for i, (partition, offset) in enumerate(records):
            if i in failed:
                continue
            if not times[partition, offset]:
                lane = partition, offset % keys
                disordered += top.get(lane, -1) > offset
                top[lane] = max(top.get(lane, -1), offset)
            times[partition, offset] += 1
    assert len(times) == landings.landed
    assert sum(times.values()) - len(times) == landings.duplicates
    assert disordered == out_of_order(landings)
    for number, partition_landings in enumerate(landings.partitions.values()):
        there = [bool(times[number, offset]) for offset in range(40)]
        assert there.count(False) == partition_landings.missing(0, 40)
        assert there[10:].count(True) == partition_landings.landed_from(10)
        assert (there.index(False) if False in there else None) == partition_landings.first_missing(0, 40)
    assert 0 == landings.strange_keys


def out_of_order(landings: BulkLandings) -> int:
    """Count what was overtaken, on all topics."""
    return landings.out_of_order({tp.topic for tp in landings.partitions})


def test_only_the_topics_that_are_asked_for_are_counted() -> None:
    """A topic whose order nobody promised is left out."""
    landings = world_of(4, keys=1)
    put(landings, [(0, 2)])
    put(landings, [(0, 1)])
    assert (1, 0) == (out_of_order(landings), landings.out_of_order({"another"}))


def test_a_record_under_a_key_of_another_shows() -> None:
    """Keys that were swapped are counted."""
    landings = world_of(4)
    log = next(iter(landings.partitions.values())).log
    _, values, texts = log.columns(0, 2)
    landings.land(texts[::-1], values, (), MS, own_keys=True)
    assert 2 == landings.strange_keys


def test_every_record_of_an_aggregate_lands() -> None:
    """In the order in which it stands there, whatever the entry's own key is."""
    landings = world_of(10, keys=2)
    first, second = (partition.log for partition in landings.partitions.values())
    aggregate = b"|".join([*first.columns(0, 4)[1], *second.columns(3, 5)[1]])
    landings.land(["a lane"], [aggregate], (), MS, own_keys=True)
    assert (6, 0, 0) == (landings.landed, out_of_order(landings), landings.strange_keys)
    landings.land(["a lane"], [b"|".join(second.columns(0, 3)[1])], (), MS, own_keys=True)
    assert 3 == out_of_order(landings)


def test_the_longest_delay_is_that_of_the_latest_record() -> None:
    """A record's delay runs from its writing to its first landing, or to the end of the run."""
    landings = world_of(2, partitions=1)
    put(landings, [(0, 0)], now=5 * MS)
    put(landings, [(0, 0)], now=50 * MS)
    assert 5 * MS == landings.longest_delay
    landings.end(70 * MS)
    assert 70 * MS == landings.longest_delay


def test_a_stall_is_time_in_which_something_waited_and_nothing_landed() -> None:
    """Stalls end with a landing; time without anything to land is none."""
    landings = world_of(2, partitions=1)
    put(landings, [(0, 0)], now=STALL_NS)
    put(landings, [(0, 1)], now=STALL_NS + MS)
    landings.wrote(0, 5 * STALL_NS)
    landings.end(9 * STALL_NS)
    assert STALL_NS == landings.longest_stall
    assert [(0, STALL_NS)] == landings.stalls


def test_lag_is_highest_right_after_a_burst() -> None:
    """What is above the committed offsets when a burst was written is the lag that is kept."""
    landings = world_of(10, partitions=2)
    assert 20 == landings.most_lag
    for partition in landings.partitions.values():
        partition.committed = 10
    landings.wrote(0, MS)
    assert 20 == landings.most_lag


def test_a_record_in_the_dead_letters_is_not_missing() -> None:
    """What settled otherwise counts neither as landed nor as missing."""
    landings = world_of(3, partitions=1)
    partition = next(iter(landings.partitions.values()))
    partition.otherwise.add(0)
    put(landings, [(0, 1)])
    assert (1, 2) == (partition.missing(0, 3), partition.first_missing(0, 3))


def test_order_is_by_the_key_under_which_a_record_landed_where_keys_are_chosen() -> None:
    """Records of one Kafka key under two keys have no order; those of two under one have."""
    log = BulkLog(TopicPartition("t0", 0), 0, keys=1, value_bytes=30)
    log.extend(6, 0)
    landings = BulkLandings([log], by_landed_key=True)
    landings.wrote(6, 0)
    values = log.columns(0, 6)[1]
    for offset, key in ((1, "a"), (0, "b"), (3, "b"), (2, "a")):
        landings.land([key], [values[offset]], (), MS, own_keys=False)
    assert (4, 0, 0) == (landings.landed, landings.out_of_order({"t0"}), landings.duplicates)
    landings.land(["b", "b"], [values[5], values[4]], (), MS, own_keys=False)
    landings.land(["b"], [values[4]], (), MS, own_keys=False)
    assert (6, 1, 1) == (landings.landed, landings.out_of_order({"t0"}), landings.duplicates)
    assert 0 == landings.partitions[log.partition].missing(0, 6)
