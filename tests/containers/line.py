"""One route: a topic on a real broker, a stream of the fake AWS, and a `doka run` that was not started yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.checking import Verdict, judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import Delay, FakeAwsProcess, consumed
from tests.waiting import eventually

PARTITIONS = 4
KEYS = Keys(25)  # of each partition, so 100 in all: few enough that no swap hides
AHEAD_RECORDS = 500
UNDER_FIRE = {"ahead_records": AHEAD_RECORDS, "commit_seconds": 0.2}
SOON_DEAD = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
"""The client's part of a member that the group gives up six seconds after its last word."""
SLOWLY = Delay(0.015, jitter=0.01)
SECONDS = 90.0


@dataclass(frozen=True)
class Line:
    """From one topic to one stream of the same name, by one consumer group of that name."""

    broker: KafkaBroker
    aws: FakeAwsProcess
    topic: str
    partitions: int
    feeder: Feeder
    given: Mapping[str, Any]

    def doka(self, folder: Path, name: str = "doka", options: Sequence[str] = ()) -> DokaProcess:
        """Give a member of the group that was not started yet."""
        return DokaProcess(self.given, folder, name, options)

    def landed(self) -> int:
        """Count the landings; of aggregates each is one."""
        return self.aws.landed_count(self.topic)

    def wait_for(self, records: int) -> None:
        """Wait until so many have landed."""
        eventually(lambda: records <= self.landed(), within=SECONDS, what=f"{records} landings")

    def committed(self) -> dict[tuple[str, int], int]:
        """Give the group's offsets."""
        return committed(self.broker.bootstrap_servers, self.topic, {self.topic: self.partitions})

    def ends(self) -> dict[tuple[str, int], int]:
        """Give the ends of the logs, which hold all that was produced."""
        ends = log_ends(self.broker.bootstrap_servers, {self.topic: self.partitions})
        assert len(self.feeder.production) == sum(ends.values())
        return ends

    def wait_until_all_is_committed(self) -> None:
        """Wait until the group has committed the ends of the logs."""
        ends = self.ends()
        eventually(lambda: ends == self.committed(), within=SECONDS, what="commits up to the log's end", every=0.2)

    def payloads(self) -> Iterable[bytes]:
        """Give what a consumer of the stream is handed, in order."""
        if not self.given["routes"][0].get("aggregation"):
            return self.aws.payloads(self.topic)
        return consumed(self.aws.landed(self.topic), self.aws.shard_ranges(self.topic))

    def verdict(self) -> Verdict:
        """Compare what was produced with what landed."""
        return judge(self.feeder.production, self.payloads())

    def assert_exactly_once(self) -> None:
        """Assert that each record landed once and in order, that the commits say so, and that AWS saw nothing wrong."""
        self.verdict().assert_kept(at_least=len(self.feeder.production))
        assert self.ends() == self.committed()
        assert [] == self.aws.violations()


def line(
    broker: KafkaBroker,
    aws: FakeAwsProcess,
    records: int,
    *,
    partitions: int = PARTITIONS,
    keys: Keys = KEYS,
    shards: int = 4,
    answers: Delay | None = SLOWLY,
    client: Mapping[str, Any] = SOON_DEAD,
    limits: Mapping[str, Any] = UNDER_FIRE,
    aggregated: bool = False,
) -> Line:
    """Make a line with so many records waiting; `client` and `limits` are settings, `keys` those of each partition."""
    topic = broker.create_topic(partitions)
    aws.create_stream(topic, shards=shards)
    if answers is not None:
        aws.inject(answers, times=None)
    feeder = Feeder(broker.bootstrap_servers, topic, partitions)
    feeder.feed(records, keys)
    routes = {topic: topic}
    given = settings(broker.bootstrap_servers, aws.url, routes, group_id=topic, kafka={"client": client}, limits=limits)
    if aggregated:
        given["routes"][0]["aggregation"] = {"enabled": True}
    return Line(broker, aws, topic, partitions, feeder, given)
