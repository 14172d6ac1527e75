"""What single settings cannot know: contradictions, missing permissions, and times that do not fit together.

Each check is a function from the whole to problems; each has its test with the exact words.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from doka.adapters.aws.sts.settings import AMBIENT_ROLE
from doka.app.settings.arn import parse_role_arn, parse_stream_arn, partition_of
from doka.app.settings.endpoints import PERMISSION, objection
from doka.app.settings.kafka import DISCOVERY_SECONDS
from doka.app.settings.model import Settings
from doka.app.settings.problems import Problem
from doka.app.settings.routes import OnlySettings, RouteSettings, TransformSettings
from doka.app.settings.session import fill_session_name
from doka.domain.limits import CHAINED_ROLE_SECONDS_MAX, ROUTES_OF_A_TOPIC_MAX
from doka.domain.patterns import is_pattern, matches
from doka.domain.rules import TOPICS_MAX_DEFAULT

PERMIT_PLAINTEXT = "kafka.security.allow_plaintext: true (or --allow-plaintext)"


def contradictions(settings: Settings, hostname: str, *, simulated: bool) -> Iterator[Problem]:
    """List everything that does not fit together.

    `hostname` fills session names; `simulated` permits what only the demo and the simulator may do.
    """
    for check in CHECKS:
        yield from check(settings)
    yield from _session_names(settings, hostname)
    if not simulated:
        yield from _never_renewed(settings)


def _plaintext(settings: Settings) -> Iterator[Problem]:
    security = settings.kafka.security
    if security.protocol in {"plaintext", "sasl_plaintext"} and not security.allow_plaintext:
        told = f"{security.protocol} does not encrypt; take ssl or sasl_ssl, or permit it with {PERMIT_PLAINTEXT}"
        yield Problem(told, ("kafka", "security", "protocol"))


def _log_in(settings: Settings) -> Iterator[Problem]:
    security, path = settings.kafka.security, ("kafka", "security")
    sasl = security.protocol.startswith("sasl")
    if sasl and security.mechanism is None:
        yield Problem("is needed by a sasl protocol; aws_msk_iam is what MSK takes", (*path, "mechanism"))
    elif not sasl and security.mechanism is not None:
        yield Problem(f"has no use with {security.protocol}; take sasl_ssl, or leave it out", (*path, "mechanism"))
    if security.mechanism == "aws_msk_iam" and security.protocol == "sasl_plaintext":
        yield Problem("aws_msk_iam needs sasl_ssl; MSK takes its tokens over TLS only", (*path, "mechanism"))
    by_password = sasl and security.mechanism in {"plain", "scram_sha_256", "scram_sha_512"}
    with_password = security.password is not None or security.password_file is not None
    if by_password:
        if security.username is None:
            yield Problem(f"is needed by {security.mechanism}", (*path, "username"))
        if not with_password:
            yield Problem(f"is needed by {security.mechanism}; name the file that holds it", (*path, "password_file"))
    elif security.username is not None or with_password:
        told = "has no use here; take mechanism scram_sha_512 or plain with sasl_ssl, or leave it out"
        named = "username" if security.username is not None else "password"
        yield Problem(told, (*path, named if named == "username" or security.password is not None else "password_file"))
    for name in ("password", "key_password"):
        if getattr(security, name) is not None and getattr(security, f"{name}_file") is not None:
            yield Problem(f"stands beside {name}_file; keep the file", (*path, name))


def _certificates(settings: Settings) -> Iterator[Problem]:
    security, path = settings.kafka.security, ("kafka", "security")
    encrypted = security.protocol in {"ssl", "sasl_ssl"}
    for name in ("ca_file", "certificate_file", "key_file"):
        if getattr(security, name) is not None and not encrypted:
            yield Problem(f"has no use with {security.protocol}; take ssl or sasl_ssl", (*path, name))
    if security.certificate_file is not None and security.key_file is None:
        yield Problem("is needed with certificate_file", (*path, "key_file"))
    if security.key_file is not None and security.certificate_file is None:
        yield Problem("is needed with key_file", (*path, "certificate_file"))


def _endpoints(settings: Settings) -> Iterator[Problem]:
    if settings.aws.allow_insecure_endpoints:
        return
    for name in ("kinesis", "sts"):
        url = getattr(settings.aws.endpoint_urls, name)
        why = objection(url) if url is not None else None
        if why is not None:
            yield Problem(f"needs permission: {why}", ("aws", "endpoint_urls", name))


def _one_region(settings: Settings) -> Iterator[Problem]:
    """An endpoint of AWS is of one region; a stand-in's, which needs permission, may serve them all."""
    url = settings.aws.endpoint_urls.kinesis
    if url is None or objection(url) is not None:
        return
    regions = sorted({route.stream.region_or(settings.aws.region) for route in settings.routes})
    if len(regions) > 1:
        told = f"is of one region, but the streams are in {' and '.join(regions)}; run a doka for each, or leave it out"
        yield Problem(told, ("aws", "endpoint_urls", "kinesis"))


def _streams(settings: Settings) -> Iterator[Problem]:
    for index, route in enumerate(settings.routes):
        stream, path = route.stream, ("routes", index, "stream")
        if stream.arn is None:
            continue
        arn = parse_stream_arn(stream.arn)
        if stream.name is not None and stream.name != arn.name:
            yield Problem(f"is not the stream of the ARN beside it ({arn.name}); leave it out", (*path, "name"))
        if stream.region is not None and stream.region != arn.region:
            yield Problem(f"is not the region of the ARN beside it ({arn.region}); leave it out", (*path, "region"))
        if arn.partition != partition_of(arn.region):
            told = f"says {arn.partition}, but {arn.region} is in {partition_of(arn.region)}; correct one"
            yield Problem(told, (*path, "arn"))


def _routes(settings: Settings) -> Iterator[Problem]:
    by_name: dict[str, int] = {}
    for index, route in enumerate(settings.routes):
        yield from _topics(settings, index, route)
        twin = by_name.setdefault(route.name, index)
        if twin != index:
            told = f"is {route.name}, like that of routes[{twin}]; give each route a name of its own"
            yield Problem(told, ("routes", index, "name"))
    if len(settings.routes) > settings.limits.requests_in_flight:
        told = f"is below the number of routes; each needs a request of its own, so set {len(settings.routes)} or more"
        yield Problem(told, ("limits", "requests_in_flight"))


def _topics(settings: Settings, index: int, route: RouteSettings) -> Iterator[Problem]:
    """Find what is wrong with the topics of a route, and of those before it that read them too."""
    for place, topic in enumerate(route.topics):
        path = ("routes", index, "topics", place)
        if route.topics.index(topic) != place:
            yield Problem(f"is the topic {topic} again; keep one", path)
            continue
        if is_pattern(topic):
            for twin in (each for each in range(index) if topic in settings.routes[each].topics):
                told = f"is the pattern of routes[{twin}] again; topics that patterns of two routes match are not read"
                yield Problem(f"{told}, so keep one, or name the topics", path)
            continue
        before = [each for each in range(index) if topic in settings.routes[each].topics]
        if len(before) == ROUTES_OF_A_TOPIC_MAX:
            told = f"is the topic {topic} of {ROUTES_OF_A_TOPIC_MAX} routes before, which is the most"
            yield Problem(f"{told}; run a second doka with a group_id of its own", path)
        for twin in before:
            if (
                _sends_all(route)
                and _sends_all(settings.routes[twin])
                and _place(route) == _place(settings.routes[twin])
            ):
                told = f"is the topic {topic} of routes[{twin}], which goes to stream {route.stream.called} as well"
                yield Problem(
                    f"{told}, so each record would land twice; give one of them only, or another stream", path
                )


def _sends_all(route: RouteSettings) -> bool:
    """Say whether nothing is left out by a route's settings."""
    return route.only == OnlySettings() and route.transform == TransformSettings()


def _place(route: RouteSettings) -> tuple[str | None, ...]:
    """Give what tells one stream from another, as far as the settings do."""
    stream = route.stream
    return (stream.arn,) if stream.arn is not None else (stream.name, stream.region, stream.role)


def _patterns(settings: Settings) -> Iterator[Problem]:
    any_patterns = any(route.patterns for route in settings.routes)
    for index, route in enumerate(settings.routes):
        if route.topics_max != TOPICS_MAX_DEFAULT and not route.patterns:
            told = "has no use without a pattern in topics, like orders.*; leave it out"
            yield Problem(told, ("routes", index, "topics_max"))
    if settings.kafka.discovery_seconds != DISCOVERY_SECONDS and not any_patterns:
        told = "has no use without a pattern in routes[].topics, like orders.*; leave it out"
        yield Problem(told, ("kafka", "discovery_seconds"))


def _rack(settings: Settings) -> Iterator[Problem]:
    kafka = settings.kafka
    if kafka.rack is not None and "client.rack" in kafka.client:
        yield Problem("stands beside kafka.rack; keep that", ("kafka", "client", "client.rack"))
    if kafka.racks and kafka.rack is not None and kafka.rack not in {*kafka.racks, *kafka.racks.values()}:
        told = f"is {kafka.rack}, which is neither a zone of kafka.racks ({', '.join(kafka.racks)}) nor a rack of one"
        yield Problem(f"{told}; add it there", ("kafka", "rack"))
    if kafka.racks and kafka.rack is None:
        told = "has no use without kafka.rack; set that in each process, by DOKA_KAFKA__RACK, or leave it out"
        yield Problem(told, ("kafka", "racks"))


def _keys(settings: Settings) -> Iterator[Problem]:
    for index, route in enumerate(settings.routes):
        path, kind = ("routes", index), route.partition_key.partition(":")[0]
        if kind == "random" and route.ordering != "none":
            told = f"is {route.ordering}, but random keys have no order to keep; set ordering: none"
            yield Problem(told, (*path, "ordering"))
        if route.ordering == "key_in_request" and route.aggregation.enabled:
            told = (
                "is key_in_request, which has no use with aggregation: records of a key share one aggregate, in order"
            )
            yield Problem(f"{told}; take key, or switch aggregation off", (*path, "ordering"))
        if kind in {"random", "constant"} and "null_key" in route.model_fields_set:
            yield Problem(f"has no use with partition_key {kind}; leave it out", (*path, "null_key"))
        if kind not in {"kafka_key", "header"} and "key_encoding" in route.model_fields_set:
            yield Problem(f"has no use with partition_key {kind}; leave it out", (*path, "key_encoding"))


def _data(settings: Settings) -> Iterator[Problem]:
    for index, route in enumerate(settings.routes):
        if route.append == "newline" and route.compress != "none":
            told = f"is newline beside compress: {route.compress}, whose bytes are no lines; leave one of the two out"
            yield Problem(told, ("routes", index, "append"))
        if route.compress == "zstd" and sys.version_info >= (3, 14) and find_spec("_zstd") is None:
            yield Problem("is zstd, which this Python was built without; take gzip", ("routes", index, "compress"))


def _registries(settings: Settings) -> Iterator[Problem]:
    for index, route in enumerate(settings.routes):
        decode, path = route.decode, ("routes", index, "decode")
        if decode.registry is None or decode.registry.startswith("https:"):
            continue
        if decode.username is not None and not settings.aws.allow_insecure_endpoints:
            told = f"sends the password unencrypted; use https, or permit it with {PERMISSION}"
            yield Problem(told, (*path, "registry"))
        for name in ("ca_file", "certificate_file"):
            if getattr(decode, name) is not None:
                yield Problem("has no use with a registry over http; take https, or leave it out", (*path, name))


def _dead_letters(settings: Settings) -> Iterator[Problem]:
    topic, path = settings.dead_letters.topic, ("dead_letters", "topic")
    users = [index for index, route in enumerate(settings.routes) if route.on_poison == "dead_letter"]
    if topic is None:
        for index in users:
            told = "is dead_letter, which needs a topic: name one in dead_letters.topic, or take block"
            yield Problem(told, ("routes", index, "on_poison"))
        return
    for index, route in enumerate(settings.routes):
        if topic in route.topics:
            told = f"is a topic of routes[{index}] too, so a letter would come back as a record; choose another"
            yield Problem(told, path)
        elif matches(route.patterns, topic):
            told = f"matches a pattern of routes[{index}], so a letter would come back as a record; choose another"
            yield Problem(told, path)
    if not users:
        yield Problem("is used by no route; take on_poison: dead_letter in one, or leave it out", path)


def _roles(settings: Settings) -> Iterator[Problem]:
    used = {*(route.stream.role for route in settings.routes), settings.audit.role}
    for name, role in settings.roles.items():
        path = ("roles", name)
        if name == AMBIENT_ROLE:
            yield Problem("is the name of the credentials of routes without a role; choose another", path)
        elif name not in used:
            yield Problem("is used by no route; name it in routes[].stream.role, or leave it out", path)
        for index, hop in enumerate(role.hops):
            if index > 0 and hop.duration_seconds > CHAINED_ROLE_SECONDS_MAX:
                told = f"is {hop.duration_seconds}, but a chained hop (any after the first) gets at most 3600 from STS"
                yield Problem(f"{told}; set 3600 or less", (*path, "hops", index, "duration_seconds"))
            arn = parse_role_arn(hop.role_arn)
            if arn.partition != partition_of(settings.aws.region):
                told = f"says {arn.partition}, but {settings.aws.region} is in {partition_of(settings.aws.region)}"
                yield Problem(f"{told}; correct one", (*path, "hops", index, "role_arn"))
    known = ", ".join(settings.roles) or "none yet"
    for index, route in enumerate(settings.routes):
        if route.stream.role is not None and route.stream.role not in settings.roles:
            told = f"names {route.stream.role}, which is not under roles ({known}); define it there"
            yield Problem(told, ("routes", index, "stream", "role"))
    if settings.audit.role is not None and settings.audit.role not in settings.roles:
        told = f"names {settings.audit.role}, which is not under roles ({known}); define it there"
        yield Problem(told, ("audit", "role"))


def _times(settings: Settings) -> Iterator[Problem]:
    limits = settings.limits
    if limits.request_timeout_seconds >= limits.drain_seconds:
        told = f"must be below limits.drain_seconds ({limits.drain_seconds:g}), or a stop could not wait for a put"
        yield Problem(told, ("limits", "request_timeout_seconds"))
    for name, role in settings.roles.items():
        life, path = role.hops[-1].duration_seconds, ("roles", name, "rotation")
        if role.rotation.policy == "before_expiry" and role.rotation.margin_seconds >= life:
            told = f"must be below the role's life ({life} s), or the lease is due as soon as it is issued"
            yield Problem(told, (*path, "margin_seconds"))
        if role.rotation.policy == "interval" and role.rotation.interval_minutes * 60 >= life:
            told = f"must be below the role's life ({life / 60:g} min), or each lease ends before it is renewed"
            yield Problem(told, (*path, "interval_minutes"))


def _session_names(settings: Settings, hostname: str) -> Iterator[Problem]:
    for name, role in settings.roles.items():
        try:
            fill_session_name(role.session_name, hostname)
        except ValueError as error:
            yield Problem(str(error), ("roles", name, "session_name"))


def _never_renewed(settings: Settings) -> Iterator[Problem]:
    for name, role in settings.roles.items():
        if role.rotation.policy == "never":
            told = "never is for `doka demo` and the simulator: the service would stop when its lease ends"
            yield Problem(f"{told}; take before_expiry", ("roles", name, "rotation", "policy"))


def _otlp(settings: Settings) -> Iterator[Problem]:
    otlp, path = settings.otlp, ("otlp",)
    if otlp.headers and otlp.headers_file is not None:
        yield Problem("stands beside headers_file; keep the file", (*path, "headers"))
    for name, other in (("certificate_file", "key_file"), ("key_file", "certificate_file")):
        if getattr(otlp, name) is not None and getattr(otlp, other) is None:
            yield Problem(f"is needed with {name}", (*path, other))
    if otlp.enabled and otlp.traces.enabled and otlp.url_of("traces") is None:
        told = "has no use without a collector; name one in otlp.endpoint, or leave it out"
        yield Problem(told, (*path, "traces", "enabled"))


CHECKS: tuple[Callable[[Settings], Iterator[Problem]], ...] = (
    _plaintext,
    _log_in,
    _certificates,
    _endpoints,
    _one_region,
    _streams,
    _routes,
    _patterns,
    _rack,
    _keys,
    _data,
    _registries,
    _dead_letters,
    _roles,
    _times,
    _otlp,
)
