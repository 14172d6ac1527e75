"""An answer to GetRecords as columns: read by C loops, and before botocore makes an object of each record of it.

What stands in it in another form than the API's, or not in the order of the shard, is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from pybase64 import b64decode

MS_PER_SECOND = 1_000
COLUMNS = "columns"
"""Under which name the columns come out of botocore, in the place of what it would have made of the answer."""

_data, _number, _arrived = (
    itemgetter("Data"),
    itemgetter("SequenceNumber"),
    itemgetter("ApproximateArrivalTimestamp"),
)


class Columns(NamedTuple):
    """The records of one answer; `next_iterator` is None behind the last record of a closed shard."""

    keys: list[str]
    data: list[bytes]
    sequence_numbers: list[str]
    arrived_ms: list[int]
    behind_ms: int
    next_iterator: str | None

    @property
    def payload_bytes(self) -> int:
        """Bytes of all keys and data, which the shard counts."""
        return sum(map(len, self.data)) + sum(map(len, map(str.encode, self.keys)))

    def are_behind(self, sequence_number: str) -> bool:
        """Say whether all of them lie behind this record of the shard."""
        return not self.sequence_numbers or int(self.sequence_numbers[0]) > int(sequence_number)


def read_columns(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Take the records out of a good answer before botocore parses it; a handler of `before-parse`."""
    if response_dict["status_code"] >= 300:  # noqa: PLR2004 - from there on botocore reads an error
        return
    customized_response_dict[COLUMNS] = columns_of(response_dict["body"])
    response_dict["body"] = b"{}"


def columns_of(body: bytes) -> Columns:
    """Read the body of an answer. Raises ValueError, KeyError or TypeError for what is none."""
    told: Mapping[str, Any] = orjson.loads(body)
    records = told["Records"]
    numbers = list(map(_number, records))
    values = list(map(int, numbers))
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise ValueError("records that are not in the order of their shard")
    return Columns(
        keys=[record.get("PartitionKey", "") for record in records],  # a stream that ignores keys need not have one
        data=list(map(b64decode, map(_data, records))),
        sequence_numbers=numbers,
        arrived_ms=[round(seconds * MS_PER_SECOND) for seconds in map(_arrived, records)],
        behind_ms=int(told.get("MillisBehindLatest") or 0),
        next_iterator=told.get("NextShardIterator"),
    )
