"""Asks, for `doka check`, what only a put or a read would tell: by dry runs, which change nothing and are billed as puts are.

AWS takes one dry run a second of a stream, over all callers and all its APIs, and answers `DryRunOperationException` to
what would have worked (Kinesis developer guide, kds-dryrun-validation). It does not look at KMS, which has its own.
It must never be sent to what does not know DryRun: that takes it for a put, and stores the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from operator import methodcaller
from typing import Any, Final, NamedTuple

from botocore.session import Session

from doka.adapters.aws.held_lease import Pause
from doka.adapters.aws.kinesis.questions import Answer, Question, Questions, Refusal, stream_of
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.session import NewSession
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Clock

WOULD_WORK: Final = "DryRunOperationException"
STORED: Final = "stored"
"""Our name for an answer of 200 to a dry run: whatever answers has taken the record."""
BETWEEN_NS: Final = round(1.1 * NS_PER_SECOND)
RECORD: Final = {"Data": b"0", "PartitionKey": "0"}
KEY_CONTEXT: Final = "aws:kinesis:arn"
"""In whose name Kinesis uses a key: the only context that policies of doka let through."""
FIRST_SHARD: Final = "shardId-000000000000"


class Refused(NamedTuple):
    """Which action was refused, and how."""

    action: str
    refusal: Refusal


class DryRuns:
    """Asks about the streams of `targets` (route -> stream); `pause` waits between two dry runs of one stream.

    A `stand_in` for Kinesis that has an address of its own is asked for KMS, too.
    Raises UsageError for a region or endpoint URL that cannot be.
    """

    def __init__(
        self,
        targets: Mapping[str, StreamTarget],
        clock: Clock,
        pause: Pause,
        new_session: NewSession = Session,
        *,
        stand_in: bool = False,
    ) -> None:
        self._targets = dict(targets)
        self._clock = clock
        self._pause = pause
        self._kinesis = Questions(self._targets.values(), clock, new_session)
        self._new_session = new_session
        of_kms = [each if stand_in else replace(each, endpoint_url=None) for each in self._targets.values()]
        self._kms_targets = dict(zip(self._targets, of_kms, strict=True))
        self._asked_at: dict[str, int] = {}

    @cached_property
    def _kms(self) -> Questions:
        """Made when it is asked: most streams have no key to be tried, and a client costs a tenth of a check's start."""
        return Questions(self._kms_targets.values(), self._clock, self._new_session, service="kms")

    def put(self, route: str, lease: Lease) -> Refusal | None:
        """Say why a put of one byte would be refused; None: it would be taken. Waits a second where it must."""
        target = self._targets[route]
        called = f"{target.region}/{target.stream_arn or target.stream_name}"
        if called in self._asked_at:
            self._pause(max(0, self._asked_at[called] + BETWEEN_NS - self._clock.now()))
        answer = self._ask(route, lease, "put_records", Records=[RECORD], DryRun=True)
        self._asked_at[called] = self._clock.now()
        if not isinstance(answer, Refusal):
            return Refusal(STORED, "")
        return None if answer.code == WOULD_WORK else answer

    def shards(self, route: str, lease: Lease) -> Refusal | None:
        """Say why the shards cannot be listed."""
        answer = self._ask(route, lease, "list_shards", MaxResults=1)
        return answer if isinstance(answer, Refusal) else None

    def encrypt(self, route: str, lease: Lease, key_arn: str, stream_arn: str) -> Refusal | None:
        """Say why the key could not be used for a put."""
        asked = {"KeyId": key_arn, "KeySpec": "AES_256", "EncryptionContext": {KEY_CONTEXT: stream_arn}, "DryRun": True}
        question: Question = methodcaller("generate_data_key", **asked)
        answer = self._kms.ask(self._kms_targets[route], lease, question)
        return answer if isinstance(answer, Refusal) and answer.code != WOULD_WORK else None

    def read(self, route: str, lease: Lease) -> Refused | None:
        """Say what of an audit's questions would be refused: one record at most is read, and dropped."""
        described = self._ask(route, lease, "describe_stream_summary")
        if isinstance(described, Refusal):
            return Refused("kinesis:DescribeStreamSummary", described)
        listed = self._ask(route, lease, "list_shards", MaxResults=1)
        if isinstance(listed, Refusal):
            return Refused("kinesis:ListShards", listed)
        shards = listed.get("Shards") or [{}]
        shard = shards[0].get("ShardId", FIRST_SHARD)
        found = self._ask(route, lease, "get_shard_iterator", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
        if isinstance(found, Refusal):
            return Refused("kinesis:GetShardIterator", found)
        target = self._targets[route]
        stream = {"StreamARN": target.stream_arn} if target.stream_arn else {}
        question: Question = methodcaller("get_records", ShardIterator=found.get("ShardIterator"), Limit=1, **stream)
        read = self._kinesis.ask(target, lease, question)
        if isinstance(read, Refusal):
            return Refused("kms:Decrypt" if read.code.startswith("KMS") else "kinesis:GetRecords", read)
        return None

    def _ask(self, route: str, lease: Lease, operation: str, **asked: Any) -> Answer | Refusal:
        target = self._targets[route]
        return self._kinesis.ask(target, lease, methodcaller(operation, **stream_of(target), **asked))
