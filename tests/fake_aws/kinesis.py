"""The Kinesis API: JSON 1.1 in, JSON 1.1 out. Writing is in puts.py, reading back in reads.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from tests.fake_aws import puts, reads
from tests.fake_aws.accounts import Streams
from tests.fake_aws.clock import ServiceClock
from tests.fake_aws.errors import ServiceError, invalid, violates
from tests.fake_aws.history import UNKNOWN_MEMBER, History, Violation
from tests.fake_aws.script import Fate, Script
from tests.fake_aws.signature import Caller
from tests.fake_aws.streams import Origin, Shard, Stream, sequence_number
from tests.fake_aws.wire import Request

Body = Mapping[str, Any]
RECORD_KIB_MIN, RECORD_KIB_MAX = 1024, 10_240


class Kinesis:
    """Answers proven callers; raises ServiceError for what it refuses."""

    def __init__(self, clock: ServiceClock, streams: Streams, history: History, script: Script) -> None:
        self._clock = clock
        self._streams = streams
        self._history = history
        self._script = script
        self._plain: dict[str, Callable[[Body, Caller], Mapping[str, Any]]] = {
            "CreateStream": self._create_stream,
            "DeleteStream": self._delete_stream,
            "DescribeStream": self._describe_stream,
            "DescribeStreamSummary": self._describe_summary,
            "GetRecords": self._get_records,
            "GetShardIterator": self._get_shard_iterator,
            "ListShards": self._list_shards,
            "ListStreams": self._list_streams,
            "MergeShards": self._merge_shards,
            "SplitShard": self._split_shard,
            "UpdateMaxRecordSize": self._update_max_record_size,
            "UpdateStreamRecordDistributionStrategy": self._update_strategy,
        }

    def answer(self, operation: str, request: Request, body: Body, caller: Caller, fate: Fate) -> bytes:
        """Do one operation and give the body of its answer."""
        if operation == "PutRecords":
            return self._put(operation, request, body, caller, fate)
        if operation == "PutRecord":
            whole = orjson.loads(self._put(operation, request, body, caller, fate))
            entry: dict[str, str] = whole["Records"][0]
            if "ErrorCode" in entry:
                status = 500 if entry["ErrorCode"].startswith("InternalFailure") else 400
                raise ServiceError(entry["ErrorCode"], entry["ErrorMessage"], status)
            return orjson.dumps(entry)
        plain = self._plain.get(operation)
        if plain is None:
            raise ServiceError("UnknownOperationException", f"{operation} is not spoken here")
        answered = plain(body, caller)
        return orjson.dumps(answered) if answered else b""

    def _put(self, operation: str, request: Request, body: Body, caller: Caller, fate: Fate) -> bytes:
        stream = self._streams.named_by(body, caller, operation, active=True)
        records = body.get("Records") if operation == "PutRecords" else puts.one_of(body)
        entries = puts.read_entries(records, stream)
        unknown = entries.unknown_members | (frozenset(body) - puts.REQUEST_MEMBERS[operation])
        if unknown:
            detail, serial = ", ".join(sorted(unknown)), caller.issue.serial
            self._history.violate(Violation(UNKNOWN_MEMBER, detail, operation, request.id, serial, request.received_at))
        if body.get("DryRun") is True:
            raise ServiceError("DryRunOperationException", "Request would have succeeded, but DryRun flag is set.")
        self._use_key(stream, caller, "kms:GenerateDataKey")
        origin = Origin(request.id, caller.issue.serial, request.received_at, self._clock.wall())
        answer, landed, refused = puts.put(stream, entries, fate, self._script, origin=origin, now=self._clock.now())
        self._history.counts["records:landed"] += landed
        for code in refused:
            self._history.counts[f"records:{code}"] += 1
        return answer

    def _create_stream(self, body: Body, caller: Caller) -> Body:
        mode = body.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
        shards = body.get("ShardCount")
        if mode == "PROVISIONED" and not isinstance(shards, int):
            raise ServiceError("ValidationException", "ShardCount must be given for a stream in PROVISIONED mode")
        stream = Stream(
            str(body.get("StreamName")),
            caller.issue.account,
            caller.region,
            shards=shards if isinstance(shards, int) else 4,
            created_wall=self._clock.wall(),
            record_kib=_record_kib(body.get("MaxRecordSizeInKiB", RECORD_KIB_MIN)),
        )
        self._streams.access.check(caller.issue, "kinesis:CreateStream", stream.arn)
        stream.mode = mode
        stream.rate_limited = self._streams.limits_rates
        stream.strategy = body.get("RecordDistributionStrategy", stream.strategy)
        self._streams.add(stream)
        return {}

    def _delete_stream(self, body: Body, caller: Caller) -> Body:
        self._streams.remove(self._streams.named_by(body, caller, "DeleteStream"))
        return {}

    def _list_streams(self, body: Body, caller: Caller) -> Body:
        names = [stream.name for stream in self._streams.of(caller.issue.account, caller.region)]
        return {"StreamNames": names, "HasMoreStreams": False}

    def _describe_summary(self, body: Body, caller: Caller) -> Body:
        stream = self._streams.named_by(body, caller, "DescribeStreamSummary")
        summary = _description(stream) | {
            "OpenShardCount": len(stream.open_shards),
            "ConsumerCount": 0,
            "MaxRecordSizeInKiB": stream.record_kib,
            "RecordDistributionStrategy": stream.strategy,
        }
        return {"StreamDescriptionSummary": summary}

    def _describe_stream(self, body: Body, caller: Caller) -> Body:
        stream = self._streams.named_by(body, caller, "DescribeStream")
        shards = [_shard(each) for each in stream.shards]
        return {"StreamDescription": _description(stream) | {"Shards": shards, "HasMoreShards": False}}

    def _list_shards(self, body: Body, caller: Caller) -> Body:
        token = body.get("NextToken")
        if token is not None:
            if body.get("StreamName") is not None or body.get("StreamARN") is not None:
                raise invalid("NextToken and StreamName cannot be provided together.")
            stream, start = reads.open_token(str(token), self._streams, caller, "ListShards")
        else:
            stream, start = self._streams.named_by(body, caller, "ListShards", active=True), 0
        shards = [_shard(each) for each in stream.shards if each.id > str(body.get("ExclusiveStartShardId", ""))]
        shard_filter = body.get("ShardFilter", {})
        if shard_filter.get("Type") == "AT_LATEST":
            shards = [_shard(each) for each in stream.open_shards]
        if shard_filter.get("Type") == "FROM_TIMESTAMP":
            since = float(shard_filter["Timestamp"])
            shards = [_shard(each) for each in stream.shards if each.closed_wall is None or each.closed_wall >= since]
        size = int(body.get("MaxResults", 1_000))
        rest = {"NextToken": reads.token_of(stream, start + size)} if len(shards) > start + size else {}
        return {"Shards": shards[start : start + size]} | rest

    def _split_shard(self, body: Body, caller: Caller) -> Body:
        stream = self._streams.named_by(body, caller, "SplitShard", active=True)
        parent, first = _shard_of(stream, body.get("ShardToSplit")), int(body.get("NewStartingHashKey", "0"))
        stream.split(parent, first, self._clock.wall())
        return {}

    def _merge_shards(self, body: Body, caller: Caller) -> Body:
        stream = self._streams.named_by(body, caller, "MergeShards", active=True)
        one, other = (_shard_of(stream, body.get(name)) for name in ("ShardToMerge", "AdjacentShardToMerge"))
        stream.merge(one, other, self._clock.wall())
        return {}

    def _update_max_record_size(self, body: Body, caller: Caller) -> Body:
        stream = self._streams.named_by(body, caller, "UpdateMaxRecordSize", active=True)
        stream.record_kib = _record_kib(body.get("MaxRecordSizeInKiB"))
        return {}

    def _update_strategy(self, body: Body, caller: Caller) -> Body:
        stream = self._streams.named_by(body, caller, "UpdateStreamRecordDistributionStrategy", active=True)
        stream.strategy = str(body.get("RecordDistributionStrategy"))
        return {}

    def _get_shard_iterator(self, body: Body, caller: Caller) -> Body:
        stream = self._streams.named_by(body, caller, "GetShardIterator", active=True)
        return {
            "ShardIterator": reads.iterator(stream, _shard_of(stream, body.get("ShardId")), body, self._clock.now())
        }

    def _get_records(self, body: Body, caller: Caller) -> Body:
        answer = reads.records(body, self._streams, caller, self._clock)
        if answer["Records"]:
            stream = reads.open_token(str(body.get("ShardIterator")), self._streams, caller, "GetRecords")[0]
            self._use_key(stream, caller, "kms:Decrypt")
        return answer

    def _use_key(self, stream: Stream, caller: Caller, action: str) -> None:
        """Ask for the stream's key in the caller's name, as Kinesis does; a dry run does not."""
        if stream.kms_key is not None:
            context = {
                "kms:EncryptionContext:aws:kinesis:arn": stream.arn,
                "kms:ViaService": f"kinesis.{stream.region}.amazonaws.com",
            }
            self._streams.access.check(caller.issue, action, stream.kms_key, context, code="KMSAccessDeniedException")


def _record_kib(given: object) -> int:
    if not isinstance(given, int) or not RECORD_KIB_MIN <= given <= RECORD_KIB_MAX:
        raise violates("maxRecordSizeInKiB", given, f"have value between {RECORD_KIB_MIN} and {RECORD_KIB_MAX}")
    return given


def _shard_of(stream: Stream, shard_id: object) -> Shard:
    shard = stream.shard(str(shard_id))
    if shard is None:
        text = f"Could not find shard {shard_id} in stream {stream.name} under account {stream.account}."
        raise ServiceError("ResourceNotFoundException", text)
    return shard


def _description(stream: Stream) -> dict[str, Any]:
    return {
        "StreamName": stream.name,
        "StreamARN": stream.arn,
        "StreamStatus": stream.status,
        "StreamModeDetails": {"StreamMode": stream.mode},
        "RetentionPeriodHours": 24,
        "StreamCreationTimestamp": stream.created_wall,
        "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        "EncryptionType": "NONE",
    } | ({} if stream.kms_key is None else {"EncryptionType": "KMS", "KeyId": stream.kms_key})


def _shard(shard: Shard) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": sequence_number(shard.opened_at)}
    if shard.closed_at is not None:
        numbers["EndingSequenceNumber"] = sequence_number(shard.closed_at)
    described: dict[str, Any] = {
        "ShardId": shard.id,
        "HashKeyRange": {"StartingHashKey": str(shard.first_hash), "EndingHashKey": str(shard.last_hash)},
        "SequenceNumberRange": numbers,
    }
    return described | dict(zip(("ParentShardId", "AdjacentParentShardId"), shard.parents, strict=False))
