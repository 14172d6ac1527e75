"""Reading letters beside everybody, against a Kafka mock cluster: which there are, and which have been resent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka import range_source
from doka.adapters.kafka.not_told import NotToldError
from doka.app.container import Container
from doka.app.letters import reading
from doka.app.letters.reading import FoundLetter, letters_group, look_at, read_letters
from doka.app.service import build
from doka.app.settings.model import Settings
from doka.domain.letters.letter import Choice
from doka.domain.letters.resent import Resent
from doka.domain.partitions.start_positions import metadata_of
from tests.containers.service import settings
from tests.dead_letters import letter, write_letters
from tests.integration.kafka.test_skip_writing import commit

GROUP = "doka-letters"


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaCluster]:
    """Give a topic of letters with ten in one partition."""
    for module in (range_source, reading):
        monkeypatch.setattr(module, "topic_ids", lambda *_arguments: {"dead": "id-1"})
    with KafkaCluster() as kafka:
        kafka.create_topic("dead", 2)
        write_letters(kafka.bootstrap_servers, "dead", [(0, letter(n, offset=n)) for n in range(10)])
        yield kafka


@pytest.fixture
def container(kafka: KafkaCluster) -> Container:
    """Give the parts of a service whose letters these are."""
    given = settings(kafka.bootstrap_servers, "http://127.0.0.1:1", {"orders": "orders"}, group_id=GROUP)
    return build(Settings.model_validate({**given, "dead_letters": {"topic": "dead"}}), "host")


def test_what_was_resent_is_known_by_the_commits_of_a_group_of_its_own(
    kafka: KafkaCluster, container: Container
) -> None:
    """The offset and the note beside it; nothing is changed by looking."""
    resent = Resent.of([2, 6], 8)
    metadata = metadata_of(None, "id-1", resent.note())
    commit(kafka, letters_group(GROUP), KafkaPartition("dead", 0, resent.offset, metadata=metadata))
    met: list[FoundLetter] = []
    letters = look_at(container)
    read_letters(container, letters, Choice(), lambda found, _: met.append(found))
    assert [2, 6, 8, 9] == [found.offset for found in met if not found.done]
    assert list(range(10)) == [found.letter.offset for found in met]
    assert ({"orders"}, 0, []) == ({found.route for found in met}, letters.foreign, letters.notes)
    assert letters.resent == look_at(container).resent


def test_the_commits_of_another_topic_of_that_name_are_not_believed(kafka: KafkaCluster, container: Container) -> None:
    """They mean other letters: what stands at their offsets now would be passed unsent."""
    commit(kafka, letters_group(GROUP), KafkaPartition("dead", 0, 5, metadata=metadata_of(None, "id-0")))
    with pytest.raises(NotToldError, match=r"topic dead was made anew .* delete that group"):
        look_at(container)


def test_letters_of_a_topic_with_several_routes_are_told_apart(kafka: KafkaCluster) -> None:
    """By the route that each names; one that names none of them has none."""
    named = [(1, letter(n, offset=n, route=route)) for n, route in enumerate(("orders", "archive", "gone"))]
    write_letters(kafka.bootstrap_servers, "dead", named)
    given = settings(kafka.bootstrap_servers, "http://127.0.0.1:1", {"orders": "orders"}, group_id=GROUP)
    (route,) = given["routes"]
    twin = {**route, "name": "archive", "stream": {**route["stream"], "name": "archive"}}
    several = {**given, "dead_letters": {"topic": "dead"}, "routes": [route, twin]}
    container = build(Settings.model_validate(several), "host")
    met: list[FoundLetter] = []
    read_letters(container, look_at(container), Choice(), lambda found, _: met.append(found))
    assert ["orders", "archive", None] == [found.route for found in met if found.partition.partition == 1]
