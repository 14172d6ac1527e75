"""What the mock brokers can tell of a topic for letters; its settings are told by a real one only."""

from __future__ import annotations

from dataclasses import replace

from confluent_kafka import KafkaError

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.letter_preflight import LetterTopic, look_at_letters
from doka.adapters.kafka.preflight import Obstacle
from doka.adapters.kafka.settings import KafkaSecurity
from doka.adapters.system.clock import SystemClock
from tests.integration.kafka.group import settings_for
from tests.unit.adapters.kafka.scripted import ScriptedTokens

INIT_PRODUCER_ID = 22  # the key of Kafka's request


def look(cluster: KafkaCluster, topic: str, timeout: float = 10) -> LetterTopic:
    """Look at a topic of the cluster."""
    return look_at_letters(settings_for(cluster.bootstrap_servers, "orders"), topic, SystemClock(), timeout=timeout)


def test_a_topic_whose_settings_are_not_told_is_doubted(cluster: KafkaCluster) -> None:
    """It is there; whether it keeps what it is given, a person has to see to."""
    cluster.create_topic("letters", 3)
    found = look(cluster, "letters", timeout=3)
    assert (3, ()) == (found.partitions, found.obstacles)
    (doubt,) = found.doubts
    assert doubt.told.startswith("the settings of topic letters could not be read (")
    assert "grant this process DESCRIBE_CONFIGS on it" in (doubt.cure or "")


def test_a_topic_that_is_missing_or_hidden_is_told_with_its_cure(cluster: KafkaCluster) -> None:
    """Each refusal of the cluster has a sentence and what to do about it."""
    cluster.create_topic("letters", 3)
    cluster.fail_topic("letters", KafkaError.UNKNOWN_TOPIC_OR_PART)
    missing = Obstacle(
        "topic letters does not exist", "create it, or correct the name in dead_letters.topic", "letters"
    )
    assert (missing,) == look(cluster, "letters").obstacles
    cluster.fail_topic("letters", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    hidden = Obstacle("not authorised to see topic letters", "grant this process WRITE and DESCRIBE on it", "letters")
    assert (hidden,) == look(cluster, "letters").obstacles
    cluster.fail_topic("letters", KafkaError.INVALID_REPLICATION_FACTOR)
    (other,) = look(cluster, "letters").obstacles
    assert other.told.startswith("topic letters cannot be used: ")


def test_a_silent_cluster_is_told_in_time(cluster: KafkaCluster) -> None:
    """Nothing is raised for the network, and the time that was given is kept."""
    cluster.set_down()
    clock = SystemClock()
    before = clock.now()
    (silent,) = look(cluster, "letters", timeout=1).obstacles
    assert silent.told.startswith("Kafka did not tell about topic letters in time")
    assert clock.now() - before < 5_000_000_000


def test_without_a_token_nobody_is_asked() -> None:
    """What the source of tokens says is told at once, not after the client's own ten seconds."""
    settings = replace(settings_for("127.0.0.1:1", "orders"), security=KafkaSecurity("sasl_ssl", "aws_msk_iam"))
    found = look_at_letters(settings, "letters", SystemClock(), oauth=ScriptedTokens(last_error="no keys here"))

    missing = Obstacle("no token for Kafka: no keys here; check the AWS credentials", topic="letters")
    assert LetterTopic(obstacles=(missing,)) == found


def test_a_producer_that_gets_no_id_is_told(cluster: KafkaCluster) -> None:
    """Letters are written idempotently, for which a cluster may ask a right of its own."""
    cluster.create_topic("letters", 3)
    cluster.push_errors(INIT_PRODUCER_ID, [KafkaError.CLUSTER_AUTHORIZATION_FAILED] * 10)
    (denied,) = look(cluster, "letters", timeout=3).obstacles
    assert "not authorised to write idempotently to topic letters" == denied.told
    assert "grant this process IDEMPOTENT_WRITE on it" == denied.cure
