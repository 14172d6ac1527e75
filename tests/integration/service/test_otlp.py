"""The real service and a collector: what arrives, also over a restart, and what happens while it is away."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.checking import judge
from tests.collector import Collector, Reply, Request, Series, collector, metrics_of, resource_of, series_of, traces_of
from tests.containers.feeding import Keys
from tests.integration.service.conftest import PARTITIONS, STREAM, MakeWorld
from tests.waiting import eventually

SECRET = "Bearer Jq3canaryXw9"
RECORDS = 400


def sent_to(far: Collector, **otlp: Any) -> dict[str, dict[str, Any]]:
    """Give the settings that send there each second, with a secret."""
    return {"otlp": {"endpoint": far.url, "interval_seconds": 1.0, "headers": {"Authorization": SECRET}, **otlp}}


def starts_of(request: Request) -> set[int]:
    """Give the start times of all that only grows."""
    metrics = metrics_of(request.data).resource_metrics[0].scope_metrics[0].metrics
    return {
        point.start_time_unix_nano
        for metric in metrics
        for point in (*metric.sum.data_points, *metric.histogram.data_points)
    }


def spans_of(far: Collector) -> list[Span]:
    """Give all spans that came."""
    return [
        span
        for request in far.taken("/v1/traces")
        for span in traces_of(request.data).resource_spans[0].scope_spans[0].spans
    ]


def of(series: Series, name: str) -> float:
    """Add up all series of a name."""
    return sum(value for (found, _labels), value in series.items() if found == name)


def test_a_collector_has_the_figures_of_the_page_and_spans_of_what_is_rare(make_world: MakeWorld) -> None:
    """Equal to /metrics while nothing moves, whole at the end, and anew from a later start after a restart."""
    with collector() as far:
        world = make_world(sent_to(far, traces={"enabled": True, "put_share": 1.0}, compression="gzip"))
        with world.doka as doka:
            world.feeder.feed(RECORDS, Keys(50, "k"))
            world.wait_for_all()

            def same() -> bool:
                sent = series_of(metrics_of(far.taken()[-1].data)) if far.taken() else {}
                names = {"doka_records_settled_total", "doka_put_duration_seconds_count", "doka_records_fetched_total"}
                shown = {name: doka.metric(name) for name in names}
                return (
                    shown == {name: of(sent, name) for name in names} and RECORDS == shown["doka_records_settled_total"]
                )

            eventually(same, what="what is sent to be what is shown", every=0.1)
            assert 0 == doka.stop()
            first = far.taken()
            last = series_of(metrics_of(first[-1].data))
            assert RECORDS == of(last, "doka_records_settled_total")
            assert 1 == last["doka_rebalances_total", (("change", "revoked"),)], "the last export is of the very end"
            doka.start()
            far.await_requests(len(first) + 1)
            assert 0 == doka.stop()
        again = far.taken()[len(first) :]
        assert 0 == of(series_of(metrics_of(again[-1].data)), "doka_records_settled_total")
        (began,), (anew,) = set.union(*map(starts_of, first)), set.union(*map(starts_of, again))
        assert began < anew
        (told,) = {tuple(sorted(resource_of(metrics_of(request.data)).items())) for request in far.taken()}
        assert {"service.name", "service.version", "service.instance.id"} == dict(told).keys()

        spans = spans_of(far)
        by_name = {name: [span for span in spans if span.name == name] for name in {span.name for span in spans}}
        assert {"put", "lease renewal", "rebalance", "drain", "stop"} <= by_name.keys()
        told_of_puts = [a.value.int_value for s in by_name["put"] for a in s.attributes if a.key == "doka.records"]
        assert RECORDS == sum(told_of_puts)
        assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in by_name["lease renewal"])
        drain = by_name["drain"][0]
        assert (drain.trace_id, drain.parent_span_id) in {(stop.trace_id, stop.span_id) for stop in by_name["stop"]}
        (partitions,) = [a.value.int_value for a in drain.attributes if a.key == "doka.partitions"]
        assert (2, PARTITIONS) == (len(by_name["stop"]), partitions)
        assert {SECRET} == {request.headers["authorization"] for request in far.requests}
    assert SECRET.split()[1] not in doka.said()


def test_a_collector_that_is_away_costs_figures_and_nothing_else(make_world: MakeWorld) -> None:
    """All lands, it is told once and counted, nothing tells the secret, and the stop is clean."""
    with collector() as far:
        far.otherwise = Reply(401, b'{"message":"no such token: %s"}' % SECRET.encode())
        world = make_world(sent_to(far) | {"log": {"level": "debug"}})
        with world.doka as doka:
            world.feeder.feed(RECORDS, Keys(50, "k"))
            world.wait_for_all()

            def failed() -> bool:
                return doka.metric("doka_otlp_exports_total", signal="metrics", outcome="failed") >= 2

            eventually(failed, what="two exports to fail", every=0.1)
            page = doka.page("/metrics")[1]
            assert doka.readiness()[0], "a collector is no reason not to be ready"
            assert 0 == doka.stop()
        told = [line["message"] for line in doka.lines("log") if line["logger"] == "doka.otlp"]
    assert [
        (
            "metrics could not be sent by OTLP: HTTP 401 (no such token: [hidden]); forwarding goes on, what became of later "
            "ones is in doka_otlp_exports_total"
        )
    ] == told
    assert SECRET.split()[1] not in doka.said() + page
    judge(world.feeder.production, world.aws.payloads(STREAM)).assert_kept(at_least=RECORDS)


@pytest.mark.parametrize("variables", [{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}])
def test_a_variable_that_cannot_be_obeyed_is_told_at_the_start(
    make_world: MakeWorld, variables: dict[str, str]
) -> None:
    """Nothing is sent, the log says why, and the service runs."""
    with collector() as far:
        world = make_world({})
        world.doka._environment.update(variables | {"OTEL_EXPORTER_OTLP_ENDPOINT": far.url})
        with world.doka as doka:
            doka.wait_until_ready()
            assert 0 == doka.stop()
        assert [] == far.requests
    assert [True] == [
        line["message"].startswith("OTEL_EXPORTER_OTLP_PROTOCOL is grpc, which doka does not speak")
        for line in doka.lines("log")
        if line["logger"] == "doka.settings"
    ]
