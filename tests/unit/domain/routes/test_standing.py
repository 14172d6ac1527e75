from __future__ import annotations

import pytest

from doka.domain.events import StreamRefused
from doka.domain.facts import Fact, LanesBelowShards, RouteBlocked, RouteOpened, StreamFactsAssumed
from doka.domain.limits import (
    BACKOFF_LAST_NS,
    PACED_BACKOFF_LAST_NS,
    RECORD_BYTES_DEFAULT,
    RETRY_BACKOFF_LAST_NS,
    THROTTLE_BACKOFF_LAST_NS,
)
from doka.domain.routes.standing import AUTO_DISTRIBUTION, Failures, RouteState, Standing
from doka.domain.rules import AggregationRules, Ordering
from doka.domain.turn import Turn
from doka.domain.verdicts import Verdict
from tests.unit.domain.builders import SECOND, described, most_jitter, no_jitter, route_rules, told

NOW = 1000 * SECOND


def standing(ordering: Ordering = Ordering.KEY) -> Standing:
    """Give the standing of a route of which nothing is known."""
    return Standing(route_rules(ordering=ordering), no_jitter)


def opened() -> Standing:
    """Give the standing of a route that sends."""
    route = standing()
    route.described(described(), NOW, Turn())
    return route


def refused(code: str = "ResourceNotFoundException", lease: int | None = 1) -> StreamRefused:
    """Tell that the stream could not be described."""
    return StreamRefused("orders", code, "no", lease)


def test_nothing_is_sent_to_a_stream_that_was_not_described() -> None:
    """A route begins unknown, says why, and asks for its stream once, not again while the answer is out."""
    route = standing()

    assert "its stream is not described yet" == route.blocked
    assert not route.probes(NOW)
    assert [True, False] == [route.wants_description(NOW, nothing_to_send=False) for _ in range(2)]


def test_a_usable_stream_opens_the_route_with_its_own_limit() -> None:
    """The first good description is news and sets the record limit; the same again is none, and asks for nothing."""
    route = standing()
    route.wants_description(NOW, nothing_to_send=False)

    assert [RouteOpened("orders", 0)] == told(route.described, described(record_bytes_max=5_000_000), NOW)
    assert (RouteState.OPEN, None, 5_000_000, True) == (
        route.state,
        route.blocked,
        route.record_bytes_max,
        route.knows_limits,
    )
    assert [] == told(route.described, described(record_bytes_max=5_000_000), NOW)
    assert not route.wants_description(NOW, nothing_to_send=True)


def test_an_answer_without_an_arn_takes_none_away() -> None:
    """What was once known of the stream's name stays."""
    route = opened()
    known = route.stream_arn
    route.described(described(arn=None), NOW, Turn())

    assert known is not None
    assert known == route.stream_arn


@pytest.mark.parametrize(("status", "opens"), [("ACTIVE", True), ("UPDATING", True), ("CREATING", False)])
def test_only_some_states_of_a_stream_take_records(status: str, opens: bool) -> None:  # noqa: FBT001 - a column
    """A stream that is being made or deleted blocks the route, under a reason of its own."""
    route = standing()
    route.described(described(status=status), NOW, Turn())

    assert (None if opens else f"stream_{status.lower()}") == route.blocked


def test_a_stream_that_ignores_keys_blocks_only_routes_with_an_order() -> None:
    """The AUTO distribution breaks the order per key, which a route without order never promised."""
    ordered, unordered = standing(), standing(Ordering.NONE)
    for route in (ordered, unordered):
        route.described(described(honours_keys=False), NOW, Turn())

    assert (AUTO_DISTRIBUTION, None) == (ordered.blocked, unordered.blocked)


def test_no_missing_permission_opens_a_stream_that_is_known_to_ignore_keys() -> None:
    """When describing is forbidden later, what was seen of the distribution is not forgotten."""
    route = standing()
    route.described(described(honours_keys=False), NOW, Turn())
    route.undescribed(refused("AccessDeniedException"), Verdict.DENIED, NOW, Turn())

    assert "AccessDeniedException" == route.blocked


def test_a_stream_that_may_not_be_described_is_written_to_all_the_same() -> None:
    """Putting needs no DescribeStreamSummary: the defaults are assumed, and that is told once."""
    route = standing()
    facts = told(route.undescribed, refused("AccessDeniedException"), Verdict.DENIED, NOW)

    assert [StreamFactsAssumed("orders", "AccessDeniedException"), RouteOpened("orders", 0)] == facts
    assert (RECORD_BYTES_DEFAULT, True) == (route.record_bytes_max, route.knows_limits)
    route.block("ResourceNotFoundException", "no", NOW, Turn())
    again = told(route.undescribed, refused("AccessDeniedException"), Verdict.DENIED, NOW + SECOND)
    assert [RouteOpened("orders", SECOND)] == again


def test_a_lease_that_was_at_fault_blocks_nothing() -> None:
    """The stream is asked for again under the next lease; without a lease the fault is the route's."""
    route = standing()
    route.wants_description(NOW, nothing_to_send=False)

    assert [] == told(route.undescribed, refused("ExpiredTokenException"), Verdict.LEASE, NOW)
    assert RouteState.UNKNOWN is route.state
    assert route.wants_description(NOW, nothing_to_send=False)
    route.undescribed(refused("NoLease", lease=None), Verdict.LEASE, NOW, Turn())
    assert "NoLease" == route.blocked


def test_a_reason_is_told_once() -> None:
    """The same block again is no news, another reason is."""
    route = opened()

    assert [RouteBlocked("orders", "gone", "the stream is gone")] == told(
        route.block, "gone", "the stream is gone", NOW
    )
    assert [] == told(route.block, "gone", "the stream is gone", NOW + SECOND)
    assert [RouteBlocked("orders", "denied", "no")] == told(route.block, "denied", "no", NOW + SECOND)


def test_news_lets_every_partition_be_looked_at() -> None:
    """Who is paused hangs on the route: a block and an opening ask for a look, what is no news does not."""
    route, turns = opened(), [Turn() for _ in range(3)]
    route.block("gone", "", NOW, turns[0])
    route.block("gone", "", NOW, turns[1])
    route.open(NOW, turns[2])

    assert [True, False, True] == [turn.look for turn in turns]


def test_only_probes_lengthen_the_backoff() -> None:
    """Answers of what was in flight when the route was blocked leave the next probe where it is."""
    route = opened()
    route.block("gone", "", NOW, Turn())
    first = route.probe_at
    for _ in range(10):
        route.block("gone", "", NOW, Turn())

    assert first == route.probe_at
    assert [False, True] == [route.probes(first - 1), route.probes(first)]
    route.block("gone", "", first, Turn())
    assert 2 * (first - NOW) == route.probe_at - first


def test_a_route_is_probed_at_least_once_a_minute() -> None:
    """However long it was blocked, the wait for the next probe has a ceiling."""
    route = Standing(route_rules(), most_jitter)
    now = NOW
    for _ in range(40):
        route.block("gone", "", now, Turn())
        wait, now = route.probe_at - now, route.probe_at

        assert 0 < wait <= BACKOFF_LAST_NS


def test_a_blocked_route_with_nothing_to_send_asks_for_its_stream() -> None:
    """It probes by the question, when the backoff has ended; with records to send, these are the probe."""
    route = opened()
    route.block("gone", "", NOW, Turn())

    assert not route.wants_description(route.probe_at - 1, nothing_to_send=True)
    assert not route.wants_description(route.probe_at, nothing_to_send=False)
    assert route.wants_description(route.probe_at, nothing_to_send=True)


def test_opening_tells_how_long_it_was_blocked_and_forgets_the_backoff() -> None:
    """The time counts from the first block, whatever its later reasons; the next block starts with a short wait."""
    route = opened()
    route.block("gone", "", NOW, Turn())
    first_wait = route.probe_at - NOW
    route.block("denied", "", route.probe_at, Turn())

    assert [RouteOpened("orders", 90 * SECOND)] == told(route.open, NOW + 90 * SECOND)
    assert (RouteState.OPEN, None) == (route.state, route.reason)
    later = NOW + 100 * SECOND
    route.block("gone", "", later, Turn())
    assert first_wait == route.probe_at - later


def test_a_route_that_begins_anew_under_another_lease_forgets_the_backoff() -> None:
    """A stream that was not described yet is asked about soon again, whatever happened under the lease before."""
    route = Standing(route_rules(), most_jitter)
    waits = []
    for _ in range(2):
        now = NOW
        for _ in range(3):
            route.block("lease_ended", "", now, Turn())
            waits.append(route.probe_at - now)
            now = route.probe_at
        route.lease_is_back(now, Turn())
    assert waits[:3] == waits[3:]


def test_another_reason_ends_the_search_for_poison() -> None:
    """A route goes on fetching for a control only while the reason is still the one that wants it."""
    route = opened()
    route.block("poison", "", NOW, Turn(), seeks_control=True)
    route.block("poison", "", NOW, Turn())
    kept = route.seeks_control
    route.block("gone", "", NOW, Turn())

    assert (True, False) == (kept, route.seeks_control)


def test_a_search_for_a_control_is_news_though_the_reason_is_not() -> None:
    """A route that was blocked already goes on fetching from then on, and so it is told; once."""
    route = opened()
    route.block("poison", "", NOW, Turn())
    blocks = [told(route.block, "poison", "seeks", NOW, seeks_control=True) for _ in range(2)]

    assert [[RouteBlocked("orders", "poison", "seeks")], []] == blocks


def test_a_lease_that_is_back_opens_what_only_it_had_stopped() -> None:
    """A described stream is open at once, one that is not is asked for at once, and an open route hears nothing."""
    known, unknown = opened(), standing()
    known.block("no_lease", "", NOW, Turn())
    unknown.block("no_lease", "", NOW, Turn())

    assert [RouteOpened("orders", SECOND)] == told(known.lease_is_back, NOW + SECOND)
    assert [] == told(known.lease_is_back, NOW + SECOND)
    assert [] == told(unknown.lease_is_back, NOW)
    assert RouteState.UNKNOWN is unknown.state
    assert unknown.wants_description(NOW, nothing_to_send=True)


@pytest.mark.parametrize(("shards", "more"), [(4, []), (5, [LanesBelowShards("orders", 4, 5)]), (None, [])])
def test_lanes_that_cannot_reach_every_shard_are_told(shards: int | None, more: list[Fact]) -> None:
    """Once, when the route opens; a stream whose shards are not known is given the benefit of the doubt."""
    made = Standing(route_rules(aggregation=AggregationRules(lanes=4)), no_jitter)
    assert [RouteOpened("orders", 0), *more] == told(made.described, described(open_shards=shards), 0)
    assert [] == told(made.described, described(open_shards=shards), 1)


@pytest.mark.parametrize(
    ("codes", "blocked"),
    [
        (["InternalFailure"], "gone"),
        (["ProvisionedThroughputExceededException"], None),
        (["InternalFailure", "ProvisionedThroughputExceededException"], None),
    ],
)
def test_a_probe_that_is_throttled_opens_the_route(codes: list[str], blocked: str | None) -> None:
    """A hot shard is no reason to stay blocked; a probe of which every record failed otherwise waits for the next."""
    route = opened()
    route.block("gone", "the stream is gone", NOW, Turn())
    at = route.probe_at

    assert (blocked is None) == (RouteOpened("orders", at - NOW) in told(route.refused, codes, at))
    assert (blocked, blocked is not None) == (route.blocked, route.probe_at > at)


def test_one_failure_is_remembered_until_something_lands() -> None:
    """After a whole request failed only one leaves at a time, until one lands or the stream was described."""
    failures = Failures(no_jitter)
    assert 0 == failures.in_a_row
    failures.failed(Verdict.THROTTLED)
    assert 1 == failures.in_a_row
    failures.succeeded(1)
    assert 0 == failures.in_a_row
    failures.failed(Verdict.RETRY)
    failures.forget()
    assert 0 == failures.in_a_row


def test_five_requests_of_which_nobody_knows_are_too_many() -> None:
    """A route blocks at the fifth in a row; throttled ones do not count."""
    failures = Failures(no_jitter)
    assert [False] * 6 == [failures.failed(Verdict.THROTTLED) for _ in range(6)]
    assert [False] * 4 + [True] == [failures.failed(Verdict.AMBIGUOUS) for _ in range(5)]
    failures.succeeded(1)
    assert not failures.failed(Verdict.AMBIGUOUS)


def test_only_the_lease_that_landed_something_last_is_suspected() -> None:
    """A denial may be a revoked session's; the next lease's denial is the policy's, until something lands again."""
    failures = Failures(no_jitter)
    assert not failures.may_be_revoked(1)
    failures.succeeded(1)
    assert (True, False) == (failures.may_be_revoked(1), failures.may_be_revoked(2))
    failures.succeeded(2)
    assert (1 + 1, True, False) == (failures.landed_with, failures.may_be_revoked(2), failures.may_be_revoked(1))


def test_each_verdict_has_its_longest_wait() -> None:
    """A throttled shard is asked again soonest, most of all where its pace is known; what nobody knows least often."""
    failures = Failures(most_jitter)
    waits = {verdict: failures.wait(30, verdict, paced=False) for verdict in Verdict}
    assert {
        Verdict.THROTTLED: THROTTLE_BACKOFF_LAST_NS,
        Verdict.RETRY: RETRY_BACKOFF_LAST_NS,
        Verdict.AMBIGUOUS: RETRY_BACKOFF_LAST_NS,
        Verdict.LANE: BACKOFF_LAST_NS,
        Verdict.BLOCKED: BACKOFF_LAST_NS,
    }.items() <= {verdict: wait + 1 for verdict, wait in waits.items()}.items()
    paced = [failures.wait(30, verdict, paced=True) + 1 for verdict in (Verdict.THROTTLED, Verdict.RETRY)]
    assert [PACED_BACKOFF_LAST_NS, RETRY_BACKOFF_LAST_NS] == paced
