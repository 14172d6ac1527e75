"""Configurations of every kind of document, and what the command line adds to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from doka.app.iam.documents import KINDS, Document, Kind, documents
from doka.app.iam.names import Given
from doka.app.settings import Settings
from doka.app.settings.problems import SettingPath
from tests.unit.app.settings.given import WRITER, settings

WORKLOAD = "arn:aws:iam::111122223333:role/pods/doka-workload"
HUB = "arn:aws:iam::111122223333:role/hub"
READER = "arn:aws:iam::210987654321:role/doka-reader"
CLUSTER = "arn:aws:kafka:eu-west-1:111122223333:cluster/example/11111111-2222-3333-4444-555555555555-1"
KEY = "arn:aws:kms:eu-west-1:210987654321:key/11111111-2222-3333-4444-555555555555"
PROVIDER = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
FOREIGN_STREAM = "arn:aws:kinesis:us-east-1:333344445555:stream/clicks"

ALL = Given(
    workload="irsa",
    workload_role_arn=WORKLOAD,
    oidc_provider=f"https://{PROVIDER}",
    service_account="doka:doka",
    msk_cluster_arn=CLUSTER,
    kms_key_arns=(KEY,),
)
"""Everything that the command line can say of the service."""
OPERATOR = "arn:aws:iam::444455556666:role/on-call"
OPERATED = replace(ALL, operator_arn=OPERATOR)
"""With somebody beside it, of another account, who sends records by commands."""

FULL: Mapping[SettingPath, Any] = {
    ("roles", "analytics"): {
        "hops": [{"role_arn": HUB, "duration_seconds": 3600}, {"role_arn": WRITER, "external_id": "orders-7"}],
        "tags": {"team": "data"},
        "source_identity": "doka",
    },
    ("roles", "reader"): {"hops": [{"role_arn": READER}], "session_name": "doka-audit"},
    ("routes", 1): {"topics": ["clicks"], "stream": {"arn": FOREIGN_STREAM, "role": "analytics"}},
    ("audit", "role"): "reader",
    ("dead_letters", "topic"): "letters",
    ("routes", 0, "decode"): {"framing": "glue"},
}
"""Two hops, tags, a source identity, a foreign stream, an audit's role, dead letters, a registry of AWS Glue."""


def full() -> Settings:
    """Give a configuration that needs a document of every kind but KEDA's."""
    return settings(FULL)


def of(kinds: Iterable[Kind], given: Given = ALL, settings: Settings | None = None) -> dict[str, Document]:
    """Give documents by their names."""
    return {each.name: each for each in documents(settings or full(), given, kinds)}


def everything() -> list[Document]:
    """Give all documents of all kinds."""
    return documents(full(), OPERATED, KINDS)


def listed(value: Any) -> list[Any]:
    """Give what may stand alone in a policy as a list."""
    return value if isinstance(value, list) else [value]
