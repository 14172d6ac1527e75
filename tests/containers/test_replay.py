"""A replay by time from a real broker, with retention inside the window and aborted records in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from doka.app.cli.main import main
from doka.domain.records import TopicPartition
from tests.containers.feeding import committed
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import settings
from tests.containers.test_kafka_log import transact
from tests.containers.test_ranges import SECOND, T0, delete_below, write
from tests.fake_aws import SOURCE_KEYS, FakeAws

SINCE, UNTIL = "2026-11-18T11:06:45Z", "2026-11-18T11:06:55Z"  # 5 s and 15 s after T0


def test_a_window_is_sent_and_what_retention_took_of_it_is_feared(
    kafka_broker: KafkaBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exactly the window's records land, by their times; the group is not made by it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    topic = kafka_broker.create_topic(partitions=2)
    times = [T0 + SECOND * number for number in range(20)]
    write(kafka_broker, topic, {0: times, 1: times})
    delete_below(kafka_broker, TopicPartition(topic, 1), 12)
    with FakeAws() as aws:
        aws.create_stream("orders", shards=1)
        file = tmp_path / "doka.yaml"
        given = settings(kafka_broker.bootstrap_servers, aws.url, {topic: "orders"}, group_id=f"g-{topic}")
        file.write_text(yaml.safe_dump(given))
        code = main(["replay", "--since", SINCE, "--until", UNTIL, "--yes", "--json", "--config", str(file)])
        landed = sorted(map(int, aws.payloads("orders")))
    told = json.loads(capsys.readouterr().out)
    assert (0, 13, True) == (code, told["landed"], told["all_landed"])
    assert sorted([*times[5:15], *times[12:15]]) == landed
    assert [f"the log of {topic}[1] begins inside the window, at 12: older records may be gone"] == told["plan"][
        "missing"
    ]
    assert {-1001} == set(committed(kafka_broker.bootstrap_servers, f"g-{topic}", {topic: 2}).values())


def test_aborted_records_are_not_sent_and_the_end_is_reached(
    kafka_broker: KafkaBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Markers and aborted records settle as holes, also at the end of what is asked for."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    topic = kafka_broker.create_topic()
    transact(kafka_broker, topic, commits=2, aborts=1)
    with FakeAws() as aws:
        aws.create_stream("orders", shards=1)
        file = tmp_path / "doka.yaml"
        given = settings(kafka_broker.bootstrap_servers, aws.url, {topic: "orders"}, group_id=f"g-{topic}")
        file.write_text(yaml.safe_dump(given))
        code = main(["replay", "--offsets", f"{topic}:0:0-17", "--yes", "--json", "--config", str(file)])
        landed = aws.payloads("orders")
    assert (0, 10, []) == (code, len(landed), json.loads(capsys.readouterr().out)["left"])
    assert {b"committed"} == set(landed)
