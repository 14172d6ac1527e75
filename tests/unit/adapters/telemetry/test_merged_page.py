from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from doka.adapters.telemetry.merged_page import SupervisorMetrics, merged
from doka.adapters.telemetry.metrics import Metrics
from doka.domain.records import TopicPartition
from tests.unit.adapters.telemetry.given import FACTS, hand_clock, status

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(page: bytes) -> Samples:
    """Read a page with the library's own parser; a family or a sample that stands there twice is a failure."""
    found: Samples = {}
    names: set[str] = set()
    for family in text_string_to_metric_families(page.decode()):
        assert family.name not in names
        names.add(family.name)
        assert family.type != "unknown"
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def service(settled: int) -> Metrics:
    """Give the metrics of a worker that has something of everything to show."""
    clock = hand_clock()
    metrics = Metrics(clock, "1.2.3", ["orders"], ["analytics"])
    for fact in FACTS:
        metrics.count(fact)
    metrics.fetched(TopicPartition("orders", 3), settled, 100)
    metrics.publish(status(clock))
    metrics.turned(clock.now())
    return metrics


def test_every_sample_of_every_worker_is_there_under_its_label() -> None:
    """Nothing is lost, nothing added up, and each family has its two comments once."""
    pages = {"0": service(5).page()[0], "1": service(7).page()[0]}
    one = samples(merged(pages))
    expected: Samples = {}
    for worker, page in pages.items():
        for (name, labels), value in samples(page).items():
            expected[name, tuple(sorted((*labels, ("worker", worker))))] = value
    assert len(expected) > 100
    assert expected == one
    assert 5 == one["doka_records_fetched_total", (("topic", "orders"), ("worker", "0"))]
    assert 7 == one["doka_records_fetched_total", (("topic", "orders"), ("worker", "1"))]


def test_odd_label_values_change_nothing() -> None:
    """Braces, quotes, line breaks and comments inside a value are not taken for anything else."""
    page = b'# HELP x A {text}.\n# TYPE x gauge\nx{a="# HELP y {"} 1.0\nx{a="\\n\\"x"} 2.0\nx 3.0\n'
    assert {
        ("x", (("a", "# HELP y {"), ("worker", "0"))): 1.0,
        ("x", (("a", '\n"x'), ("worker", "0"))): 2.0,
        ("x", (("worker", "0"),)): 3.0,
    } == samples(merged({"0": page}))


@pytest.mark.parametrize("pages", [{}, {"0": b""}])
def test_no_pages_are_an_empty_page(pages: dict[str, bytes]) -> None:
    """A worker with nothing to show breaks nothing."""
    assert b"" == merged(pages)


def test_who_gives_no_page_is_shown_as_down() -> None:
    """The supervisor's page says who is up, how often each was started again, and what its own process uses."""
    metrics = SupervisorMetrics(3)
    metrics.restarted(1)
    metrics.line_dropped()
    page, content_type = metrics.page({0: service(1).page()[0], 2: service(2).page()[0]})
    found = samples(page)
    assert content_type.startswith("text/plain")
    assert [1.0, 0.0, 1.0] == [found["doka_worker_up", (("worker", str(number)),)] for number in range(3)]
    assert [0.0, 1.0, 0.0] == [found["doka_worker_restarts_total", (("worker", str(number)),)] for number in range(3)]
    dropped = {
        dict(labels)["worker"]: n for (name, labels), n in found.items() if name == "doka_log_lines_dropped_total"
    }
    assert {"0": 0.0, "2": 0.0, "supervisor": 1.0} == dropped
    assert {"0", "2", "supervisor"} == {
        dict(labels)["worker"] for name, labels in found if name == "doka_process_cpu_seconds_total"
    }
    assert not [name for name, _ in found if name.endswith("_created")]


def test_what_a_supervisor_alone_knows_is_there_to_be_sent() -> None:
    """Who is up as somebody says who knows, restarts by worker, and its own process without a label."""
    metrics = SupervisorMetrics(2)
    metrics.restarted(1)
    metrics.exports.begin("metrics")
    metrics.up = lambda: {1}
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in metrics.families()
        for sample in family.samples
    }
    of_workers = {key: value for key, value in found.items() if key[0].startswith("doka_worker_")}
    assert {
        ("doka_worker_up", (("worker", "0"),)): 0.0,
        ("doka_worker_up", (("worker", "1"),)): 1.0,
        ("doka_worker_restarts_total", (("worker", "0"),)): 0.0,
        ("doka_worker_restarts_total", (("worker", "1"),)): 1.0,
    } == of_workers
    assert 0.0 == found["doka_otlp_exports_total", (("outcome", "failed"), ("signal", "metrics"))]
    assert ("doka_process_cpu_seconds_total", ()) in found


def test_who_the_workers_are_changes_with_a_reload() -> None:
    """Who was replaced is on the page no more, and its restarts stay counted; who is only tried out is not awaited."""
    metrics = SupervisorMetrics(1)
    metrics.restarted(0)
    metrics.made_of({1})
    page = metrics.page({0: b"", 1: b""})[0]
    assert b'doka_worker_up{worker="1"} 1.0' in page
    assert b'doka_worker_up{worker="0"}' not in page
    assert b'doka_worker_restarts_total{worker="0"} 1.0' in page


def test_every_outcome_of_a_reload_is_there_before_the_first() -> None:
    """And a supervisor that watches nothing has none of it."""
    metrics = SupervisorMetrics(1)
    assert b"doka_config" not in metrics.page({})[0]
    shown = metrics.shows_configuration()
    shown.runs("abc", 17.0)
    page = metrics.page({})[0]
    for outcome in ("taken", "unchanged", "refused", "failed"):
        assert b'doka_config_reloads_total{outcome="%s"} 0.0' % outcome.encode() in page
    assert b"doka_config_last_reload_successful 1.0" in page
    assert b'doka_config_info{hash="abc"} 1.0' in page
    assert b"doka_config_loaded_timestamp_seconds 17.0" in page
    for outcome, successful in (("refused", 0), ("unchanged", 1), ("failed", 0), ("taken", 1)):
        shown.reloaded(outcome)
        assert b"doka_config_last_reload_successful %d.0" % successful in metrics.page({})[0]
