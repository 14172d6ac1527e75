"""Hands the settings on in each part's own words: the domain's rules, and the settings of the adapters.

Pure, except that the files of secrets are read here, once: so `doka config show` needs none of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.kinesis.target import StreamTarget
from adapters.sts.settings import AMBIENT_ROLE, RoleChain
from adapters.sts.settings import Hop as ChainHop
from app.settings.arn import parse_stream_arn
from app.settings.aws import RoleSettings
from app.settings.model import MIB, Settings
from app.settings.routes import RouteSettings
from app.settings.session import fill_session_name
from domain.limits import NS_PER_SECOND
from domain.rules import (
    KeyEncoding,
    LimitRules,
    NullKey,
    NullValue,
    OnGap,
    OnPoison,
    Ordering,
    RoleRules,
    RotationPolicy,
    RouteRules,
    Rules,
)

NS_PER_MINUTE = 60 * NS_PER_SECOND


def to_rules(settings: Settings) -> Rules:
    """Give what the forwarder is told at birth. Routes without a role lean on the role `ambient`."""
    roles = [_role_rules(name, role) for name, role in settings.roles.items()]
    if any(route.stream.role is None for route in settings.routes):
        roles.append(RoleRules(AMBIENT_ROLE))
    limits = settings.limits
    return Rules(
        routes=tuple(_route_rules(route) for route in settings.routes),
        roles=tuple(roles),
        limits=LimitRules(
            held_bytes=limits.held_mib * MIB,
            ahead_records=limits.ahead_records,
            requests_in_flight=limits.requests_in_flight,
            request_timeout=round(limits.request_timeout_seconds * NS_PER_SECOND),
            request_records=limits.request_records,
            request_bytes=limits.request_mib * MIB,
            commit_every=round(limits.commit_seconds * NS_PER_SECOND),
            drain=round(limits.drain_seconds * NS_PER_SECOND),
        ),
        on_gap=OnGap(settings.kafka.on_gap),
    )


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
    """Give the way into each role that a route uses, by the role's name; `hostname` fills session names."""
    sts = settings.aws.endpoint_urls.sts
    chains = {
        name: RoleChain(
            name=name,
            region=settings.aws.region,
            hops=tuple(ChainHop(hop.role_arn, hop.external_id, hop.duration_seconds) for hop in role.hops),
            session_name=fill_session_name(role.session_name, hostname),
            source_identity=role.source_identity,
            tags=tuple(role.tags.items()),
            session_policy=role.session_policy,
            sts_endpoint_url=sts,
        )
        for name, role in settings.roles.items()
    }
    if any(route.stream.role is None for route in settings.routes):
        chains[AMBIENT_ROLE] = RoleChain(AMBIENT_ROLE, region=settings.aws.region, sts_endpoint_url=sts)
    return chains


def stream_region(settings: Settings, route: RouteSettings) -> str:
    """Give the region of a route's stream: its own setting, else the ARN's, else that of `aws`."""
    if route.stream.region is not None:
        return route.stream.region
    return settings.aws.region if route.stream.arn is None else parse_stream_arn(route.stream.arn).region


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


def _route_rules(route: RouteSettings) -> RouteRules:
    return RouteRules(
        name=route.name,
        topics=frozenset(route.topics),
        role=route.stream.role or AMBIENT_ROLE,
        partition_key=route.partition_key,
        null_key=NullKey(route.null_key),
        null_value=NullValue(route.null_value),
        key_encoding=KeyEncoding(route.key_encoding),
        ordering=Ordering(route.ordering),
        envelope=route.envelope == "json",
        on_poison=OnPoison(route.on_poison),
    )
