"""The names that stand in the documents: what the configuration says, what the command line adds, and placeholders else.

A placeholder is in capitals and no valid ARN, so that AWS refuses a document in which one was forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from doka.adapters.kafka.skip_orders import skips_group
from doka.app.letters.reading import letters_group
from doka.app.settings.arn import REGION, parse_role_arn, partition_of
from doka.app.settings.aws import RoleSettings
from doka.app.settings.mapping import stream_region
from doka.app.settings.model import Settings
from doka.app.settings.routes import RouteSettings
from doka.domain.errors import UsageError

Workload = Literal["irsa", "pod-identity", "ecs", "ec2"]

PLACEHOLDERS = {
    "WORKLOAD_ACCOUNT": "--workload-role-arn",
    "WORKLOAD_ROLE": "--workload-role-arn",
    "OIDC_PROVIDER": "--oidc-provider",
    "NAMESPACE:SERVICE_ACCOUNT": "--service-account",
    "MSK_ACCOUNT": "--msk-cluster-arn",
    "MSK_CLUSTER": "--msk-cluster-arn",
    "MSK_UUID": "--msk-cluster-arn",
    "KMS_KEY_ID": "--kms-key-arn",
    "KEDA_OPERATOR_ROLE": "the role of KEDA's operator",
    "AUDITOR_ROLE": "the role of who types it",
    "OPERATOR_ROLE": "--operator-arn",
    "VPC_ENDPOINT_ID": "the id of the endpoint",
}
"""What the configuration cannot know: placeholder -> what gives it."""

TRIALS = "doka-conformance-"
"""How the names of all streams begin that `doka conformance` makes; what it may do it may on these alone."""
_CLUSTER = re.compile(
    rf"(arn:aws(?:-[a-z]+)*:kafka:{REGION.pattern}:([0-9]{{12}})):cluster/([A-Za-z0-9-]+)/([0-9A-Za-z-]+)", re.ASCII
)
_KEY = re.compile(rf"arn:aws(?:-[a-z]+)*:kms:({REGION.pattern}):([0-9]{{12}}):key/[A-Za-z0-9-]+", re.ASCII)
_PROVIDER = re.compile(r"(?:https://)?([A-Za-z0-9.-]+(?:/[\w./-]+)?)", re.ASCII)
_SERVICE_ACCOUNT = re.compile(r"[a-z0-9-]{1,63}:[a-z0-9.-]{1,253}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says of the accounts. Raises UsageError, which names the option, for what cannot be."""

    workload: Workload | None = None
    """How the workload gets its role; None: its trust policy is somebody else's business."""
    workload_role_arn: str | None = None
    oidc_provider: str | None = None
    service_account: str | None = None
    msk_cluster_arn: str | None = None
    kms_key_arns: tuple[str, ...] = ()
    operator_arn: str | None = None
    """The role of who types at a terminal what sends or skips records; None: nobody but the workload is let in."""

    def __post_init__(self) -> None:
        for option, arn in (("--workload-role-arn", self.workload_role_arn), ("--operator-arn", self.operator_arn)):
            if arn is not None:
                try:
                    parse_role_arn(arn)
                except ValueError as error:
                    raise UsageError(f"{option} {error}") from None
        example = "arn:aws:{}:eu-west-1:111122223333:{}/11111111-2222-3333-4444-555555555555"
        for option, value, pattern, like in (
            ("--msk-cluster-arn", self.msk_cluster_arn, _CLUSTER, example.format("kafka", "cluster/example") + "-1"),
            ("--oidc-provider", self.oidc_provider, _PROVIDER, "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"),
            ("--service-account", self.service_account, _SERVICE_ACCOUNT, "doka:doka, the namespace before the colon"),
            *(("--kms-key-arn", key, _KEY, example.format("kms", "key")) for key in self.kms_key_arns),
        ):
            if value is not None and pattern.fullmatch(value) is None:
                raise UsageError(f"{option} cannot be {value!r}; write it like {like}")


@dataclass(frozen=True, slots=True)
class Hop:
    """One AssumeRole: who asks, for which role, and what the trust policy can hold it to."""

    caller: str
    role_arn: str
    external_id: str | None
    session_name: str
    """As it may be: `*` for what differs from host to host."""
    source_identity: str | None
    first: bool
    tags: tuple[tuple[str, str], ...]
    brings_tags: bool
    """The caller's session has tags that go along (EKS Pod Identity)."""
    seconds: int


class Names:
    """Who signs, which roles lead there, and the ARNs of all that is written to and read."""

    def __init__(self, settings: Settings, given: Given) -> None:
        self._settings = settings
        self.given = given
        self.partition = partition_of(settings.aws.region)
        self.workload = given.workload_role_arn or f"arn:{self.partition}:iam::WORKLOAD_ACCOUNT:role/WORKLOAD_ROLE"
        account = account_of(self.workload)
        self.operator = given.operator_arn or f"arn:{self.partition}:iam::{account}:role/OPERATOR_ROLE"
        self.reader_role = settings.audit.role
        """A name under roles, or None: each route's own role reads."""
        cluster = None if given.msk_cluster_arn is None else _CLUSTER.fullmatch(given.msk_cluster_arn)
        self._msk = (
            (f"arn:{self.partition}:kafka:{settings.aws.region}:MSK_ACCOUNT", "MSK_CLUSTER", "MSK_UUID")
            if cluster is None
            else (cluster[1], cluster[3], cluster[4])
        )

    # --- roles -----------------------------------------------------------------------------------------------------

    def hops(self) -> list[Hop]:
        """Give every AssumeRole that the service or an audit does."""
        return [hop for role in self._settings.roles.values() for hop in self._hops(role, self.workload)]

    def hops_of_operator(self) -> list[Hop]:
        """Give the first AssumeRole of each chain as who types at a terminal does it; what follows is as ever."""
        return [
            replace(next(self._hops(role, self.operator)), brings_tags=False) for role in self._settings.roles.values()
        ]

    def signer(self, role: str | None) -> str:
        """Give the ARN of who signs under a name of roles; without one that is the workload."""
        return self.workload if role is None else self._settings.roles[role].hops[-1].role_arn

    def _hops(self, role: RoleSettings, caller: str) -> Iterator[Hop]:
        for index, hop in enumerate(role.hops):
            yield Hop(
                caller=caller,
                role_arn=hop.role_arn,
                external_id=hop.external_id,
                session_name=role.session_name.replace("{hostname}", "*"),
                source_identity=role.source_identity,
                first=index == 0,
                tags=tuple(role.tags.items()) if index == len(role.hops) - 1 else (),
                brings_tags=self.given.workload == "pod-identity",
                seconds=hop.duration_seconds,
            )
            caller = hop.role_arn

    # --- streams and their keys --------------------------------------------------------------------------------------

    def stream_arn(self, route: RouteSettings) -> str:
        """Give the ARN of a route's stream; by its name it is in the account of who signs."""
        if route.stream.arn is not None:
            return route.stream.arn
        account, region = account_of(self.signer(route.stream.role)), stream_region(self._settings, route)
        return f"arn:{self.partition}:kinesis:{region}:{account}:stream/{route.stream.called}"

    def written(self) -> dict[str, list[str]]:
        """Give the streams that each signer writes to."""
        return self._by_signer((route.stream.role, route) for route in self._settings.routes)

    def read_back(self) -> dict[str, list[str]]:
        """Give the streams that each signer reads in an audit."""
        return self._by_signer((self.reader_role or route.stream.role, route) for route in self._settings.routes)

    def trials(self) -> dict[str, list[str]]:
        """Give the streams that each signer of a route may make for a trial, in its own account: all of one beginning."""
        found: dict[str, list[str]] = {}
        for route in self._settings.routes:
            signer = self.signer(route.stream.role)
            place = f"{stream_region(self._settings, route)}:{account_of(signer)}"
            arn = f"arn:{self.partition}:kinesis:{place}:stream/{TRIALS}*"
            found.setdefault(signer, [])
            if arn not in found[signer]:
                found[signer].append(arn)
        return found

    def written_without_role(self) -> list[str]:
        """Give the streams for which the credentials of the process sign, be it the service or a command."""
        return self.written().get(self.workload, [])

    def read_without_role(self) -> list[str]:
        """Give the streams that an audit reads by the credentials of the process."""
        return self.read_back().get(self.workload, [])

    def keys(self, streams: list[str]) -> list[str]:
        """Give the KMS keys that these streams may have: those that were given for their regions."""
        regions = {arn.split(":")[3] for arn in streams}
        return [key for key in self.given.kms_key_arns if key.split(":")[3] in regions]

    def _by_signer(self, pairs: Iterator[tuple[str | None, RouteSettings]]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for role, route in pairs:
            by_operator = role is None and self.given.operator_arn is not None
            for signer in (self.signer(role), *((self.operator,) if by_operator else ())):
                arns = found.setdefault(signer, [])
                if (arn := self.stream_arn(route)) not in arns:
                    arns.append(arn)
        return found

    # --- Kafka -------------------------------------------------------------------------------------------------------

    @property
    def logs_in_by_iam(self) -> bool:
        """Whether rights in Kafka are IAM's business, and not that of ACLs."""
        return self._settings.kafka.security.mechanism == "aws_msk_iam"

    @property
    def decodes_by_glue(self) -> bool:
        """Whether a route asks AWS Glue for schemas."""
        return any(route.decode.framing == "glue" for route in self._settings.routes)

    def cluster(self) -> str:
        """Give the ARN of the MSK cluster."""
        prefix, name, uuid = self._msk
        return f"{prefix}:cluster/{name}/{uuid}"

    def topics(self) -> list[str]:
        """Give the ARNs of the topics that are read."""
        return self._of_cluster("topic", *sorted({topic for route in self._settings.routes for topic in route.topics}))

    def groups(self) -> list[str]:
        """Give the ARNs of the group and of the one that holds orders to skip."""
        group = self._settings.kafka.group_id
        return self._of_cluster("group", group, skips_group(group))

    def skips(self) -> list[str]:
        """Give the ARN of the group that holds orders to skip."""
        return self._of_cluster("group", skips_group(self._settings.kafka.group_id))

    def letters(self) -> list[str]:
        """Give the ARN of the dead-letter topic, if there is one."""
        topic = self._settings.dead_letters.topic
        return [] if topic is None else self._of_cluster("topic", topic)

    def resends(self) -> list[str]:
        """Give the ARN of the group that resends dead letters, where there is a topic of them."""
        there = self._settings.dead_letters.topic is not None
        return self._of_cluster("group", letters_group(self._settings.kafka.group_id)) if there else []

    def _of_cluster(self, kind: str, *names: str) -> list[str]:
        prefix, cluster, uuid = self._msk
        # In a resource * and ? are wild and ${ is a variable; Kafka takes all of them in the name of a group. In that of a
        # topic it takes none, and in a pattern of topics * means what it means here.
        literal = names if kind == "topic" else (re.sub(r"[*?$]", lambda f: f"${{{f[0]}}}", name) for name in names)
        return [f"{prefix}:{kind}/{cluster}/{uuid}/{name}" for name in literal]

    # --- the identity provider -----------------------------------------------------------------------------------------

    @property
    def oidc_provider(self) -> str:
        """Give the OIDC provider of the cluster without its scheme, as IAM's conditions spell it."""
        return (self.given.oidc_provider or "OIDC_PROVIDER").removeprefix("https://").rstrip("/")

    @property
    def service_account(self) -> str:
        """Give the service account of the pod, NAMESPACE:NAME."""
        return self.given.service_account or "NAMESPACE:SERVICE_ACCOUNT"


def account_of(arn: str) -> str:
    """Give the account of an ARN, or the placeholder that stands there."""
    return arn.split(":")[4]


def name_of(arn: str) -> str:
    """Give the last part of an ARN's path."""
    return arn.rpartition("/")[2]
