from __future__ import annotations

import zlib
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, timestamp_pb2

from doka.adapters.registry.protobuf import Descriptors, ProtobufReader, outline, read_indexes
from doka.domain.schemas import Unusable

FIELD = descriptor_pb2.FieldDescriptorProto
TEXT = """
syntax = "proto3"; // message Commented {}
package shop; /* message Also { */
import "google/protobuf/timestamp.proto";
option java_package = "message Quoted {";
enum State { NEW = 0; }
message Order {
  message Line { int32 count = 1; }
  int64 id = 1; string customer_name = 2; repeated Line lines = 3; google.protobuf.Timestamp at = 4; bytes raw = 5;
}
message Return { int64 id = 1; }
"""


def field(name: str, number: int, kind: int, *, of: str = "", many: bool = False) -> Any:
    """Describe a field."""
    label = FIELD.LABEL_REPEATED if many else FIELD.LABEL_OPTIONAL
    return FIELD(name=name, number=number, type=kind, label=label, type_name=of or None)


def file_of_orders(*more: Any) -> Any:
    """Describe the file whose text is above, with fields that a later one may have."""
    line = descriptor_pb2.DescriptorProto(name="Line", field=[field("count", 1, FIELD.TYPE_INT32)])
    order = descriptor_pb2.DescriptorProto(
        name="Order",
        nested_type=[line],
        field=[
            field("id", 1, FIELD.TYPE_INT64),
            field("customer_name", 2, FIELD.TYPE_STRING),
            field("lines", 3, FIELD.TYPE_MESSAGE, of=".shop.Order.Line", many=True),
            field("at", 4, FIELD.TYPE_MESSAGE, of=".google.protobuf.Timestamp"),
            field("raw", 5, FIELD.TYPE_BYTES),
            *more,
        ],
    )
    back = descriptor_pb2.DescriptorProto(name="Return", field=[field("id", 1, FIELD.TYPE_INT64)])
    return descriptor_pb2.FileDescriptorProto(
        name="orders.proto",
        package="shop",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto"],
        message_type=[order, back],
    )


def described(*files: Any) -> bytes:
    """Give a set, as the compiler writes it with all that is imported."""
    stamp = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(stamp)
    return bytes(descriptor_pb2.FileDescriptorSet(file=[stamp, *files]).SerializeToString())


def reader() -> ProtobufReader:
    """Give what reads by the text above."""
    found = Descriptors(described(file_of_orders())).reader(TEXT)
    assert isinstance(found, ProtobufReader)
    return found


# id 7; "ada"; two lines, 1 and 2; 1 s after 1970; two bytes: by the specification of Protobuf's wire format.
ORDER = bytes.fromhex("080712036164611a0208011a020802220208012a0200ff")


def test_a_vector_of_bytes_gives_this_json() -> None:
    """By Protobuf's own JSON mapping: numbers of 64 bits are text, times ISO, bytes base64, names in camel case."""
    expected = (
        b'{"id":"7","customerName":"ada","lines":[{"count":1},{"count":2}],"at":"1970-01-01T00:00:01Z","raw":"AP8="}'
    )
    assert [expected, expected] == reader()([b"\x00" + ORDER, b"\x02\x00" + ORDER])
    assert [expected] == reader()([zlib.compress(b"\x00" + ORDER)], packed=True)


def test_the_indexes_name_the_message() -> None:
    """The second of the file, the first inside of the first; and what there is not."""
    read = reader()
    assert [b'{"id":"7"}', b'{"count":5}', b"{}"] == read([b"\x02\x02\x08\x07", b"\x04\x00\x00\x08\x05", b"\x00"])
    assert [None] * 5 == read([b"\x02\x04\x08\x07", b"", b"\x01\x08\x07", b"\x02\x01", b"\xff" * 9])


def test_what_does_not_fit_is_none() -> None:
    """Cut short; and what a later descriptor would know, at any depth: it would be left out in silence."""
    read = reader()
    assert [None] * 3 == read([b"\x00" + ORDER[:-1], b"\x00" + ORDER + b"\x30\x01", b"\x00\x1a\x04\x08\x01\x10\x01"])
    later = Descriptors(described(file_of_orders(field("more", 6, FIELD.TYPE_INT32)))).reader(TEXT)
    assert isinstance(later, ProtobufReader)
    assert [b'{"more":1}'] == later([b"\x00\x30\x01"])


def test_nesting_without_an_end_hurts_nobody() -> None:
    """The library has a bound of its own."""
    node = descriptor_pb2.DescriptorProto(name="N", field=[field("n", 1, FIELD.TYPE_MESSAGE, of=".N")])
    file = descriptor_pb2.FileDescriptorProto(name="n.proto", message_type=[node], syntax="proto3")
    found = Descriptors(described(file)).reader("message N { N n = 1; }")
    assert isinstance(found, ProtobufReader)
    deep = b""
    for _ in range(1_000):
        length, head = len(deep), b""
        while length > 0x7F:
            head, length = head + bytes([length & 0x7F | 0x80]), length >> 7
        deep = b"\x0a" + head + bytes([length]) + deep
    assert [None, b'{"n":{}}'] == found([b"\x00" + deep, b"\x00\x0a\x00"])


def test_a_schema_without_its_file_is_told() -> None:
    """By what it is looked for by."""
    there = Descriptors(described(file_of_orders()))
    why = "no file of decode.descriptor_file has package shop and the messages Return, Order, in this order"
    assert Unusable(why) == there.reader("package shop; message Return {} message Order {}")
    assert Unusable(why.replace("package shop", "no package")) == there.reader("message Return {} message Order {}")


@pytest.mark.parametrize("content", [b"", b"\xff", described(file_of_orders())[-400:]])
def test_what_is_no_set_is_told(content: bytes) -> None:
    """At the start, and not at the first record."""
    with pytest.raises(ValueError, match="no set of descriptors"):
        Descriptors(content)


def test_of_a_text_only_the_outline_is_read() -> None:
    """Neither comments nor texts nor what is inside of a message count."""
    assert ("shop", ("Order", "Return")) == outline(TEXT)
    assert ("", ()) == outline("")


def test_indexes() -> None:
    """Zigzag numbers, behind how many they are; a zero alone is the first message."""
    assert [([0], 1), ([1], 2), ([0, 2], 3), ([100], 3)] == [
        read_indexes(each) for each in (b"\x00", b"\x02\x02", b"\x04\x00\x04", b"\x02\xc8\x01")
    ]
