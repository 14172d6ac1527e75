"""Amazon resource names as far as doka takes them: a role to assume, a stream to write to.

Pure text work: nothing here asks AWS, and no message repeats what was given, since a pasted secret may stand there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ROLE_EXAMPLE = "arn:aws:iam::210987654321:role/doka-writer"
STREAM_EXAMPLE = "arn:aws:kinesis:eu-west-1:210987654321:stream/orders"

REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2}")  # four letters in the sovereign cloud: eusc-de-east-1
STREAM_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")  # CreateStream, StreamName

_PARTITION = r"arn:(?P<partition>aws(?:-[a-z]+)*)"
# A role's name has 1..64 of these characters, its path up to 512 (IAM API reference, CreateRole).
_ROLE = re.compile(
    _PARTITION + r":iam::(?P<account>\d{12}):role/(?P<path>(?:[!-.0-~]+/)*)(?P<name>[\w+=,.@-]{1,64})", re.ASCII
)
_STREAM = re.compile(
    _PARTITION + rf":kinesis:(?P<region>{REGION.pattern}):(?P<account>\d{{12}}):stream/(?P<name>{STREAM_NAME.pattern})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class RoleArn:
    """The ARN of an IAM role, taken apart."""

    partition: str
    account: str
    name: str


@dataclass(frozen=True, slots=True)
class StreamArn:
    """The ARN of a Kinesis data stream, taken apart."""

    partition: str
    region: str
    account: str
    name: str


def parse_role_arn(text: str) -> RoleArn:
    """Take the ARN of a role apart.

    Raises:
        ValueError: it is none; the text says what it looks like instead, and never repeats it.
    """
    found = _ROLE.fullmatch(text)
    if found is None:
        raise ValueError(f"is not the ARN of an IAM role{_kind(text)}; write it like {ROLE_EXAMPLE}")
    return RoleArn(found["partition"], found["account"], found["name"])


def parse_stream_arn(text: str) -> StreamArn:
    """Take the ARN of a stream apart.

    Raises:
        ValueError: it is none; the text says what it looks like instead, and never repeats it.
    """
    found = _STREAM.fullmatch(text)
    if found is None:
        raise ValueError(f"is not the ARN of a Kinesis stream{_kind(text)}; write it like {STREAM_EXAMPLE}")
    return StreamArn(found["partition"], found["region"], found["account"], found["name"])


def partition_of(region: str) -> str:
    """Name the AWS partition that a region belongs to, as it stands in ARNs."""
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    found = re.match(r"[a-z]{2}-(iso[a-z]?)-", region)
    if found is not None:
        return "aws-iso" if found[1] == "iso" else f"aws-iso-{found[1][3:]}"
    return "aws-eusc" if region.startswith("eusc-") else "aws"


def _kind(text: str) -> str:
    """Say what an ARN of another kind is; empty where nothing can be told."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":  # noqa: PLR2004 - arn:partition:service:region:account:resource
        return ""
    service, account, resource = parts[2], parts[4], parts[5]
    kinds = {
        ("iam", "role"): "its account must have twelve digits" if not re.fullmatch(r"[0-9]{12}", account) else "",
        ("iam", "user"): "it names an IAM user",
        ("sts", "assumed-role"): "it names a session of a role, not the role itself",
        ("kinesis", "stream"): "its account must have twelve digits" if not re.fullmatch(r"[0-9]{12}", account) else "",
        ("iam", "instance-profile"): "it names an instance profile, not its role",
    }
    told = kinds.get((service, resource.split("/", 1)[0]))
    if told is None and service in {"firehose", "kafka", "sqs", "sns", "s3", "kinesisanalytics"}:
        told = f"it names something of the service {service}"
    return f" ({told})" if told else ""
