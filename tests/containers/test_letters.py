"""Letters that the real service made, brought back: a real broker, the fake AWS, a kill in the middle, two resends at once."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer

from doka.app.letters.plan import AHEAD_RECORDS
from tests.containers.feeding import committed
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import SOURCE_KEYS, FakeAws
from tests.waiting import eventually
from tests.warm import DOKA, WarmProcess

pytest_plugins = ["tests.fake_aws.fixtures"]

PARTITIONS, LETTERS, KEYS, STAMPED_MS = 3, 900, 30, 1_785_000_000_000
SECONDS = 90.0
Record = tuple[int, int]
"""A record of the topic: partition and offset."""


@dataclass(frozen=True)
class Scene:
    """A topic, one of letters, a stream, and who forwards."""

    broker: KafkaBroker
    aws: FakeAws
    folder: Path
    topic: str
    letters: str

    def settings(self, **route: Any) -> dict[str, Any]:
        """Give the configuration, with more for its route."""
        given = settings(
            self.broker.bootstrap_servers,
            self.aws.url,
            {self.topic: "orders"},
            group_id=f"g-{self.topic}",
            kafka={"client": {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 500}},
            dead_letters={"topic": self.letters},
            limits={"max_poison_per_minute": 10_000},
        )
        given["routes"][0] |= {"envelope": "json", **route}
        return given

    def feed(self) -> None:
        """Write tombstones: with keys, a time each, in partitions by their keys."""
        producer = Producer(
            {"bootstrap.servers": self.broker.bootstrap_servers, "enable.idempotence": True, "log_level": 0}
        )
        for number in range(LETTERS):
            key = number % KEYS
            producer.produce(
                self.topic,
                None,
                b"k%d" % key,
                key % PARTITIONS,
                timestamp=STAMPED_MS + number // KEYS,
                headers=[("n", b"1")],
            )
        assert 0 == producer.flush(SECONDS)

    def resend(self, file: Path, rate: int) -> subprocess.Popen[str]:
        """Start a resend in a process of its own."""
        words = ["letters", "resend", "--rate", str(rate), "--yes", "--receipts", str(self.folder / "sent.jsonl")]
        return WarmProcess(
            [DOKA, *words, "--config", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def landed(self) -> list[dict[str, Any]]:
        """Give what has landed, in its order."""
        return [json.loads(data) for data in self.aws.payloads("orders")]

    def has_landed(self, records: int) -> bool:
        """Say whether at least so many have landed."""
        return self.aws.landed_count("orders") >= records


@pytest.fixture
def scene(kafka_broker: KafkaBroker, fake_aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Give letters of a route that rejected tombstones, in a topic that stamps times of its own, as is recommended."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    fake_aws.create_stream("orders", shards=2)
    letters = kafka_broker.create_topic(2, config={"message.timestamp.type": "LogAppendTime", "retention.ms": "-1"})
    scene = Scene(kafka_broker, fake_aws, tmp_path, kafka_broker.create_topic(PARTITIONS), letters)
    scene.feed()
    with DokaProcess(scene.settings(null_value="reject"), tmp_path) as doka:
        group, ends = f"g-{scene.topic}", LETTERS // PARTITIONS

        def all_committed() -> bool:
            found = committed(kafka_broker.bootstrap_servers, group, {scene.topic: PARTITIONS})
            return set(found.values()) == {ends}

        eventually(all_committed, within=SECONDS, what="letters of all records", every=0.5)
        assert 0 == doka.stop()
    assert 0 == fake_aws.landed_count("orders")
    return scene


def of(envelope: dict[str, Any]) -> Record:
    """Name the record that an envelope is of."""
    return envelope["partition"], envelope["offset"]


def test_letters_come_back_whole_through_a_kill_and_by_two_at_once(scene: Scene) -> None:
    """Each as the record that it is; none is lost, each key in order, twice only what a kill left uncommitted, and a receipt each."""
    file = scene.folder / "mended.yaml"
    file.write_text(yaml.safe_dump(scene.settings(null_value="empty")))
    killed = scene.resend(file, 150)
    eventually(partial(scene.has_landed, 200), within=SECONDS, what="the first letters", every=0.02)
    killed.kill()
    killed.communicate(timeout=SECONDS)
    before = Counter(map(of, scene.landed()))
    assert {1} == set(before.values())

    both = [scene.resend(file, 60) for _ in range(2)]
    said = [process.communicate(timeout=2 * SECONDS) for process in both]
    assert 0 in [process.returncode for process in both], said

    landed = scene.landed()
    counts = Counter(map(of, landed))
    assert {(p, offset) for p in range(PARTITIONS) for offset in range(LETTERS // PARTITIONS)} == counts.keys()
    twice = {record for record, count in counts.items() if count > 1}
    assert (True, True) == (twice <= before.keys(), len(twice) <= 2 * AHEAD_RECORDS)
    assert {1, 2} >= set(counts.values())
    assert_whole_and_in_order(scene, landed)
    receipts = [json.loads(line) for line in (scene.folder / "sent.jsonl").read_text().splitlines()]
    assert counts.keys() == {(each["source"]["partition"], each["source"]["offset"]) for each in receipts}
    last = scene.resend(file, 60)
    out, _ = last.communicate(timeout=SECONDS)
    assert (0, len(landed)) == (last.returncode, scene.aws.landed_count("orders"))
    assert "Nothing is to be sent: no letter of that kind is left.\n" in out


def assert_whole_and_in_order(scene: Scene, landed: list[dict[str, Any]]) -> None:
    """Each envelope says what its record was, and first landings of a key are in their order."""
    firsts: dict[str, list[int]] = {}
    for each in landed:
        number = int(each["key"][1:])
        per_partition = KEYS // PARTITIONS
        assert (scene.topic, number % PARTITIONS, [["n", "1"]], None) == (
            each["topic"],
            each["partition"],
            each["headers"],
            each["value"],
        )
        assert STAMPED_MS + each["offset"] // per_partition == each["timestamp"]
        of_key = firsts.setdefault(each["key"], [])
        if each["offset"] not in of_key:
            of_key.append(each["offset"])
    assert all(offsets == sorted(offsets) for offsets in firsts.values())
