"""`doka plan` as a user types it, against a Kafka mock cluster; it asks no AWS, so there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
import yaml

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import range_source
from doka.adapters.kafka.log_ranges import LogRange, LogRanges
from doka.app import reading
from doka.app.cli.main import main
from doka.app.config_options import ConfigOptions
from doka.app.settings.load import read_configuration
from doka.domain.limits import NS_PER_SECOND
from tests.integration.kafka.group import produce

CONFIGURATION = """\
kafka:
  bootstrap_servers: ["{servers}"]
  group_id: doka-plan
  security: {{protocol: plaintext, allow_plaintext: true}}
aws: {{region: us-east-1}}
routes:
  - topics: [orders]
    stream: {{name: orders}}
  - topics: [idle]
    stream: {{name: idle}}
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaCluster]:
    """Give a cluster with a topic of two partitions, in which 300 small records of 30 keys stand, and an empty one."""
    monkeypatch.setattr(range_source, "topic_ids", lambda *_arguments: {})
    monkeypatch.setenv("COLUMNS", "100")
    with KafkaCluster() as cluster:
        cluster.create_topic("orders", 2)
        cluster.create_topic("idle", 1)
        produce(
            cluster, "orders", {p: [(b"k%d" % (2 * n % 30 + p), b"secret-%d" % n) for n in range(150)] for p in (0, 1)}
        )
        yield cluster


@pytest.fixture
def file(kafka: KafkaCluster, tmp_path: Path) -> Path:
    """Give a configuration of two routes."""
    path = tmp_path / "doka.yaml"
    path.write_text(CONFIGURATION.format(servers=kafka.bootstrap_servers))
    return path


@pytest.fixture
def run(file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command; give its exit code, and what it said. A mock cluster knows no times: a window is all there is."""

    def whole(ranges: LogRanges, topics: frozenset[str], _since: int, _until: int | None) -> tuple[LogRange, ...]:
        return ranges.whole(topics)

    monkeypatch.setattr(LogRanges, "of_window", whole)

    def ran(*arguments: str) -> tuple[int, str, str]:
        code = main(["plan", *arguments, "--config", str(file)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return ran


def test_a_person_reads_what_came_what_it_costs_and_what_to_set(run: Run) -> None:
    """All routes, the empty one too; nothing that records hold."""
    code, out, err = run("--last", "1m")
    assert (0, "") == (code, err)
    assert "orders -> orders (route orders)\n300 records in 60 s, from " in out
    assert "30 keys, each counted; the most frequent has 3.3% of the records.\n" in out
    assert "Choice: ordering: key, without aggregation, as it is.\n" in out
    assert "No record of route idle came in that time. A longer one: --last 1d\n" in out
    assert "The configuration has it so already.\n" in out
    assert "secret" not in out


def test_what_it_says_to_paste_is_loaded(run: Run, file: Path, tmp_path: Path) -> None:
    """The section replaces that of the configuration, and the plan of that is the same."""
    cheap = tmp_path / "prices.yaml"
    cheap.write_text(
        'version: 1\nregion: us-east-1\ncurrency: USD\nas_of: "2026"\nsource: a test\n'
        "provisioned: {shard_hour: 0.0, million_payload_units: 1000.0}\n"
    )
    arguments = ("--last", "10s", "--prices", str(cheap))
    told = json.loads(run(*arguments, "--json")[1])
    assert ("key", "aggregated") == (told["routes"][0]["now"], told["routes"][0]["chosen"])
    out = run(*arguments)[1]
    section = out[out.index("routes:\n") : out.index("* as configured")]
    given = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(given | yaml.safe_load(section)))
    assert read_configuration(ConfigOptions(config=file)).routes[0].aggregation.enabled
    assert "aggregated *" in run(*arguments)[1]


def test_a_machine_gets_json(run: Run) -> None:
    """With a version; only the route that was asked for."""
    code, out, err = run("--route", "orders", "--round-trip-ms", "30", "--json")
    told = json.loads(out)
    assert (0, "", 1, True, 30.0) == (code, err, told["version"], told["told"], told["round_trip_ms"])
    assert (["orders"], [], 600.0) == (
        [route["route"] for route in told["routes"]],
        told["empty"],
        told["window"]["seconds"],
    )
    assert (300, 30) == (told["routes"][0]["records"], told["routes"][0]["keys"]["seen"])


def test_routes_of_one_topic_share_its_reading(file: Path, run: Run) -> None:
    """Each is told with all of the records; they were read once."""
    file.write_text(file.read_text() + "  - topics: [orders]\n    stream: {name: archive}\n")
    code, out, _ = run("--last", "1m", "--json")
    told = json.loads(out)
    records = {route["route"]: route["records"] for route in told["routes"]}
    assert (records["orders"], records["archive"]) == (300, 300), (code, records)


def test_it_watches_what_comes_from_now_on(kafka: KafkaCluster, run: Run) -> None:
    """Records that were there before are none of it; what came meanwhile is, by its own times."""
    over = Event()

    def write() -> None:
        while not over.is_set():
            produce(kafka, "orders", {0: [(b"fresh", b"x" * 50)] * 10})
            over.wait(0.1)

    writer = Thread(target=write)
    writer.start()
    try:
        code, out, err = run("--seconds", "3", "--json")
    finally:
        over.set()
        writer.join()
    told = json.loads(out)
    (route,) = told["routes"]
    assert (0, "doka: watching for 3 s\n", ["idle"], True) == (code, err, told["empty"], route["by_time"])
    assert 3.0 <= told["window"]["seconds"] < 30
    assert (1, 55.0) == (route["keys"]["seen"], route["record_bytes"]["max"])
    assert 0 < route["records"] == round(route["records_per_second"]["mean"] * told["window"]["seconds"])


def test_where_nothing_came_at_all_the_code_says_so(run: Run) -> None:
    """There is nothing to plan by."""
    code, out, _ = run("--route", "idle")
    assert code == 1
    assert out.startswith("No record of route idle came in that time.")


def test_where_nothing_comes_any_more_it_ends(kafka: KafkaCluster, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sentence and exit code 1; for a machine as JSON."""
    monkeypatch.setattr(reading, "QUIET_NS", NS_PER_SECOND)
    kafka.push_errors(1, [6] * 10_000)  # each fetch: not the leader
    assert (1, "", "doka: nothing can be planned: Kafka gave nothing for 1 s; try: doka check\n") == run()
    code, out, _ = run("--json")
    assert (1, {"version": 1, "told": False, "why": "Kafka gave nothing for 1 s; try: doka check"}) == (
        code,
        json.loads(out),
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--route", "order"), "doka: --route 'order' is none of the routes, which are orders, idle\n"),
        (("--last", "x"), "doka: --last 'x' is no span of time; say it like 1h, or 30m\n"),
        (("--since", "2h", "--last", "1h"), "doka: --since and --last exclude each other; keep one\n"),
        (("--seconds", "5", "--last", "1h"), "doka: --last and --seconds exclude each other; keep one\n"),
        (("--until", "1h"), "doka: --until needs --since: from when on\n"),
        (("--since", "1h", "--until", "2h"), "doka: --until is not behind --since: nothing lies between them\n"),
        (("--prices", "/nowhere.yaml"), "doka: /nowhere.yaml: there is no such file; check the path\n"),
    ],
)
def test_words_that_are_wrong_are_one_line(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    """Exit code 2, and the cure."""
    assert (2, "", sentence) == run(*arguments)
