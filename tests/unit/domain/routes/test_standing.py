from __future__ import annotations

import pytest

from doka.domain.events import StreamRefused
from doka.domain.facts import Fact, LanesBelowShards, RouteBlocked, RouteOpened, StreamFactsAssumed
from doka.domain.limits import BACKOFF_LAST_NS, RECORD_BYTES_DEFAULT
from doka.domain.routes.standing import AUTO_DISTRIBUTION, RouteState, Standing
from doka.domain.rules import AggregationRules, Ordering
from doka.domain.verdicts import Verdict
from tests.unit.domain.builders import SECOND, described, most_jitter, no_jitter, route_rules

NOW = 1000 * SECOND


def standing(ordering: Ordering = Ordering.KEY) -> Standing:
    """Give the standing of a route of which nothing is known."""
    return Standing(route_rules(ordering=ordering), no_jitter)


def opened() -> Standing:
    """Give the standing of a route that sends."""
    route = standing()
    route.described(described(), NOW)
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
    """The first good description is news and sets the record limit; a second one is none, and asks for nothing."""
    route = standing()
    route.wants_description(NOW, nothing_to_send=False)

    assert [RouteOpened("orders", 0)] == route.described(described(record_bytes_max=5_000_000), NOW)
    assert (RouteState.OPEN, None, 5_000_000, True) == (
        route.state,
        route.blocked,
        route.record_bytes_max,
        route.knows_limits,
    )
    assert [] == route.described(described(), NOW)
    assert not route.wants_description(NOW, nothing_to_send=True)


def test_an_answer_without_an_arn_takes_none_away() -> None:
    """What was once known of the stream's name stays."""
    route = opened()
    known = route.stream_arn
    route.described(described(arn=None), NOW)

    assert known is not None
    assert known == route.stream_arn


@pytest.mark.parametrize(("status", "opens"), [("ACTIVE", True), ("UPDATING", True), ("CREATING", False)])
def test_only_some_states_of_a_stream_take_records(status: str, opens: bool) -> None:  # noqa: FBT001 - a column
    """A stream that is being made or deleted blocks the route, under a reason of its own."""
    route = standing()
    route.described(described(status=status), NOW)

    assert (None if opens else f"stream_{status.lower()}") == route.blocked


def test_a_stream_that_ignores_keys_blocks_only_routes_with_an_order() -> None:
    """The AUTO distribution breaks the order per key, which a route without order never promised."""
    ordered, unordered = standing(), standing(Ordering.NONE)
    for route in (ordered, unordered):
        route.described(described(honours_keys=False), NOW)

    assert (AUTO_DISTRIBUTION, None) == (ordered.blocked, unordered.blocked)


def test_no_missing_permission_opens_a_stream_that_is_known_to_ignore_keys() -> None:
    """When describing is forbidden later, what was seen of the distribution is not forgotten."""
    route = standing()
    route.described(described(honours_keys=False), NOW)
    route.undescribed(refused("AccessDeniedException"), Verdict.DENIED, NOW)

    assert "AccessDeniedException" == route.blocked


def test_a_stream_that_may_not_be_described_is_written_to_all_the_same() -> None:
    """Putting needs no DescribeStreamSummary: the defaults are assumed, and that is told once."""
    route = standing()
    facts = route.undescribed(refused("AccessDeniedException"), Verdict.DENIED, NOW)

    assert [StreamFactsAssumed("orders", "AccessDeniedException"), RouteOpened("orders", 0)] == facts
    assert (RECORD_BYTES_DEFAULT, True) == (route.record_bytes_max, route.knows_limits)
    route.block("ResourceNotFoundException", "no", NOW)
    again = route.undescribed(refused("AccessDeniedException"), Verdict.DENIED, NOW + SECOND)
    assert [RouteOpened("orders", SECOND)] == again


def test_a_lease_that_was_at_fault_blocks_nothing() -> None:
    """The stream is asked for again under the next lease; without a lease the fault is the route's."""
    route = standing()
    route.wants_description(NOW, nothing_to_send=False)

    assert [] == route.undescribed(refused("ExpiredTokenException"), Verdict.LEASE, NOW)
    assert RouteState.UNKNOWN is route.state
    assert route.wants_description(NOW, nothing_to_send=False)
    route.undescribed(refused("NoLease", lease=None), Verdict.LEASE, NOW)
    assert "NoLease" == route.blocked


def test_a_reason_is_told_once() -> None:
    """The same block again is no news, another reason is."""
    route = opened()

    assert [RouteBlocked("orders", "gone", "the stream is gone")] == route.block("gone", "the stream is gone", NOW)
    assert [] == route.block("gone", "the stream is gone", NOW + SECOND)
    assert [RouteBlocked("orders", "denied", "no")] == route.block("denied", "no", NOW + SECOND)


def test_only_probes_lengthen_the_backoff() -> None:
    """Answers of what was in flight when the route was blocked leave the next probe where it is."""
    route = opened()
    route.block("gone", "", NOW)
    first = route.probe_at
    for _ in range(10):
        route.block("gone", "", NOW)

    assert first == route.probe_at
    assert [False, True] == [route.probes(first - 1), route.probes(first)]
    route.block("gone", "", first)
    assert 2 * (first - NOW) == route.probe_at - first


def test_a_route_is_probed_at_least_once_a_minute() -> None:
    """However long it was blocked, the wait for the next probe has a ceiling."""
    route = Standing(route_rules(), most_jitter)
    now = NOW
    for _ in range(40):
        route.block("gone", "", now)
        wait, now = route.probe_at - now, route.probe_at

        assert 0 < wait <= BACKOFF_LAST_NS


def test_a_blocked_route_with_nothing_to_send_asks_for_its_stream() -> None:
    """It probes by the question, when the backoff has ended; with records to send, these are the probe."""
    route = opened()
    route.block("gone", "", NOW)

    assert not route.wants_description(route.probe_at - 1, nothing_to_send=True)
    assert not route.wants_description(route.probe_at, nothing_to_send=False)
    assert route.wants_description(route.probe_at, nothing_to_send=True)


def test_opening_tells_how_long_it_was_blocked_and_forgets_the_backoff() -> None:
    """The time counts from the first block, whatever its later reasons; the next block starts with a short wait."""
    route = opened()
    route.block("gone", "", NOW)
    first_wait = route.probe_at - NOW
    route.block("denied", "", route.probe_at)

    assert RouteOpened("orders", 90 * SECOND) == route.open(NOW + 90 * SECOND)
    assert (RouteState.OPEN, None) == (route.state, route.reason)
    later = NOW + 100 * SECOND
    route.block("gone", "", later)
    assert first_wait == route.probe_at - later


def test_another_reason_ends_the_search_for_poison() -> None:
    """A route goes on fetching for a control only while the reason is still the one that wants it."""
    route = opened()
    route.block("poison", "", NOW, seeks_control=True)
    route.block("poison", "", NOW)
    kept = route.seeks_control
    route.block("gone", "", NOW)

    assert (True, False) == (kept, route.seeks_control)


def test_a_search_for_a_control_is_news_though_the_reason_is_not() -> None:
    """A route that was blocked already goes on fetching from then on, and so it is told; once."""
    route = opened()
    route.block("poison", "", NOW)
    told = [route.block("poison", "seeks", NOW, seeks_control=True) for _ in range(2)]

    assert [[RouteBlocked("orders", "poison", "seeks")], []] == told


def test_a_lease_that_is_back_opens_what_only_it_had_stopped() -> None:
    """A described stream is open at once, one that is not is asked for at once, and an open route hears nothing."""
    known, unknown = opened(), standing()
    known.block("no_lease", "", NOW)
    unknown.block("no_lease", "", NOW)

    assert [RouteOpened("orders", SECOND)] == known.lease_is_back(NOW + SECOND)
    assert [] == known.lease_is_back(NOW + SECOND)
    assert [] == unknown.lease_is_back(NOW)
    assert RouteState.UNKNOWN is unknown.state
    assert unknown.wants_description(NOW, nothing_to_send=True)


@pytest.mark.parametrize(("shards", "told"), [(4, []), (5, [LanesBelowShards("orders", 4, 5)]), (None, [])])
def test_lanes_that_cannot_reach_every_shard_are_told(shards: int | None, told: list[Fact]) -> None:
    """Once, when the route opens; a stream whose shards are not known is given the benefit of the doubt."""
    made = Standing(route_rules(aggregation=AggregationRules(lanes=4)), no_jitter)
    assert [RouteOpened("orders", 0), *told] == made.described(described(open_shards=shards), 0)
    assert [] == made.described(described(open_shards=shards), 1)


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
    route.block("gone", "the stream is gone", NOW)
    at = route.probe_at

    assert (blocked is None) == (RouteOpened("orders", at - NOW) in route.refused(codes, at))
    assert (blocked, blocked is not None) == (route.blocked, route.probe_at > at)
