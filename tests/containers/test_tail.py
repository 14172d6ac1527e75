"""What the first records from a time on would become, on a real broker: a mock cluster knows no times."""

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
from tests.fake_aws import SOURCE_KEYS, FakeAws

SINCE = "2026-11-18T11:06:45Z"  # 5 s after T0


def test_the_first_from_a_time_on_are_shown(
    kafka_broker: KafkaBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By their times, of the partition that has them; what may be gone of the other is said, with exit code 1."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    topic = kafka_broker.create_topic(partitions=2)
    write(kafka_broker, topic, {0: [T0 + SECOND * number for number in range(20)]})
    file = tmp_path / "doka.yaml"
    with FakeAws() as aws:
        aws.create_stream("orders", shards=1)
        given = settings(kafka_broker.bootstrap_servers, aws.url, {topic: "orders"}, group_id=f"g-{topic}")
        file.write_text(yaml.safe_dump(given))
        arguments = ["tail", "--from", SINCE, "--limit", "3", "--payload", "--json", "--config", str(file)]
        code = main(arguments)
        told = json.loads(capsys.readouterr().out)
        delete_below(kafka_broker, TopicPartition(topic, 0), 7)
        code_then = main(arguments)
        told_then = json.loads(capsys.readouterr().out)
    assert (0, [5, 6, 7], []) == (code, [record["offset"] for record in told["records"]], told["notes"])
    assert [str(T0 + SECOND * number) for number in (5, 6, 7)] == [record["data"] for record in told["records"]]
    assert T0 + 5 * SECOND == told["records"][0]["timestamp_ms"]
    assert (1, [7, 8, 9]) == (code_then, [record["offset"] for record in told_then["records"]])
    assert [f"the log of {topic}[0] begins inside the window, at 7: older records may be gone"] == told_then["notes"]
