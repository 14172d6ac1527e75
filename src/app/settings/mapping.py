"""Hands the settings on in each part's own words: the domain's rules, and the settings of the adapters.

Pure, except that the files of secrets and of transforms are read here: so `doka config show` needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import SecretStr

from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.sts.settings import AMBIENT_ROLE, Hop, RoleChain
from doka.adapters.kafka.client_settings import Oauth
from doka.adapters.kafka.settings import KafkaSecurity, MemberSettings, SaslMechanism
from doka.adapters.registry.registries import NoAnswerError, Registries, Registry
from doka.adapters.registry.settings import RegistrySettings, Writing
from doka.adapters.system.clock import SystemClock
from doka.app.settings.aws import RoleSettings
from doka.app.settings.kafka import Security
from doka.app.settings.memory import body_bytes, key_cache_bytes, record_bytes, request_bytes
from doka.app.settings.model import MIB, Settings
from doka.app.settings.problems import Problem, SettingsError
from doka.app.settings.routes import Aggregation, OnlySettings, RouteSettings, TransformSettings
from doka.app.settings.session import fill_session_name
from doka.app.transforms import NotLoadedError, load_transform
from doka.domain.batch import Transform
from doka.domain.compression import Compression
from doka.domain.errors import UsageError
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from doka.domain.partitions.start_positions import LogEdge, StartFrom
from doka.domain.ports import Clock
from doka.domain.rules import (
    AggregationRules,
    KeyEncoding,
    LimitRules,
    NullKey,
    NullValue,
    OnGap,
    Only,
    OnPoison,
    OnUnreadable,
    Ordering,
    RoleRules,
    RotationPolicy,
    RouteRules,
    Rules,
)
from doka.domain.schemas import Decode, Found, Framing

if TYPE_CHECKING:
    from doka.adapters.registry.protobuf import Descriptors

# As librdkafka spells them.
_MECHANISMS: Mapping[str, SaslMechanism] = {
    "aws_msk_iam": "aws_msk_iam",
    "plain": "PLAIN",
    "scram_sha_256": "SCRAM-SHA-256",
    "scram_sha_512": "SCRAM-SHA-512",
}
NS_PER_MINUTE = 60 * NS_PER_SECOND


def to_rules(settings: Settings) -> Rules:
    """Give what the forwarder is told at birth. Routes without a role lean on the role `ambient`.

    Raises:
        SettingsError: a transform cannot be loaded.
    """
    used = {route.stream.role for route in settings.routes}  # that of audits is no business of the service
    roles = [_role_rules(name, role) for name, role in settings.roles.items() if name in used]
    if any(route.stream.role is None for route in settings.routes):
        roles.append(RoleRules(AMBIENT_ROLE))
    limits = settings.limits
    return Rules(
        routes=tuple(_route_rules(settings, index) for index in range(len(settings.routes))),
        roles=tuple(roles),
        limits=LimitRules(
            held_bytes=record_bytes(limits.held_mib),
            ahead_records=limits.ahead_records,
            requests_in_flight=limits.requests_in_flight,
            request_timeout=round(limits.request_timeout_seconds * NS_PER_SECOND),
            request_records=limits.request_records,
            request_bytes=request_bytes(limits.held_mib, limits.request_mib),
            body_bytes=body_bytes(limits.held_mib),
            key_cache_bytes=key_cache_bytes(limits.held_mib) // len(settings.routes),
            poison_per_minute=limits.max_poison_per_minute,
            commit_every=round(limits.commit_seconds * NS_PER_SECOND),
            drain=round(limits.drain_seconds * NS_PER_SECOND),
            linger=limits.linger_ms * NS_PER_MS,
        ),
        on_gap=OnGap(settings.kafka.on_gap),
        on_unreadable=OnUnreadable(settings.kafka.on_unreadable),
    )


def to_reader_rules(settings: Settings, route: RouteSettings) -> RoleRules:
    """Give how the leases are kept by which an audit reads the stream of a route."""
    name = settings.audit.role or route.stream.role
    return RoleRules(AMBIENT_ROLE) if name is None else _role_rules(name, settings.roles[name])


def to_member_settings(settings: Settings, *, hostname: str) -> MemberSettings:
    """Give what the group member is told; reads the files that hold its passwords.

    Raises:
        SettingsError: a file that is named cannot be read.
    """
    kafka = settings.kafka
    rules = to_rules(settings)
    return MemberSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=kafka.group_id,
        topics=frozenset(topic for route in rules.routes for topic in route.topics),
        routes=rules.routes if any(route.patterns for route in rules.routes) else (),
        discovery_seconds=kafka.discovery_seconds,
        topics_with_originals=frozenset(
            topic for route in rules.routes if route.needs_originals for topic in route.topics
        ),
        start_from=_start_from(kafka.start_from),
        security=_member_security(kafka.security),
        region=settings.aws.region,
        held_bytes=settings.limits.held_mib * MIB,
        drain_seconds=settings.limits.drain_seconds,
        group_protocol=kafka.group_protocol,
        group_instance_id=kafka.group_instance_id,
        client_id=f"doka-{hostname}",
        rack=None if kafka.rack is None else kafka.racks.get(kafka.rack, kafka.rack),
        client={key: _number_or_text(value) for key, value in kafka.client.items()},
    )


def to_oauth(settings: Settings, clock: Clock) -> Oauth | None:
    """Give the maker of log-in tokens where the mechanism is aws_msk_iam; None elsewhere."""
    if settings.kafka.security.mechanism != "aws_msk_iam":
        return None
    from doka.adapters.aws.session import AwsSessions
    from doka.adapters.aws.sts.sources import AmbientSession
    from doka.adapters.aws.words import words_of
    from doka.adapters.kafka.iam import MskIamTokens

    region, sts, sessions = settings.aws.region, settings.aws.endpoint_urls.sts, AwsSessions()
    return MskIamTokens(region, clock, lambda: AmbientSession(region, sts, sessions), words_of)


def to_stream_targets(settings: Settings) -> Mapping[str, StreamTarget]:
    """Give the stream of each route, by the route's name."""
    return {
        route.name: StreamTarget(
            route=route.name,
            stream_name=route.stream.called,
            stream_arn=route.stream.arn,
            region=stream_region(settings, route),
            endpoint_url=settings.aws.endpoint_urls.kinesis,
        )
        for route in settings.routes
    }


def to_role_chains(settings: Settings, hostname: str) -> Mapping[str, RoleChain]:
    """Give the way into each role, by the role's name, and that of the ambient credentials, which all begin with.

    `hostname` fills session names.
    """
    sts = settings.aws.endpoint_urls.sts
    chains = {
        name: RoleChain(
            name=name,
            region=settings.aws.region,
            hops=tuple(Hop(hop.role_arn, hop.external_id, hop.duration_seconds) for hop in role.hops),
            session_name=fill_session_name(role.session_name, hostname),
            source_identity=role.source_identity,
            tags=tuple(role.tags.items()),
            session_policy=role.session_policy,
            sts_endpoint_url=sts,
        )
        for name, role in settings.roles.items()
    }
    return chains | {AMBIENT_ROLE: RoleChain(AMBIENT_ROLE, region=settings.aws.region, sts_endpoint_url=sts)}


def stream_region(settings: Settings, route: RouteSettings) -> str:
    """Give the region of a route's stream: its own setting, else the ARN's, else that of `aws`."""
    return route.stream.region_or(settings.aws.region)


def to_log_style(settings: Settings, *, terminal: bool) -> str:
    """Give the style of log lines: json, console or colour. A terminal gets colour unless a format was set."""
    if settings.log.format == "text" or (terminal and "format" not in settings.log.model_fields_set):
        return "colour" if terminal else "console"
    return "json"


def _role_rules(name: str, role: RoleSettings) -> RoleRules:
    return RoleRules(
        name=name,
        policy=RotationPolicy(role.rotation.policy),
        margin=round(role.rotation.margin_seconds * NS_PER_SECOND),
        interval=round(role.rotation.interval_minutes * NS_PER_MINUTE),
    )


def _route_rules(settings: Settings, index: int) -> RouteRules:
    route = settings.routes[index]
    return RouteRules(
        name=route.name,
        topics=frozenset(route.named),
        patterns=frozenset(route.patterns),
        topics_max=route.topics_max,
        role=route.stream.role or AMBIENT_ROLE,
        partition_key=route.partition_key,
        null_key=NullKey(route.null_key),
        null_value=NullValue(route.null_value),
        key_encoding=KeyEncoding(route.key_encoding),
        ordering=Ordering(route.ordering),
        envelope=route.envelope == "json",
        decode=_decode(settings, index),
        only=_only(route.only),
        transform=_transform(route.transform, index),
        on_poison=OnPoison(route.on_poison),
        newline=route.append == "newline",
        compression=_compression(route.compress),
        aggregation=_aggregation_rules(route.aggregation) if route.aggregation.enabled else None,
    )


def to_registries(settings: Settings) -> Registries:
    """Give the registries of the routes that decode.

    Raises:
        SettingsError: a file that is named cannot be read.
    """
    return Registries(
        {route.name: _registry(settings, index) for index, route in enumerate(settings.routes) if route.decode.enabled}
    )


def _registry(settings: Settings, index: int) -> Registry:
    """Give the registry of a route; what reads Avro is loaded only where it is asked for."""
    decode, path = settings.routes[index].decode, ("routes", index, "decode")
    writing = Writing(decode.unions, decode.bytes, decode.decimals, decode.timestamps)
    timeout = round(decode.timeout_seconds * NS_PER_SECOND)
    if decode.framing == "glue":
        from doka.adapters.aws.session import AwsSessions
        from doka.adapters.aws.sts.sources import AmbientSession
        from doka.adapters.registry.glue import GlueRegistry

        region, sts, sessions = settings.aws.region, settings.aws.endpoint_urls.sts, AwsSessions()
        session = partial(AmbientSession, region, sts, sessions)
        return GlueRegistry(decode.region or region, session, writing, SystemClock(), timeout=timeout)
    from doka.adapters.registry.confluent import ConfluentRegistry

    for name in ("ca_file", "certificate_file", "key_file"):
        file = getattr(decode, name)
        if file is not None:
            _read(file, (*path, name))
    read = partial(_secret, decode.password, decode.password_file, (*path, "password_file"))
    read()  # so that a file that is not there is told now, and where
    registry = RegistrySettings(
        url=decode.registry or "",
        username=decode.username,
        password=partial(_again, read),
        ca_file=decode.ca_file,
        certificate_file=decode.certificate_file,
        key_file=decode.key_file,
        timeout=timeout,
    )
    return ConfluentRegistry(registry, writing, SystemClock(), _descriptors(decode.descriptor_file, path))


def _descriptors(file: str | None, path: tuple[str | int, ...]) -> Descriptors | None:
    if file is None:
        return None
    from doka.adapters.registry.protobuf import Descriptors

    path = (*path, "descriptor_file")
    try:
        return Descriptors(_read(file, path))
    except ValueError as error:
        told = f"names {error}; write one by protoc --include_imports --descriptor_set_out"
        raise SettingsError([Problem(told, path)]) from None


def _decode(settings: Settings, index: int) -> Decode | None:
    route = settings.routes[index]
    decode = route.decode
    if not decode.enabled:
        return None
    where = decode.registry or f"AWS Glue in {decode.region or settings.aws.region}"
    form = f"{decode.unions} {decode.bytes} {decode.decimals} {decode.timestamps}"
    return Decode(Framing(decode.framing), where, form, partial(_asked, route.name, _registry(settings, index)))


def _asked(route: str, registry: Registry, schemas: tuple[str, ...]) -> Mapping[str, Found]:
    """Ask a registry for what a command needs."""
    try:
        return registry.fetch(schemas)
    except NoAnswerError as error:
        raise UsageError(f"the schema registry of route {route} gives no schema: {error}") from None


def _only(only: OnlySettings) -> Only | None:
    if not only.texts:
        return None
    decides = f"header:{only.header}" if only.pointer is None else f"pointer:{only.pointer}"
    return Only(decides, frozenset(only.texts))


def _transform(transform: TransformSettings, index: int) -> Transform | None:
    if transform.file is None or transform.function is None:
        return None
    try:
        return load_transform(transform.file, transform.function, SystemClock())
    except NotLoadedError as error:
        raise SettingsError([Problem(str(error), ("routes", index, "transform", error.setting))]) from None


def _compression(name: Literal["none", "gzip", "zstd"]) -> Compression | None:
    """Give what compresses; only what is asked for is loaded."""
    match name:
        case "none":
            return None
        case "gzip":
            from doka.adapters.compression.gzip import GZIP

            return GZIP
        case "zstd":
            from doka.adapters.compression.zstd import ZSTD

            return ZSTD


def _aggregation_rules(aggregation: Aggregation) -> AggregationRules:
    return AggregationRules(aggregation.target_bytes, aggregation.linger_ms * NS_PER_MS, aggregation.lanes)


def _member_security(security: Security) -> KafkaSecurity:
    path = ("kafka", "security")
    for name in ("ca_file", "certificate_file", "key_file"):
        file = getattr(security, name)
        if file is not None:
            _read(file, (*path, name))
    of_login = partial(_secret, security.password, security.password_file, (*path, "password_file"))
    return KafkaSecurity(
        protocol=security.protocol,
        mechanism=None if security.mechanism is None else _MECHANISMS[security.mechanism],
        username=security.username,
        password=of_login(),
        password_again=None if security.password_file is None else partial(_again, of_login),
        ca_file=security.ca_file,
        certificate_file=security.certificate_file,
        key_file=security.key_file,
        key_password=_secret(security.key_password, security.key_password_file, (*path, "key_password_file")),
    )


def _secret(given: SecretStr | None, file: str | None, path: tuple[str | int, ...]) -> str | None:
    """Give a secret from its setting or its file, without the line break that editors end a file with."""
    if file is None:
        return None if given is None else given.get_secret_value()
    secret = _read(file, path).removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or "\n" in text:
        raise SettingsError([Problem("must name a file with the secret on its only line", path)])
    return text


def _again(read: Callable[[], str | None]) -> str | None:
    """Read a secret whose file may be in the middle of being replaced."""
    try:
        return read()
    except SettingsError:
        return None


def _read(file: str, path: tuple[str | int, ...]) -> bytes:
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError):
        told = "names a file that cannot be read; check the path and its permissions"
        raise SettingsError([Problem(told, path)]) from None


def _start_from(text: str) -> StartFrom:
    if text in {edge.value for edge in LogEdge}:
        return LogEdge(text)
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def _number_or_text(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value
