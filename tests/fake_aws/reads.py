"""Reading a stream back as its consumers do: iterators and GetRecords."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from tests.fake_aws.accounts import Streams
from tests.fake_aws.clock import NS_PER_SECOND, ServiceClock
from tests.fake_aws.errors import ServiceError, invalid, violates
from tests.fake_aws.signature import Caller
from tests.fake_aws.streams import SEQUENCE_FIRST, SEQUENCE_PREFIX, Shard, Stream, sequence_number

RECORDS_MAX = 10_000
ANSWER_BYTES_MAX = 10 * 1024 * 1024
ITERATOR_SECONDS = 300


def iterator(stream: Stream, shard: Shard, body: Mapping[str, Any], now: int) -> str:
    """Give the iterator that GetShardIterator's arguments ask for; `now` says from when on it ages."""
    kind = body.get("ShardIteratorType")
    match kind:
        case "TRIM_HORIZON":
            start = shard.opened_at
        case "LATEST":
            start = len(stream)
        case "AT_SEQUENCE_NUMBER":
            start = _position(body.get("StartingSequenceNumber"))
        case "AFTER_SEQUENCE_NUMBER":
            start = _position(body.get("StartingSequenceNumber")) + 1
        case "AT_TIMESTAMP":
            wanted = float(body.get("Timestamp", 0))
            start = next((run.first for run in stream.runs if run.origin.wall >= wanted), len(stream))
        case _:
            raise violates("shardIteratorType", kind, "be a known type of iterator")
    return token_of(stream, start, shard.id, now)


def records(body: Mapping[str, Any], streams: Streams, caller: Caller, clock: ServiceClock) -> dict[str, Any]:
    """Answer a GetRecords."""
    stream, start, shard_id, issued_at = _open(str(body.get("ShardIterator")), streams, caller, "GetRecords")
    shard = stream.shard(shard_id)
    now = clock.now()
    if now - issued_at > ITERATOR_SECONDS * NS_PER_SECOND:
        text = f"Iterator expired. The iterator was created more than {ITERATOR_SECONDS} seconds ago."
        raise ServiceError("ExpiredIteratorException", text)
    limit = body.get("Limit", RECORDS_MAX)
    if shard is None:
        raise invalid("Invalid ShardIterator.")
    if not isinstance(limit, int) or not 1 <= limit <= RECORDS_MAX:
        raise violates("limit", limit, f"have value between 1 and {RECORDS_MAX}")
    if stream.rate_limited and not shard.reads.may_begin(now):
        text = f"Rate exceeded for shard {shard.id} in stream {stream.name} under account {stream.account}."
        raise ServiceError("ProvisionedThroughputExceededException", text)
    end = len(stream) if shard.closed_at is None else shard.closed_at
    found: list[dict[str, Any]] = []
    size, at = 0, start
    while at < end and len(found) < limit and size < ANSWER_BYTES_MAX:
        if stream.shard_indexes[at] == shard.index:
            data = stream.datas[at]
            size += len(data)
            found.append(
                {
                    "SequenceNumber": sequence_number(at),
                    "ApproximateArrivalTimestamp": stream.arrival_wall(at),
                    "Data": base64.b64encode(data).decode(),
                    "PartitionKey": stream.keys[at],
                }
            )
        at += 1
    shard.reads.took(size)
    answer: dict[str, Any] = {"Records": found, "MillisBehindLatest": 0}
    if at < end:
        answer["MillisBehindLatest"] = max(1, int((clock.wall() - stream.arrival_wall(at)) * 1000))
    if at >= end and shard.closed_at is not None:
        children = [each for each in stream.shards if shard.id in each.parents]
        answer["ChildShards"] = [
            {
                "ShardId": child.id,
                "ParentShards": list(child.parents),
                "HashKeyRange": {"StartingHashKey": str(child.first_hash), "EndingHashKey": str(child.last_hash)},
            }
            for child in children
        ]
    else:
        answer["NextShardIterator"] = token_of(stream, at, shard.id, now)
    return answer


def token_of(stream: Stream, position: int, shard_id: str = "", issued_at: int = 0) -> str:
    """Give an opaque token for a place in a stream."""
    return base64.urlsafe_b64encode(f"{stream.arn}|{shard_id}|{position}|{issued_at}".encode()).decode()


def open_token(token: str, streams: Streams, caller: Caller, operation: str) -> tuple[Stream, int]:
    """Give the stream and position behind a token. Raises ServiceError for a forged one, or one of a foreign stream."""
    return _open(token, streams, caller, operation)[:2]


def _open(token: str, streams: Streams, caller: Caller, operation: str) -> tuple[Stream, int, str, int]:
    try:
        arn, shard_id, position, issued_at = base64.urlsafe_b64decode(token).decode().split("|")
        stream = streams.named_by({"StreamARN": arn}, caller, operation, active=True)
        return stream, int(position), shard_id, int(issued_at)
    except ValueError:
        raise invalid("Invalid ShardIterator.") from None


def _position(number: object) -> int:
    text = str(number)
    tail = text.removeprefix(SEQUENCE_PREFIX)
    if tail == text or not tail.isdecimal():
        raise ServiceError("InvalidArgumentException", f"StartingSequenceNumber {text} is not of this stream.")
    return int(tail) - SEQUENCE_FIRST
