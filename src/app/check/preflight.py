"""The steps of a preflight, in the order in which a service needs them; each failure says which and what to do.

It must never change anything: no record is put but by dry run, no group joined, no offset committed.
Whether a stream would do is judged by the machine itself, so that a check never says other than the service would.
Everything outside is an argument, so that tests pass other parts in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from doka.adapters.aws.sts.settings import AMBIENT_ROLE
from doka.adapters.kafka.letter_preflight import LetterTopic
from doka.adapters.kafka.preflight import Obstacle, Preflight
from doka.adapters.telemetry.otlp.posting import Answer
from doka.app.check.cures import DENIED, cure_for_lease, cure_for_stream
from doka.app.check.denied import facts_of
from doka.app.check.findings import Finding, FindingVerdict
from doka.app.check.surroundings import look_around
from doka.app.check.trying import Tries, Trying
from doka.app.settings.mapping import stream_region, to_rules
from doka.app.settings.model import MIB, Settings
from doka.app.settings.routes import RouteSettings
from doka.domain.batch import Transform
from doka.domain.commands import DescribeStream
from doka.domain.events import (
    LeaseIssued,
    LeaseRefused,
    RegistryRefused,
    StreamDescribed,
    StreamRefused,
    TopicsMatched,
)
from doka.domain.facts import LanesBelowShards, RouteBlocked
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Authority, Describer
from doka.domain.routes.standing import AUTO_DISTRIBUTION, Standing
from doka.domain.routes.topic_news import reasons
from doka.domain.rules import RouteRules
from doka.domain.turn import Turn
from doka.domain.verdicts import of_request


@dataclass(frozen=True, slots=True)
class Parts:
    """The outside of a preflight."""

    look_at_kafka: Callable[[], Preflight]
    authority: Authority
    describer: Describer
    environ: Mapping[str, str]
    find_ca: Callable[[], str]
    look_at_letters: Callable[[str], LetterTopic]
    tries: Tries
    collectors: Mapping[str, Callable[[], Answer]] = field(default_factory=dict)
    """Ask those that something is sent to by OTLP, by what it is: metrics, traces."""
    registries: Mapping[str, Callable[[], RegistryRefused | None]] = field(default_factory=dict)
    """Ask the schema registries, by the names of their routes; None: it answers."""
    tries_puts: bool = False
    """What answers for Kinesis knows dry runs."""


def preflight(settings: Settings, source: str, parts: Parts) -> Iterator[Finding]:
    """Give the findings one by one, as they are made; `source` is where the configuration came from."""
    yield _configuration(settings, source)
    rules = {route.name: route for route in to_rules(settings).routes}
    yield from (_transform(each.transform, name) for name, each in rules.items() if each.transform is not None)
    yield from look_around(parts.environ, parts.find_ca)
    kafka = parts.look_at_kafka()
    yield from _kafka(settings, kafka)
    if settings.dead_letters.topic is not None:
        yield from _dead_letters(settings.dead_letters.topic, parts.look_at_letters, kafka)
    for name, ask_registry in parts.registries.items():
        yield _registry(name, rules[name], ask_registry())
    for signal, ask in parts.collectors.items():
        yield from _collector(settings, signal, ask())
    leases: dict[str, Lease] = {}
    of_audits = () if settings.audit.role is None else (settings.audit.role,)
    for role in dict.fromkeys((*(route.stream.role or AMBIENT_ROLE for route in settings.routes), *of_audits)):
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
            yield Finding("stream", route.name, FindingVerdict.SKIPPED, told)
            continue
        found = parts.describer.describe(DescribeStream(route.name, lease))
        trying = Trying(settings, index, parts.tries)
        if isinstance(found, StreamDescribed):
            yield _stream_found(settings, route, rules[route.name], index, found)
            yield from trying.use(lease, found, puts=parts.tries_puts)
        elif isinstance(found, StreamRefused):
            yield _stream_refused(settings, route, rules[route.name], index, found)
            if found.code in DENIED:  # puts may be allowed all the same
                yield from trying.use(lease, None, puts=parts.tries_puts)
        reader = leases.get(settings.audit.role or "")
        if reader is not None:
            yield trying.read(reader)


def not_asked(settings: Settings, *, tries_puts: bool) -> list[str]:
    """Give what no finding is about, in the words of the permissions that are left open."""
    left = [] if tries_puts else ["kinesis:PutRecords on each stream", "the use of its KMS key"]
    return left if settings.audit.role else [*left, "reading streams back, for doka audit"]


def _configuration(settings: Settings, source: str) -> Finding:
    routes, topics = len(settings.routes), len({topic for route in settings.routes for topic in route.named})
    patterns = sum(len(route.patterns) for route in settings.routes)
    of_topics = [_count(topics, "topic")] if topics or not patterns else []
    of_topics += [_count(patterns, "pattern")] if patterns else []
    told = f"{_count(routes, 'route')}, {', '.join(of_topics)}, {_count(len(settings.roles), 'role')}"
    return Finding("configuration", source, FindingVerdict.FINE, told)


def _kafka(settings: Settings, found: Preflight) -> Iterator[Finding]:
    topics = sorted({topic for route in settings.routes for topic in route.named})
    if found.matched is not None:
        yield from _matched(settings, found.matched)
        topics = sorted({*topics, *(topic for brought in found.matched.taken.values() for topic in brought)})
    servers = ", ".join(settings.kafka.bootstrap_servers)
    if found.partitions:
        told = f"answers, by {settings.kafka.security.protocol}"
        yield Finding("kafka", servers, FindingVerdict.FINE, told)
    for obstacle in found.obstacles:
        # What concerns one topic is told under its name, the rest under the brokers'.
        step, subject = ("kafka", servers) if obstacle.topic is None else ("topic", obstacle.topic)
        yield Finding(step, subject, FindingVerdict.FAILED, obstacle.told, obstacle.cure, _facts(obstacle))
    for doubt in found.doubts:
        yield Finding("kafka", servers, FindingVerdict.WARNING, doubt.told, doubt.cure, _facts(doubt))
    told_of = {obstacle.topic for obstacle in found.obstacles}
    for topic in topics:
        partitions = found.partitions.get(topic)
        if partitions is not None:
            routes = [route.name for route in settings.routes if topic in route.topics]
            shared = f", read once for the routes {', '.join(routes)}" if len(routes) > 1 else ""
            told = f"{_count(partitions, 'partition')}{shared}"
            yield Finding("topic", topic, FindingVerdict.FINE, told, facts={"partitions": partitions})
        elif topic not in told_of:
            yield Finding("topic", topic, FindingVerdict.SKIPPED, "not looked at, since Kafka did not answer")


def _matched(settings: Settings, matched: TopicsMatched) -> Iterator[Finding]:
    """Tell what each route's patterns bring, and what is left, for the bound or because another route's match too."""
    for route in settings.routes:
        if route.patterns:
            brought = sorted(matched.taken[route.name])
            told = f"bring {_count(len(brought), 'topic')} now; routes[].topics_max allows {route.topics_max}"
            facts = {"topics": brought, "topics_max": route.topics_max}
            verdict = FindingVerdict.FINE if brought else FindingVerdict.WARNING
            yield Finding("topics", ", ".join(route.patterns), verdict, told, facts=facts)
    for why in reasons(matched, to_rules(settings).routes):
        told, _, cure = why.rpartition(": ")
        yield Finding("topics", "patterns", FindingVerdict.FAILED, told, cure)


def _facts(obstacle: Obstacle) -> dict[str, str]:
    return {} if obstacle.action is None else {"action": obstacle.action}


def _transform(transform: Transform, name: str) -> Finding:
    reads = [
        "keys",
        "values",
        *(["headers"] if transform.headers else []),
        *(["timestamps"] if transform.timestamps else []),
    ]
    told = f"{transform.name} is loaded, and reads {', '.join(reads)}"
    return Finding("transform", name, FindingVerdict.FINE, told, facts={"sha256": transform.digest})


def _registry(name: str, rules: RouteRules, refused: RegistryRefused | None) -> Finding:
    where = "" if rules.decode is None else rules.decode.registry
    if refused is None:
        return Finding("registry", name, FindingVerdict.FINE, f"{where} answers")
    told = f"{where} gives no schema: {refused.message}"
    cure = "correct decode of the route, or let the registry answer; the route takes in nothing until it does"
    return Finding("registry", name, FindingVerdict.FAILED, told, cure, {"code": refused.code})


def _dead_letters(topic: str, look: Callable[[str], LetterTopic], kafka: Preflight) -> Iterator[Finding]:
    if not kafka.partitions:
        yield Finding("topic", topic, FindingVerdict.SKIPPED, "not looked at, since no other topic could be read")
        return
    found = look(topic)
    for verdict, obstacles in ((FindingVerdict.FAILED, found.obstacles), (FindingVerdict.WARNING, found.doubts)):
        for obstacle in obstacles:
            yield Finding("topic", topic, verdict, obstacle.told, obstacle.cure, _facts(obstacle))
    if found.partitions is not None and not found.obstacles:
        told = f"{_count(found.partitions, 'partition')} for dead letters"
        yield Finding("topic", topic, FindingVerdict.FINE, told, facts={"partitions": found.partitions})


def _collector(settings: Settings, signal: str, answer: Answer) -> Iterator[Finding]:
    """Tell whether a collector takes what it will be sent; a service does not need it."""
    url = settings.otlp.url_of("metrics" if signal == "metrics" else "traces") or ""
    if answer.taken:
        yield Finding("collector", url, FindingVerdict.FINE, f"takes {signal}")
    else:
        told = f"does not take {signal}: {answer.why}"
        cure = "correct otlp.endpoint, or let the collector listen there for OTLP over HTTP; doka forwards all the same"
        yield Finding("collector", url, FindingVerdict.WARNING, told, cure)
    secret = settings.otlp.headers or settings.otlp.headers_file is not None
    if secret and urlsplit(url).scheme == "http" and urlsplit(url).hostname not in {"localhost", "127.0.0.1", "::1"}:
        told = "is sent the headers of otlp unencrypted"
        yield Finding("collector", url, FindingVerdict.WARNING, told, "take https, or leave otlp.headers out")


def _role_found(settings: Settings, name: str, lease: Lease) -> Finding:
    account = f" in account {lease.account_id}" if lease.account_id else ""
    if lease.life is None:
        told = f"credentials{account} that do not end"
        return Finding(
            "role", name, FindingVerdict.FINE, told, facts={"account": lease.account_id, "life_seconds": None}
        )
    seconds = lease.life / NS_PER_SECOND
    facts = {"account": lease.account_id, "life_seconds": round(seconds)}
    told = f"a lease{account} that lives {_duration(seconds)}"
    role = settings.roles.get(name)
    if role is not None and role.rotation.policy == "interval" and role.rotation.interval_minutes * 60 >= seconds:
        cure = f"lower roles.{name}.rotation.interval_minutes, or take policy: before_expiry"
        return Finding("role", name, FindingVerdict.FAILED, f"{told}, which is over before it is renewed", cure, facts)
    return Finding("role", name, FindingVerdict.FINE, told, facts=facts)


def _role_refused(settings: Settings, name: str, refused: LeaseRefused) -> Finding:
    role = settings.roles.get(name)
    told = f"no credentials: {_said(refused.code, refused.message)}"
    facts: dict[str, str | None] = {"code": refused.code}
    if refused.code in DENIED:
        facts = facts_of(
            refused.code, refused.message, "sts:AssumeRole", None if role is None else role.hops[-1].role_arn
        )
    return Finding("role", name, FindingVerdict.FAILED, told, cure_for_lease(refused, role, name), facts)


def _stream_found(
    settings: Settings, route: RouteSettings, rules: RouteRules, index: int, found: StreamDescribed
) -> Finding:
    shards = "" if found.open_shards is None else f", {_count(found.open_shards, 'open shard')}"
    limit = f"records up to {found.record_bytes_max / MIB:g} MiB"
    verdict, but, cure = _judged(settings, route, rules, index, found)
    told = f"{found.arn or route.stream.called} is {found.status}{shards}, {limit}{_made_of(route)}{but}"
    facts = {
        "arn": found.arn,
        "status": found.status,
        "open_shards": found.open_shards,
        "record_bytes_max": found.record_bytes_max,
        "honours_keys": found.honours_keys,
        "kms_key": found.kms_key,
    }
    return Finding("stream", route.name, verdict, told, cure, facts)


def _made_of(route: RouteSettings) -> str:
    """Say what each record becomes that its consumers must know of."""
    if route.compress != "none":
        return f", each compressed by {route.compress}"
    return ", each ending in a newline" if route.append == "newline" else ""


def _judged(
    settings: Settings, route: RouteSettings, rules: RouteRules, index: int, found: StreamDescribed
) -> tuple[FindingVerdict, str, str | None]:
    """Give what follows from a stream's facts, the rest of the sentence about it, and the cure."""
    turn = Turn()
    _unbegun(rules).described(found, 0, turn)
    for fact in turn.commands:
        match fact:
            case RouteBlocked(reason=reason) if reason == AUTO_DISTRIBUTION:
                breaks = "cannot keep their order" if route.ordering != "none" else "tears aggregates from their shards"
                also = f" and routes[{index}].aggregation.enabled: false" if route.aggregation.enabled else ""
                return (
                    FindingVerdict.FAILED,
                    f", but its record distribution is AUTO, which ignores keys and so {breaks}",
                    (
                        "set the stream back to USER_PARTITION_KEY (UpdateStreamRecordDistributionStrategy), "
                        f"or give the order up with routes[{index}].ordering: none{also}"
                    ),
                )
            case RouteBlocked():
                wait = "wait until it is ACTIVE"
                cure = wait if found.status == "CREATING" else "create it again, or name another stream"
                return FindingVerdict.FAILED, "", cure
            case LanesBelowShards(lanes=lanes):
                return (
                    FindingVerdict.WARNING,
                    f", but {_count(lanes, 'lane')} cannot reach them all: some get nothing",
                    (
                        f"raise routes[{index}].aggregation.lanes to a power of two above the shards; "
                        "docs/guarantees.md says what a consumer sees when it changes"
                    ),
                )
            case _:
                pass  # no news that a person could act on
    if settings.limits.request_mib * MIB < found.record_bytes_max:
        return (
            FindingVerdict.WARNING,
            (
                f", but limits.request_mib is {settings.limits.request_mib}: a larger record goes alone, in a put above "
                "that limit"
            ),
            "raise limits.request_mib to the stream's record limit, if what answers takes it",
        )
    return FindingVerdict.FINE, "", None


def _unbegun(rules: RouteRules) -> Standing:
    """Give the machine's own judge of a route, as it is before anything is known of its stream."""
    return Standing(rules, jitter=lambda: 0.0)


def _stream_refused(
    settings: Settings, route: RouteSettings, rules: RouteRules, index: int, refused: StreamRefused
) -> Finding:
    judge = _unbegun(rules)
    judge.undescribed(refused, of_request(refused.code), 0, Turn())
    told = f"{route.stream.called} could not be described: {_said(refused.code, refused.message)}"
    cure = cure_for_stream(refused, settings, route, index, stream_region(settings, route))
    # Where puts may be allowed all the same, the service starts, warns, and assumes the usual limits.
    verdict = FindingVerdict.WARNING if judge.blocked is None else FindingVerdict.FAILED
    facts: dict[str, str | None] = {"code": refused.code}
    if refused.code in DENIED:
        facts = facts_of(refused.code, refused.message, "kinesis:DescribeStreamSummary", route.stream.arn)
    return Finding("stream", route.name, verdict, told, cure, facts)


def _said(code: str, message: str) -> str:
    return f"{code} ({message.rstrip('.')})" if message else code


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - as a person says it
