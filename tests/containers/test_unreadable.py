"""Batches that are stored and cannot be read, on a real broker: one with a flipped byte, one that unpacks to 130 MB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from tests.containers.feeding import committed
from tests.containers.kafka_broker import KafkaBroker, running_broker
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import FakeAwsProcess
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

LOGS = "/tmp/kafka-logs"  # noqa: S108 - inside the container
RECORDS = 10
ZEROS = 1_000_000
TOO_MANY_ZEROS = 130  # the client unpacks at most 100 MB
ONE_BATCH = {
    "linger.ms": 5_000,
    "compression.type": "zstd",
    "message.max.bytes": 1_000_000_000,
    "batch.size": 500_000_000,
    "queue.buffering.max.kbytes": 2_000_000,
    "log_level": 0,
}
SECONDS = 60.0


def produce_batch(broker: KafkaBroker, topic: str, values: list[bytes], partition: int = 0) -> None:
    """Write these values as one batch."""
    packed = ONE_BATCH if len(values) > RECORDS else ONE_BATCH | {"compression.type": "none"}
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, **packed})
    for value in values:
        producer.produce(topic, value, b"key", partition)
    assert 0 == producer.flush(SECONDS)


def flip_a_byte(broker: KafkaBroker, topic: str, of: str) -> None:
    """Change one byte of a value where it stands on the broker's disk."""
    log = f"{LOGS}/{topic}-0/00000000000000000000.log"
    script = f"dd of={log} bs=1 conv=notrunc seek=$(grep -abo -m1 {of} {log} | head -1 | cut -d: -f1)"
    ended, said = broker.container.exec(["sh", "-c", f"printf X | {script}"])
    assert 0 == ended, said


def test_a_batch_that_cannot_be_read_stops_its_partition_in_words_and_may_be_passed(
    fake_aws_process: FakeAwsProcess, tmp_path: Path
) -> None:
    """block: reason, topic, partition and offsets stand in /readyz, the metric and one line; continue: counted, passed."""
    with running_broker({"KAFKA_LOG_DIRS": LOGS}) as broker:
        torn, large = broker.create_topic(2), broker.create_topic(1)
        for topic in (torn, large):
            fake_aws_process.create_stream(topic)
        for number in range(4):
            produce_batch(broker, torn, [b"batch%d-%d" % (number, place) for place in range(RECORDS)])
        produce_batch(broker, torn, [b"well"] * RECORDS, partition=1)
        flip_a_byte(broker, torn, "batch2-5")
        produce_batch(broker, large, [b"before"] * RECORDS)
        produce_batch(broker, large, [bytes(ZEROS)] * TOO_MANY_ZEROS)
        produce_batch(broker, large, [b"behind"] * RECORDS)

        def doka(policy: str) -> DokaProcess:
            kafka: dict[str, Any] = {"on_unreadable": policy}
            routes = {torn: torn, large: large}
            given = settings(broker.bootstrap_servers, fake_aws_process.url, routes, group_id=torn, kafka=kafka)
            return DokaProcess(given, tmp_path, policy)

        with doka("block") as blocked:
            eventually(
                lambda: 2 == blocked.metric("doka_partition_stuck", reason="unreadable"),
                within=SECONDS,
                what="both partitions to wait",
                every=0.2,
            )
            of_torn, of_large = sorted(blocked.readiness()[1], key=lambda reason: "CRC" not in reason)
            assert of_torn.startswith(
                f"partition {torn}[0] waits: offsets 20 to 29 cannot be read: MessageSet at offset 20"
            )
            assert "failed CRC32C check" in of_torn
            assert of_torn.endswith("set kafka.on_unreadable: continue to step over what cannot be read")
            assert of_large.startswith(f"partition {large}[0] waits: offsets 10 to 139 cannot be read: Decompression")
            assert 1 == blocked.metric("doka_partition_stuck", topic=torn, partition="0", reason="unreadable")
            assert 0 == blocked.metric("doka_partition_stuck", topic=torn, partition="1")
            assert [2 * RECORDS + RECORDS, RECORDS] == [fake_aws_process.landed_count(t) for t in (torn, large)]
            assert 2 == len(blocked.lines("unreadable_seen"))
            assert blocked.told("unreadable_seen", topic=torn, partition=0, first=20, far=30, policy="block")
            warned = [line["message"] for line in blocked.lines() if line["level"] != "info"]
            assert 4 == len(warned), warned
            assert 2 == len([said for said in warned if said.startswith(f"{torn}")])
            assert [] == [said for said in warned if "failed CRC32C" not in said and "Decompression" not in said]
            assert 0 == blocked.stop()
        with doka("continue") as goes_on:
            ends = {(torn, 0): 4 * RECORDS, (torn, 1): RECORDS, (large, 0): 2 * RECORDS + TOO_MANY_ZEROS}
            eventually(
                lambda: ends == committed(broker.bootstrap_servers, torn, {torn: 2, large: 1}),
                within=SECONDS,
                what="commits up to the ends",
                every=0.2,
            )
            assert RECORDS == goes_on.metric("doka_unreadable_offsets_total", topic=torn, policy="continue")
            assert TOO_MANY_ZEROS == goes_on.metric("doka_unreadable_offsets_total", topic=large, policy="continue")
            assert (True, []) == goes_on.readiness()
            assert 0 == goes_on.stop()
        landed = fake_aws_process.payloads(torn)
        batches = [b"batch%d-%d" % (number, place) for number in (0, 1, 3) for place in range(RECORDS)]
        assert batches == [payload for payload in landed if payload != b"well"]
