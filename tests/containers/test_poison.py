"""One record that can never land among a thousand good ones: a real broker, the real service, each kind of it.

Each kind has a topic, a stream and a route of its own; one process forwards them all, so that they may not disturb one
another either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message, Producer
from pybase64 import b64decode

from tests.checking import Stamp, decode, judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.dead_letters import Found, read_topic
from tests.fake_aws import Call, FakeAws, Refuse
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

PARTITIONS = 2
BEFORE = 200  # good records below the poison in its partition: its offset
GOOD = 1_000  # of each partition
KEYS = 20
AHEAD_RECORDS = 400
SECONDS = 60.0
STREAM_BYTES = 1024 * 1024
BAD = b"a record that the service does not take"
REFUSED = "InvalidArgumentException"
OWN_HEADERS: list[tuple[str, str | bytes | None]] = [("trace", b"1"), ("trace", None), ("doka-attempts", b"9")]
STAMPED_MS = 1_700_000_000_123
TOPIC = {"max.message.bytes": "4000000", "retention.ms": "-1"}  # that stamp is older than a broker keeps by default
SHARED_KEY = b"0-k0"  # good records have it as well: those behind the poison are of its lane


@dataclass(frozen=True)
class Kind:
    """One reason why a record can never land: the record, and the code by which it is told."""

    code: str
    key: bytes
    value: bytes = BAD

    def delays(self, offset: int) -> bool:
        """Say whether the record at this offset of partition 0 is the poison, or waits behind it in its lane."""
        return offset == BEFORE or (self.key == SHARED_KEY and offset > BEFORE and (offset - 1) % KEYS == 0)


KINDS: Mapping[str, Kind] = {
    "too large": Kind("RecordTooLarge", SHARED_KEY, b"x" * (STREAM_BYTES + 1)),
    "empty key": Kind("EmptyPartitionKey", b""),
    "257 characters": Kind("PartitionKeyTooLong", b"k" * 257),
    "refused by the service": Kind(REFUSED, SHARED_KEY),
}


@dataclass
class Case:
    """The topic (and stream) of one kind, with the poison at offset `BEFORE` of partition 0."""

    kind: Kind
    topic: str
    feeder: Feeder


@dataclass
class Scene:
    """The cases, what forwards them, and a topic for dead letters."""

    broker: KafkaBroker
    aws: FakeAws
    folder: Path
    letters: str
    cases: dict[str, Case] = field(default_factory=dict)
    runs: int = 0

    def add(self, name: str) -> None:
        """Write the records of a kind, before anybody reads: they come with one fetch."""
        kind, topic = KINDS[name], self.broker.create_topic(PARTITIONS, config=TOPIC)
        feeder = Feeder(self.broker.bootstrap_servers, topic, PARTITIONS)
        feeder.feed(BEFORE * PARTITIONS, Keys(KEYS))
        _produce(self.broker, topic, kind)
        feeder.feed((GOOD - BEFORE) * PARTITIONS, Keys(KEYS))
        self.cases[name] = Case(kind, topic, feeder)

    def doka(self, **others: Any) -> DokaProcess:
        """Make the next run of the same member of the group: after a kill it need not wait to be missed."""
        self.runs += 1
        given = settings(
            self.broker.bootstrap_servers,
            self.aws.url,
            {case.topic: case.topic for case in self.cases.values()},
            group_id=self.letters,
            kafka={"group_instance_id": "one", "client": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}},
            limits={"ahead_records": AHEAD_RECORDS},
            **others,
        )
        return DokaProcess(given, self.folder, f"doka-{self.runs}")

    def each(self, what: Callable[[Case], Any]) -> dict[str, Any]:
        """Give something of each case by the kind's name."""
        return {name: what(case) for name, case in self.cases.items()}

    def all_of(self, thing: object) -> dict[str, Any]:
        """Give the same for each case."""
        return dict.fromkeys(self.cases, thing)

    def committed(self) -> dict[str, tuple[int, int]]:
        """Give the committed offsets of both partitions of each case."""
        topics = {case.topic: PARTITIONS for case in self.cases.values()}
        found = committed(self.broker.bootstrap_servers, self.letters, topics)
        return self.each(lambda case: (found[case.topic, 0], found[case.topic, 1]))

    def landed(self, case: Case, partition: int) -> set[int]:
        """Give the offsets of what landed of a partition."""
        stamps = map(decode, self.aws.payloads(case.topic))
        return {_offset(stamp) for stamp in stamps if stamp.log.partition == partition}

    def letters_written(self) -> int:
        """Count the dead letters."""
        return log_ends(self.broker.bootstrap_servers, {self.letters: 1})[self.letters, 0]


@pytest.fixture
def scene(kafka_broker: KafkaBroker, fake_aws: FakeAws, tmp_path: Path) -> Scene:
    """Give a scene without cases, of whose service one record is refused, without a word about which one it is."""
    fake_aws.inject(Refuse(REFUSED, "1 validation error detected"), times=None, where=_holds_bad)
    return Scene(kafka_broker, fake_aws, tmp_path, kafka_broker.create_topic(config=TOPIC))


def _holds_bad(call: Call) -> bool:
    return any(b64decode(entry["Data"]) == BAD for entry in call.body.get("Records", ()))


def _produce(broker: KafkaBroker, topic: str, kind: Kind) -> None:
    errors: list[object] = []

    def delivered(error: object, _message: Message[Any, Any]) -> None:
        errors.append(error)

    # Compressed: what is too large for a record of Kinesis fits into Kafka.
    keys = {"message.max.bytes": 4_000_000, "compression.type": "lz4", "log_level": 0}
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, **keys})
    producer.produce(topic, kind.value, kind.key, 0, timestamp=STAMPED_MS, headers=OWN_HEADERS, on_delivery=delivered)
    assert 0 == producer.flush(SECONDS)
    assert [None] == errors


def _offset(stamp: Stamp) -> int:
    """Give the offset of a good record: keys come in turn, and one record of partition 0 is not good."""
    nth = stamp.sequence * KEYS + int(stamp.log.key.rpartition("k")[2])
    return nth + (stamp.log.partition == 0 and nth >= BEFORE)


def _wait(what: str, condition: Callable[[], object]) -> None:
    eventually(condition, within=SECONDS, what=what, every=0.1)


def _judge(scene: Scene, *, good: int, duplicates_max: int = 0) -> None:
    for case in scene.cases.values():
        landed = scene.aws.payloads(case.topic)
        judge(case.feeder.production, landed).assert_kept(at_least=good * PARTITIONS, duplicates_max=duplicates_max)
    assert [] == scene.aws.violations()


def _judge_letters(scene: Scene) -> None:
    """Each poison is one letter: the record as it was, its own headers first, then where it came from and why."""
    found = read_topic(scene.broker.bootstrap_servers, scene.letters, len(scene.cases))
    assert len(scene.cases) == len(found) == scene.letters_written()
    letters = {letter.ours["doka-source-topic"]: letter for letter in found}
    for case in scene.cases.values():
        _judge_letter(case, letters[case.topic])


def _judge_letter(case: Case, letter: Found) -> None:
    kind = case.kind
    assert (kind.key, kind.value, STAMPED_MS) == (letter.key, letter.value, letter.timestamp_ms)
    assert OWN_HEADERS == list(letter.headers[: len(OWN_HEADERS)])
    ours = letter.ours
    assert ours.pop("doka-failed-at").endswith("+00:00")
    attempts = int(ours.pop("doka-attempts"))
    assert attempts > 1 if kind.code == REFUSED else attempts == 0
    expected = {
        "doka-source-topic": case.topic,
        "doka-source-partition": "0",
        "doka-source-offset": f"{BEFORE}",
        "doka-source-timestamp": str(STAMPED_MS),
        "doka-error-code": kind.code,
        "doka-route": case.topic,
    }
    assert expected == ours


def test_poison_becomes_one_dead_letter_and_all_others_land(scene: Scene) -> None:
    """The thousand land once and in order, the one is a letter that says where it came from, and all is committed."""
    for name in KINDS:
        scene.add(name)
        scene.aws.create_stream(scene.cases[name].topic)
    with scene.doka(dead_letters={"topic": scene.letters}) as doka:
        count = scene.aws.landed_count
        _wait("all good records", lambda: all(count(c.topic) >= GOOD * PARTITIONS for c in scene.cases.values()))
        _wait("the letters", lambda: scene.letters_written() >= len(KINDS))
        doka.wait_until_ready()
        assert 0 == doka.stop()
        for case in scene.cases.values():
            assert doka.told("letter_stored", topic=case.topic, offset=BEFORE, code=case.kind.code)
    _judge(scene, good=GOOD)
    assert scene.all_of((GOOD + 1, GOOD)) == scene.committed()
    _judge_letters(scene)


def test_poison_that_blocks_stops_its_lane_and_then_its_partition_and_nothing_else(scene: Scene) -> None:
    """Other lanes go on to `ahead_records`, the other partition to its end; nothing is committed past the poison, ever.

    A kill and a restart change nothing of that, and once there is a dead-letter topic everything lands.
    """
    for name in KINDS:
        scene.add(name)
        scene.aws.create_stream(scene.cases[name].topic)
    for run in (1, 2):
        with scene.doka() as doka:
            for case in scene.cases.values():
                _is_stuck_loudly(doka, case)
            assert len(KINDS) == len(doka.readiness()[1])
            assert 0 == doka.metric("doka_ready")
            for case in scene.cases.values():  # what comes now finds the other partition open
                case.feeder.feed(PARTITIONS, Keys(KEYS))
            at = _until_the_others_are_committed(scene, GOOD + run)
            for name, case in scene.cases.items():
                _landed_but_for_the_lane(scene, case, at[name][0])
            doka.kill()
        assert at == scene.committed()
        assert max(poisoned for poisoned, _ in at.values()) <= BEFORE

    with scene.doka(dead_letters={"topic": scene.letters}) as doka:
        _wait("all commits", lambda: scene.all_of((GOOD + 3, GOOD + 2)) == scene.committed())
        doka.wait_until_ready()
        assert 0 == doka.stop()
    _judge(scene, good=GOOD + 2, duplicates_max=2 * AHEAD_RECORDS)
    _judge_letters(scene)


def _is_stuck_loudly(doka: DokaProcess, case: Case) -> None:
    """Wait until partition 0 stands still, and look for it everywhere where a person would."""
    code, one = case.kind.code, {"topic": case.topic, "partition": "0"}
    _wait("the log line", lambda: doka.told("partition_stuck", topic=case.topic, partition=0))
    assert doka.told("records_poisoned", topic=case.topic, partition=0, offset=BEFORE, code=code, policy="block")
    _wait("the pause", lambda: doka.metric("doka_partition_paused", **one) == 1)
    assert 1 == doka.metric("doka_partition_stuck", reason="poison", **one)
    assert 0 == doka.metric("doka_partition_stuck", topic=case.topic, partition="1", reason="none")
    assert 1 == doka.metric("doka_records_poisoned_total", route=case.topic, code=code, policy="block")
    (reason,) = [reason for reason in doka.readiness()[1] if f"{case.topic}[0]" in reason]
    assert f"offset {BEFORE} can never land ({code})" in reason
    assert reason.endswith("limits.ahead_records is reached")


def _until_the_others_are_committed(scene: Scene, end: int) -> dict[str, tuple[int, int]]:
    """Wait until partition 1 of each case is committed to its end, and give all committed offsets."""
    _wait("the others' commits", lambda: {end} == {other for _, other in scene.committed().values()})
    return scene.committed()


def _landed_but_for_the_lane(scene: Scene, case: Case, at: int) -> None:
    """All records up to `ahead_records` above what is committed landed, but for those of the poison's lane behind it."""
    landed = scene.landed(case, 0)
    assert {offset for offset in range(max(landed) + 1) if not case.kind.delays(offset)} == landed
    assert BEFORE + KEYS < AHEAD_RECORDS - KEYS <= max(landed) < at + AHEAD_RECORDS


def test_a_stream_that_is_wrong_makes_no_dead_letter(scene: Scene) -> None:
    """No such stream, or one that refuses everything: its route blocks with the reason, and nothing is lost of it.

    Nothing lands, nothing is dropped or committed; when it is right, all lands, and only the poison is a letter.
    """
    nowhere, refusing = "empty key", "refused by the service"
    for name in (nowhere, refusing):
        scene.add(name)
    scene.aws.create_stream(scene.cases[refusing].topic)
    all_puts = scene.aws.inject(Refuse(REFUSED), times=None, stream=scene.cases[refusing].topic)
    blocked = {scene.cases[nowhere].topic: "ResourceNotFoundException", scene.cases[refusing].topic: REFUSED}
    with scene.doka(dead_letters={"topic": scene.letters}) as doka:
        reasons = {f"route {route} is blocked: {code}" for route, code in blocked.items()}
        _wait("the reasons", lambda: reasons == set(doka.readiness()[1]))
        probes = [f"DescribeStreamSummary:{blocked[scene.cases[nowhere].topic]}", f"PutRecords:{REFUSED}"]
        before = [scene.aws.counts()[probe] for probe in probes]
        _wait("further probes", lambda: all(scene.aws.counts()[p] > b for p, b in zip(probes, before, strict=True)))
        for route, code in blocked.items():
            assert 1 == doka.metric("doka_route_blocked", route=route, reason=code)
            assert doka.told("route_blocked", route=route, reason=code)
        assert (0, 0) == (doka.metric("doka_records_poisoned_total"), scene.letters_written())
        assert 0 == scene.aws.landed_count(scene.cases[refusing].topic)
        assert max(max(pair) for pair in scene.committed().values()) <= 0

        scene.aws.create_stream(scene.cases[nowhere].topic)
        scene.aws.withdraw(all_puts)
        _wait("all commits", lambda: scene.all_of((GOOD + 1, GOOD)) == scene.committed())
        assert 0 == doka.stop()
    _judge(scene, good=GOOD)
    _judge_letters(scene)
