"""What the topics are that patterns match now: commands beside the service look once, and then go by names alone."""

from __future__ import annotations

import typer

from doka.adapters.kafka.client_settings import connection_settings
from doka.adapters.kafka.discovery import Wanted, find_topics
from doka.adapters.kafka.not_told import NotToldError, in_words
from doka.adapters.system.clock import SystemClock
from doka.app.config_options import ConfigOptions
from doka.app.settings.load import hostname, read_configuration
from doka.app.settings.mapping import to_member_settings, to_oauth
from doka.app.settings.model import Settings
from doka.domain.errors import UsageError
from doka.domain.ports import Clock
from doka.domain.routes.topic_news import reasons
from doka.domain.routes.topic_watch import TopicWatch


def read_matched(options: ConfigOptions) -> Settings:
    """Read the configuration, and put in the place of each pattern the topics that match it now.

    What matches and is not read, or that nothing does, is told on stderr.

    Raises:
        UsageError: the configuration cannot be used, Kafka does not tell its topics, or there is nothing to read.
    """
    settings = read_configuration(options)
    return _matched(settings, SystemClock()) if any(route.patterns for route in settings.routes) else settings


def _matched(settings: Settings, clock: Clock) -> Settings:
    member = to_member_settings(settings, hostname=hostname())
    patterns = tuple(sorted(pattern for route in settings.routes for pattern in route.patterns))
    try:
        with in_words():
            listed = find_topics(
                connection_settings(member, to_oauth(settings, clock)), clock, Wanted(patterns, None)
            ).topics
    except NotToldError as error:
        raise UsageError(f"Kafka does not tell which topics match {', '.join(patterns)}: {error}") from error
    watch = TopicWatch(member.routes)
    found = watch.look(listed or frozenset())
    for why in reasons(found, member.routes):
        typer.echo(f"doka: {why}", err=True)
    routes = tuple(
        route.model_copy(update={"topics": (*route.named, *sorted(found.taken.get(route.name, ())))})
        for route in settings.routes
    )
    if not any(route.topics for route in routes):
        raise UsageError("there is no topic to look at: no topic matches the patterns of the routes")
    return settings.model_copy(update={"routes": routes})
