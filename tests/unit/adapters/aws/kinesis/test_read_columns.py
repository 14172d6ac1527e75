from __future__ import annotations

from typing import Any

import orjson
import pytest

from doka.adapters.aws.kinesis.read_columns import COLUMNS, Columns, columns_of, read_columns

RECORD: dict[str, Any] = {
    "SequenceNumber": "4955",
    "ApproximateArrivalTimestamp": 1_459_799_926.48,
    "Data": "AP8=",
    "PartitionKey": "é",
}


def body(*records: dict[str, Any], **others: Any) -> bytes:
    """Give an answer with these records."""
    return orjson.dumps({"Records": list(records), "NextShardIterator": "next", "MillisBehindLatest": 7} | others)


def test_an_answer_becomes_columns() -> None:
    """Each record's key, data, number and arrival to the ms, and where to read on."""
    later = RECORD | {"SequenceNumber": "4956", "ApproximateArrivalTimestamp": 1_459_799_926}
    expected = Columns(
        ["é", "é"], [b"\x00\xff"] * 2, ["4955", "4956"], [1_459_799_926_480, 1_459_799_926_000], 7, "next"
    )
    assert expected == columns_of(body(RECORD, later))
    assert 2 * (2 + 2) == expected.payload_bytes


def test_the_end_of_a_closed_shard_has_no_further_iterator() -> None:
    """An iterator of null, or none at all, is the end."""
    for answer in (body(NextShardIterator=None), orjson.dumps({"Records": []})):
        assert columns_of(answer).next_iterator is None


def test_a_record_may_have_no_key() -> None:
    """A stream that ignores keys gives none back where none was given."""
    assert [""] == columns_of(body({name: RECORD[name] for name in RECORD if name != "PartitionKey"})).keys


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"{}",
        b'{"Records": null}',
        body(RECORD, RECORD),
        body(RECORD, RECORD | {"SequenceNumber": "12"}),
        body(RECORD | {"SequenceNumber": "x"}),
        body({"SequenceNumber": "1"}),
        body(RECORD | {"ApproximateArrivalTimestamp": "today"}),
    ],
)
def test_what_is_no_answer_is_not_believed(answer: bytes) -> None:
    """Whatever is missing, of another form, twice or out of order: the answer is none."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        columns_of(answer)


def test_numbers_are_compared_by_their_value() -> None:
    """A number of more digits lies behind one of less."""
    columns = columns_of(body(RECORD | {"SequenceNumber": "10"}))
    assert [True, False, False] == [columns.are_behind(number) for number in ("9", "10", "11")]
    assert columns_of(body()).are_behind("11")


def test_refusals_are_left_to_botocore() -> None:
    """Only a good answer's body is taken out of its hands."""
    customized: dict[str, Any] = {}
    refused = {"status_code": 400, "body": b"untouched"}
    read_columns(refused, customized)
    assert ({}, b"untouched") == (customized, refused["body"])
    good = {"status_code": 200, "body": body(RECORD)}
    read_columns(good, customized)
    assert (columns_of(body(RECORD)), b"{}") == (customized[COLUMNS], good["body"])
