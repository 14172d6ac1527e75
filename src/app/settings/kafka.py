"""The settings of the Kafka side: which cluster, as whom, from where."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from doka.adapters.kafka.settings import SecurityProtocol
from doka.app.settings.fields import BootstrapServer, ClientValue, Flag, Section, StartText, Text

DISCOVERY_SECONDS = 30
Mechanism = Literal["aws_msk_iam", "scram_sha_256", "scram_sha_512", "plain"]


def _mechanism_of(decided: dict[str, Any]) -> Mechanism | None:
    return "aws_msk_iam" if str(decided.get("protocol", "")).startswith("sasl") else None


class Security(Section):
    """How the brokers are spoken to. Certificates are always verified; there is no switch for that."""

    protocol: SecurityProtocol = Field(
        default="sasl_ssl", description="Encryption and log-in; both plaintext ones need permission."
    )
    mechanism: Mechanism | None = Field(
        default_factory=_mechanism_of, description="How to log in where the protocol is sasl_*; aws_msk_iam by default."
    )
    allow_plaintext: Flag = Field(default=False, description="Permit a protocol that does not encrypt.")
    ca_file: Text | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's own."
    )
    username: Text | None = Field(default=None, description="User for scram_* and plain.")
    password: SecretStr | None = Field(
        default=None, description="Password for scram_* and plain; better in password_file."
    )
    password_file: Text | None = Field(default=None, description="File that holds the password.")
    certificate_file: Text | None = Field(default=None, description="PEM file of the client certificate (mutual TLS).")
    key_file: Text | None = Field(default=None, description="PEM file of the client certificate's private key.")
    key_password: SecretStr | None = Field(
        default=None, description="Password of key_file; better in key_password_file."
    )
    key_password_file: Text | None = Field(default=None, description="File that holds the password of key_file.")


class KafkaSettings(Section):
    """The consumer-group member that this process is."""

    bootstrap_servers: tuple[BootstrapServer, ...] = Field(
        min_length=1, description="Brokers to begin with, HOST:PORT.", examples=[["b-1.example:9098"]]
    )
    group_id: Text = Field(
        max_length=249,
        description="Consumer group; one for each environment and each set of routes, since members share partitions.",
        examples=["doka"],
    )
    start_from: StartText = Field(
        default="earliest",
        description="Where a group without any commit begins: earliest, latest or a time with its zone.",
        examples=["2026-08-01T00:00:00Z"],
    )
    discovery_seconds: Annotated[int, Field(strict=True, ge=1, le=3_600)] = Field(
        default=DISCOVERY_SECONDS,
        description="How often it is looked for topics that match the patterns of routes; each look lists all topics.",
    )
    on_gap: Literal["block", "continue"] = Field(
        default="block", description="What to do when records left the log before they were read."
    )
    on_unreadable: Literal["block", "continue"] = Field(
        default="block",
        description="What to do when stored records cannot be read: a damaged batch, one larger than can be unpacked.",
    )
    group_protocol: Literal["classic", "consumer"] = Field(
        default="classic", description="classic is cooperative-sticky; consumer is KIP-848 and needs Kafka 4."
    )
    group_instance_id: Text | None = Field(
        default=None, max_length=249, description="Static membership; for StatefulSets only, one name for each member."
    )
    rack: Text | None = Field(
        default=None,
        description=(
            "The rack that this process is in; where the brokers let it, it reads from replicas in it, which costs no traffic "
            "between zones. With racks, the name of the zone."
        ),
        examples=["euw1-az1"],
    )
    racks: dict[Text, Text] = Field(
        default_factory=dict,
        description="What brokers call the rack of each zone, where a process knows the zone's name alone.",
        examples=[{"eu-west-1a": "euw1-az1"}],
    )
    security: Security = Field(default=Security(), description="Encryption and log-in.")
    client: dict[str, ClientValue] = Field(
        default_factory=dict, description="Further librdkafka keys, from an allow-list."
    )
