"""What `doka policy` knows, as a page, and what it prints for the accounts of docs/first-record.md, as deploy/iam/."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from doka.app.iam.calls import CALLS
from doka.app.iam.documents import KINDS, documents
from doka.app.iam.names import PLACEHOLDERS, Given
from doka.app.settings.load import settings_from

ROOT = Path(__file__).resolve().parents[1]
GIVEN = Given(
    workload="irsa",
    workload_role_arn="arn:aws:iam::111122223333:role/doka-workload",
    oidc_provider="oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE",
    service_account="doka:doka",
    msk_cluster_arn="arn:aws:kafka:eu-west-1:111122223333:cluster/example/11111111-2222-3333-4444-555555555555-1",
    kms_key_arns=("arn:aws:kms:eu-west-1:210987654321:key/11111111-2222-3333-4444-555555555555",),
)
KINDS_TOLD: Mapping[str, tuple[str, str]] = {
    "writer": ("the role that signs the puts", "always"),
    "trust": (
        "who may assume the role of each hop: caller, external id, session name, source identity, tags",
        "with roles",
    ),
    "workload": (
        "who assumes a hop: the workload, and each role on the way; with `--workload` also who gives it its role",
        "with roles, or `--workload`",
    ),
    "msk": ("the workload in Kafka", "`kafka.security.mechanism: aws_msk_iam`"),
    "kms": ("a statement for the policy of the stream's key", "`--kms-key-arn`"),
    "stream": (
        "the stream's resource policy, for signers of other accounts",
        "a signer that is not in the stream's account",
    ),
    "endpoints": ("policies of VPC endpoints for Kinesis and STS", "`aws.endpoint_urls`"),
    "reader": (
        "who reads streams back, and Kafka beside the group",
        "`audit.role`; Kafka's part only by `--for reader`",
    ),
    "glue": ("the workload, to read schemas", "with `framing: glue` on a route"),
    "keda": ("KEDA's apache-kafka scaler", "only by `--for keda`"),
    "operator": (
        "who types commands: the roles to become, and Kafka; the trust policies then let that role in as well",
        "`--operator-arn`",
    ),
    "conformance": (
        "the role that signs the puts, to make, ask and remove streams of its own by `doka conformance`",
        "only by `--for conformance`",
    ),
}
"""Kind -> what it is, and when it is printed without being asked for."""


def examples() -> Mapping[str, str]:
    """Give the documents of deploy/iam/: file name -> text."""
    page = (ROOT / "docs" / "first-record.md").read_text(encoding="utf-8")
    block = re.search(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    settings = settings_from(yaml.safe_load(block[1]), hostname="pod-1")
    return {f"{each.name}.json": json.dumps(each.policy, indent=2) + "\n" for each in documents(settings, GIVEN, KINDS)}


def tables() -> Iterable[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Give the tables of the page: what stands above each, its head, and its rows."""
    rows = [(f"`{kind}`", *KINDS_TOLD[kind]) for kind in KINDS]
    yield "## The documents", ("`--for`", "what it allows", "printed when"), rows
    calls = [(f"`{c.action}`", c.on.value, c.use.value, c.when, c.why) for c in CALLS]
    yield "## What doka calls", ("action", "on", "by", "when", "why"), calls
    given = [(f"`{name}`", f"`{by}`" if by.startswith("--") else by) for name, by in PLACEHOLDERS.items()]
    yield "## What it cannot know", ("in the documents", "given by"), given
