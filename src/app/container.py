"""The service put together: the one place that knows every part, and the only one that knows the injector.

Nothing here decides anything and nothing is opened by being built.
To swap a part, override its provider on a fresh container before anything was resolved
(`container.source.override(...)`): that is how the demo and the tests put other parts in.
Each provider is annotated with its port, so that the type checker sees whether a part fits its place.
"""

from __future__ import annotations

import random

from dependency_injector import containers
from dependency_injector.providers import Dependency, Object, Provider, Singleton

from doka.adapters.aws.kinesis.describer import KinesisDescriber
from doka.adapters.aws.kinesis.sink import KinesisSink
from doka.adapters.aws.session import AwsSessions
from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.kafka.client_settings import Oauth
from doka.adapters.kafka.letters import KafkaLetters
from doka.adapters.kafka.no_letters import NoLetters
from doka.adapters.kafka.settings import MemberSettings
from doka.adapters.kafka.source import KafkaSource
from doka.adapters.system.background import BackgroundExecutor
from doka.adapters.system.clock import SystemClock
from doka.adapters.system.inbox import ThreadInbox
from doka.adapters.system.watchdog import run_within
from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.http_server import HealthServer
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.metrics import Metrics
from doka.adapters.telemetry.otlp.exporter import Exports
from doka.adapters.telemetry.telemetry import ServiceTelemetry
from doka.app.check.advice import AdvisedAuthority
from doka.app.runtime import Runtime, Within
from doka.app.settings import mapping, memory
from doka.app.settings.exports import Sender, to_exports
from doka.app.settings.model import Settings
from doka.app.settings.pages import to_server, to_status_page
from doka.domain.forwarder import Forwarder
from doka.domain.ports import Authority, Background, Clock, DeadLetters, Describer, Inbox, SchemaRegistry, Sink, Source
from doka.domain.rules import Rules


def _letters(topic: str | None, member: MemberSettings, clock: Clock, oauth: Oauth | None) -> DeadLetters:
    return NoLetters() if topic is None else KafkaLetters(member, topic, clock, oauth)


class Container(containers.DeclarativeContainer):
    """One service; build it anew for each run."""

    # What it is told.
    settings: Provider[Settings] = Dependency(instance_of=Settings)
    hostname: Provider[str] = Dependency(instance_of=str)
    version: Provider[str] = Dependency(instance_of=str)
    log_style: Provider[str] = Dependency(instance_of=str)  # json, console or colour
    log_fd: Provider[int] = Object(1)  # stdout
    worker: Provider[int | None] = Object(None)  # its number, where it is one of several processes

    # The system.
    clock: Provider[Clock] = Singleton(SystemClock)
    inbox: Provider[Inbox] = Singleton(ThreadInbox)
    jitter = Object(random.Random().random)  # noqa: S311 - spreads retries, protects nothing
    within: Provider[Within] = Object(run_within)

    # Kafka, Kinesis, STS.
    member: Provider[MemberSettings] = Singleton(mapping.to_member_settings, settings, hostname=hostname)
    oauth: Provider[Oauth | None] = Singleton(mapping.to_oauth, settings, clock)
    source: Provider[Source] = Singleton(KafkaSource, member, clock, oauth)
    letters: Provider[DeadLetters] = Singleton(_letters, settings.provided.dead_letters.topic, member, clock, oauth)
    sessions: Provider[AwsSessions] = Singleton(AwsSessions)
    targets = Singleton(mapping.to_stream_targets, settings)
    key_cache = Singleton(lambda s: memory.key_cache_bytes(s.limits.held_mib), settings)
    sink: Provider[Sink] = Singleton(KinesisSink, targets, clock, sessions, key_cache)
    describer: Provider[Describer] = Singleton(KinesisDescriber, targets, clock, sessions)
    sts = Singleton(StsAuthority, Singleton(mapping.to_role_chains, settings, hostname), clock, new_session=sessions)
    authority: Provider[Authority] = Singleton(AdvisedAuthority, sts, settings)
    registry: Provider[SchemaRegistry] = Singleton(mapping.to_registries, settings)
    background: Provider[Background] = Singleton(BackgroundExecutor, authority, describer, registry, inbox)

    # What is seen of it.
    rules: Provider[Rules] = Singleton(mapping.to_rules, settings)
    metrics: Provider[Metrics] = Singleton(
        Metrics,
        clock,
        version,
        routes=Singleton(lambda rules: [route.name for route in rules.routes], rules),
        roles=Singleton(lambda rules: [role.name for role in rules.roles], rules),
        topics=Singleton(lambda rules: sorted(rules.routes_of()), rules),
        transforming=Singleton(lambda rules: [route.name for route in rules.routes if route.transform], rules),
        sharing=Singleton(lambda rules: [route.name for route in rules.routes if route.has_shared_lanes], rules),
    )
    lines: Provider[LineWriter] = Singleton(LineWriter, log_fd, metrics.provided.line_dropped)
    log: Provider[Log] = Singleton(Log, clock, lines, level=settings.provided.log.level, style=log_style, worker=worker)
    shown = Singleton(to_status_page, settings, clock, version, metrics.provided.totals)
    health: Provider[Health] = Singleton(Health, clock, metrics.provided.page, shown)
    server: Provider[HealthServer | None] = Singleton(to_server, settings, clock)
    sender = Singleton(Sender, hostname, version, worker)
    exports: Provider[Exports | None] = Singleton(to_exports, settings, sender, clock, metrics, jitter)
    telemetry: Provider[ServiceTelemetry] = Singleton(
        ServiceTelemetry, metrics, log, health, server, version, exports=exports
    )

    # The machine and its loop.
    forwarder: Provider[Forwarder] = Singleton(Forwarder, rules, jitter)
    runtime: Provider[Runtime] = Singleton(
        Runtime,
        forwarder=forwarder,
        source=source,
        sink=sink,
        letters=letters,
        background=background,
        inbox=inbox,
        clock=clock,
        telemetry=telemetry,
        drain=rules.provided.limits.drain,
        within=within,
    )
