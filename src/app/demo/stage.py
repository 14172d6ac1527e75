"""The demo's two worlds, inside one process tree: a Kafka cluster, and an AWS whose tokens really die.

The service that runs between them is the real one, from the real container; only addresses, and the key of the
workload that asks for leases, are the stage's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3

from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.embedded.gate import ExpiringGate
from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.embedded.moto_server import EmbeddedMoto
from doka.adapters.embedded.streams import create_stream, read_stream
from doka.adapters.system.clock import SystemClock
from doka.app.container import Container
from doka.app.demo.figures import Figures
from doka.app.service import build
from doka.app.settings.load import settings_from
from doka.app.settings.mapping import to_role_chains
from doka.app.settings.model import Settings

HOSTNAME = "demo"
TOPIC = STREAM = "orders"
GROUP = "doka-demo"
PARTITIONS = 6
SHARDS = 4
REGION = "eu-west-1"
ROLE = "writer"
ROLE_ARN = "arn:aws:iam::210987654321:role/doka-writer"
# The workload's own credentials: the pair that AWS prints in its documentation.
WORKLOAD_KEY, WORKLOAD_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@dataclass(frozen=True, slots=True)
class Stage:
    """Both worlds, ready."""

    bootstrap_servers: str
    gate: ExpiringGate
    moto_url: str

    def read_back(self) -> list[tuple[str, bytes]]:
        """Give everything that is in the stream, shard by shard, in order."""
        return [(r.partition_key, r.data) for r in read_stream(self.moto_url, ROLE_ARN, STREAM, REGION)]


@contextmanager
def set_stage(token_seconds: float) -> Iterator[Stage]:
    """Raise both worlds, with an empty topic and an empty stream; tear them down at the end."""
    clock = SystemClock()
    with KafkaCluster() as cluster, EmbeddedMoto() as moto, ExpiringGate(moto.url, clock, token_seconds) as gate:
        cluster.create_topic(TOPIC, PARTITIONS)
        create_stream(moto.url, ROLE_ARN, STREAM, SHARDS, REGION)
        yield Stage(cluster.bootstrap_servers, gate, moto.url)


def settings_for(stage: Stage, policy: str) -> Settings:
    """Give the settings of a service between both worlds."""
    return settings_from(
        configuration_of(stage.gate, stage.bootstrap_servers, policy), hostname=HOSTNAME, simulated=True
    )


def configuration_of(gate: ExpiringGate, bootstrap_servers: str, policy: str) -> dict[str, Any]:
    """Give the configuration that an operator would write for this stage."""
    return {
        "kafka": {
            "bootstrap_servers": bootstrap_servers.split(","),
            "group_id": GROUP,
            "security": {"protocol": "plaintext", "allow_plaintext": True},
        },
        "aws": {
            "region": REGION,
            "allow_insecure_endpoints": True,
            "endpoint_urls": {"kinesis": gate.url, "sts": gate.url},
        },
        "roles": {ROLE: {"hops": [{"role_arn": ROLE_ARN}], "rotation": {"policy": policy}}},
        "routes": [{"topics": [TOPIC], "stream": {"name": STREAM, "role": ROLE}}],
        # The gate lets one put through at a time, so more in flight would only wait for each other.
        "limits": {"request_mib": 5, "request_records": 200, "requests_in_flight": 2},
        "http": {"port": 0},
    }


def service_for(settings: Settings, figures: Figures) -> Container:
    """Put the real service together, watched by `figures` and known to STS as the stage's workload."""
    container = build(settings, HOSTNAME)
    container.telemetry.override(figures)
    container.authority.override(StsAuthority(to_role_chains(settings, HOSTNAME), container.clock(), workload_session))
    return container


def workload_session() -> boto3.session.Session:
    """Give the credentials of the workload's own account."""
    return boto3.session.Session(WORKLOAD_KEY, WORKLOAD_SECRET)
