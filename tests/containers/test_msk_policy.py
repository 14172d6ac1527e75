"""What `doka policy` allows on MSK, as ACLs of a real broker: enough to forward, and `doka check` names what is taken out.

The broker judges each request by the operation into which Kafka translates it; MSK's own authorizer translates these
operations into the actions of IAM (Amazon MSK developer guide, kafka-actions), and so does this test. Each document with an
action less belongs to a login of its own. A denied operation is denied, since an ACL of one may imply another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin import _acl as acl
from confluent_kafka.admin import _resource as resource

from doka.adapters.kafka import client_errors
from doka.app import reading
from doka.app.cli.main import main
from doka.app.iam.documents import Kind, documents
from doka.app.iam.names import Given
from doka.app.settings.load import settings_from
from doka.domain.limits import NS_PER_SECOND
from doka.domain.records import TopicPartition
from tests.certificates import make_authority
from tests.containers.feeding import Feeder
from tests.containers.kafka_broker import KafkaBroker, running_broker
from tests.containers.msk_listener import MskListener
from tests.containers.msk_tokens import TokenJudge
from tests.containers.service import DokaProcess, settings
from tests.containers.test_msk_iam import NO_KEYS_OF_A_USER, POD_ROLE
from tests.containers.test_msk_iam import VARIABLES as OF_LOGINS
from tests.dead_letters import letter, write_letters
from tests.fake_aws import REGION, FakeAws, Keys
from tests.integration.kafka.test_skip_writing import commit
from tests.no_aws import no_aws_around  # noqa: F401 - a fixture
from tests.waiting import eventually

VARIABLES = OF_LOGINS | {
    "KAFKA_AUTHORIZER_CLASS_NAME": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "KAFKA_SUPER_USERS": "User:ANONYMOUS",
    "KAFKA_LISTENER_NAME_BEHIND_OAUTHBEARER_CONNECTIONS_MAX_REAUTH_MS": "3600000",
}
GROUP, TOPIC, LETTERS = "doka-policy", "orders", "orders-dead-letters"
OPERATIONS = {
    "kafka-cluster:DescribeTopic": acl.AclOperation.DESCRIBE,
    "kafka-cluster:ReadData": acl.AclOperation.READ,
    "kafka-cluster:WriteData": acl.AclOperation.WRITE,
    "kafka-cluster:DescribeTopicDynamicConfiguration": acl.AclOperation.DESCRIBE_CONFIGS,
    "kafka-cluster:DescribeGroup": acl.AclOperation.DESCRIBE,
    "kafka-cluster:AlterGroup": acl.AclOperation.READ,
    "kafka-cluster:WriteDataIdempotently": acl.AclOperation.IDEMPOTENT_WRITE,
}
"""As Amazon's table has them; Connect is the login itself, which the listener judges."""
KINDS = {
    "topic": resource.ResourceType.TOPIC,
    "group": resource.ResourceType.GROUP,
    "cluster": resource.ResourceType.BROKER,
}
BY_THE_TOPIC = "kafka-cluster:WriteDataIdempotently"
"""Kafka gives a producer its id also for the right to write to some topic (KIP-679), so here it is never missed; a cluster
that insists on it is played in tests/integration/kafka/test_letter_preflight.py."""


@dataclass(frozen=True)
class Allowed:
    """One action on one thing: a right of the document."""

    action: str
    kind: str
    name: str

    def __str__(self) -> str:
        """Name it as a person would."""
        return f"{self.action} on {self.kind} {self.name}"


@dataclass(frozen=True)
class Msk:
    """A broker that asks for rights, the listener in front of it, and an AWS."""

    broker: KafkaBroker
    judge: TokenJudge
    aws: FakeAws
    given: Mapping[str, Any]

    def rights(self, kind: Kind = "msk") -> list[Allowed]:
        """Give what a document allows in Kafka."""
        cluster = "arn:aws:kafka:eu-west-1:111122223333:cluster/example/11111111-2222-3333-4444-555555555555-1"
        (document,) = documents(settings_from(self.given, hostname="pod-1"), Given(msk_cluster_arn=cluster), [kind])
        return [
            Allowed(action, arn.split(":")[5].partition("/")[0], arn.rpartition("/")[2])
            for statement in document.statements
            for action in _listed(statement["Action"])
            if action.startswith("kafka-cluster:")
            for arn in _listed(statement["Resource"])
        ]

    def login(self, kind: Kind = "msk", *, without: Allowed | None = None) -> Keys:
        """Give the keys of a login that has all rights of a document but one."""
        keys = self.aws.issue(POD_ROLE).keys
        if without is None or without.action != "kafka-cluster:Connect":
            self.judge.know(keys)
        rules = []
        for right in self.rights(kind):
            operation = OPERATIONS.get(right.action)
            if operation is not None:
                allow = acl.AclPermissionType.DENY if right == without else acl.AclPermissionType.ALLOW
                # The broker knows its cluster by one name of its own.
                name = "kafka-cluster" if right.kind == "cluster" else right.name
                literal, user = resource.ResourcePatternType.LITERAL, f"User:{keys.access_key}"
                rules.append(acl.AclBinding(KINDS[right.kind], name, literal, user, "*", operation, allow))
        admin: AdminClient = self.broker.admin()
        for future in admin.create_acls(rules, request_timeout=30).values():
            future.result(timeout=30)
        return keys


@pytest.fixture(scope="module")
def msk(container_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Msk]:
    """Give a broker with the topics of a configuration, and the configuration."""
    authority = make_authority(tmp_path_factory.mktemp("msk"), "127.0.0.1")
    judging = TokenJudge(REGION)
    with (
        MskListener(judging, authority.server) as listener,
        running_broker(VARIABLES, in_front=listener.port) as broker,
        FakeAws() as aws,
    ):
        listener.upstream = broker.behind_port
        broker.create_topic(2, name=TOPIC)
        broker.create_topic(1, name=LETTERS, config={"message.timestamp.type": "LogAppendTime"})
        aws.create_stream(TOPIC, shards=2)
        security = {"protocol": "sasl_ssl", "mechanism": "aws_msk_iam", "ca_file": str(authority.ca_file)}
        given = settings(
            f"127.0.0.1:{listener.port}",
            aws.url,
            {TOPIC: TOPIC},
            group_id=GROUP,
            kafka={"security": security},
            dead_letters={"topic": LETTERS},
        )
        yield Msk(broker, judging, aws, given)


def check(msk: Msk, keys: Keys, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Run `doka check` with these keys; give what it found of Kafka that is not fine."""
    (folder / "doka.yaml").write_text(yaml.safe_dump(dict(msk.given)))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"), keys, strict=True):
            patch.setenv(f"AWS_{name}", str(value))
        main(["check", "--config", str(folder / "doka.yaml"), "--json"])
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["findings"]
    return [each for each in found if each["step"] in {"kafka", "topic"} and each["verdict"] in {"failed", "warning"}]


def test_whatever_is_taken_out_is_named(msk: Msk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One action on one thing: that one is named, and no other; with all of them nothing is missing."""
    # One replica is all that this broker has to give.
    of_one_broker = "lets one replica alone acknowledge a letter"
    missed = {}
    rights = msk.rights()
    assert {*OPERATIONS, "kafka-cluster:Connect"} == {right.action for right in rights}
    for right in (None, *(each for each in rights if each.action != BY_THE_TOPIC)):
        found = check(msk, msk.login(without=right), tmp_path, capsys)
        found = [each for each in found if of_one_broker not in each["told"]]
        named = {each["facts"].get("action") for each in found}
        text = " ".join(f"{each['told']} {each['cure']}" for each in found)
        if right is not None and right.action == "kafka-cluster:Connect":
            named = {right.action} if right.action in text else named  # a refused login has no action of its own
        expected = set() if right is None else {right.action}
        if named != expected or (right is not None and right.action not in text):
            missed[str(right)] = [(each["told"], each["cure"], each["facts"]) for each in found]
    assert {} == missed


def test_with_all_of_them_the_service_forwards_and_stops_cleanly(msk: Msk, tmp_path: Path) -> None:
    """The real process, with nothing beyond the document."""
    keys = msk.login()
    Feeder(msk.broker.bootstrap_servers, TOPIC, 2).feed(200)
    token = {"AWS_ACCESS_KEY_ID": keys.access_key, "AWS_SECRET_ACCESS_KEY": keys.secret_key}
    environment = NO_KEYS_OF_A_USER | token | {"AWS_SESSION_TOKEN": str(keys.token)}
    with DokaProcess(msk.given, tmp_path, environment=environment) as doka:
        eventually(lambda: msk.aws.landed_count(TOPIC) >= 200, within=60, what="all records")
        assert 0 == doka.stop()
        assert [] == [line for line in doka.lines() if line["level"] in {"warning", "error"}]


LETTERS_GROUP, SKIPS_GROUP = f"{GROUP}-letters", f"{GROUP}-skips"
LAG, TAIL, LIST = ("lag",), ("tail", "--limit", "1"), ("letters", "list")
SKIP = ("skip", f"{TOPIC}:0:3", "--reason", "it is a test", "--yes")
RESEND = ("letters", "resend", "--to-topic", TOPIC, "--yes")
REPLAY = ("replay", "--offsets", f"{TOPIC}:0:0-2", "--yes")
MISSED_BY: Mapping[Allowed, tuple[str, ...]] = {
    Allowed("kafka-cluster:DescribeTopic", "topic", TOPIC): TAIL,
    Allowed("kafka-cluster:ReadData", "topic", TOPIC): TAIL,
    Allowed("kafka-cluster:WriteData", "topic", TOPIC): RESEND,
    Allowed("kafka-cluster:DescribeGroup", "group", GROUP): LAG,
    Allowed("kafka-cluster:DescribeGroup", "group", SKIPS_GROUP): SKIP,
    Allowed("kafka-cluster:AlterGroup", "group", SKIPS_GROUP): SKIP,
    Allowed("kafka-cluster:DescribeTopic", "topic", LETTERS): LIST,
    Allowed("kafka-cluster:ReadData", "topic", LETTERS): LIST,
    Allowed("kafka-cluster:DescribeGroup", "group", LETTERS_GROUP): LIST,
    Allowed("kafka-cluster:AlterGroup", "group", LETTERS_GROUP): RESEND,
}
"""A right of who types commands -> a command that ends with exit code 1 without it."""


def test_who_types_commands_needs_each_right_of_his_document_and_no_other(
    msk: Msk, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all of them each command does its work; without one, one of them ends with exit code 1."""
    monkeypatch.setattr(reading, "QUIET_NS", 3 * NS_PER_SECOND)
    monkeypatch.setattr(client_errors, "REFUSED_FOR_NS", 3 * NS_PER_SECOND)
    servers = msk.broker.bootstrap_servers
    Feeder(servers, TOPIC, 2).feed(200)
    for partition in range(2):
        commit(msk.broker, GROUP, KafkaPartition(TOPIC, partition, 0))  # type: ignore[arg-type]  # its address is asked for
    write_letters(servers, LETTERS, [(0, letter(1, source=TopicPartition(TOPIC, 0), offset=1))])
    missed = {}
    for right, command in MISSED_BY.items():
        code, said = typed(msk, msk.login("operator", without=right), tmp_path, capsys, command)
        if code == 0:
            missed[str(right)] = said
    assert {} == missed
    keys = msk.login("operator")
    assert dict.fromkeys((LAG, TAIL, LIST, SKIP, REPLAY, RESEND), 0) == {
        each: typed(msk, keys, tmp_path, capsys, each)[0] for each in (LAG, TAIL, LIST, SKIP, REPLAY, RESEND)
    }
    # A login is held elsewhere, and that a record becomes a letter again takes a minute of refusals.
    untried = {BY_THE_TOPIC, "kafka-cluster:Connect", "kafka-cluster:WriteData"}
    assert untried == {each.action for each in set(msk.rights("operator")) - MISSED_BY.keys()}


def typed(
    msk: Msk, keys: Keys, folder: Path, capsys: pytest.CaptureFixture[str], command: Sequence[str]
) -> tuple[int, str]:
    """Type a command with these keys; give its exit code and all that it said."""
    (folder / "doka.yaml").write_text(yaml.safe_dump(dict(msk.given)))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"), keys, strict=True):
            patch.setenv(f"AWS_{name}", str(value))
        code = main([*command, "--config", str(folder / "doka.yaml")])
    return code, "".join(capsys.readouterr())


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
