"""The whole configuration as one frozen object.

It never reads a file, the environment or the network by itself: `load.py` lays those layers, and nothing else enters.
Names are a contract with every deployed file: settings are added, never renamed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from doka.app.settings.aws import AwsSettings, RoleSettings
from doka.app.settings.fields import FROZEN, Name, Section, Text, TopicName, Whole, without_empty
from doka.app.settings.kafka import KafkaSettings
from doka.app.settings.otlp import OtlpSettings
from doka.app.settings.routes import RouteSettings
from doka.domain.limits import PUT_BYTES_MAX, PUT_RECORDS_MAX, ROLE_SECONDS_MIN

MIB = 1024 * 1024
REQUEST_SECONDS_MAX = 120
LINGER_MS_MAX = 1_000

# The reserve before a lease's end is the smaller of a request's time and a fifth of the lease's life: it must be the
# first of the two for every role, or requests would be cut short.
assert REQUEST_SECONDS_MAX <= ROLE_SECONDS_MIN / 5


class DeadLetterSettings(Section):
    """Where records go that can never land."""

    topic: TopicName | None = Field(
        default=None,
        description="Kafka topic for records that can never land; with one, on_poison is dead_letter by default.",
    )


class AuditSettings(Section):
    """How `doka audit` reads streams back."""

    role: Name | None = Field(
        default=None,
        description="A name under roles, for `doka audit` where a route's own role may not read; by default the route's own.",
    )


class LimitSettings(Section):
    """What this process may hold and how long it may take."""

    held_mib: Annotated[Whole, Field(ge=8, le=65_536)] = Field(
        default=64, description="Memory for records wherever they are: held, in Kafka's queue, in bodies; MiB."
    )
    ahead_records: Annotated[Whole, Field(ge=1, le=10_000_000)] = Field(
        default=50_000,
        description="How far a partition may settle above an unsettled record; bounds duplicates after a crash.",
    )
    requests_in_flight: Annotated[Whole, Field(ge=1, le=256)] = Field(
        default=16, description="Puts under way at a time, over all routes; each route needs one."
    )
    request_timeout_seconds: Annotated[float, Field(strict=True, ge=0.1, le=REQUEST_SECONDS_MAX)] = Field(
        default=10.0, description="When a put without an answer is given up."
    )
    request_records: Annotated[Whole, Field(ge=1, le=PUT_RECORDS_MAX)] = Field(
        default=PUT_RECORDS_MAX, description="Records in one put."
    )
    linger_ms: Annotated[Whole, Field(ge=0, le=LINGER_MS_MAX)] = Field(
        default=5,
        description="At most as long a record waits for others to share its put, in ms; 0: only while puts are under way.",
    )
    request_mib: Annotated[Whole, Field(ge=1, le=PUT_BYTES_MAX // MIB)] = Field(
        default=PUT_BYTES_MAX // MIB, description="Size of one put, in MiB; stand-ins for Kinesis often take 5."
    )
    max_poison_per_minute: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        default=100, description="More records of a route that can never land block it: then the route is wrong."
    )
    commit_seconds: Annotated[float, Field(strict=True, ge=0.05, le=60)] = Field(
        default=1.0, description="How often offsets are committed."
    )
    drain_seconds: Annotated[float, Field(strict=True, ge=1, le=3_600)] = Field(
        default=25.0, description="Time for a clean stop or rebalance; keep it below the pod's grace period."
    )


class HttpSettings(Section):
    """Where the page, /metrics, /healthz and /readyz are served."""

    host: Text = Field(default="127.0.0.1", description="Address to listen at; 0.0.0.0 inside a container.")
    port: Annotated[Whole, Field(ge=0, le=65_535)] = Field(default=9400, description="Port; 0 takes any free one.")
    page: bool = Field(default=True, description="Serve the page at / and /status.json, what it shows.")
    hosts: tuple[Text, ...] = Field(
        default=(),
        description="Names by which browsers may ask for the page; localhost and addresses always may. It keeps pages of "
        "other sites from reading it.",
        examples=[["doka.internal"]],
    )
    runbook: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] | None = Field(
        default=None,
        description="Where a browser finds doka's documents: the address of the folder that has docs/ in it. The page and "
        "`doka top` then lead from each reason to what to do.",
        examples=["https://git.example/doka/blob/v0.2.0/"],
    )


class LogSettings(Section):
    """What is told on stdout."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The least that is told.")
    format: Literal["json", "text"] = Field(
        default="json",
        description="json: one object a line; text: for a person. While it is not set, a terminal gets text.",
    )


class Settings(BaseModel):
    """Everything an operator can decide. Made by `load_settings` or `settings_from`, which also check the whole."""

    model_config = FROZEN | {"title": "doka"}

    kafka: KafkaSettings = Field(description="Where records come from.")
    aws: AwsSettings = Field(description="Region and endpoints of Kinesis and STS.")
    roles: dict[Name, RoleSettings] = Field(
        default_factory=dict, description="Named chains of roles, shared by the routes."
    )
    routes: tuple[RouteSettings, ...] = Field(
        min_length=1,
        description="Which topics go to which stream.",
        examples=[[{"topics": ["orders"], "stream": {"name": "orders"}}]],
    )
    dead_letters: DeadLetterSettings = Field(default=DeadLetterSettings(), description="Where poison goes.")
    audit: AuditSettings = Field(default=AuditSettings(), description="As whom streams are read back.")
    limits: LimitSettings = Field(default=LimitSettings(), description="What this process may hold, and for how long.")
    http: HttpSettings = Field(default=HttpSettings(), description="Metrics and health.")
    log: LogSettings = Field(default=LogSettings(), description="Level and form of the log.")
    otlp: OtlpSettings = Field(default=OtlpSettings(), description="Metrics and traces for an OpenTelemetry collector.")

    @model_validator(mode="before")
    @classmethod
    def _take_empty_as_absent(cls, data: Any) -> Any:
        return _with_letters(without_empty(cls.model_fields, data))


def _with_letters(data: Any) -> Any:
    """Let every route that does not say otherwise send its poison to the dead-letter topic, where there is one."""
    letters = data.get("dead_letters") if isinstance(data, dict) else None
    routes = data.get("routes") if isinstance(letters, dict) and letters.get("topic") is not None else None
    if not isinstance(routes, list | tuple):
        return data
    return {**data, "routes": [{"on_poison": "dead_letter"} | r if isinstance(r, dict) else r for r in routes]}
