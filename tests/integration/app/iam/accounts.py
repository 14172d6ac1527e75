"""The accounts of a configuration in the fake AWS, where nothing is allowed but what `doka policy` prints."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from doka.app.config_options import ConfigOptions
from doka.app.iam.documents import Document, Form, documents
from doka.app.iam.names import Given, Names, account_of
from doka.app.settings import Settings, load_settings
from tests.architecture.source_tree import ROOT
from tests.fake_aws import FakeAws
from tests.fake_aws.policies import Policies

EXAMPLES = sorted(
    file
    for file in (ROOT / "examples").rglob("*.yaml")
    if file.parent.name != "scenarios"
    and file.stem not in {"decoded", "filtered", "transformed"}  # which send nothing of what is fed here
)
OWN = Path(__file__).parent / "everything.yaml"
"""What no example has together: a source identity, a foreign stream, an audit's role, tags."""

WORKLOAD = "arn:aws:iam::111111111111:role/doka-workload"
OPERATOR = "arn:aws:iam::444455556666:role/on-call"
"""Who types commands, of an account that neither the service nor a stream is in."""
PROVIDER = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
KEY = "arn:aws:kms:eu-west-1:999988887777:key/11111111-2222-3333-4444-555555555555"
"""In an account of its own, so that both sides have to admit its use."""
TOKEN = "a-web-identity-token"
GIVEN = Given(
    workload="irsa",
    workload_role_arn=WORKLOAD,
    oidc_provider=PROVIDER,
    service_account="doka:doka",
    kms_key_arns=(KEY,),
)


class Right(NamedTuple):
    """One action of one statement of one document."""

    document: str
    statement: str
    action: str

    def __str__(self) -> str:
        """Name it as a test's id."""
        return f"{self.document}-{self.statement}-{self.action}"


def settings_of(file: Path, url: str) -> Settings:
    """Load an example with AWS at this address, and without its collector, which is no matter of permissions."""
    legacy = file.parent.name == "legacy"
    options = ConfigOptions(legacy_config=file, allow_plaintext=True) if legacy else ConfigOptions(file)
    places = {f"DOKA_AWS__ENDPOINT_URLS__{service}": url for service in ("KINESIS", "STS")}
    environ = {"DOKA_AWS__ALLOW_INSECURE_ENDPOINTS": "true", "OTEL_SDK_DISABLED": "true", **places}
    return load_settings(options, environ=environ, hostname="pod-1")


def documents_of(file: Path, given: Given = GIVEN) -> list[Document]:
    """Give what AWS itself would be told of an example: all but Kafka's rights, which are not its own to enforce here."""
    found = documents(settings_of(file, "http://127.0.0.1:1"), given)
    return [each for each in found if each.kind != "msk"]


def rights(found: Iterable[Document]) -> Iterator[Right]:
    """Give every action of these documents."""
    for document in found:
        for statement in document.statements:
            for action in listed(statement["Action"]):
                yield Right(document.name, statement["Sid"], action)


def without(found: Iterable[Document], right: Right | None) -> Policies:
    """Give the documents as policies, with one action taken out."""
    policies = Policies()
    for document in found:
        policy = copy.deepcopy(dict(document.policy))
        for statement in policy["Statement"]:
            if right is not None and (document.name, statement["Sid"]) == right[:2]:
                statement["Action"] = [each for each in listed(statement["Action"]) if each != right.action]
        match document.form:
            case Form.ROLE:
                policies.of_roles.setdefault(document.subject, []).append(policy)
            case Form.TRUST:
                policies.trust[document.subject] = policy
            case Form.ENDPOINT:
                policies.of_endpoints[document.subject.partition("-")[0]] = policy
            case _:
                policies.of_resources[document.subject] = policy
    return policies


def build_accounts(aws: FakeAws, settings: Settings, given: Given = GIVEN) -> list[str]:
    """Make the streams, with a record in each, and the roles of a configuration; gives the streams' ARNs."""
    names = Names(settings, given)
    arns = list(dict.fromkeys(arn for streams in names.written().values() for arn in streams))
    for arn in arns:
        _, _, _, region, account, path = arn.split(":")
        key = KEY if region == "eu-west-1" else None
        aws.create_stream(path.partition("/")[2], shards=2, account=account, region=region, kms_key=key)
    claims = {f"{PROVIDER}:sub": "system:serviceaccount:doka:doka", f"{PROVIDER}:aud": "sts.amazonaws.com"}
    provider = f"arn:aws:iam::{account_of(WORKLOAD)}:oidc-provider/{PROVIDER}"
    aws.know_web_identity(TOKEN, provider, claims)
    aws.add_role(WORKLOAD, web_tokens=[TOKEN])
    for hop in names.hops():
        aws.add_role(hop.role_arn)
    return arns


def web_identity(folder: Path) -> Mapping[str, str]:
    """Give the variables that EKS puts into a pod."""
    file = folder / "token"
    file.write_text(TOKEN)
    return {"AWS_ROLE_ARN": WORKLOAD, "AWS_WEB_IDENTITY_TOKEN_FILE": str(file)}


def listed(value: Any) -> list[Any]:
    """Give what may stand alone in a policy as a list."""
    return value if isinstance(value, list) else [value]


def shown(policies: Policies) -> str:
    """Give all policies as text, to see in a failed test."""
    return json.dumps([policies.of_roles, policies.trust, policies.of_resources, policies.of_endpoints], indent=1)
