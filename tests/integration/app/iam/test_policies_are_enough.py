"""What `doka policy` prints is enough, and nothing of it is spare: `doka check` names each action that is taken out.

Everything is enforced by the fake AWS, which knows identity, trust, resource, key and endpoint policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest

from doka.adapters.aws.session import AwsSessions
from doka.adapters.embedded.kafka_cluster import KafkaCluster
from doka.adapters.kafka.preflight import Preflight
from doka.app import preflight_parts
from doka.app.check.findings import Finding, FindingVerdict
from doka.app.check.preflight import Parts, preflight
from doka.app.container import Container
from doka.app.iam.documents import KINDS, Document, documents
from doka.app.iam.names import Given
from doka.app.preflight_parts import parts_of
from doka.app.service import build
from doka.app.settings import Settings
from doka.app.settings.legacy import translate
from doka.app.settings.yamlfile import read_yaml
from tests.containers.feeding import Feeder
from tests.containers.service import DokaProcess
from tests.fake_aws import FakeAws, consumed, kinesis_client
from tests.integration.app.iam.accounts import (
    EXAMPLES,
    GIVEN,
    OPERATOR,
    OWN,
    WORKLOAD,
    Right,
    build_accounts,
    documents_of,
    rights,
    settings_of,
    web_identity,
    without,
)
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture
from tests.waiting import eventually

FILES = [*EXAMPLES, OWN]
SESSIONS = AwsSessions()
"""What botocore reads of its own files is read once for all the checks of this module."""


class Accounts(NamedTuple):
    """The accounts of a configuration, and what asks their streams; both are made once, since that is half of a check."""

    file: Path
    aws: FakeAws
    asking: Parts


@pytest.fixture(scope="module", params=FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def accounts(request: pytest.FixtureRequest) -> Iterator[Accounts]:
    """Give the accounts of a configuration, with one record in each of its streams."""
    file: Path = request.param
    with FakeAws() as aws:
        _fill(aws, build_accounts(aws, settings_of(file, aws.url)))
        yield Accounts(file, aws, asking(file, aws))


def _fill(aws: FakeAws, streams: list[str]) -> None:
    for arn in streams:
        region, account = arn.split(":")[3:5]
        keys = aws.issue(f"arn:aws:iam::{account}:role/owner").keys
        client = kinesis_client(aws.url, keys, region)
        client.put_record(StreamARN=arn, Data=b"x", PartitionKey="a", ExplicitHashKey="0")


def asking(file: Path, aws: FakeAws) -> Parts:
    """Give what `doka check` asks by, Kafka apart, which has all that is wanted of it."""
    settings = settings_of(file, aws.url)
    kafka = Preflight({topic: 1 for route in settings.routes for topic in route.topics})
    with mock.patch.object(preflight_parts, "pause_for", _at_once):
        parts = parts_of(container_of(settings), probe_writes=True)
    return replace(parts, look_at_kafka=lambda: kafka, environ={})


def _at_once(_pause_ns: int) -> None:
    """Wait for nothing between two dry runs: the fake AWS takes any number of them a second."""


def container_of(settings: Settings) -> Container:
    """Put a service together."""
    container = build(settings, "pod-1")
    container.sessions.override(SESSIONS)
    return container


def check(accounts: Accounts) -> list[Finding]:
    """Run `doka check` as far as AWS goes, with credentials that it has yet to get."""
    file, aws, parts = accounts
    settings = settings_of(file, aws.url)
    asking = replace(parts, authority=container_of(settings).authority())
    return [each for each in preflight(settings, str(file), asking) if each.step != "collector"]


@pytest.mark.usefixtures("_in_a_pod")
def test_with_all_of_them_nothing_is_missing(accounts: Accounts) -> None:
    """Each finding is fine, a put, the key and a read among them; nothing was stored by trying."""
    file, aws, _ = accounts
    aws.enforce(without(documents_of(file), None))
    before = aws.counts()["records:landed"]
    found = check(accounts)
    assert [] == [each for each in found if each.verdict is not FindingVerdict.FINE]
    assert {"role", "stream", "put"} <= {each.step for each in found}
    assert before == aws.counts()["records:landed"] > 0


@pytest.mark.usefixtures("_in_a_pod")
def test_whatever_is_taken_out_is_named(accounts: Accounts) -> None:
    """One action out of one statement: that one is named to a machine and to a person, and no other to the machine."""
    every = list(rights(documents_of(accounts.file)))
    missed = [problem for right in every if (problem := _problem(accounts, right)) is not None]
    assert [] == missed
    assert len(every) >= 5


def _problem(accounts: Accounts, right: Right, given: Given = GIVEN) -> str | None:
    """Say what is wrong with what `doka check` says of a missing action; None: nothing."""
    accounts.aws.enforce(without(documents_of(accounts.file, given), right))
    findings = [each for each in check(accounts) if each.verdict in {FindingVerdict.FAILED, FindingVerdict.WARNING}]
    named = {each.facts.get("action") for each in findings}
    text = " ".join(f"{each.told} {each.cure}" for each in findings)
    if named != {right.action} or right.action not in text:
        return f"{right}: named {named} in {[each.as_data() for each in findings]}"
    return None


def test_whatever_is_taken_from_who_types_a_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """He signs as the route's role, so `doka check` under his credentials goes the way of replay and resend."""
    given = replace(GIVEN, operator_arn=OPERATOR)
    with FakeAws() as aws:
        _fill(aws, build_accounts(aws, settings_of(OWN, aws.url), given))
        keys = aws.issue(OPERATOR).keys
        for name, value in zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"), keys, strict=True):
            monkeypatch.setenv(f"AWS_{name}", str(value))
        accounts = Accounts(OWN, aws, asking(OWN, aws))
        every = documents_of(OWN, given)
        aws.enforce(without(every, None))
        assert [] == [each for each in check(accounts) if each.verdict is not FindingVerdict.FINE]
        own = [right for right in rights(_only_of(OPERATOR, every)) if not right.action.startswith("kafka-cluster:")]
        assert {"operator-on-call", "trust-doka-hub", "trust-doka-reader", "endpoints-sts"} == {
            right.document for right in own
        }
        missed = [problem for right in own if (problem := _problem(accounts, right, given)) is not None]
        assert [] == missed
        aws.enforce(without(documents_of(OWN), None))  # and who is not named at all, is let into nothing
        assert {"sts:AssumeRole"} == {each.facts["action"] for each in check(accounts) if each.step == "role"}


def _only_of(role: str, found: list[Document]) -> list[Document]:
    """Give the statements that a role alone needs: its own, and those that name it."""
    return [
        replace(each, statements=tuple(s for s in each.statements if each.subject == role or role in _named_by(s)))
        for each in found
    ]


def _named_by(statement: Mapping[str, Any]) -> set[str]:
    who = statement.get("Principal")
    named = set() if not isinstance(who, Mapping) else set(who.values())
    return named | {statement.get("Condition", {}).get("ArnEquals", {}).get("aws:PrincipalArn", "")}


def test_each_kind_of_document_was_looked_at() -> None:
    """The rest is held elsewhere: MSK's by a real broker, KEDA's by the reference, that of trials where one is played."""
    looked_at = {each.kind for file in FILES for each in documents_of(file, replace(GIVEN, operator_arn=OPERATOR))}
    assert set(KINDS) - {"msk", "glue", "keda", "conformance"} == looked_at


@pytest.mark.usefixtures("_in_a_pod")
def test_an_explicit_deny_is_told_as_one(accounts: Accounts) -> None:
    """No allow elsewhere outweighs it, so it is to be taken out."""
    file, aws, _ = accounts
    policies = without(documents_of(file), None)
    deny = {"Effect": "Deny", "Action": "kinesis:Put*", "Resource": "*"}
    for allowed in policies.of_roles.values():
        allowed.append({"Statement": deny})
    aws.enforce(policies)
    (cure,) = {each.cure for each in check(accounts) if each.verdict is FindingVerdict.FAILED}
    assert "take the deny of kinesis:PutRecords out of the identity-based policy (of the role that signs)" in str(cure)


def test_under_pod_identity_each_hop_tags_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tags of the pod's session go along, so without sts:TagSession the first hop is refused already."""
    given = Given(workload="pod-identity", workload_role_arn=WORKLOAD)
    with FakeAws() as aws:
        settings = settings_of(OWN, aws.url)
        build_accounts(aws, settings, given)
        keys = aws.issue(WORKLOAD, brings_tags=True).keys
        for name, value in zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"), keys, strict=True):
            monkeypatch.setenv(f"AWS_{name}", str(value))
        own = Accounts(OWN, aws, asking(OWN, aws))
        aws.enforce(without(documents_of(OWN, given), None))
        roles = [each.verdict for each in check(own) if each.step == "role"]
        assert [FindingVerdict.FINE, FindingVerdict.FINE] == roles
        without_tags = documents(settings, replace(given, workload="ecs"))
        aws.enforce(without([each for each in without_tags if each.kind != "msk"], None))
        refused = [each.facts["action"] for each in check(own) if each.step == "role"]
        assert ["sts:TagSession", "sts:TagSession"] == refused


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_with_all_of_them_the_service_forwards_and_stops_cleanly(file: Path, tmp_path: Path) -> None:
    """The real process, by web identity through every hop, into encrypted streams."""
    with KafkaCluster() as kafka, FakeAws() as aws:
        settings = settings_of(file, aws.url)
        arns = build_accounts(aws, settings)
        aws.enforce(without(documents_of(file), None))
        topics = list(dict.fromkeys(topic for route in settings.routes for topic in route.topics))
        for topic in topics:
            kafka.create_topic(topic, 2)
            Feeder(kafka.bootstrap_servers, topic, 2).feed(50)
        with DokaProcess(_given(file, kafka, aws), tmp_path, environment=_pod(tmp_path)) as doka:
            wanted = 50 * sum(len(route.topics) for route in settings.routes)
            eventually(lambda: _landed(aws, arns) >= wanted, within=60, what="all records")
            assert 0 == doka.stop()
        assert [] == aws.violations()
        denied = {"AccessDenied", "AccessDeniedException", "KMSAccessDeniedException"}
        assert [] == [each for each in aws.refused() if each.code in denied]


def _given(file: Path, kafka: KafkaCluster, aws: FakeAws) -> dict[str, Any]:
    """Give an example's own settings, with Kafka and AWS where they are."""
    given = translate(file)[0] if file.parent.name == "legacy" else read_yaml(file)[0]
    given["kafka"] |= {
        "bootstrap_servers": [kafka.bootstrap_servers],
        "security": {"protocol": "plaintext", "allow_plaintext": True},
    }
    for route in given["routes"]:
        route.pop("only", None)  # the feeder's records are no JSON, so whoever judges them by a field stops
    given["aws"] |= {"allow_insecure_endpoints": True, "endpoint_urls": {"kinesis": aws.url, "sts": aws.url}}
    return given | {"http": {"port": 0}, "log": {"format": "json"}}


def _pod(folder: Path) -> dict[str, str]:
    """Give the variables of a pod under IRSA, and no keys of a user."""
    return {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", **web_identity(folder)}


def _landed(aws: FakeAws, arns: list[str]) -> int:
    """Count the records in the streams, those in aggregates too."""
    return sum(len(list(consumed(aws.landed(arn), aws.shard_ranges(arn)))) for arn in arns)


@pytest.fixture
def _in_a_pod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give this process the credentials of a pod under IRSA."""
    for name, value in web_identity(tmp_path).items():
        monkeypatch.setenv(name, value)
