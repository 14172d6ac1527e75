from __future__ import annotations

import orjson
import pytest

from doka.adapters.telemetry.health import STALLED_AFTER_NS, Health
from doka.domain.limits import NS_PER_SECOND
from doka.domain.status import LeaseStatus
from tests.manual_clock import ManualClock
from tests.unit.adapters.telemetry.given import hand_clock, partition_status, status


def health() -> tuple[Health, ManualClock]:
    """Give a health with one metrics page, and the clock that it goes by."""
    clock = hand_clock()
    return Health(clock, lambda: (b"doka_up 1\n", "text/plain; version=0.0.4")), clock


def asked(judge: Health, path: str) -> tuple[int, dict[str, object]]:
    """Give the status code and the JSON body of a page."""
    answer = judge.answer(path)
    assert answer is not None
    assert "application/json" == answer.content_type
    return answer.code, orjson.loads(answer.body)


def test_alive_while_the_loop_turns() -> None:
    """/healthz is true up to sixty seconds after the last turn, then false with the reason, and true again after one."""
    judge, clock = health()
    assert 60 * NS_PER_SECOND == STALLED_AFTER_NS
    judge.turned(clock.now())
    clock.pass_seconds(60)
    assert (200, {"healthy": True, "reasons": []}) == asked(judge, "/healthz")
    clock.pass_seconds(1)
    reason = "the loop has not turned for 61 s (limit 60 s)"
    assert (503, {"healthy": False, "reasons": [reason]}) == asked(judge, "/healthz")
    judge.turned(clock.now())
    assert 200 == asked(judge, "/healthz")[0]


def test_a_loop_that_never_turned_is_dead_after_a_minute() -> None:
    """The first turn has as long as any other, and no longer."""
    judge, clock = health()
    assert 200 == asked(judge, "/healthz")[0]
    clock.pass_seconds(61)
    assert 503 == asked(judge, "/healthz")[0]


def test_not_ready_before_the_first_status() -> None:
    """A process that has published nothing is not ready, and says that it is starting."""
    judge, _clock = health()
    assert (503, {"ready": False, "reasons": ["starting: no state was published yet"]}) == asked(judge, "/readyz")


def test_ready_when_nothing_stops_it() -> None:
    """A calm status is ready."""
    judge, clock = health()
    judge.publish(status(clock))
    assert (200, {"ready": True, "reasons": []}) == asked(judge, "/readyz")


def test_ready_is_the_statuss_own_judgement() -> None:
    """Every reason of the status is told, and a hung loop besides; liveness does not care for the former."""
    judge, clock = health()
    judge.publish(
        status(clock, blocked="clock_skew", halted="a rule is broken", partition=partition_status(stuck="a gap"))
    )
    reasons = [
        "halted: a rule is broken",
        "route orders is blocked: clock_skew",
        "partition orders[3] waits: a gap",
    ]
    assert (503, {"ready": False, "reasons": reasons}) == asked(judge, "/readyz")
    assert 200 == asked(judge, "/healthz")[0]
    clock.pass_seconds(100)
    stalled = "the loop has not turned for 100 s (limit 60 s)"
    assert (503, {"ready": False, "reasons": [stalled, *reasons]}) == asked(judge, "/readyz")


def test_what_a_probe_acts_on_is_never_of_a_second_ago() -> None:
    """Readiness and liveness are judged anew at each question; the sentences of one state are made once."""
    judge, clock = health()
    blocked = status(clock, blocked="clock_skew")
    judge.publish(blocked)
    first = judge.reasons()
    assert first is judge.reasons()
    judge.publish(status(clock))
    assert (200, {"ready": True, "reasons": []}) == asked(judge, "/readyz")
    judge.publish(blocked)
    assert 503 == asked(judge, "/readyz")[0]
    pages = [judge.answer(path) for path in ("/readyz", "/healthz")]
    assert [0, 0] == [page.fresh_ns for page in pages if page is not None]


def test_secrets_in_reasons_are_hidden() -> None:
    """A reason that carries a service's words passes redaction, as log lines do."""
    judge, clock = health()
    judge.publish(status(clock, halted="refused ASIAIOSFODNN7EXAMPLE"))
    assert ["halted: refused [hidden]"] == asked(judge, "/readyz")[1]["reasons"]


@pytest.mark.parametrize("state", ["refused", "absent", "expiring"])
def test_a_lease_alone_does_not_judge(state: str) -> None:
    """A role without a lease shows through its blocked routes, not by itself: renewal goes on in the background."""
    judge, clock = health()
    judge.publish(status(clock, lease=LeaseStatus("analytics", state, 1, None, has_end=True)))
    assert 200 == asked(judge, "/readyz")[0]


def test_the_metrics_page_and_unknown_paths() -> None:
    """/metrics is the page as rendered; what is not one of the three pages is nothing."""
    judge, clock = health()
    page = judge.answer("/metrics")
    assert page is not None
    assert (200, b"doka_up 1\n", "text/plain; version=0.0.4") == (page.code, page.body, page.content_type)
    assert NS_PER_SECOND == page.fresh_ns
    assert not page.outdated()
    judge.publish(status(clock))
    assert page.outdated(), "it would contradict what /readyz says of the new state"
    assert [None] * 4 == [judge.answer(path) for path in ("/", "/metrics/", "/readyz/..", "")]
