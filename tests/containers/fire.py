"""One route under fire: a topic on a real broker, a stream of the fake AWS, and a `doka run` that was not started yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.checking import Verdict, judge
from tests.containers.feeding import Feeder, Keys, committed, log_ends
from tests.containers.kafka_broker import KafkaBroker
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import Delay, FakeAwsProcess
from tests.waiting import eventually

PARTITIONS = 4
KEYS = Keys(25)  # of each partition, so 100 in all: few enough that no swap hides
AHEAD_RECORDS = 500
SECONDS = 60.0


@dataclass(frozen=True)
class Line:
    """From one topic to one stream; puts take 15 to 25 ms."""

    broker: KafkaBroker
    aws: FakeAwsProcess
    topic: str
    feeder: Feeder
    given: dict[str, Any]

    def doka(self, folder: Path, name: str = "doka") -> DokaProcess:
        """Give a member of the group that was not started yet."""
        return DokaProcess(self.given, folder, name)

    def landed(self) -> int:
        """Count the landings."""
        return self.aws.landed_count(self.topic)

    def wait_for(self, records: int) -> None:
        """Wait until so many have landed."""
        eventually(lambda: records <= self.landed(), within=SECONDS, what=f"{records} landings")

    def wait_for_more(self, records: int = 200) -> None:
        """Wait until so many more have landed."""
        self.wait_for(self.landed() + records)

    def wait_until_all_is_committed(self) -> None:
        """Wait until the group has committed the ends of the logs."""
        servers, topics = self.broker.bootstrap_servers, {self.topic: PARTITIONS}
        ends = log_ends(servers, topics)
        assert len(self.feeder.production) == sum(ends.values())
        eventually(
            lambda: ends == committed(servers, self.topic, topics),
            within=SECONDS,
            what="commits up to the log's end",
            every=0.2,
        )

    def verdict(self) -> Verdict:
        """Compare what was produced with what landed."""
        return judge(self.feeder.production, self.aws.payloads(self.topic))


def line(broker: KafkaBroker, aws: FakeAwsProcess, records: int, *, client: dict[str, Any] | None = None) -> Line:
    """Make a line with so many records waiting; `client` holds further keys of the Kafka client."""
    topic = broker.create_topic(PARTITIONS)
    aws.create_stream(topic, shards=4)
    aws.inject(Delay(0.015, jitter=0.01), times=None)
    feeder = Feeder(broker.bootstrap_servers, topic, PARTITIONS)
    feeder.feed(records, KEYS)
    given = settings(
        broker.bootstrap_servers,
        aws.url,
        {topic: topic},
        group_id=topic,
        kafka={"client": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500, **(client or {})}},
        limits={"ahead_records": AHEAD_RECORDS, "commit_seconds": 0.2},
    )
    return Line(broker, aws, topic, feeder, given)
