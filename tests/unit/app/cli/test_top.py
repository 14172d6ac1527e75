"""What `doka top` draws of an answer, and how fast a route is between two."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from doka.app.cli.top import _place, _rates, picture_of
from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_SECOND


def told(worker: int | None = None, **route: Any) -> dict[str, Any]:
    """Give an answer of one process with one route, changed as named."""
    calm = {
        "route": "orders", "stream": "orders", "blocked": None, "in_flight": 2, "waiting": 30, "filtered": None, "settled": 1_500, "failed": 0,
        "settled_bytes": 1, "partitions": 20, "stuck": 0, "lag": None, "lag_seconds": 90.0,
    }  # fmt: skip
    partitions = [
        {
            "topic": "orders", "partition": number, "route": "orders", "lag": number, "lag_seconds": float(number),
            "waiting_seconds": 0.0, "age_seconds": 0.0, "unsettled": 0, "ahead": 0, "paused": False,
            "stuck": "a gap" if number == 0 else None,
        }
        for number in range(20)
    ]  # fmt: skip
    process = {
        "worker": worker, "draining": False, "held_bytes": 0, "held_bytes_max": 64, "partitions_owned": 25,
        "uptime_seconds": 4_000.0, "rebalances": {"assigned": 2, "revoked": 1, "lost": 0},
        "leases": [{"role": "analytics", "state": "fresh", "seconds_left": None, "has_end": False, "wanted": False}],
        "routes": [calm | route], "partitions": partitions,
    }  # fmt: skip
    return {
        "format": 1, "version": "1.2.3", "group": "doka-orders", "ready": False, "reasons": ["partition orders[0] waits"],
        "reasons_at": ["docs/operating.md#when-a-route-is-blocked"], "reasons_count": 3, "runbook": None,
        "processes": [process],
    }  # fmt: skip


def drawn(answer: dict[str, Any], rates: dict[str, float]) -> str:
    """Give the picture as text."""
    out = io.StringIO()
    Console(file=out, width=160).print(picture_of(answer, rates))
    return out.getvalue()


def test_what_is_stuck_comes_first_and_the_rest_is_counted() -> None:
    """The partitions that wait are few enough for a screen; what is not known is a dash."""
    lines = drawn(told(), {"orders": 1234.5}).splitlines()
    named = [line.split()[0] for line in lines if line.startswith("orders[")]
    assert ["orders[0]", "orders[19]", "orders[18]"] == named[:3]
    assert "and 10 partitions that wait less" in lines
    (route,) = (line for line in lines if line.startswith("orders "))
    assert ["orders", "1,234", "1,500", "0", "30", "-", "90", "s", "may", "send"] == route.split()
    assert any(line.split() == ["analytics", "never", "fresh"] for line in lines)


def test_workers_are_told_apart() -> None:
    """Each row says whose it is."""
    shown = drawn(told(3, blocked="lease_ended"), {})
    assert "orders (worker 3)" in shown
    assert "worker 3: 25 partitions, 0 B of at most 64 B held" in shown
    assert "runs for 67 min, 3 rebalances" in shown
    assert "blocked: lease_ended" in shown


def test_of_many_routes_those_that_are_blocked_come_first() -> None:
    """Leases and partitions stay on the screen; few routes stay in the order of the configuration."""
    answer = told()
    calm = answer["processes"][0]["routes"][0]
    answer["processes"][0]["routes"] = [
        calm | {"route": f"r{number}", "lag_seconds": float(number), "blocked": "timeout" if number == 3 else None}
        for number in range(20)
    ]
    lines = drawn(answer, {}).splitlines()
    assert ["r3", "r19", "r18"] == [line.split()[0] for line in lines if line[:1] == "r" and line[1:2].isdigit()][:3]
    assert "and 5 routes that wait less" in lines


def test_reasons_lead_to_what_to_do_where_that_can_be_found() -> None:
    """Once for each place, by the address that the service was given; what is not shown is counted."""
    answer = told()
    assert "what to do" not in drawn(answer, {})
    assert "and 2 more, which /readyz has" in drawn(answer, {})
    answer |= {"runbook": "https://git.example/", "reasons": ["a waits", "b waits"], "reasons_at": ["docs/x.md#y"] * 2}
    assert 1 == drawn(answer, {}).count("what to do: https://git.example/docs/x.md#y")


def test_how_fast_a_route_is() -> None:
    """Between two looks only, and not across a start anew, which counts from 0."""
    assert {} == _rates(None, 5, {"orders": 10})
    assert {"orders": 50.0} == _rates((0, {"orders": 0, "other": 9}), 2 * NS_PER_SECOND, {"orders": 100, "other": 3})


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("127.0.0.1:9401", ("127.0.0.1", 9401)),
        ("doka.internal", ("doka.internal", 9400)),
        ("http://[::1]:9400/", ("::1", 9400)),
    ],
)
def test_an_address_may_be_short(address: str, place: tuple[str, int]) -> None:
    """A host is enough, and what a browser shows will do."""
    assert place == _place(address)


@pytest.mark.parametrize("address", ["", ":", "host:port", "host:99999", "https://host", "ftp://host"])
def test_what_is_no_address_is_said(address: str) -> None:
    """One line, which names the settings."""
    with pytest.raises(UsageError, match=r"http\.host and http\.port"):
        _place(address)
