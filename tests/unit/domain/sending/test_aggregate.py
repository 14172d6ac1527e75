"""Aggregates, held against a protobuf schema built here and against the module that others read them with."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from aws_kinesis_agg.deaggregator import deaggregate_records
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from doka.domain.sending.aggregate import FIXED_BYTES, FRAME_BYTES_MAX, MAGIC, encode, how_many_fit, varint

HASH_KEY = str((1 << 127) + 1)
OPTIONAL, REQUIRED, REPEATED = (
    FieldDescriptorProto.LABEL_OPTIONAL,
    FieldDescriptorProto.LABEL_REQUIRED,
    FieldDescriptorProto.LABEL_REPEATED,
)
UINT64, BYTES, STRING, MESSAGE = (
    FieldDescriptorProto.TYPE_UINT64,
    FieldDescriptorProto.TYPE_BYTES,
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_MESSAGE,
)


def schema() -> Any:
    """Give the class of the aggregate's message, from its published fields."""

    def message(name: str, *fields: tuple[str, int, int, int]) -> DescriptorProto:
        return DescriptorProto(
            name=name,
            field=[
                FieldDescriptorProto(
                    name=field, number=number, label=label, type=kind, type_name=".Record" if kind == MESSAGE else None
                )
                for field, number, label, kind in fields
            ],
        )

    pool = DescriptorPool()
    pool.Add(
        FileDescriptorProto(
            name="aggregate.proto",
            syntax="proto2",
            message_type=[
                message(
                    "AggregatedRecord",
                    ("partition_key_table", 1, REPEATED, STRING),
                    ("explicit_hash_key_table", 2, REPEATED, STRING),
                    ("records", 3, REPEATED, MESSAGE),
                ),
                message(
                    "Record",
                    ("partition_key_index", 1, REQUIRED, UINT64),
                    ("explicit_hash_key_index", 2, OPTIONAL, UINT64),
                    ("data", 3, REQUIRED, BYTES),
                ),
            ],
        )
    )
    return GetMessageClass(pool.FindMessageTypeByName("AggregatedRecord"))


AGGREGATED_RECORD = schema()


def by_protobuf(keys: Sequence[str], values: Sequence[bytes]) -> bytes:
    """Give the aggregate that protobuf writes for the same records."""
    table = list(dict.fromkeys(keys))
    message = AGGREGATED_RECORD(partition_key_table=table, explicit_hash_key_table=[HASH_KEY])
    for key, value in zip(keys, values, strict=True):
        message.records.add(partition_key_index=table.index(key), explicit_hash_key_index=0, data=value)
    written: bytes = message.SerializeToString()
    return MAGIC + written + hashlib.md5(written, usedforsecurity=False).digest()


def read_by_others(aggregate: bytes) -> list[tuple[str, str, bytes]]:
    """Give key, hash key and data of each record as the public module reads them."""
    record = {
        "kinesisSchemaVersion": "1.0",
        "partitionKey": "a",
        "sequenceNumber": "1",
        "approximateArrivalTimestamp": 0,
        "data": base64.b64encode(aggregate),
    }
    found = [each["kinesis"] for each in deaggregate_records([{"kinesis": record}])]
    return [(each["partitionKey"], each["explicitHashKey"], base64.b64decode(each["data"])) for each in found]


RECORDS = st.lists(
    st.tuples(st.text(st.characters(codec="utf-8"), min_size=1, max_size=200), st.binary(max_size=300)),
    min_size=1,
    max_size=30,
)


@given(RECORDS)
def test_equals_what_protobuf_writes(records: list[tuple[str, bytes]]) -> None:
    """Byte for byte, whatever the keys and the data are."""
    keys, values = [key for key, _ in records], [value for _, value in records]
    assert by_protobuf(keys, values) == encode(keys, values, HASH_KEY)


@pytest.mark.parametrize("keys", [1, 127, 128, 129, 300, 16_384, 16_500])
def test_a_key_may_stand_anywhere_in_the_table(keys: int) -> None:
    """Places of one, two and three bytes."""
    of_keys = [f"key-{i}" for i in range(keys)] + ["key-0", f"key-{keys - 1}"]
    values = [b"%d" % i for i in range(keys + 2)]
    assert by_protobuf_of_many(of_keys, values, keys) == encode(of_keys, values, HASH_KEY)


def by_protobuf_of_many(keys: Sequence[str], values: Sequence[bytes], distinct: int) -> bytes:
    """Give what protobuf writes where the key at place i is `key-i`."""
    message = AGGREGATED_RECORD(
        partition_key_table=[f"key-{i}" for i in range(distinct)], explicit_hash_key_table=[HASH_KEY]
    )
    for key, value in zip(keys, values, strict=True):
        message.records.add(partition_key_index=int(key[4:]), explicit_hash_key_index=0, data=value)
    written: bytes = message.SerializeToString()
    return MAGIC + written + hashlib.md5(written, usedforsecurity=False).digest()


@pytest.mark.parametrize("size", [0, 1, 119, 120, 121, 127, 128, 16_370, 16_383, 16_384, 16_385, 1_048_000, 2_100_000])
def test_data_of_every_length(size: int) -> None:
    """Lengths of one to four bytes, of the data and of the record around it, cached or not."""
    values = [bytes(size), b"x", bytes(size)]
    assert by_protobuf("aba", values) == encode("aba", values, HASH_KEY) == encode("aba", values, HASH_KEY)


@settings(max_examples=30)
@given(RECORDS)
def test_others_read_the_same_records(records: list[tuple[str, bytes]]) -> None:
    """The public de-aggregation module gives every record, in order, with its own key and the hash key."""
    keys, values = [key for key, _ in records], [value for _, value in records]
    assert [(key, HASH_KEY, value) for key, value in records] == read_by_others(encode(keys, values, HASH_KEY))


@given(RECORDS, st.integers(min_value=0, max_value=2_000))
def test_what_fits_fits(records: list[tuple[str, bytes]], bytes_max: int) -> None:
    """The leading records that are said to fit never exceed the bound."""
    keys, values = [key for key, _ in records], [value for _, value in records]
    fits = how_many_fit(keys, values, bytes_max)
    assert not fits or len(encode(keys[:fits], values[:fits], HASH_KEY)) <= bytes_max


@pytest.mark.parametrize("records", [440, 460, 1_000])
def test_what_fits_is_not_far_below_the_bound(records: int) -> None:
    """A full aggregate of small records uses nine tenths of its target at least, whether a little or much is left over."""
    keys, values = [f"key-{i % 100}" for i in range(records)], [bytes(100)] * records
    fits = how_many_fit(keys, values, 51_200)
    assert fits < records
    assert 51_200 * 0.9 < len(encode(keys[:fits], values[:fits], HASH_KEY)) <= 51_200


def test_what_is_cut_far_beyond_the_bound_counts_its_keys() -> None:
    """Where twice too much is there, the keys of what goes make room too: half of the records fit, but for a few."""
    keys, values = [f"{i:0100d}" for i in range(40)], [bytes(100)] * 40
    half = len(encode(keys[:20], values[:20], HASH_KEY))
    assert 18 <= how_many_fit(keys, values, half) <= 20


def test_what_every_aggregate_has_is_counted() -> None:
    """An aggregate of nothing under the longest hash key has just the fixed bytes."""
    assert FIXED_BYTES == len(encode([], [], "9" * 39))


@pytest.mark.parametrize(("short", "fits"), [(0, 3), (1, 2), (40, 1), (80, 0)])
def test_a_record_is_counted_with_its_frame_and_each_new_key(short: int, fits: int) -> None:
    """Data and the longest frame of each record, and each key once with three bytes: at the bound all fit, below not."""
    keys, values = ["a", "b", "a"], [bytes(10)] * 3
    bound = FIXED_BYTES + 3 * (10 + FRAME_BYTES_MAX) + 2 * (1 + 3)
    assert fits == how_many_fit(keys, values, bound - short)


def test_one_record_that_fits_is_never_left_out_for_the_keys_of_others() -> None:
    """Where keys are most of the bytes, cutting from the end must not cut all."""
    keys = [f"{i:0256d}" for i in range(40)]
    one = len(encode(keys[:1], [b""], HASH_KEY))
    for bytes_max in range(one + 20, 40 * one, 50):
        assert how_many_fit(keys, [b""] * 40, bytes_max) >= 1


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02"), (1 << 21, b"\x80\x80\x80\x01")],
)
def test_numbers(number: int, written: bytes) -> None:
    """Base 128, the lowest digits first."""
    assert written == varint(number)
