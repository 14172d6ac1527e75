"""`doka audit` between a real broker and a stand-in's stream: what is taken out, doubled and swapped there is named exactly.

`AUDIT_TEST_RECORDS=300000` takes ten times as many. The command line is the user's: a process for each.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition

from tests.containers.feeding import committed
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import SOURCE_KEYS, FakeAwsProcess
from tests.integration.kafka.group import produce
from tests.waiting import eventually
from tests.warm import DOKA, run_warm

pytest_plugins = ["tests.fake_aws.fixtures"]

RECORDS = int(os.environ.get("AUDIT_TEST_RECORDS", "30000"))
PARTITIONS, SHARDS, KEYS = 4, 4, 500
SECONDS = 300.0


@dataclass(frozen=True)
class Changes:
    """What is done to a stream: the positions that it then holds, and whose records that concerns."""

    positions: list[int]
    taken_out: set[bytes]
    doubled: set[bytes]
    overtaken: set[bytes]


def payloads(partition: int) -> list[bytes]:
    """Give the records of a partition: each says where it stands."""
    return [b"%d:%d" % (partition, offset) for offset in range(RECORDS // PARTITIONS)]


def changed(landed: Sequence[bytes]) -> Changes:
    """Choose records of a stream by chance: one of 300 is taken out, one of 600 doubled, one of 1,500 swapped with its key's next."""
    chance = random.Random(11)
    by_key: dict[bytes, list[int]] = {}
    for position, data in enumerate(landed):
        partition, offset = data.split(b":")
        by_key.setdefault(b"%b-%d" % (partition, int(offset) % KEYS), []).append(position)
    # Each chosen one is far from every other of its key: nothing that is done to one says anything about another.
    apart = [of_key[place : place + 2] for of_key in by_key.values() for place in range(0, len(of_key) - 1, 4)]
    chosen = chance.sample(apart, RECORDS // 300 + RECORDS // 600 + RECORDS // 1_500)
    out = {first for first, _ in chosen[: RECORDS // 300]}
    doubled = {first for first, _ in chosen[RECORDS // 300 : RECORDS // 300 + RECORDS // 600]}
    swaps = chosen[RECORDS // 300 + RECORDS // 600 :]
    order = list(range(len(landed)))
    for first, second in swaps:
        order[first], order[second] = second, first
    positions = [
        place for place in order if place not in out for place in ([place, place] if place in doubled else [place])
    ]
    return Changes(
        positions, *({landed[place] for place in places} for places in (out, doubled, {a for a, _ in swaps}))
    )


def typed(command: str, config: Path, *words: object) -> tuple[int, dict[str, Any]]:
    """Type a command; give its exit code, and what it told."""
    workload = {"AWS_ACCESS_KEY_ID": SOURCE_KEYS.access_key, "AWS_SECRET_ACCESS_KEY": SOURCE_KEYS.secret_key}
    done = run_warm(
        [DOKA, command, "--json", "--config", config, *map(str, words)],
        timeout=SECONDS,
        env=os.environ | workload | {"AWS_EC2_METADATA_DISABLED": "true"},
    )
    assert done.stdout, done.stderr.decode()
    return done.returncode, orjson.loads(done.stdout)


def named(places: Iterable[str], topic: str) -> set[bytes]:
    """Give the records that are named, as they are in the stream."""
    found: set[bytes] = set()
    for place in places:
        of_topic, partition, offsets = place.split(":")
        assert topic == of_topic
        first, _, last = offsets.partition("-")
        found |= {b"%b:%d" % (partition.encode(), offset) for offset in range(int(first), int(last or first) + 1)}
    return found


def test_exactly_what_was_changed_is_named_and_can_be_healed(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """Of what doka forwarded nothing is lost; then each record that is taken out, doubled or swapped is named, and no other.

    What is lost is sent again by the audit's file, and the next audit finds nothing lost.
    """
    topic = kafka_broker.create_topic(PARTITIONS)
    fake_aws_process.create_stream(topic, shards=SHARDS)
    for partition in range(PARTITIONS):
        keys = [b"%d-%d" % (partition, offset % KEYS) for offset in range(RECORDS // PARTITIONS)]
        produce(kafka_broker.bootstrap_servers, topic, {partition: list(zip(keys, payloads(partition), strict=True))})
    given = settings(kafka_broker.bootstrap_servers, fake_aws_process.url, {topic: topic}, group_id=topic)
    config = tmp_path / "doka.yaml"
    config.write_text(yaml.safe_dump(given), encoding="utf-8")
    ends = {(topic, partition): RECORDS // PARTITIONS for partition in range(PARTITIONS)}
    with DokaProcess(given, tmp_path) as doka:
        eventually(
            lambda: ends == committed(kafka_broker.bootstrap_servers, topic, {topic: PARTITIONS}),
            within=SECONDS,
            what="commits up to the ends",
            every=0.5,
        )
        assert 0 == doka.stop()

    code, told = typed("audit", config, "--since", "2h", "--file", tmp_path / "whole.duckdb")
    assert (0, True, RECORDS, RECORDS, 0) == (
        code,
        told["complete"],
        told["records"],
        told["in_stream"],
        told["lost"],
    ), told

    changes = changed(fake_aws_process.payloads(topic))
    fake_aws_process.rearrange(topic, changes.positions)
    code, told = typed("audit", config, "--since", "2h", "--file", tmp_path / "changed.duckdb")
    places = told.pop("places")
    assert (1, RECORDS // 300, RECORDS // 600, RECORDS // 1_500) == (
        code,
        told["lost"],
        told["repeated"],
        told["overtaken"],
    ), told
    assert (changes.taken_out, changes.doubled, changes.overtaken) == tuple(
        named(places[fate], topic) for fate in ("lost", "repeated", "overtaken")
    )
    assert 0 == told["foreign"] == told["not_judged"] == told["not_yet"]

    code, sent = typed("replay", config, "--audit", tmp_path / "changed.duckdb", "--yes")
    assert 0 == code, sent
    code, told = typed("audit", config, "--since", "2h", "--file", tmp_path / "healed.duckdb")
    assert (0, True, 0, RECORDS, RECORDS // 600) == (
        code,
        told["complete"],
        told["lost"],
        told["in_stream"],
        told["repeated"],
    ), told


def test_windows_join_until_what_was_lost_is_back(
    kafka_broker: KafkaBroker, fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """Each judges what came since the one before; a loss is named by each until `doka replay` has sent it by the same file."""
    topic, file = kafka_broker.create_topic(2), tmp_path / "orders.duckdb"
    fake_aws_process.create_stream(topic, shards=2)
    given = settings(kafka_broker.bootstrap_servers, fake_aws_process.url, {topic: topic}, group_id=topic)
    config = tmp_path / "doka.yaml"
    config.write_text(yaml.safe_dump(given), encoding="utf-8")

    def write(first: int, end: int) -> None:
        for partition in (0, 1):
            records = [(b"%d" % (n % 7), b"%d:%d" % (partition, n)) for n in range(first, end)]
            produce(kafka_broker.bootstrap_servers, topic, {partition: [(key, value) for key, value in records]})

    def window() -> tuple[int, int, int, int]:
        code, told = typed("audit", config, "--last", "1h", "--file", file)
        return code, told["records"], told["in_stream"], told["lost"]

    write(0, 300)
    with DokaProcess(given, tmp_path) as doka:
        ends = {(topic, 0): 300, (topic, 1): 300}
        eventually(
            lambda: ends == committed(kafka_broker.bootstrap_servers, topic, {topic: 2}),
            within=SECONDS,
            what="commits up to the ends",
            every=0.5,
        )
        assert 0 == doka.stop()
    assert (0, 600, 600, 0) == window()
    write(300, 310)
    commits = Consumer({"bootstrap.servers": kafka_broker.bootstrap_servers, "group.id": topic})
    commits.commit(
        offsets=[KafkaPartition(topic, 0, 305)], asynchronous=False
    )  # as one that swallows the errors of its puts
    commits.close()
    assert (1, 5, 0, 5) == window()
    assert (1, 5, 0, 5) == window()
    code, told = typed("replay", config, "--audit", file, "--yes")
    assert (0, 5) == (code, told["landed"])
    assert (0, 5, 5, 0) == window()
    assert (0, 0, 0, 0) == window()
