"""Reads the configuration of the service that doka replaces, one file per environment, as it stands.

    aws:
      region: eu-west-1
      crossAccount: true
      crossAccountArn: arn:aws:iam::210987654321:role/writer
      kinesis: {streamName: orders, partitionKey: orders-}
    msk:
      topic: orders
      brokers: ["b-1.example:9092"]
      groupId: orders-forwarder

That service gave each record a random partition key that began with `partitionKey`: spread evenly, in no order.
The same is said here by `partition_key: random` and `ordering: none`; the prefix meant nothing to a reader and is gone.
It must never guess a permission: the old service spoke plaintext, and that is asked for again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from doka.app.settings.fields import FROZEN, Text
from doka.app.settings.problems import Origins, Problem, SettingPath, SettingsError, origin_of
from doka.app.settings.words import problems_of
from doka.app.settings.yamlfile import read_yaml

ROLE = "cross_account"

_FROM: Mapping[SettingPath, SettingPath] = {
    ("kafka", "bootstrap_servers"): ("msk", "brokers"),
    ("kafka", "group_id"): ("msk", "groupId"),
    ("kafka", "security", "protocol"): ("msk", "brokers"),
    ("aws", "region"): ("aws", "region"),
    ("roles", ROLE, "hops", 0, "role_arn"): ("aws", "crossAccountArn"),
    ("routes", 0, "topics"): ("msk", "topic"),
    ("routes", 0, "stream", "name"): ("aws", "kinesis", "streamName"),
    ("routes", 0, "partition_key"): ("aws", "kinesis", "partitionKey"),
}
"""Where each setting of the new form comes from, so that an error names a line of the old file."""


class LegacyKinesis(BaseModel):
    """`aws.kinesis` of the old form."""

    model_config = FROZEN
    streamName: Text = Field(examples=["orders"])  # noqa: N815 - the old file's own spelling
    partitionKey: str | None = None  # noqa: N815


class LegacyAws(BaseModel):
    """`aws` of the old form."""

    model_config = FROZEN
    region: Text = Field(examples=["eu-west-1"])
    crossAccount: bool | None = Field(default=None, strict=True)  # noqa: N815
    crossAccountArn: Text | None = None  # noqa: N815
    kinesis: LegacyKinesis = Field(examples=[{"streamName": "orders"}])


class LegacyMsk(BaseModel):
    """`msk` of the old form."""

    model_config = FROZEN
    topic: Text = Field(examples=["orders"])
    brokers: tuple[Text, ...] = Field(min_length=1, examples=[["b-1.example:9092"]])
    groupId: Text = Field(examples=["orders-forwarder"])  # noqa: N815

    @field_validator("brokers", mode="before")
    @classmethod
    def _take_commas(cls, given: Any) -> Any:
        return [broker.strip() for broker in given.split(",")] if isinstance(given, str) else given


class LegacySettings(BaseModel):
    """The whole of one old file."""

    model_config = FROZEN
    aws: LegacyAws = Field(examples=[{"region": "eu-west-1"}])
    msk: LegacyMsk = Field(examples=[{"topic": "orders"}])


def read_legacy(file: Path) -> tuple[LegacySettings, Origins]:
    """Read an old file as it stands, and where each of its settings stands.

    Raises:
        SettingsError: it cannot be read, or is not of the old form.
    """
    data, origins = read_yaml(file)
    if {"kafka", "routes", "roles"} & data.keys():
        raise SettingsError([Problem("is of the new form; run it with --config", origin=str(file))])
    if not data:
        raise SettingsError([Problem("is empty", origin=str(file))])
    try:
        return LegacySettings.model_validate(data), origins
    except ValidationError as error:
        raise SettingsError(problems_of(error, LegacySettings, origins)) from None


def translate(file: Path) -> tuple[dict[str, Any], dict[SettingPath, str]]:
    """Give an old file's content in the new form, and the lines of the old file that it came from.

    Raises:
        SettingsError: it cannot be read, is not of the old form, or says crossAccount without a role.
    """
    legacy, origins = read_legacy(file)
    found: dict[SettingPath, str] = {(): origins[()]}
    for new, old in _FROM.items():
        origin = origin_of(old, origins)
        if origin is not None:
            found[new] = origin
    return new_form(legacy, origins), found


def crosses_accounts(legacy: LegacySettings) -> bool:
    """Tell whether the old service assumed a role; where it does not say so, whether it names one."""
    aws = legacy.aws
    return aws.crossAccountArn is not None if aws.crossAccount is None else aws.crossAccount


def new_form(legacy: LegacySettings, origins: Origins | None = None) -> dict[str, Any]:
    """Say in the new form what the old one asked for; permissions are not among it.

    Raises:
        SettingsError: it says crossAccount without a role.
    """
    aws, msk = legacy.aws, legacy.msk
    crosses = crosses_accounts(legacy)
    if crosses and aws.crossAccountArn is None:
        told = "is missing although crossAccount is true; name the role that writes, or set crossAccount: false"
        path = ("aws", "crossAccountArn")
        raise SettingsError([Problem(told, path, origin_of(("aws", "crossAccount"), origins or {}))])
    data: dict[str, Any] = {
        "kafka": {
            "bootstrap_servers": list(msk.brokers),
            "group_id": msk.groupId,
            "start_from": "earliest",
            "security": {"protocol": "plaintext"},
        },
        "aws": {"region": aws.region},
        "routes": [
            {
                "topics": [msk.topic],
                "stream": {"name": aws.kinesis.streamName},
                "partition_key": "random",
                "ordering": "none",
            }
        ],
    }
    if crosses:
        data["roles"] = {ROLE: {"hops": [{"role_arn": aws.crossAccountArn}]}}
        data["routes"][0]["stream"]["role"] = ROLE
    return data
