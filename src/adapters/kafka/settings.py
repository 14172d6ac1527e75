"""What the Kafka adapter needs to know, as checked values; the app builds it from the operator's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from doka.domain.partitions.start_positions import LogEdge, StartFrom
from doka.domain.rules import RouteRules

SecurityProtocol = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "aws_msk_iam"]
GroupProtocol = Literal["classic", "consumer"]


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """How brokers are reached and who we say we are. Certificates are always verified."""

    protocol: SecurityProtocol = "plaintext"
    mechanism: SaslMechanism | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_again: Callable[[], str | None] | None = field(default=None, repr=False, compare=False)
    """Reads the file of the password again; gives None where there is none to be read. None: it came from no file."""
    ca_file: str | None = None
    """PEM file of the authorities that brokers are trusted by; None: those of the system."""
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MemberSettings:
    """One consumer-group member: where, as whom, what, and within which bounds."""

    bootstrap_servers: tuple[str, ...]
    group_id: str
    topics: frozenset[str]
    """The topics that routes name."""
    topics_with_originals: frozenset[str] = frozenset()
    """Those of them whose records are handed over whole (headers, timestamps of each record)."""
    routes: tuple[RouteRules, ...] = ()
    """All routes, where one of them has patterns, which bring topics beside the named ones."""
    discovery_seconds: float = 30
    """How often it is looked for such topics."""
    start_from: StartFrom = LogEdge.EARLIEST
    """Where a group without commits begins."""
    security: KafkaSecurity = field(default_factory=KafkaSecurity)
    region: str | None = None
    """AWS region of the cluster, for `aws_msk_iam`."""
    held_bytes: int = 64 * 1024 * 1024
    """The process's budget for records; the local queue takes a fixed share of it."""
    drain_seconds: float = 25
    """How long a revoke may take; the poll interval must leave room for it."""
    group_protocol: GroupProtocol = "classic"
    group_instance_id: str | None = None
    client_id: str = "doka"
    rack: str | None = None
    """The rack that this process is in, as the brokers call it."""
    client: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Further librdkafka keys, from the allow-list of client_settings."""
