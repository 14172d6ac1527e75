"""The real service, stopped where a stop is awkward: on a mock cluster and a stand-in for AWS."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.containers.service import DokaProcess, settings
from tests.failure_modes import Sees
from tests.fake_aws import FakeAws
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures"]

TOPIC = STREAM = "orders"
OFFSET_FETCH = 9
GROUP_AUTHORIZATION_FAILED = 30
ONE_QUESTION_SECONDS = 5.0


@pytest.mark.failure_mode("SIGTERM in the middle of an assignment")
def test_a_stop_while_starts_are_asked_for_ends_well_and_in_time(sees: Sees, tmp_path: Path) -> None:
    """A group that does not tell its offsets is asked for 30 s; a SIGTERM in the middle waits for one question, not for all."""
    with KafkaCluster() as cluster, FakeAws() as aws:
        cluster.create_topic(TOPIC, 2)
        aws.create_stream(STREAM, shards=1)
        cluster.push_errors(OFFSET_FETCH, [GROUP_AUTHORIZATION_FAILED] * 10_000)
        given = settings(cluster.bootstrap_servers, aws.url, {TOPIC: STREAM}, group_id="doka")
        with DokaProcess(given, tmp_path) as doka:
            eventually(lambda: "asking again for the committed offsets" in doka.said(), what="a question that failed")
            began = time.monotonic()
            assert 0 == doka.stop()
            took = time.monotonic() - began
            sees(doka.look())
    assert doka.told("ended", code=0, reason="stopped by SIGTERM")
    assert took < ONE_QUESTION_SECONDS
