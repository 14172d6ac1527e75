"""What came in a window of time, on a real broker: a mock cluster knows no times."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from doka.app.cli.main import main
from doka.domain.records import TopicPartition
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import settings
from tests.containers.test_ranges import SECOND, T0, delete_below, write

ARGUMENTS = ("plan", "--since", "2026-11-18T11:06:45Z", "--until", "2026-11-18T11:06:55Z", "--json")
"""Ten seconds, from 5 s after T0 on."""


def test_a_window_is_planned_by_the_records_times(
    kafka_broker: KafkaBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What came before and behind it counts not; the group has committed nothing; what may be gone is said, with code 1."""
    topic = kafka_broker.create_topic(partitions=2)
    write(kafka_broker, topic, {0: [T0 + SECOND * number for number in range(20)], 1: [T0 + 7 * SECOND] * 3})
    file = tmp_path / "doka.yaml"
    given = settings(kafka_broker.bootstrap_servers, "http://127.0.0.1:1", {topic: "orders"}, group_id=f"g-{topic}")
    file.write_text(yaml.safe_dump(given))
    code = main([*ARGUMENTS, "--config", str(file)])
    told = json.loads(capsys.readouterr().out)
    (route,) = told["routes"]
    assert (0, 13, []) == (code, route["records"], told["notes"])
    assert {"mean": 1.3, "p50": 1.0, "p95": 4.0, "max": 4.0} == route["records_per_second"]
    delete_below(kafka_broker, TopicPartition(topic, 0), 7)
    code = main([*ARGUMENTS, "--config", str(file)])
    told = json.loads(capsys.readouterr().out)
    assert (1, 11) == (code, told["routes"][0]["records"])
    assert [f"the log of {topic}[0] begins inside the window, at 7: older records may be gone"] == told["notes"]
    assert 1 == main(["lag", "--config", str(file), "--json"])
    assert json.loads(capsys.readouterr().out)["committed_anything"] is False
