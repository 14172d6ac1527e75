from __future__ import annotations

import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from doka.adapters.telemetry.labels import LABELS_MAX
from doka.adapters.telemetry.metrics import Metrics
from doka.domain.facts import (
    Fact,
    OffsetsCommitted,
    PartitionsOwned,
    PartitionStuck,
    RecordsFailed,
    RecordsPoisoned,
    RecordsSettled,
)
from doka.domain.limits import NS_PER_MS
from doka.domain.records import TopicPartition
from tests.unit.adapters.telemetry.given import FACTS, NEW_YEAR, ORDERS_3, hand_clock, status

LABEL_NAMES = {
    *("route", "role", "code", "topic", "partition", "reason", "state", "outcome", "policy", "change", "le", "version"),
    *("cause", "what", "distribution", "kms_key"),
}


def metrics() -> Metrics:
    """Give metrics of one route and one role."""
    return Metrics(hand_clock(), "1.2.3", ["orders"], ["analytics"], topics=["orders"])


def series(page: bytes) -> dict[str, float]:
    """Give the page as `name{label=value,...}` -> value, labels in order of their names."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


@pytest.mark.parametrize(
    ("fact", "grown"),
    [
        (FACTS[0], {"doka_records_settled_total{route=orders}": 500, "doka_settled_payload_bytes_total{route=orders}": 12_345,
                    "doka_put_duration_seconds_count{route=orders}": 1, "doka_landing_seconds_count{route=orders}": 400,
                    "doka_landing_seconds_sum{route=orders}": 2_000}),
        (FACTS[1], {"doka_records_failed_total{code=InternalFailure,route=orders}": 7,
                    "doka_possible_duplicates_total{route=orders}": 7}),
        (RecordsFailed("orders", "Throttled", 7, ambiguous=False),
         {"doka_records_failed_total{code=Throttled,route=orders}": 7}),
        (FACTS[2], {"doka_records_poisoned_total{code=record_too_large,policy=block,route=orders}": 1}),
        (FACTS[3], {"doka_route_blocks_total{reason=clock_skew,route=orders}": 1}),
        (FACTS[4], {}),
        (FACTS[5], {"doka_stream_facts_assumed_total{code=AccessDeniedException,route=orders}": 1}),
        (FACTS[6], {"doka_lease_renewals_total{code=none,outcome=renewed,role=analytics}": 1}),
        (FACTS[7], {"doka_lease_renewals_total{code=AccessDenied,outcome=failed,role=analytics}": 1}),
        (FACTS[8], {"doka_lease_rejections_total{code=ExpiredTokenException,role=analytics}": 1}),
        (FACTS[9], {"doka_commits_total{outcome=stored}": 1}),
        (FACTS[10], {"doka_commits_total{outcome=failed}": 1}),
        (FACTS[11], {"doka_rebalances_total{change=assigned}": 1}),
        (PartitionsOwned("lost", frozenset({ORDERS_3}), {}), {"doka_rebalances_total{change=lost}": 1}),
        (FACTS[12], {"doka_records_will_repeat_total{topic=orders}": 9}),
        (FACTS[13], {"doka_gaps_total{policy=block,topic=orders}": 1}),
        (FACTS[14], {"doka_partitions_stuck_total{topic=orders}": 1}),
        (PartitionStuck(ORDERS_3, 41, stuck=False), {}),
        (FACTS[15], {"doka_dead_letters_total{code=RecordTooLarge,outcome=stored,route=orders}": 1}),
        (
            FACTS[16],
            {
                "doka_dead_letters_total{code=_MSG_TIMED_OUT,outcome=failed,route=orders}": 1,
                "doka_letters_failed_total{route=orders}": 1,
            },
        ),
        (
            RecordsPoisoned("orders", ORDERS_3, 41, "RecordTooLarge", "drop"),
            {
                "doka_records_poisoned_total{code=RecordTooLarge,policy=drop,route=orders}": 1,
                "doka_records_dropped_total{route=orders}": 1,
            },
        ),
        (FACTS[17], {}),
        (FACTS[23], {"doka_transform_seconds_count{route=orders}": 1, "doka_transform_seconds_sum{route=orders}": 0.06}),
        (FACTS[24], {}),
        (FACTS[-1], {"doka_unreadable_offsets_total{policy=block,topic=orders}": 10}),
        (FACTS[-2], {"doka_records_skipped_total{topic=orders}": 1}),
        (FACTS[-3], {"doka_records_freed_total{route=orders}": 1}),
        (FACTS[-4], {}),
        (FACTS[-5], {"doka_stream_changes_total{route=orders,what=record_limit}": 1}),
        (FACTS[18], {"doka_order_breaks_total{cause=refused,route=orders}": 3}),
    ],
)  # fmt: skip
def test_each_fact_is_counted_exactly(fact: Fact, grown: dict[str, float]) -> None:
    """A fact moves its own counters by what it says, and no other."""
    counted = metrics()
    before = series(counted.page()[0])
    counted.count(fact)
    after = series(counted.page()[0])
    moved = {
        name: value - before.get(name, 0)
        for name, value in after.items()
        if value != before.get(name, 0)
        and not name.startswith(
            (
                "doka_process",
                "doka_put_duration_seconds_",
                "doka_landing_seconds_bucket",
                "doka_transform_seconds_bucket",
            )
        )
    }
    counts = {name: value for name, value in after.items() if name.startswith("doka_put_duration_seconds_count")}
    moved |= {name: value for name, value in counts.items() if value}
    assert grown == moved


def test_put_durations_fall_into_their_bucket() -> None:
    """A put of 23 ms is counted from the bucket of 25 ms on."""
    counted = metrics()
    counted.count(RecordsSettled("orders", 1, 1, 23 * NS_PER_MS))
    page = series(counted.page()[0])
    assert [0.0, 1.0] == [page[f"doka_put_duration_seconds_bucket{{le={le},route=orders}}"] for le in ("0.01", "0.025")]


def test_records_fall_into_the_bucket_of_their_age() -> None:
    """All that settled of a chunk at once, by the wall clock; from the future is at once, without a timestamp is nowhere."""
    counted = metrics()
    ages = {31.0: 5, 60.0: 2, -9.0: 1, 100_000.0: 3}
    stamps = {int((NEW_YEAR - age) * 1_000): records for age, records in ages.items()} | {-1: 99}
    counted.count(RecordsSettled("orders", 110, 1, 1, stamps))
    page = series(counted.page()[0])
    assert [1, 1, 8, 8, 11] == [
        page[f"doka_landing_seconds_bucket{{le={le},route=orders}}"]
        for le in ("0.1", "30.0", "60.0", "86400.0", "+Inf")
    ]
    assert 31 * 5 + 60 * 2 + 300_000 == page["doka_landing_seconds_sum{route=orders}"]


def test_fetched_records_are_counted_by_topic() -> None:
    """Records and bytes of all partitions of a topic are added up."""
    counted = metrics()
    counted.fetched(TopicPartition("orders", 1), 10, 100)
    counted.fetched(TopicPartition("orders", 2), 5, 7)
    page = series(counted.page()[0])
    assert 15 == page["doka_records_fetched_total{topic=orders}"]
    assert 107 == page["doka_fetched_payload_bytes_total{topic=orders}"]


def test_counters_stand_at_zero_from_the_start() -> None:
    """A rate over a counter that has not moved yet is 0, not «no data»."""
    page = series(metrics().page()[0])
    for name in (
        "doka_records_settled_total{route=orders}",
        "doka_possible_duplicates_total{route=orders}",
        "doka_landing_seconds_bucket{le=60.0,route=orders}",
        "doka_landing_seconds_count{route=orders}",
        "doka_lease_renewals_total{code=none,outcome=renewed,role=analytics}",
        "doka_lease_rejections_total{code=ExpiredTokenException,role=analytics}",
        "doka_lease_rejections_total{code=AccessDeniedException,role=analytics}",
        "doka_commits_total{outcome=failed}",
        "doka_rebalances_total{change=lost}",
        "doka_records_dropped_total{route=orders}",
        "doka_letters_failed_total{route=orders}",
        "doka_gaps_total{policy=block,topic=orders}",
        "doka_gaps_total{policy=continue,topic=orders}",
        "doka_unreadable_offsets_total{policy=block,topic=orders}",
        "doka_partitions_stuck_total{topic=orders}",
        "doka_records_will_repeat_total{topic=orders}",
    ):
        assert 0 == page[name]


def test_breaks_of_order_stand_at_zero_where_order_can_break() -> None:
    """Only a route in which records of a key share requests has the counter, of each cause, from the start."""
    page = series(Metrics(hand_clock(), "1.2.3", ["orders", "clicks"], sharing=["orders"]).page()[0])
    assert {
        "doka_order_breaks_total{cause=refused,route=orders}": 0,
        "doka_order_breaks_total{cause=reordered,route=orders}": 0,
        "doka_order_breaks_total{cause=unknown,route=orders}": 0,
    } == {name: value for name, value in page.items() if "order_breaks" in name}


def test_names_labels_and_help() -> None:
    """Every series begins with doka_, has a sentence of help and only labels that are bounded."""
    counted = metrics()
    clock = hand_clock()
    for fact in FACTS:
        counted.count(fact)
    counted.fetched(ORDERS_3, 1, 1)
    counted.publish(status(clock))
    counted.turned(clock.now())
    families = list(text_string_to_metric_families(counted.page()[0].decode()))
    assert [] == [family.name for family in families if not family.name.startswith("doka_")]
    assert [] == [family.name for family in families if not family.documentation.endswith(".")]
    assert set() == {name for family in families for s in family.samples for name in s.labels} - LABEL_NAMES
    assert len(families) > 40


def test_invented_codes_do_not_grow_the_page() -> None:
    """Ten thousand codes from a hostile endpoint make at most fifty-one series."""
    counted = metrics()
    for n in range(10_000):
        counted.count(RecordsFailed("orders", f"Invented{n}", 1, ambiguous=False))
    found = {name: value for name, value in series(counted.page()[0]).items() if "records_failed_total" in name}
    assert LABELS_MAX + 1 == len(found)
    assert 10_000 == sum(found.values())


def test_two_metrics_do_not_share_anything() -> None:
    """Two services in one process (tests, the demo) count apart, and the global registry stays empty of doka."""
    one, other = metrics(), metrics()
    one.count(OffsetsCommitted(1))
    assert 0 == series(other.page()[0])["doka_commits_total{outcome=stored}"]


def test_scraped_while_counting() -> None:
    """A page rendered while the loop counts is whole, and its counters never go back."""
    counted = metrics()
    enough = threading.Event()

    def count() -> None:
        n = 0
        while not enough.is_set():
            n += 1
            counted.fetched(TopicPartition(f"topic{n % 997}", 0), 1, 1)
            counted.count(FACTS[0])

    thread = threading.Thread(target=count)
    thread.start()
    try:
        totals = [series(counted.page()[0])["doka_records_settled_total{route=orders}"] for _ in range(20)]
    finally:
        enough.set()
        thread.join()
    assert sorted(totals) == totals
