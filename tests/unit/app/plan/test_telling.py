"""A plan as data: the same names in each, and null for what is not known."""

from __future__ import annotations

import json

from doka.app.plan.telling import data_of
from tests.unit.app.plan.played import figures_of, records
from tests.unit.app.plan.test_planning import BOTH, FEW, planned


def test_it_is_whole_and_plain() -> None:
    """It has a version, each route has each way, and JSON can carry it."""
    data = json.loads(json.dumps(data_of(planned(BOTH, figures_of(FEW)), BOTH.routes)))
    assert (1, True, None, []) == (data["version"], data["told"], data["settings"], data["notes"])
    assert {"since": "1970-01-01T00:00:00.000000Z", "until": "1970-01-01T00:00:01.000000Z"}.items() <= data[
        "window"
    ].items()
    (route,) = data["routes"]
    assert ("orders", "eu-west-1", "key", "key") == (route["route"], route["region"], route["now"], route["chosen"])
    assert ["key", "key_in_request", "none", "aggregated"] == list(route["ways"])
    assert {"mean": 2.0, "p50": 2.0, "p95": 2.0, "max": 2.0} == route["records_per_second"]
    assert {
        "seen": 2,
        "counted": True,
        "drawn_share": 0.0,
        "hottest_share": 0.5,
        "hottest_share_at_most": 0.5,
    } == route["keys"]
    assert {
        "records_per_second": 2.0,
        "bytes_per_second": 202.0,
        "billed_kib_per_second": 2.0,
        "payload_units_per_second": 2.0,
        "shards": 1,
        "lanes": None,
    }.items() <= route["ways"]["key"].items()
    assert {"provisioned": 11.02, "on_demand": 29.6} == route["ways"]["key"]["month"]
    assert (64, 11.02) == (route["ways"]["aggregated"]["lanes"], data["month"]["now"])


def test_what_is_not_known_is_null() -> None:
    """No percentile by time, no shards, no price, no latency of a key that falls behind."""
    found = figures_of([records(["a"] * 1_500, at_ms=99_000)])
    data = data_of(planned(BOTH, found, aggregates=False), BOTH.routes)
    (route,) = data["routes"]
    assert {"mean": 1_500.0, "p50": None, "p95": None, "max": None} == route["records_per_second"]
    key = route["ways"]["key"]
    assert (None, {"provisioned": None, "on_demand": None}) == (key["shards"], key["month"])
    assert (None, False) == (key["hottest_key"]["latency_ms"], key["hottest_key"]["holds"])
    assert {"now": None, "chosen": None} == data["month"]
