"""The composition root: every part can be had, each fits its place, and a swapped part is the one that is used."""

from __future__ import annotations

from pathlib import Path

import pytest
from dependency_injector import providers

from doka.adapters.kafka.letters import KafkaLetters
from doka.adapters.kafka.no_letters import NoLetters
from doka.adapters.simulated.telemetry import RecordingTelemetry
from doka.adapters.system.clock import SystemClock
from doka.app.container import Container
from doka.app.settings.load import settings_from
from doka.app.settings.model import Settings
from tests.unit.app.given import LONELY


@pytest.fixture
def settings() -> Settings:
    """Give a small but whole configuration."""
    return settings_from(LONELY, hostname="host")


def _container(settings: Settings) -> Container:
    return Container(settings=settings, hostname="host", version="1", log_style="json")


def test_every_part_can_be_had(settings: Settings) -> None:
    """Each provider builds its part; a misspelt argument, which type checkers cannot see, would show here."""
    container = _container(settings)

    for name, provider in container.providers.items():
        assert provider() is not None or name in {"oauth", "worker", "exports"}, name
    assert container.oauth() is None  # tokens are for MSK with IAM alone


def test_one_source_of_tokens_serves_the_member_and_the_letters() -> None:
    """With aws_msk_iam both clients of Kafka log in by the same credentials; a topic for letters makes them go there."""
    kafka = {"bootstrap_servers": ["127.0.0.1:1"], "group_id": "doka"}
    told = {**LONELY, "kafka": kafka, "dead_letters": {"topic": "letters"}}
    container = _container(settings_from(told, hostname="host"))
    letters = container.letters()

    assert isinstance(letters, KafkaLetters)
    assert container.runtime()._letters is letters
    assert letters._keys["oauth_cb"] is container.oauth()
    assert container.source()._keys["oauth_cb"] is container.oauth()  # type: ignore[attr-defined]  # of the real one


def test_without_a_topic_no_letter_can_go_anywhere(settings: Settings) -> None:
    """A route whose poison blocks has no second client of Kafka."""
    assert isinstance(_container(settings).letters(), NoLetters)


def test_nothing_is_opened_by_being_built(settings: Settings) -> None:
    """A service that was put together listens nowhere and has joined nothing."""
    container = _container(settings)
    container.runtime()

    assert container.source().status().logs == {}


def test_a_part_that_was_swapped_is_the_one_that_is_used(settings: Settings) -> None:
    """What is put in before the first use reaches whoever needs it, and no other container."""
    first, second = _container(settings), _container(settings)
    mine = RecordingTelemetry()

    first.telemetry.override(mine)

    assert first.runtime()._telemetry is mine  # the only way to see what the loop was given
    assert second.runtime()._telemetry is not mine


def test_parts_are_shared_within_one_service(settings: Settings) -> None:
    """The loop, the background and the signals leave and find events in the same inbox, by the same clock."""
    container = _container(settings)

    assert container.runtime()._inbox is container.inbox()
    assert container.clock() is container.clock()
    assert isinstance(container.clock(), SystemClock)


def test_settings_of_another_kind_are_refused() -> None:
    """What is told to the container is typed."""
    container = Container(settings={"kafka": {}}, hostname="host", version="1", log_style="json")

    with pytest.raises(Exception, match="is not an instance of"):
        container.rules()


def test_no_override_leaks_through_the_class() -> None:
    """Overriding on the class would reach every later service, so nobody does it."""
    assert all(not provider.overridden for provider in Container.providers.values())
    sources = (path.read_text() for folder in ("src", "tests") for path in Path(folder).rglob("*.py"))
    assert not any("Container." + name + ".override" in text for text in sources for name in Container.providers)


def test_the_container_is_declarative_and_small() -> None:
    """The one place that knows every part stays readable at a glance."""
    source = Path("src/app/container.py").read_text()

    assert len(source.splitlines()) <= 120
    assert all(isinstance(provider, providers.Provider) for provider in Container.providers.values())
