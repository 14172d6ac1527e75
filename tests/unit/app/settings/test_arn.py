from __future__ import annotations

import pytest
from botocore.loaders import create_loader

from doka.app.settings.arn import REGION, RoleArn, StreamArn, parse_role_arn, parse_stream_arn, partition_of

LIKE_ROLE = "write it like arn:aws:iam::210987654321:role/doka-writer"
LIKE_STREAM = "write it like arn:aws:kinesis:eu-west-1:210987654321:stream/orders"


def test_a_role_arn_is_taken_apart() -> None:
    """Partition, account and name are told, also where the role has a path."""
    assert parse_role_arn("arn:aws-cn:iam::210987654321:role/teams/data/doka") == RoleArn(
        "aws-cn", "210987654321", "doka"
    )


def test_a_stream_arn_is_taken_apart() -> None:
    """Partition, region, account and name are told."""
    assert parse_stream_arn("arn:aws-us-gov:kinesis:us-gov-west-1:210987654321:stream/a.b_c-d") == StreamArn(
        "aws-us-gov", "us-gov-west-1", "210987654321", "a.b_c-d"
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("doka-writer", ""),
        ("arn:aws:iam::210987654321:role/", ""),
        ("arn:aws:iam::210987654321:role/a b", ""),
        ("arn:aws:iam::210987654321:role/doka\n", ""),
        ("arn:aws:iam::21098765432:role/doka", " (its account must have twelve digits)"),
        ("arn:aws:iam::٢١٠٩٨٧٦٥٤٣٢١:role/doka", " (its account must have twelve digits)"),
        ("arn:aws:iam::210987654321:user/me", " (it names an IAM user)"),
        ("arn:aws:iam::210987654321:instance-profile/me", " (it names an instance profile, not its role)"),
        (
            "arn:aws:sts::210987654321:assumed-role/doka/session",
            " (it names a session of a role, not the role itself)",
        ),
        ("arn:aws:s3:::bucket", " (it names something of the service s3)"),
    ],
)
def test_what_is_no_role_arn_is_told_by_its_kind(text: str, kind: str) -> None:
    """The usual mix-ups are named."""
    with pytest.raises(ValueError, match="role") as refused:
        parse_role_arn(text)
    assert str(refused.value) == f"is not the ARN of an IAM role{kind}; {LIKE_ROLE}"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("orders", ""),
        ("arn:aws:kinesis:eu-west-1:210987654321:stream/", ""),
        ("arn:aws:kinesis::210987654321:stream/orders", ""),
        ("arn:aws:kinesis:eu-west-1:2109:stream/orders", " (its account must have twelve digits)"),
        (
            "arn:aws:firehose:eu-west-1:210987654321:deliverystream/orders",
            " (it names something of the service firehose)",
        ),
    ],
)
def test_what_is_no_stream_arn_is_told_by_its_kind(text: str, kind: str) -> None:
    """The usual mix-ups are named."""
    with pytest.raises(ValueError, match="stream") as refused:
        parse_stream_arn(text)
    assert str(refused.value) == f"is not the ARN of a Kinesis stream{kind}; {LIKE_STREAM}"


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
    ],
)
def test_each_region_has_its_partition(region: str, partition: str) -> None:
    """An ARN of one AWS partition cannot mean something in a region of another."""
    assert partition_of(region) == partition


def test_each_region_that_botocore_knows_is_one() -> None:
    """Of each of its partitions: the region is taken, belongs to that partition, and so do ARNs of streams in it."""
    known = {
        (region, partition["id"])
        for partition in create_loader().load_data("partitions")["partitions"]
        for region in partition["regions"]
        if not region.endswith("-global")
    }
    arns = {
        region: parse_stream_arn(f"arn:{partition}:kinesis:{region}:210987654321:stream/a")
        for region, partition in known
    }
    taken = {(region, partition_of(region)) for region, _ in known if REGION.fullmatch(region)}
    assert (known, known) == (taken, {(arn.region, arn.partition) for arn in arns.values()})
