from __future__ import annotations

import re

import pytest

from doka.app.iam.calls import CALLS, Call, On, Use, actions
from tests.architecture.source_tree import SRC
from tests.unit.app.iam.reference import depends_on, resources_of

BOTO3 = re.compile(r'(?:methodcaller|_ask)\([^"()]*"([a-z_]+)"|\.(assume_role|put_records|get_schema_version)\(')
OF_KMS = {"generate_data_key": "kms"}
BY_KINESIS = {"kms:Decrypt"}
"""Called by Kinesis alone, in the name of whoever reads."""
BESIDE = {"sts:TagSession", "sts:SetSourceIdentity", "kinesis:AddTagsToStream", "kinesis:TagResource"}
"""No calls of their own: an AssumeRole with tags or a source identity, and a CreateStream with tags, need them beside it."""
TYPES = {
    On.ROLE: "role",
    On.STREAM: "stream",
    On.KEY: "key",
    On.CLUSTER: "cluster",
    On.TOPIC: "topic",
    On.GROUP: "group",
    On.LETTERS: "topic",
    On.RESENDS: "group",
    On.SKIPS: "group",
    On.TRIALS: "stream",
    On.SCHEMAS: "schema",
}


def test_the_table_has_what_the_adapters_call() -> None:
    """Each operation of boto3 and of the own put path is in the table, and the table has no other."""
    called: set[str] = set()
    for path in (*(SRC / "adapters" / "aws").rglob("*.py"), SRC / "adapters" / "registry" / "glue.py"):
        text = path.read_text(encoding="utf-8")
        names = {one or other for one, other in BOTO3.findall(text)}
        service = "sts" if "sts" in path.parts else "glue" if path.stem == "glue" else "kinesis"
        called |= {
            f"{OF_KMS.get(name, service)}:{''.join(each.capitalize() for each in name.split('_'))}" for name in names
        }
    of_aws = {call.action for call in CALLS if not call.action.startswith("kafka-cluster:")}
    assert called == of_aws - BY_KINESIS - BESIDE


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.use.name}-{call.action}-{call.on.name}")
def test_an_action_is_one_of_awss_on_what_it_can_be_allowed_on(call: Call) -> None:
    """The service authorization reference knows each, on a resource of that type."""
    assert TYPES[call.on] in resources_of(call.action)


def test_an_action_comes_with_those_that_it_depends_on() -> None:
    """On MSK ReadData does nothing without Connect, DescribeTopic and AlterGroup."""
    missing = []
    for use in Use:
        # Dead letters are beside the rest of the workload's; what commands write, beside what they read. Those that only
        # read are in no group, so they alter none.
        beside = {use, Use.CONSUME} if use is Use.DEAD_LETTERS else {use}
        beside |= {Use.READ_KAFKA, Use.OPERATE} if use in {Use.READ_KAFKA, Use.OPERATE} else set()
        has = {call.action for call in CALLS if call.use in beside}
        needed = {other for action in has for other in depends_on(action)} - has
        missing += [(use.name, other) for other in needed]
    assert [] == missing


def test_actions_are_given_once_in_the_order_of_the_table() -> None:
    """Several uses of one thing make one statement."""
    assert [
        "kafka-cluster:DescribeTopic",
        "kafka-cluster:WriteData",
        "kafka-cluster:DescribeTopicDynamicConfiguration",
    ] == (actions(On.LETTERS, Use.DEAD_LETTERS))
    assert ["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"] == (
        actions(On.CLUSTER, Use.CONSUME, Use.DEAD_LETTERS, Use.SCALE)
    )
    assert [] == actions(On.KEY, Use.CONSUME)
