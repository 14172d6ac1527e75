from __future__ import annotations

import math
from dataclasses import replace

import pytest

from doka.adapters.telemetry.present import PresentState
from doka.domain.leases.keeper import LeaseState
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from doka.domain.status import BY_KEY, LeaseStatus, PartitionStatus, Status, StreamStatus
from tests.manual_clock import ManualClock
from tests.unit.adapters.telemetry.given import NEW_YEAR, hand_clock, partition_status, status

PLACE = {"route": "orders", "topic": "orders", "partition": "3"}


def gauges(state: PresentState) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Give each gauge's samples."""
    return {metric.name: [(s.labels, s.value) for s in metric.samples] for metric in state.collect()}


def test_nothing_is_claimed_before_the_first_status() -> None:
    """Before anything was published there is no gauge that could be taken for a healthy zero."""
    assert {} == gauges(PresentState(hand_clock()))


def test_a_partition_is_shown_once_for_each_route() -> None:
    """Each series has the route in its labels, so a slow one is seen beside its sibling; the partition is owned once."""
    clock = hand_clock()
    state = PresentState(clock)
    orders = partition_status(log_end=142, waiting=0)
    both = replace(orders, others=(replace(orders, route="archive", watermark=orders.watermark - 30),))
    state.status = replace(status(clock), partitions={TopicPartition("orders", 3): both})
    shown = gauges(state)
    (_, ours), (labels, theirs) = shown["doka_lag_records"]
    assert ({**PLACE, "route": "archive"}, 30.0) == (labels, theirs - ours)
    assert [({}, 1.0)] == shown["doka_partitions_owned"]


def test_a_lease_counts_down_between_publishes() -> None:
    """The seconds that a lease has left go down with the clock, and below zero, while the loop publishes nothing."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = status(clock)
    clock.pass_seconds(45)
    assert [({"role": "analytics"}, 15.0)] == gauges(state)["doka_lease_seconds_left"]
    clock.pass_seconds(30)
    assert [({"role": "analytics"}, -15.0)] == gauges(state)["doka_lease_seconds_left"]


def test_a_stream_is_shown_as_it_told_last() -> None:
    """Its limit, its shards, and its key without the account; how old that is grows between publishes."""
    clock = hand_clock()
    state = PresentState(clock)
    key = "arn:aws:kms:eu-west-1:210987654321:key/1234abcd"
    state.status = with_stream(clock, StreamStatus(2_097_152, 4, BY_KEY, key, clock.now()))
    clock.pass_seconds(45)
    route, shown = {"route": "orders"}, gauges(state)
    told = {"distribution": "by partition key", "kms_key": "key/1234abcd"}
    assert [(route, 2_097_152.0)] == shown["doka_stream_record_bytes_max"]
    assert [(route, 4.0)] == shown["doka_stream_open_shards"]
    assert [(route, 45.0)] == shown["doka_stream_described_age_seconds"]
    assert [(route | told, 1.0)] == shown["doka_stream_info"]


def test_what_a_stream_has_not_told_is_left_out() -> None:
    """A limit that is assumed is shown, as it is in force; nothing else is made up."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = with_stream(clock, StreamStatus(1_048_576))
    shown = {name: samples for name, samples in gauges(state).items() if name.startswith("doka_stream") and samples}
    assert {"doka_stream_record_bytes_max": [({"route": "orders"}, 1_048_576.0)]} == shown


def with_stream(clock: ManualClock, stream: StreamStatus) -> Status:
    """Give a calm state in which this is known of the route's stream."""
    calm = status(clock)
    return replace(calm, routes={name: replace(route, stream=stream) for name, route in calm.routes.items()})


@pytest.mark.parametrize(
    ("lease", "seconds"),
    [
        (LeaseStatus("analytics", "fresh", 1, None, has_end=False), [({"role": "analytics"}, math.inf)]),
        (LeaseStatus("analytics", "absent", 0, None, has_end=True), []),
    ],
)
def test_a_lease_without_a_number(lease: LeaseStatus, seconds: list[tuple[dict[str, str], float]]) -> None:
    """Credentials that do not end have infinitely long left; where there is no lease, no figure is shown."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = status(clock, lease=lease)
    assert seconds == gauges(state)["doka_lease_seconds_left"]


def test_lease_states_are_those_of_the_domain() -> None:
    """Exactly one of the domain's lease states is 1, the others are 0."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = status(clock)
    shown = {labels["state"]: value for labels, value in gauges(state)["doka_lease_state"]}
    assert {s.value: float(s is LeaseState.FRESH) for s in LeaseState} == shown


@pytest.mark.parametrize(
    ("partition", "records", "seconds"),
    [
        (partition_status(watermark=100, log_end=100), 0.0, 0.0),
        (partition_status(watermark=90, unsettled=10, timestamp_ms=int((NEW_YEAR - 5) * 1000), log_end=100), 10.0, 5.0),
        (partition_status(watermark=90, unsettled=10, timestamp_ms=int((NEW_YEAR + 5) * 1000), log_end=100), 10.0, 0.0),
        (partition_status(watermark=90, unsettled=10, timestamp_ms=-1, log_end=100), 10.0, None),
        (partition_status(watermark=90, log_end=100), 10.0, None),
        (partition_status(watermark=100), None, None),
        (partition_status(watermark=101, log_end=100), 0.0, 0.0),
        (partition_status(watermark=90, log_end=100, waiting=7 * NS_PER_SECOND), 10.0, 7.0),
        (partition_status(watermark=90, waiting=7 * NS_PER_SECOND), None, 7.0),
        (
            partition_status(
                watermark=90,
                unsettled=10,
                timestamp_ms=int((NEW_YEAR + 5) * 1000),
                log_end=100,
                waiting=7 * NS_PER_SECOND,
            ),
            10.0,
            7.0,
        ),
    ],
    ids=[
        "caught up",
        "behind",
        "from the future",
        "no timestamp",
        "not fetched yet",
        "end unknown",
        "end is old news",
        "waits in Kafka",
        "end and timestamp unknown",
        "from the future, and waits",
    ],
)
def test_lag(partition: PartitionStatus, records: float | None, seconds: float | None) -> None:
    """Lag is what is known of it: never below zero, and left out where a figure would be a guess."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = status(clock, partition=partition)
    found = gauges(state)
    assert ([] if records is None else [(PLACE, records)]) == found["doka_lag_records"]
    assert ([] if seconds is None else [(PLACE, seconds)]) == found["doka_lag_seconds"]


def test_ages_grow_between_publishes() -> None:
    """The oldest un-settled record grows older at each scrape, published or not."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = status(clock, partition=partition_status(unsettled=1, age=2 * NS_PER_SECOND))
    clock.pass_seconds(3)
    assert [(PLACE, 5.0)] == gauges(state)["doka_oldest_unsettled_age_seconds"]


def test_a_wait_grows_between_publishes_and_nothing_does_not() -> None:
    """What waits has waited longer at each scrape; where nothing waits, it is 0 until the next publish says otherwise."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = status(clock, partition=partition_status(waiting=2 * NS_PER_SECOND))
    clock.pass_seconds(3)
    assert [(PLACE, 5.0)] == gauges(state)["doka_waiting_seconds"]
    state.status = status(clock, partition=partition_status(waiting=0))
    clock.pass_seconds(3)
    assert [(PLACE, 0.0)] == gauges(state)["doka_waiting_seconds"]


def test_the_time_that_quotas_took_is_shown() -> None:
    """How long brokers have let this process wait is a counter in seconds."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = replace(status(clock), throttled=1_500_000_000)
    assert [({}, 1.5)] == gauges(state)["doka_kafka_throttled_seconds"]


def test_who_wants_another_lease_and_how_large_topics_are() -> None:
    """As the last status says; a topic whose size is not known is left out."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = status(clock)
    assert ([({"role": "analytics"}, 0.0)], []) == (
        gauges(state)["doka_lease_wanted"],
        gauges(state)["doka_topic_partitions"],
    )
    wanted = LeaseStatus("analytics", "due", 1, 5, has_end=True, wanted=True)
    state.status = replace(status(clock, lease=wanted), topic_partitions={"orders": 12})
    assert ([({"role": "analytics"}, 1.0)], [({"topic": "orders"}, 12)]) == (
        gauges(state)["doka_lease_wanted"],
        gauges(state)["doka_topic_partitions"],
    )


def test_a_blocked_route_says_why() -> None:
    """A blocked route is 1 under its reason; an open one is 0 under none."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = status(clock, blocked="clock_skew")
    assert [({"route": "orders", "reason": "clock_skew"}, 1.0)] == gauges(state)["doka_route_blocked"]
    assert [({}, 0.0)] == gauges(state)["doka_ready"]
    state.status = status(clock)
    assert [({"route": "orders", "reason": "none"}, 0.0)] == gauges(state)["doka_route_blocked"]
    assert [({}, 1.0)] == gauges(state)["doka_ready"]


def test_figures_of_the_process() -> None:
    """Held bytes, owned partitions, puts in flight, waiting records and a halt are shown as published."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = status(clock, halted="an invariant is broken")
    state.turned = clock.now()
    clock.pass_seconds(7)
    shown = gauges(state)
    figures = {name: samples[0][1] for name, samples in shown.items() if samples}
    assert (10, 64, 1, 2, 30, 1, 7) == tuple(
        figures[f"doka_{name}"]
        for name in ("held_bytes", "held_bytes_max", "partitions_owned", "puts_in_flight", "records_waiting", "halted",
                     "loop_turn_age_seconds")
    )  # fmt: skip


def test_keys_that_became_base64_are_counted_by_route() -> None:
    """From 0 on, so that the first one shows as an increase."""
    clock = hand_clock()
    state = PresentState(clock)
    before = status(clock)
    for fallbacks in (0, 3):
        state.status = replace(before, routes={"orders": replace(before.routes["orders"], key_fallbacks=fallbacks)})
        (counter,) = (family for family in state.collect() if family.name == "doka_key_fallbacks")
        assert ("counter", [("doka_key_fallbacks_total", {"route": "orders"}, fallbacks)]) == (
            counter.type,
            [(sample.name, sample.labels, sample.value) for sample in counter.samples],
        )


@pytest.mark.parametrize(
    ("stuck", "reason", "shown"), [(None, None, ("none", 0.0)), ("a sentence", "letter_failed", ("letter_failed", 1.0))]
)
def test_a_partition_that_waits_for_a_person_says_why(
    stuck: str | None, reason: str | None, shown: tuple[str, float]
) -> None:
    """The gauge has the one word of the reason as its label; the sentence is for /readyz."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = status(clock, partition=partition_status(stuck=stuck, stuck_reason=reason))
    assert [({**PLACE, "reason": shown[0]}, shown[1])] == gauges(state)["doka_partition_stuck"]


def test_what_a_route_leaves_out_is_counted_by_reason() -> None:
    """From 0 on; of a route that filters nothing there is no line."""
    clock = hand_clock()
    state = PresentState(clock)
    before = status(clock)
    for filtered in ({}, {"absent": 0, "other": 3}):
        state.status = replace(before, routes={"orders": replace(before.routes["orders"], filtered=filtered)})
        (counter,) = (family for family in state.collect() if family.name == "doka_records_filtered")
        assert {("orders", reason): count for reason, count in filtered.items()} == {
            (sample.labels["route"], sample.labels["reason"]): sample.value for sample in counter.samples
        }


def test_how_many_topics_patterns_have_brought_and_what_is_left() -> None:
    """Of routes with patterns alone; what matches and is not read counts among the topics that are missing."""
    clock = hand_clock()
    state = PresentState(clock)
    state.status = status(clock)
    assert [] == gauges(state)["doka_topics_matched"]
    left = {"too many": frozenset({"orders.us", "orders.uk"}), "no topic matches returns.*": frozenset[str]()}
    state.status = replace(
        status(clock), topics_matched={"orders": 5}, topics_left=left, missing_topics=frozenset({"payments"})
    )
    assert ([({"route": "orders"}, 5)], [({}, 3)]) == (
        gauges(state)["doka_topics_matched"],
        gauges(state)["doka_topics_missing"],
    )
