"""Behind a box that repeats, holds back and drops answers, the whole service loses nothing and commits no lie."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.checking import judge
from tests.containers.feeding import Feeder, Keys
from tests.containers.service import DokaProcess, settings
from tests.fake_aws import FailEntries, FakeAws
from tests.integration.service.conftest import GROUP, PARTITIONS, STREAM, TOPIC, World
from tests.middle_box import MiddleBox, Mischief

RECORDS = 2_000


@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_lost_behind_a_box_that_mixes_answers_up(seed: int, tmp_path: Path) -> None:
    """All records have landed when Kafka holds the ends of the log, however often an answer came again."""
    mischief = Mischief((0.2, 1.0, 0.1, 0.5)[seed % 4], hold=0.1, drop_request=0.02, drop_answer=0.01)
    with ExitStack() as stack:
        cluster = stack.enter_context(KafkaCluster())
        aws = stack.enter_context(FakeAws(seed=seed))
        box = stack.enter_context(MiddleBox(aws.url, mischief, seed))
        cluster.create_topic(TOPIC, PARTITIONS)
        aws.create_stream(STREAM, shards=2)
        aws.inject(FailEntries(fraction=0.1), times=None, fraction=0.5)
        given = settings(
            cluster.bootstrap_servers,
            aws.url,
            {TOPIC: STREAM},
            group_id=GROUP,
            aws={"endpoint_urls": {"kinesis": box.url, "sts": aws.url}},
            limits={"request_records": 20, "request_timeout_seconds": 1, "requests_in_flight": 4},
        )
        doka = DokaProcess(given, tmp_path)
        world = World(cluster, aws, Feeder(cluster.bootstrap_servers, TOPIC, PARTITIONS), doka)
        with doka:
            world.feeder.feed(RECORDS, Keys(50))
            world.wait_for_all(60)
            assert 0 == doka.stop()
        verdict = judge(world.feeder.production, aws.payloads(STREAM))
        verdict.assert_kept(at_least=RECORDS, duplicates_max=RECORDS)
        assert [] == aws.violations()
        assert box.did["repeat"], "the box did nothing: this proves nothing"
