"""The steps of a preflight, in the order in which a service needs them; each failure says which and what to do.

It must never change anything: no record is put, no group joined, no offset committed.
Everything outside is an argument, so that tests pass other parts in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from doka.adapters.aws.sts.settings import AMBIENT_ROLE
from doka.adapters.kafka.letter_preflight import LetterTopic
from doka.adapters.kafka.preflight import Preflight
from doka.app.check.cures import cure_for_lease, cure_for_stream
from doka.app.check.findings import Finding, Verdict
from doka.app.check.surroundings import look_around
from doka.app.settings.mapping import stream_region
from doka.app.settings.model import MIB, Settings
from doka.app.settings.routes import RouteSettings
from doka.domain.commands import DescribeStream
from doka.domain.events import LeaseIssued, LeaseRefused, StreamDescribed, StreamRefused
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Authority, Describer

WRITABLE = frozenset({"ACTIVE", "UPDATING"})  # a stream takes puts in these states (API reference, StreamStatus)


@dataclass(frozen=True, slots=True)
class Parts:
    """The outside of a preflight."""

    look_at_kafka: Callable[[], Preflight]
    authority: Authority
    describer: Describer
    environ: Mapping[str, str]
    find_ca: Callable[[], str]
    look_at_letters: Callable[[str], LetterTopic]


def preflight(settings: Settings, source: str, parts: Parts) -> Iterator[Finding]:
    """Give the findings one by one, as they are made; `source` is where the configuration came from."""
    yield _configuration(settings, source)
    yield from look_around(parts.environ, parts.find_ca)
    kafka = parts.look_at_kafka()
    yield from _kafka(settings, kafka)
    if settings.dead_letters.topic is not None:
        yield from _dead_letters(settings.dead_letters.topic, parts.look_at_letters, kafka)
    leases: dict[str, Lease] = {}
    for role in dict.fromkeys(route.stream.role or AMBIENT_ROLE for route in settings.routes):
        answer = parts.authority.issue(role)
        if isinstance(answer, LeaseIssued):
            leases[role] = answer.lease
            yield _role_found(settings, role, answer.lease)
        elif isinstance(answer, LeaseRefused):
            yield _role_refused(settings, role, answer)
    for index, route in enumerate(settings.routes):
        lease = leases.get(route.stream.role or AMBIENT_ROLE)
        if lease is None:
            told = f"not looked at, since the role {route.stream.role or AMBIENT_ROLE} gave no credentials"
            yield Finding("stream", route.name, Verdict.SKIPPED, told)
            continue
        found = parts.describer.describe(DescribeStream(route.name, lease))
        if isinstance(found, StreamDescribed):
            yield from _stream_found(settings, route, index, found)
        elif isinstance(found, StreamRefused):
            yield _stream_refused(settings, route, index, found)


def _configuration(settings: Settings, source: str) -> Finding:
    routes, topics = len(settings.routes), sum(len(route.topics) for route in settings.routes)
    told = f"{_count(routes, 'route')}, {_count(topics, 'topic')}, {_count(len(settings.roles), 'role')}"
    return Finding("configuration", source, Verdict.FINE, told)


def _kafka(settings: Settings, found: Preflight) -> Iterator[Finding]:
    topics = sorted(topic for route in settings.routes for topic in route.topics)
    servers = ", ".join(settings.kafka.bootstrap_servers)
    if found.partitions:
        told = f"answers, by {settings.kafka.security.protocol}"
        yield Finding("kafka", servers, Verdict.FINE, told)
    for trouble in found.troubles:
        told, _, cure = trouble.rpartition("; ")
        if not told:
            told, cure = cure, ""
        # A trouble with one topic is told under its name, the rest under the brokers'.
        topic = next((name for name in topics if f"topic {name} " in f"{told} "), None)
        step, subject = ("kafka", servers) if topic is None else ("topic", topic)
        yield Finding(step, subject, Verdict.FAILED, told, cure or None)
    for topic in topics:
        partitions = found.partitions.get(topic)
        if partitions is not None:
            told = _count(partitions, "partition")
            yield Finding("topic", topic, Verdict.FINE, told, facts={"partitions": partitions})
        elif not any(f"topic {topic} " in f"{trouble} " for trouble in found.troubles):
            yield Finding("topic", topic, Verdict.SKIPPED, "not looked at, since Kafka did not answer")


def _dead_letters(topic: str, look: Callable[[str], LetterTopic], kafka: Preflight) -> Iterator[Finding]:
    if not kafka.partitions:
        yield Finding("topic", topic, Verdict.SKIPPED, "not looked at, since no other topic could be read")
        return
    found = look(topic)
    for verdict, texts in ((Verdict.FAILED, found.troubles), (Verdict.WARNING, found.doubts)):
        for text in texts:
            told, _, cure = text.partition("; ")
            yield Finding("topic", topic, verdict, told, cure or None)
    if found.partitions is not None and not found.troubles:
        told = f"{_count(found.partitions, 'partition')} for dead letters"
        yield Finding("topic", topic, Verdict.FINE, told, facts={"partitions": found.partitions})


def _role_found(settings: Settings, name: str, lease: Lease) -> Finding:
    account = f" in account {lease.account_id}" if lease.account_id else ""
    if lease.life is None:
        told = f"credentials{account} that do not end"
        return Finding("role", name, Verdict.FINE, told, facts={"account": lease.account_id, "life_seconds": None})
    seconds = lease.life / NS_PER_SECOND
    facts = {"account": lease.account_id, "life_seconds": round(seconds)}
    told = f"a lease{account} that lives {_duration(seconds)}"
    role = settings.roles.get(name)
    if role is not None and role.rotation.policy == "interval" and role.rotation.interval_minutes * 60 >= seconds:
        cure = f"lower roles.{name}.rotation.interval_minutes, or take policy: before_expiry"
        return Finding("role", name, Verdict.FAILED, f"{told}, which is over before it is renewed", cure, facts)
    return Finding("role", name, Verdict.FINE, told, facts=facts)


def _role_refused(settings: Settings, name: str, refused: LeaseRefused) -> Finding:
    role = settings.roles.get(name)
    told = f"no credentials: {_said(refused.code, refused.message)}"
    return Finding("role", name, Verdict.FAILED, told, cure_for_lease(refused, role, name), {"code": refused.code})


def _stream_found(settings: Settings, route: RouteSettings, index: int, found: StreamDescribed) -> Iterator[Finding]:
    shards = "" if found.open_shards is None else f", {_count(found.open_shards, 'open shard')}"
    limit = f"records up to {found.record_bytes_max / MIB:g} MiB"
    told = f"{found.arn or route.stream.called} is {found.status}{shards}, {limit}"
    facts = {
        "arn": found.arn,
        "status": found.status,
        "open_shards": found.open_shards,
        "record_bytes_max": found.record_bytes_max,
        "honours_keys": found.honours_keys,
    }
    if found.status not in WRITABLE:
        cure = "wait until it is ACTIVE" if found.status == "CREATING" else "create it again, or name another stream"
        yield Finding("stream", route.name, Verdict.FAILED, told, cure, facts)
    elif not found.honours_keys and (route.ordering != "none" or route.aggregation.enabled):
        breaks = "cannot keep their order" if route.ordering != "none" else "tears aggregates from their shards"
        also = f" and routes[{index}].aggregation.enabled: false" if route.aggregation.enabled else ""
        yield Finding(
            "stream",
            route.name,
            Verdict.FAILED,
            f"{told}, but its record distribution is AUTO, which ignores keys and so {breaks}",
            "set the stream back to USER_PARTITION_KEY (UpdateStreamRecordDistributionStrategy), "
            f"or give the order up with routes[{index}].ordering: none{also}",
            facts,
        )
    elif route.aggregation.enabled and route.aggregation.lanes < (found.open_shards or 0):
        yield Finding(
            "stream",
            route.name,
            Verdict.WARNING,
            f"{told}, but {_count(route.aggregation.lanes, 'lane')} cannot reach them all: some get nothing",
            f"raise routes[{index}].aggregation.lanes to a power of two above the shards; "
            "docs/guarantees.md says what a consumer sees when it changes",
            facts,
        )
    elif settings.limits.request_mib * MIB < found.record_bytes_max:
        yield Finding(
            "stream",
            route.name,
            Verdict.WARNING,
            f"{told}, but a put is limited to {settings.limits.request_mib} MiB, so larger records cannot be sent",
            "raise limits.request_mib to the stream's record limit",
            facts,
        )
    else:
        yield Finding("stream", route.name, Verdict.FINE, told, facts=facts)


def _stream_refused(settings: Settings, route: RouteSettings, index: int, refused: StreamRefused) -> Finding:
    # Puts may be allowed all the same: the service starts, warns, and assumes the usual limits.
    denied = refused.code in {"AccessDeniedException", "AccessDenied"}
    told = f"{route.stream.called} could not be described: {_said(refused.code, refused.message)}"
    cure = cure_for_stream(refused, settings, route, index, stream_region(settings, route))
    verdict = Verdict.WARNING if denied else Verdict.FAILED
    return Finding("stream", route.name, verdict, told, cure, {"code": refused.code})


def _said(code: str, message: str) -> str:
    return f"{code} ({message.rstrip('.')})" if message else code


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - as a person says it
