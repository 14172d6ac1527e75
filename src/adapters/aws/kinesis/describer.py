"""Asks a stream for the facts that decide what may be sent to it: boto3's DescribeStreamSummary, signed by a lease.

Called on background threads, it may block for as long as its timeouts say.
It must never raise for an answer of the service or for its absence, and never sign with anything but the lease given.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import methodcaller
from typing import Any

from botocore.session import Session

from doka.adapters.aws.codes import UNREADABLE
from doka.adapters.aws.kinesis.questions import SHARD_PAGES_MAX, Answer, Questions, Refusal, stream_of
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.session import NewSession
from doka.domain.commands import DescribeStream
from doka.domain.events import ShardRange, StreamDescribed, StreamRefused
from doka.domain.lease import Lease
from doka.domain.limits import RECORD_BYTES_DEFAULT, RECORD_BYTES_MAX
from doka.domain.ports import Clock

IGNORES_KEYS = "AUTO"
"""The record distribution strategy that ignores partition keys and explicit hash keys."""

BYTES_PER_KIB = 1024


class KinesisDescriber:
    """Describes the streams of `targets` (route -> stream), one attempt each.

    Raises UsageError for a region or endpoint URL that cannot be.
    """

    def __init__(self, targets: Mapping[str, StreamTarget], clock: Clock, new_session: NewSession = Session) -> None:
        self._targets = dict(targets)
        self._questions = Questions(self._targets.values(), clock, new_session)

    def describe(self, command: DescribeStream) -> StreamDescribed | StreamRefused:
        """Give the facts of the route's stream, or why there are none; blocks for some seconds at worst."""
        target = self._targets[command.route]
        question = methodcaller("describe_stream_summary", **stream_of(target))
        answer = self._questions.ask(target, command.lease, question)
        if isinstance(answer, Refusal):
            return StreamRefused(command.route, answer.code, answer.message, command.lease.serial)
        summary = answer.get("StreamDescriptionSummary")
        if isinstance(summary, Mapping) and isinstance(summary.get("StreamStatus"), str):
            return read_summary(command.route, target, summary, self._list_shards(target, command.lease))
        told = "the answer holds no description of the stream"
        return StreamRefused(command.route, UNREADABLE, told, command.lease.serial)

    def _list_shards(self, target: StreamTarget, lease: Lease) -> tuple[ShardRange, ...]:
        """Give the open shards for pacing; none where they cannot be had (denied, throttled): puts work without."""
        question: dict[str, Any] = stream_of(target) | {"ShardFilter": {"Type": "AT_LATEST"}}
        found: list[ShardRange] = []
        for _ in range(SHARD_PAGES_MAX):
            answer = self._questions.ask(target, lease, methodcaller("list_shards", **question))
            if isinstance(answer, Refusal):
                return ()
            try:
                found += read_shards(answer)
            except (KeyError, TypeError, ValueError):  # of a stand-in; pacing is a courtesy, not a need
                return ()
            if not answer.get("NextToken"):
                return tuple(found)
            question = {"NextToken": answer["NextToken"]}
        return ()


def read_shards(answer: Answer) -> list[ShardRange]:
    """Give the shards of a ListShards answer that still take records; a stand-in may list the closed ones too."""
    return [
        ShardRange(shard["ShardId"], int(shard["HashKeyRange"]["StartingHashKey"]))
        for shard in answer["Shards"]
        if not shard.get("SequenceNumberRange", {}).get("EndingSequenceNumber")
    ]


def read_summary(
    route: str, target: StreamTarget, summary: Mapping[str, Any], shards: tuple[ShardRange, ...] = ()
) -> StreamDescribed:
    """Give what a StreamDescriptionSummary says; what it does not say is as AWS creates streams by default."""
    kib = summary.get("MaxRecordSizeInKiB")
    open_shards = summary.get("OpenShardCount")
    arn = summary.get("StreamARN")
    key = summary.get("KeyId") if summary.get("EncryptionType") == "KMS" else None
    return StreamDescribed(
        route=route,
        arn=arn if isinstance(arn, str) and arn else target.stream_arn,
        status=summary["StreamStatus"],
        record_bytes_max=(
            min(kib * BYTES_PER_KIB, RECORD_BYTES_MAX) if isinstance(kib, int) and kib > 0 else RECORD_BYTES_DEFAULT
        ),
        honours_keys=summary.get("RecordDistributionStrategy") != IGNORES_KEYS,
        open_shards=open_shards if isinstance(open_shards, int) else None,
        shards=shards,
        kms_key=key if isinstance(key, str) and key else None,
    )
