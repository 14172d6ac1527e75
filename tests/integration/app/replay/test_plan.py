"""What a replay would do, found out before anything is sent: against a mock cluster and a fake AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import range_source
from doka.app.replay import plan as plan_module
from doka.app.replay.plan import Asked, NotPlannedError, Plan, plan
from doka.app.service import build
from doka.app.settings.load import settings_from
from doka.domain.records import TopicPartition
from doka.domain.replay.progress import ReplayRange
from tests.containers.service import settings
from tests.fake_aws import SOURCE_KEYS, FakeAws, Refuse
from tests.integration.kafka.group import numbered, produce
from tests.integration.kafka.test_skip_writing import commit

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
GROUP = "doka-plan"
NewPlan = Callable[..., Plan]


@pytest.fixture
def cluster() -> Iterator[KafkaCluster]:
    """Give a topic with a hundred records in one of two partitions."""
    with KafkaCluster() as running:
        running.create_topic("orders", 2)
        produce(running, "orders", {0: numbered(100)})
        yield running


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    """Give a stream of two shards."""
    with FakeAws() as running:
        running.create_stream("orders", shards=2)
        yield running


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the ids of topics, which a mock cluster would not tell for ten seconds."""
    told = {"orders": "abc"}
    for module in (range_source, plan_module):
        monkeypatch.setattr(module, "topic_ids", lambda *_arguments: dict(told))
    return told


@pytest.fixture
def new_plan(cluster: KafkaCluster, aws: FakeAws, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> NewPlan:
    """Plan to send offsets of orders[0]."""
    assert ids
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)

    def planned(
        first: int, end: int, *, rate: int | None = None, elsewhere: bool = False, file: Path | None = None
    ) -> Plan:
        given = settings(cluster.bootstrap_servers, aws.url, {"orders": "orders"}, group_id=GROUP)
        container = build(settings_from(given, hostname="host"), "host")
        asked = Asked({"--offsets": "some"}, None, None, ((P0, first, end),), rate, elsewhere)
        return plan(container, container.rules().routes[0], asked, file)

    return planned


def test_a_quarter_of_what_the_open_shards_take_is_the_pace(new_plan: NewPlan) -> None:
    """The bytes by the first records, the time by the pace."""
    found = new_plan(10, 60)
    assert (500, 0.25, 2, 50, 0.1) == (
        found.records_per_second,
        found.share,
        found.shards,
        found.offsets_left,
        found.seconds_about,
    )
    assert found.bytes_about == 50 * len(b"key-n" + b"nn")
    assert [ReplayRange(P0, 10, 60)] == list(found.state.progress.left)


def test_what_the_group_has_not_committed_is_counted(cluster: KafkaCluster, new_plan: NewPlan) -> None:
    """The service sends it, too; to another stream it does not, and a group without commits has no service."""
    assert new_plan(10, 60).above_committed == 0
    commit(cluster, GROUP, KafkaPartition(*P0, 45))
    assert new_plan(10, 60).above_committed == 15
    assert new_plan(50, 60).above_committed == 10
    assert new_plan(10, 60, elsewhere=True).above_committed is None


def test_what_is_not_there_is_said_and_makes_it_short(cluster: KafkaCluster, new_plan: NewPlan) -> None:
    """What left the log, and what is not written yet."""
    cluster.delete_records("orders", 0, 20)
    found = new_plan(10, 120)
    assert (True, [ReplayRange(P0, 20, 100)]) == (found.state.short, list(found.state.progress.left))
    assert (
        "10 offsets of orders[0] below 20 are no longer in the log",
        "20 offsets of orders[0] are not written yet",
    ) == found.state.missing


def test_a_pace_is_needed_where_the_stream_does_not_tell_how_much_it_takes(aws: FakeAws, new_plan: NewPlan) -> None:
    """Or it is given."""
    aws.inject(Refuse("AccessDeniedException"), on="DescribeStreamSummary", times=None)
    with pytest.raises(
        NotPlannedError, match=r"is not known \(the stream could not be .*\); mend that, or give --rate"
    ):
        new_plan(10, 60)
    found = new_plan(10, 60, rate=7)
    assert (7, None) == (found.records_per_second, found.share)


def test_what_has_settled_is_not_planned_again(new_plan: NewPlan, tmp_path: Path) -> None:
    """The file's ranges count, and what is left of them."""
    file = tmp_path / "state"
    first = new_plan(10, 60, file=file)
    first.state.progress.settle({P0: 40})
    first.state.write(file)
    found = new_plan(10, 60, file=file)
    assert (False, True) == (first.resumed, found.resumed)
    assert ([ReplayRange(P0, 40, 60)], 20) == (list(found.state.progress.left), found.offsets_left)


def test_a_topic_that_was_made_anew_ends_a_replay(new_plan: NewPlan, ids: dict[str, str], tmp_path: Path) -> None:
    """Its offsets mean other records."""
    file = tmp_path / "state"
    new_plan(10, 60, file=file).state.write(file)
    ids["orders"] = "xyz"
    with pytest.raises(NotPlannedError, match="topic orders was made anew since this replay began"):
        new_plan(10, 60, file=file)
