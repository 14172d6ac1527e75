from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from doka.app.iam.names import Given, Names
from doka.domain.errors import UsageError
from tests.unit.app.iam.given import ALL, FOREIGN_STREAM, HUB, KEY, OPERATED, OPERATOR, READER, WORKLOAD, full
from tests.unit.app.settings.given import STREAM, WRITER, Absent, settings


def test_a_chain_is_followed_from_the_workload() -> None:
    """Each hop has its caller; tags go with the last one, and so does what the configuration says of it."""
    hops = Names(full(), ALL).hops()
    assert [(WORKLOAD, HUB, ()), (HUB, WRITER, (("team", "data"),)), (WORKLOAD, READER, ())] == [
        (hop.caller, hop.role_arn, hop.tags) for hop in hops
    ]
    assert [(None, True), ("orders-7", False), (None, True)] == [(hop.external_id, hop.first) for hop in hops]
    assert ["doka-*", "doka-*", "doka-audit"] == [hop.session_name for hop in hops]


def test_a_stream_without_an_arn_is_in_the_account_of_who_signs() -> None:
    """So its ARN can stand in a document; without a role that is the workload's own account."""
    assert {WRITER: [STREAM, FOREIGN_STREAM]} == Names(full(), ALL).written()
    assert {READER: [STREAM, FOREIGN_STREAM]} == Names(full(), ALL).read_back()
    ambient = settings({("roles",): Absent, ("routes", 0, "stream", "role"): Absent})
    assert {WORKLOAD: ["arn:aws:kinesis:eu-west-1:111122223333:stream/orders"]} == Names(ambient, ALL).written()


def test_an_operator_enters_each_chain_where_the_workload_does() -> None:
    """By what the configuration says of the hop; what follows is the chain as ever, and tags of pods are not his."""
    hops = Names(full(), replace(OPERATED, workload="pod-identity")).hops_of_operator()
    assert [(OPERATOR, HUB, "doka", False), (OPERATOR, READER, None, False)] == [
        (hop.caller, hop.role_arn, hop.source_identity, hop.brings_tags) for hop in hops
    ]


def test_where_no_role_signs_the_operator_signs_as_himself() -> None:
    """A command takes the credentials of its process, as the service does."""
    ambient = settings({("roles",): Absent, ("routes", 0, "stream", "role"): Absent})
    stream = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders"
    assert {WORKLOAD: [stream], OPERATOR: [stream]} == Names(ambient, OPERATED).written()
    assert {WORKLOAD: [stream], OPERATOR: [stream]} == Names(ambient, OPERATED).read_back()


def test_a_key_is_for_the_streams_of_its_region() -> None:
    """KMS keys do not leave their region."""
    names = Names(full(), ALL)
    assert [KEY] == names.keys([STREAM])
    assert [] == names.keys([FOREIGN_STREAM])


def test_other_partitions_have_other_arns() -> None:
    """China's ARNs begin with aws-cn."""
    china = settings(
        {
            ("aws", "region"): "cn-north-1",
            ("roles", "analytics", "hops", 0, "role_arn"): "arn:aws-cn:iam::210987654321:role/w",
        }
    )
    names = Names(china, Given())
    assert "arn:aws-cn:iam::WORKLOAD_ACCOUNT:role/WORKLOAD_ROLE" == names.workload
    assert ["arn:aws-cn:kinesis:cn-north-1:210987654321:stream/orders"] == names.written()[
        "arn:aws-cn:iam::210987654321:role/w"
    ]
    assert names.cluster().startswith("arn:aws-cn:kafka:cn-north-1:MSK_ACCOUNT:")


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("--workload-role-arn", {"workload_role_arn": "arn:aws:iam::1:role/x"}),
        ("--operator-arn", {"operator_arn": "arn:aws:iam::111122223333:user/ann"}),
        ("--msk-cluster-arn", {"msk_cluster_arn": "arn:aws:kafka:eu-west-1:111122223333:cluster/x"}),
        ("--kms-key-arn", {"kms_key_arns": ("arn:aws:kms:eu-west-1:111122223333:alias/x",)}),
        ("--oidc-provider", {"oidc_provider": "https://a b"}),
        ("--service-account", {"service_account": "doka"}),
    ],
)
def test_an_option_that_cannot_be_is_refused_by_its_name(option: str, given: dict[str, Any]) -> None:
    """With what it looks like instead."""
    with pytest.raises(UsageError, match=rf"^{option} .*write it like "):
        Given(**given)


def test_a_group_whose_name_would_be_a_pattern_is_written_as_it_is() -> None:
    """Else the document would allow other groups, or none."""
    groups = Names(settings({("kafka", "group_id"): "a*b?c$"}), ALL).groups()
    assert ["a${*}b${?}c${$}", "a${*}b${?}c${$}-skips"] == [arn.rpartition("/")[2] for arn in groups]


def test_a_pattern_of_topics_is_one_in_an_arn() -> None:
    """What is wild to doka is wild to IAM, so the policy allows what is read, also of topics that there are not yet."""
    names = Names(settings({("routes", 0, "topics"): ["orders.*", "returns"]}), ALL)

    assert ["orders.*", "returns"] == [arn.rpartition("/")[2] for arn in names.topics()]
