from __future__ import annotations

import re
from typing import Any

import pytest

from doka.app.iam.calls import CALLS
from doka.app.iam.documents import KINDS, Document, Form, Kind, documents
from doka.app.iam.names import PLACEHOLDERS, TRIALS, Given, account_of
from doka.app.settings.problems import SettingPath
from tests.unit.app.iam.given import (
    ALL,
    CLUSTER,
    FOREIGN_STREAM,
    HUB,
    KEY,
    OPERATED,
    OPERATOR,
    PROVIDER,
    READER,
    WORKLOAD,
    everything,
    full,
    listed,
    of,
)
from tests.unit.app.iam.reference import conditions_of, resources_of
from tests.unit.app.settings.given import STREAM, WRITER, Absent, settings

ARN = re.compile(r"arn:aws:([a-z-]+):[a-z0-9-]*:[0-9]{12}:([a-z-]+)/\S+")
TOPICS = ("clicks", "orders")
GLOBAL = {"aws:PrincipalArn", "aws:SourceAccount", "aws:SourceIdentity"}


def test_there_is_one_of_every_kind() -> None:
    """The configuration of these tests leaves none out, so what holds for all is held for each kind."""
    assert list(KINDS) == list(dict.fromkeys(each.kind for each in everything()))
    names = [each.name for each in everything()]
    assert len(names) == len(set(names)) > len(KINDS)


@pytest.mark.parametrize("document", everything(), ids=lambda document: document.name)
def test_a_document_allows_named_actions_on_named_things_and_nothing_else(document: Document) -> None:
    """No wildcard, no Not..., no action that is not in the table; each action fits its resource and its conditions."""
    assert len({statement["Sid"] for statement in document.statements}) == len(document.statements)
    known = {call.action for call in CALLS} | {"sts:AssumeRoleWithWebIdentity"}
    for statement in document.statements:
        assert re.fullmatch(r"[A-Za-z0-9]+", statement["Sid"])
        assert {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"} >= statement.keys()
        assert "Allow" == statement["Effect"]
        called = listed(statement["Action"])
        assert [] == [action for action in called if action not in known]
        _holds_to_resources(document, statement, called)
        for conditions in statement.get("Condition", {}).values():
            for key in conditions:
                general = re.sub(r"^(aws:RequestTag|kms:EncryptionContext)/?:?.*", r"\1", key)
                for action in called:
                    allowed = {re.sub(r"[/:]\$\{.*", "", each) for each in conditions_of(action)} | GLOBAL
                    assert general in allowed or key.startswith(PROVIDER), f"{action} knows no {key}"


def _holds_to_resources(document: Document, statement: dict[str, Any], called: list[str]) -> None:
    if document.form is Form.TRUST:
        assert "Resource" not in statement
        assert [] == [who for who in statement["Principal"].values() if "*" in who]
        return
    if document.form is Form.ENDPOINT:
        assert "*" == statement["Principal"]
        assert "ArnEquals" in statement.get("Condition", {}) or called == ["sts:AssumeRoleWithWebIdentity"]
    if document.form is Form.KEY:
        assert "*" == statement["Resource"]  # in the policy of a key that is the key itself
        assert "kms:EncryptionContext:aws:kinesis:arn" in statement["Condition"]["StringEquals"]
        return
    if document.kind == "glue":
        # A version is asked for by its id alone, which IAM cannot hold to a registry.
        assert ("*", ["glue:GetSchemaVersion"]) == (statement["Resource"], called)
        return
    for arn in listed(statement["Resource"]):
        found = ARN.fullmatch(arn)
        assert found is not None, arn
        if document.kind != "conformance":  # its streams get their names when they are made
            assert "*" not in arn
        for action in called:
            assert found[2] in resources_of(action)


def test_a_trial_may_touch_the_streams_that_it_makes_and_no_others() -> None:
    """In the account of who signs and the region of each route, and only by the beginning of their names."""
    found = of(["conformance"])
    assert {"conformance-doka-writer"} == found.keys()
    (statement,) = found["conformance-doka-writer"].statements
    places = [f"arn:aws:kinesis:{region}:210987654321:stream/{TRIALS}*" for region in ("eu-west-1", "us-east-1")]
    assert places == statement["Resource"]


def test_each_document_belongs_to_the_account_of_what_it_is_attached_to() -> None:
    """A reader sees at once to whom to send it; an endpoint is where doka runs."""
    for each in everything():
        expected = account_of(WORKLOAD) if each.form is Form.ENDPOINT else account_of(each.subject)
        assert expected == each.account


def test_a_trust_policy_holds_a_hop_to_all_that_it_sends() -> None:
    """External id, session name, source identity and tags: whoever sends other ones stays out."""
    hub, writer = of(["trust"])["trust-hub"].statements, of(["trust"])["trust-doka-writer"].statements
    enter, identity = hub
    assert {"AWS": WORKLOAD} == enter["Principal"]
    assert {"StringLike": {"sts:RoleSessionName": "doka-*"}} == enter["Condition"]
    assert {"StringEquals": {"sts:SourceIdentity": "doka"}} == identity["Condition"]
    enter, tags, identity = writer
    assert {"StringEquals": {"sts:ExternalId": "orders-7"}, "StringLike": {"sts:RoleSessionName": "doka-*"}} == enter[
        "Condition"
    ]
    assert ("sts:TagSession", {"StringEquals": {"aws:RequestTag/team": "data"}}) == (tags["Action"], tags["Condition"])
    # Into the second hop the session brings it along.
    assert {"StringEquals": {"aws:SourceIdentity": "doka"}} == identity["Condition"]
    assert {HUB} == {statement["Principal"]["AWS"] for statement in writer}


def test_a_session_name_without_a_placeholder_is_wanted_as_it_is() -> None:
    """It then stands beside the external id, for IAM takes each operator once."""
    (enter,) = of(["trust"])["trust-doka-reader"].statements
    assert {"StringEquals": {"sts:RoleSessionName": "doka-audit"}} == enter["Condition"]


def test_under_pod_identity_tags_come_along_at_each_hop() -> None:
    """EKS makes the tags of its sessions transitive, and they are not the configuration's."""
    found = of(["trust", "workload"], Given(workload="pod-identity", workload_role_arn=WORKLOAD))
    for role in ("trust-hub", "trust-doka-writer", "trust-doka-reader"):
        (tags,) = [each for each in found[role].statements if each["Action"] == "sts:TagSession"]
        assert "Condition" not in tags
    for statement in found["workload-doka-workload"].statements:
        assert "sts:TagSession" in statement["Action"]
    (agent,) = found["trust-doka-workload"].statements
    assert ({"Service": "pods.eks.amazonaws.com"}, ["sts:AssumeRole", "sts:TagSession"]) == (
        agent["Principal"],
        agent["Action"],
    )


def test_irsa_admits_one_service_account_for_one_audience() -> None:
    """By the provider's name without its scheme, as IAM spells its keys."""
    (statement,) = of(["workload"])["trust-doka-workload"].statements
    assert {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{PROVIDER}"} == statement["Principal"]
    wanted = {f"{PROVIDER}:sub": "system:serviceaccount:doka:doka", f"{PROVIDER}:aud": "sts.amazonaws.com"}
    assert {"StringEquals": wanted} == statement["Condition"]


@pytest.mark.parametrize(("way", "service"), [("ecs", "ecs-tasks.amazonaws.com"), ("ec2", "ec2.amazonaws.com")])
def test_ecs_and_ec2_assume_the_role_for_the_workload(way: Any, service: str) -> None:
    """The service is the principal, and not doka."""
    (statement,) = of(["workload"], Given(workload=way, workload_role_arn=WORKLOAD))["trust-doka-workload"].statements
    assert ({"Service": service}, "sts:AssumeRole") == (statement["Principal"], statement["Action"])


def test_each_caller_may_become_the_next_role_only() -> None:
    """The workload the first ones, the hub the writer, and tags where they are set."""
    found = of(["workload"])
    assert {HUB: ["sts:AssumeRole", "sts:SetSourceIdentity"], READER: ["sts:AssumeRole"]} == {
        each["Resource"]: listed(each["Action"]) for each in found["workload-doka-workload"].statements
    }
    (statement,) = found["workload-hub"].statements
    assert WRITER == statement["Resource"]
    assert ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"] == statement["Action"]


def test_kafka_by_iam_has_the_group_of_skips_and_the_dead_letters() -> None:
    """Also what `doka check` asks of the dead-letter topic."""
    statements = of(["msk"])["msk-doka-workload"].statements
    prefix = CLUSTER.replace(":cluster/", ":{}/") + "/"
    allowed = {
        (action, arn) for each in statements for action in listed(each["Action"]) for arn in listed(each["Resource"])
    }
    assert ("kafka-cluster:AlterGroup", prefix.format("group") + "doka-skips") in allowed
    assert ("kafka-cluster:DescribeTopicDynamicConfiguration", prefix.format("topic") + "letters") in allowed
    assert ("kafka-cluster:ReadData", prefix.format("topic") + "letters") not in allowed
    assert ("kafka-cluster:WriteDataIdempotently", CLUSTER) in allowed
    without = of(["msk"], settings=settings())["msk-doka-workload"].statements
    assert not any("Write" in action for each in without for action in listed(each["Action"]))


def test_an_operator_may_do_what_the_commands_do_and_not_be_the_service() -> None:
    """He becomes the first roles, and in Kafka writes letters, records and orders; the service's group he only sees."""
    statements = of(["operator"], OPERATED)["operator-on-call"].statements
    allowed = {
        (action, arn.rpartition("/")[2])
        for each in statements
        for action in listed(each["Action"])
        for arn in listed(each["Resource"])
    }
    of_kafka = {(action.removeprefix("kafka-cluster:"), name) for action, name in allowed if action[:5] == "kafka"}
    cluster = CLUSTER.rpartition("/")[2]
    assert {"doka", "letters"} >= {name for _, name in of_kafka} - {cluster, "doka-skips", "doka-letters", *TOPICS}
    assert {("DescribeGroup", "doka")} == {each for each in of_kafka if each[1] == "doka"}
    assert {("DescribeGroup", "doka-skips"), ("AlterGroup", "doka-skips")} <= of_kafka
    assert {("DescribeGroup", "doka-letters"), ("AlterGroup", "doka-letters")} <= of_kafka
    assert {(each, "letters") for each in ("DescribeTopic", "ReadData", "WriteData")} <= of_kafka
    assert {(each, topic) for each in ("DescribeTopic", "ReadData", "WriteData") for topic in TOPICS} <= of_kafka
    assert {("Connect", cluster), ("WriteDataIdempotently", cluster)} <= of_kafka
    assert {
        ("sts:AssumeRole", "hub"),
        ("sts:SetSourceIdentity", "hub"),
        ("sts:AssumeRole", "doka-reader"),
    } == {each for each in allowed if each[0][:3] == "sts"}


def test_an_operator_is_let_into_the_first_roles_as_the_workload_is() -> None:
    """Held to all that a hop sends; later hops know only the role before them, and without an ARN nobody new is let in."""
    before, after = of(["trust"]), of(["trust"], OPERATED)
    for role in ("trust-hub", "trust-doka-reader"):
        of_workload = [each for each in after[role].statements if each["Principal"]["AWS"] == WORKLOAD]
        of_operator = [each for each in after[role].statements if each["Principal"]["AWS"] == OPERATOR]
        assert list(before[role].statements) == of_workload
        wanted = [(each["Action"], each["Condition"]) for each in of_workload]
        assert wanted == [(each["Action"], each["Condition"]) for each in of_operator]
    assert before["trust-doka-writer"] == after["trust-doka-writer"]
    (told,) = of(["operator"])["operator-OPERATOR_ROLE"].notes
    assert "--operator-arn" in told
    assert () == of(["operator"], OPERATED)["operator-on-call"].notes


def test_an_operator_signs_himself_where_no_role_does() -> None:
    """So he may write and read back, by his own policy and by that of a stream in another account."""
    foreign: dict[SettingPath, Any] = {("roles",): Absent, ("routes", 0, "stream"): {"arn": FOREIGN_STREAM}}
    found = of(["writer", "operator", "stream", "reader"], OPERATED, settings(foreign))
    assert {"writer-doka-workload", "reader-doka-workload"} < found.keys()
    assert "writer-on-call" not in found
    called = {action for each in found["operator-on-call"].statements for action in listed(each["Action"])}
    assert {"kinesis:PutRecords", "kinesis:GetRecords"} < called
    principals = [each["Principal"]["AWS"] for each in found["stream-clicks"].statements]
    assert [WORKLOAD, OPERATOR] == principals[:2]


def test_kafka_by_passwords_needs_no_document() -> None:
    """Its rights are ACLs."""
    scram = {"mechanism": "scram_sha_512", "username": "doka", "password": "secret"}
    assert [] == documents(settings({("kafka", "security"): scram}), ALL, ["msk", "keda"])
    (document,) = documents(settings({("kafka", "security"): scram}), OPERATED, ["operator"])
    assert ["sts:AssumeRole"] == [each["Action"] for each in document.statements]


def test_the_key_is_for_these_streams_only() -> None:
    """On both sides: the writer's own policy, and the statement for the key's."""
    statement = of(["writer"])["writer-doka-writer"].statements[1]
    assert (KEY, "kms:GenerateDataKey") == (statement["Resource"], statement["Action"])
    encrypt, decrypt = of(["kms"])[f"kms-{KEY.rpartition('/')[2]}"].statements
    assert ({"AWS": WRITER}, {"AWS": READER}) == (encrypt["Principal"], decrypt["Principal"])
    assert {"kms:EncryptionContext:aws:kinesis:arn": STREAM} == encrypt["Condition"]["StringEquals"]
    assert 1 == len(of(["writer"], Given())["writer-doka-writer"].statements)


def test_a_stream_of_another_account_needs_a_policy_of_its_own() -> None:
    """One that is in the signer's account does not."""
    (document,) = of(["stream"]).values()
    assert (FOREIGN_STREAM, "333344445555") == (document.subject, document.account)
    assert [{"AWS": WRITER}, {"AWS": READER}] == [each["Principal"] for each in document.statements]
    assert "replaces" in document.notes[0]
    assert {} == of(["stream"], settings=settings())


def test_without_asking_there_is_what_the_configuration_needs() -> None:
    """The rest only a person can want."""
    kinds: dict[str, list[Kind]] = {
        "smallest": [each.kind for each in documents(settings(), Given())],
        "full": list(dict.fromkeys(each.kind for each in documents(full(), Given()))),
        "all that can be given": list(dict.fromkeys(each.kind for each in documents(full(), ALL))),
        "operated": list(dict.fromkeys(each.kind for each in documents(full(), OPERATED))),
        "ambient": [
            each.kind
            for each in documents(settings({("roles",): Absent, ("routes", 0, "stream", "role"): Absent}), Given())
        ],
    }
    assert {
        "smallest": ["writer", "trust", "workload", "msk"],
        "full": ["writer", "trust", "workload", "msk", "glue", "stream", "reader"],
        "all that can be given": ["writer", "trust", "workload", "msk", "glue", "kms", "stream", "reader"],
        "operated": ["writer", "trust", "workload", "msk", "glue", "kms", "stream", "reader", "operator"],
        "ambient": ["writer", "msk"],
    } == kinds
    endpoint: dict[SettingPath, str] = {
        ("aws", "endpoint_urls", "kinesis"): "https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com"
    }
    assert "endpoints" in {each.kind for each in documents(settings(endpoint), Given())}


def test_a_long_session_is_told_of_its_role() -> None:
    """A role gives an hour at most unless it was made otherwise."""
    long = settings({("roles", "analytics", "hops", 0, "duration_seconds"): 7200})
    document = of(["trust"], settings=long)["trust-doka-writer"]
    assert (7200, True) == (document.session_seconds, any("7200 s" in note for note in document.notes))


def test_a_foreign_role_without_an_external_id_is_told() -> None:
    """It can be wanted so, and should not be by oversight."""
    assert any("no external id" in note for note in of(["trust"], settings=settings())["trust-doka-writer"].notes)
    assert () == of(["trust"])["trust-doka-writer"].notes


def test_statements_of_one_kind_have_ids_of_their_own() -> None:
    """Two chains that lead to one role by different names make two statements."""
    other = {"hops": [{"role_arn": WRITER, "external_id": "other"}], "session_name": "other"}
    two = settings(
        {("roles", "other"): other, ("routes", 1): {"topics": ["c"], "stream": {"name": "clicks", "role": "other"}}}
    )
    statements = of(["trust"], settings=two)["trust-doka-writer"].statements
    assert ["LetTheCallerIn", "LetTheCallerIn2"] == [each["Sid"] for each in statements]


def test_every_placeholder_is_known() -> None:
    """Whatever stands in capitals is told with what gives it."""
    text = repr([(each.subject, each.policy) for each in documents(full(), Given(workload="irsa"), KINDS)])
    found = set(re.findall(r"\b[A-Z]{3,}(?:_[A-Z]+)+\b", text))
    assert found == {name for whole in PLACEHOLDERS for name in re.findall(r"[A-Z_]{5,}", whole) if "_" in name} - {
        "VPC_ENDPOINT_ID"
    }
