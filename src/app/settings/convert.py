"""Writes the new form of the old service's file as a page that explains each choice, for a person to keep and edit.

What it says is what `legacy.py` means: read back, the page gives the same settings as the old file itself.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from doka.app.settings.legacy import ROLE, LegacySettings, crosses_accounts, new_form, read_legacy

_HEAD = """\
# doka's configuration, written from {file}.
# `doka check --config FILE` tries it out; `doka config schema` lists everything that can be set.

kafka:
  bootstrap_servers: {brokers}
  # The old service's group. Where it has committed offsets, doka goes on from them; those offsets also moved on past
  # records that never reached Kinesis, so for a weekend that was lost take a new group_id and start_from the time
  # before it.
  group_id: {group}
  # Only for a group that has committed nothing: earliest repeats what Kafka still holds and loses nothing.
  # A time like 2026-08-01T00:00:00Z, or latest, begins later.
  start_from: earliest
  security:
    # The old service spoke plaintext. To encrypt: protocol: sasl_ssl, mechanism: aws_msk_iam, and port 9098 above.
    protocol: plaintext
    allow_plaintext: {allow}

aws:
  region: {region}
"""

_ROLES = """
roles:
  {role}:
    hops:
      # The old crossAccountArn. doka renews the session ten minutes before it ends, and at once when it is refused.
      - role_arn: {arn}
        duration_seconds: 3600
"""

_ROUTE = """
routes:
  - topics: [{topic}]
    stream:
      name: {stream}
{role}\
    # {prefix}
    # doka goes on like that: records spread evenly over the shards, in no order; every one still lands at least once.
    # To keep the order of each Kafka key instead (busy keys then share a shard): partition_key: kafka_key, ordering: key
    partition_key: random
    ordering: none
"""


def convert(file: Path, *, allow_plaintext: bool) -> str:
    """Give the new form of an old file as YAML with comments.

    Raises:
        SettingsError: it cannot be read, or is not of the old form.
    """
    legacy, origins = read_legacy(file)
    new_form(legacy, origins)
    return page(legacy, file.name, allow_plaintext=allow_plaintext)


def page(legacy: LegacySettings, name: str, *, allow_plaintext: bool) -> str:
    """Write the page for the content of an old file of this name."""
    aws, msk = legacy.aws, legacy.msk
    head = _HEAD.format(
        file=_text(name),
        brokers=f"[{', '.join(map(_text, msk.brokers))}]",
        group=_text(msk.groupId),
        allow="true" if allow_plaintext else "false  # set true to go on as before",
        region=_text(aws.region),
    )
    if crosses_accounts(legacy):
        roles = _ROLES.format(role=ROLE, arn=_text(aws.crossAccountArn or ""))
        role = f"      role: {ROLE}\n"
    else:
        roles = "\n# crossAccount was off: the credentials of this process itself write to the stream.\n"
        role = ""
    prefix = (
        "The old service gave each record a random key"
        if not aws.kinesis.partitionKey
        else f"The old service gave each record a random key that began with {_text(aws.kinesis.partitionKey)}"
    )
    route = _ROUTE.format(topic=_text(msk.topic), stream=_text(aws.kinesis.streamName), role=role, prefix=f"{prefix}.")
    return head + roles + route


def _text(value: str) -> str:
    """Write text so that YAML reads the same text, on one line, whatever is in it."""
    line: str = yaml.safe_dump(value, default_style='"', width=2**31, allow_unicode=True)
    return line.rstrip()
