"""What a resend would do, found out against a Kafka mock cluster and a fake AWS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import TopicPartition as KafkaPartition

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.app.container import Container
from doka.app.letters.plan import AHEAD_RECORDS, Asked, plan, rules_of
from doka.app.letters.reading import letters_group
from doka.app.replay.plan import NotPlannedError
from doka.app.service import build
from doka.app.settings.model import Settings
from doka.domain.events import Event, LeaseRefused
from doka.domain.letters import resent
from doka.domain.letters.letter import Choice
from doka.domain.letters.resent import Resent
from doka.domain.letters.share import Planned
from doka.domain.partitions.start_positions import metadata_of
from doka.domain.records import TopicPartition
from doka.domain.rules import OnPoison
from tests.containers.service import settings
from tests.dead_letters import letter, write_letters
from tests.fake_aws import SOURCE_KEYS, FakeAws
from tests.integration.kafka.test_skip_writing import commit

GROUP = "doka-letters"
P0 = TopicPartition("dead", 0)
ALL = Asked(Choice(), None, rate=None, resends_max=3)


class NoCredentials:
    """An authority that refuses."""

    def issue(self, role: str) -> Event:
        """Refuse."""
        return LeaseRefused(role, "AccessDenied")


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    """Give ten letters, the odd ones of another code, and the parts of a service that could resend them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    with KafkaCluster() as kafka, FakeAws() as aws:
        kafka.create_topic("dead", 1)
        aws.create_stream("orders", shards=4)
        odd = {True: "odd", False: "even"}
        write_letters(
            kafka.bootstrap_servers, "dead", [(0, letter(n, offset=40 + n, code=odd[n % 2 == 1])) for n in range(10)]
        )
        resent_before = Resent.of([1, 2], 4)
        metadata = metadata_of(None, None, resent_before.note())
        commit(kafka, letters_group(GROUP), KafkaPartition("dead", 0, resent_before.offset, metadata=metadata))
        given = settings(kafka.bootstrap_servers, aws.url, {"orders": "orders"}, group_id=GROUP)
        yield build(Settings.model_validate({**given, "dead_letters": {"topic": "dead"}}), "host")


def test_it_goes_on_where_the_one_before_it_ended(container: Container) -> None:
    """What was left out then may be chosen now; what is not chosen is known, so that it stays left."""
    found = plan(container, Asked(Choice(codes=frozenset({"odd"})), None, rate=None, resends_max=3))
    assert {P0: Planned([1, 5, 7, 9], [2, 4, 6, 8], 10)} == found.planned
    assert (4, {"odd": 4}, {}, True) == (found.records, found.codes, found.against, found.resumed)
    assert (1_000.0, 0.25, 4) == (found.records_per_second, found.share, found.shards)
    assert 4 == found.left({P0: Resent.of([1, 2], 4)})
    assert 1 == found.left({P0: Resent.of([2, 4, 6, 8], 9)})


def test_what_would_not_fit_beside_a_commit_is_not_begun(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person chooses otherwise, before anything is sent."""
    monkeypatch.setattr(resent, "NOTE_CHARACTERS_MAX", 5)
    with pytest.raises(NotPlannedError, match=r"too many letters of dead\[0\] would be left out between"):
        plan(container, Asked(Choice(codes=frozenset({"odd"})), None, rate=None, resends_max=3))
    assert 8 == plan(container, ALL).records


def test_a_stream_that_tells_nothing_needs_a_rate(container: Container) -> None:
    """As for a replay."""
    container.authority.override(NoCredentials())
    with pytest.raises(
        NotPlannedError, match=r"how much the stream takes is not known \(.*\); mend that, or give --rate"
    ):
        plan(container, ALL)
    found = plan(container, Asked(Choice(), None, rate=7, resends_max=3))
    assert (7.0, None, 8) == (found.records_per_second, found.stream, found.records)


def test_the_rules_of_a_resend_lose_nothing(container: Container) -> None:
    """What cannot land becomes a letter again, and little lands above what is committed."""
    rules = container.rules()
    found = rules_of(rules, rules.routes[0], "dead")
    (route,) = found.routes
    assert (frozenset({"dead"}), OnPoison.DEAD_LETTER, True) == (route.topics, route.on_poison, route.receipts)
    assert (AHEAD_RECORDS, [route.role]) == (found.limits.ahead_records, [role.name for role in found.roles])
