"""What judges a changed configuration: a real process, between a mock cluster and a stand-in for AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.app.config_options import ConfigOptions
from doka.app.settings.load import settings_from
from doka.app.workers.trial import Brief, Judged, Trial
from tests.containers.service import settings
from tests.fake_aws import SOURCE_KEYS, FakeAws
from tests.waiting import eventually

pytestmark = pytest.mark.slow
PRINTS = "print('not a word of the answer')\nfrom doka.transform import transform\n@transform\ndef same(batch):\n    return batch\n"


class World:
    """A topic, a stream, and what runs: a route between them, and one whose topic is not there."""

    def __init__(self, cluster: KafkaCluster, aws: FakeAws, folder: Path) -> None:
        self.aws, self.file = aws, folder / "doka.yaml"
        self.running = settings(
            cluster.bootstrap_servers, aws.url, {"orders": "orders", "late": "orders"}, group_id="doka-trial"
        )
        for route, name in zip(self.running["routes"], ("orders", "late"), strict=True):
            route["name"] = name

    def judge(self, given: Mapping[str, Any]) -> Judged:
        """Give what comes of it."""
        self.file.write_text(yaml.safe_dump(dict(given)))
        trial = Trial(Brief(ConfigOptions(self.file), settings_from(self.running, hostname="h"), "h"))
        return eventually(trial.poll, within=100, what="the judgement", every=0.05)  # type: ignore[return-value]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Give a world."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with KafkaCluster() as cluster, FakeAws() as aws:
        cluster.create_topic("orders", 1)
        aws.create_stream("orders")
        yield World(cluster, aws, tmp_path)


def test_what_fails_already_refuses_nothing_and_what_is_new_does(world: World) -> None:
    """A topic that is not there has not been there before: another route may change all the same. Nothing is put."""
    judged = world.judge({**world.running, "limits": {"linger_ms": 7}})
    assert ((), 7) == (judged.problems, judged.settings.limits.linger_ms if judged.settings else None)
    new = {"topics": ["nowhere"], "stream": {"name": "orders", "role": "writer"}, "name": "new"}
    refused = world.judge({**world.running, "routes": [*world.running["routes"], new]})
    (problem,) = refused.problems
    assert problem.startswith("topic nowhere: ")
    assert refused.passing
    wrong = {**world.running["routes"][0], "stream": {"name": "gone", "role": "writer"}}
    refused = world.judge({**world.running, "routes": [wrong, world.running["routes"][1]]})
    (problem,) = refused.problems
    assert problem.startswith("stream orders: ")
    assert "gone" in problem
    assert 0 == world.aws.landed_count("orders")
    assert 0 == world.aws.counts()["PutRecords"]


def test_a_file_that_says_what_cannot_be_is_refused_for_good(world: World) -> None:
    """It must be touched before it is judged again; a transform's file is mended by itself."""
    judged = world.judge({**world.running, "limits": {"linger": 7}})
    assert (True, False) == (any("limits.linger" in line for line in judged.problems), judged.passing)
    own = world.file.with_name("own.py")
    route = {**world.running["routes"][0], "transform": {"file": str(own), "function": "same"}}
    judged = world.judge({**world.running, "routes": [route, world.running["routes"][1]]})
    assert (True, True) == (any("transform.file" in line for line in judged.problems), judged.passing)
    own.write_text(PRINTS)
    assert () == world.judge({**world.running, "routes": [route, world.running["routes"][1]]}).problems
    own.write_text("import os\nos._exit(3)\n")
    judged = world.judge({**world.running, "routes": [route, world.running["routes"][1]]})
    assert ("it could not be judged: the process that was to do it ended with exit code 3",) == judged.problems


def test_a_trial_that_is_killed_says_so(world: World) -> None:
    """Whoever kills it has its reason; what comes of it is a refusal."""
    trial = Trial(Brief(ConfigOptions(world.file), settings_from(world.running, hostname="h"), "h"))
    trial.kill()
    judged = eventually(trial.poll, within=30, what="its end")
    assert judged is not None
    assert judged.settings is None
    assert judged.passing
