"""Commands beside the service go by the topics that patterns match when they begin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import group_lag
from doka.app.cli.main import main
from doka.app.config_options import ConfigOptions
from doka.app.matched import read_matched
from doka.domain.errors import UsageError
from tests.integration.kafka.group import numbered, produce
from tests.integration.kafka.test_skip_writing import commit


@dataclass(frozen=True)
class Place:
    """A cluster with three topics, and where to write configurations."""

    kafka: KafkaCluster
    folder: Path

    def file(self, *routes: str) -> Path:
        """Write a configuration with these routes, each the inside of a flow mapping."""
        file = self.folder / "doka.yaml"
        servers = self.kafka.bootstrap_servers
        lines = [
            f"kafka: {{bootstrap_servers: ['{servers}'], group_id: doka-orders,",
            "  security: {protocol: plaintext, allow_plaintext: true}}",
            "aws: {region: eu-west-1}",
            "routes:",
            *(f"  - {{{route}}}" for route in routes),
        ]
        file.write_text("\n".join(lines))
        return file


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a place; its cluster knows no ids of topics, and lets whoever asks wait for ten seconds."""
    monkeypatch.setattr(group_lag, "topic_ids", lambda *_arguments: {})
    with KafkaCluster() as kafka:
        for topic in ("orders.eu", "orders.us", "returns"):
            kafka.create_topic(topic, 1)
        yield Place(kafka, tmp_path)


def test_patterns_become_the_topics_that_match_now(place: Place) -> None:
    """Names stay, and go before patterns."""
    file = place.file(
        "topics: ['orders.*', returns], stream: {name: orders}", "topics: [orders.us], stream: {name: us}"
    )
    settings = read_matched(ConfigOptions(file))

    assert [("returns", "orders.eu"), ("orders.us",)] == [route.topics for route in settings.routes]


def test_what_is_left_is_told_beside(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, a line each, and the rest goes on."""
    file = place.file(
        "topics: ['orders.*'], topics_max: 1, stream: {name: orders}",
        "topics: ['clicks.*'], stream: {name: clicks}",
        "topics: [returns], stream: {name: returns}",
    )
    settings = read_matched(ConfigOptions(file))

    assert [(), (), ("returns",)] == [route.topics for route in settings.routes]
    bound, nothing = capsys.readouterr().err.splitlines()
    assert bound == (
        "doka: route orders: its patterns match 2 topics, and topics_max is 1; orders.eu, orders.us are not read: "
        "raise routes[].topics_max, or narrow the patterns"
    )
    assert (
        "doka: route clicks: no topic matches clicks.*: create one, correct the pattern, or grant DESCRIBE" == nothing
    )


def test_nothing_to_look_at_is_an_error_of_the_user(place: Place) -> None:
    """Exit code 2, in one line; as where the brokers do not tell their topics."""
    file = place.file("topics: ['clicks.*'], stream: {name: clicks}")

    with pytest.raises(UsageError, match="there is no topic to look at: no topic matches the patterns of the routes"):
        read_matched(ConfigOptions(file))


def test_brokers_that_do_not_answer_are_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the patterns, and why."""
    monkeypatch.setattr("doka.adapters.kafka.discovery.ANSWER_SECONDS", 0.2)
    file = place.file("topics: ['orders.*'], stream: {name: orders}")
    place.kafka.set_down()

    with pytest.raises(UsageError, match=r"Kafka does not tell which topics match orders\.\*: "):
        read_matched(ConfigOptions(file))


def test_the_lag_of_a_pattern_is_that_of_its_topics(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """As a user types it."""
    produce(place.kafka, "orders.eu", {0: numbered(10)})
    commit(place.kafka, "doka-orders", KafkaPartition("orders.eu", 0, 3))
    main(["lag", "--config", str(place.file("topics: ['orders.*'], stream: {name: orders}")), "--json"])
    told = json.loads(capsys.readouterr().out)

    assert {("orders.eu", 7), ("orders.us", None)} == {(p["topic"], p["lag"]) for p in told["partitions"]}


def test_skip_knows_the_topics_of_a_pattern(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """What no pattern matches is refused with the names of what is read."""
    file = str(place.file("topics: ['orders.*'], stream: {name: orders}"))

    assert 2 == main(["skip", "returns:0:3", "--reason", "why", "--yes", "--config", file])
    assert "no route reads topic returns: routes read orders.eu, orders.us" in capsys.readouterr().err
