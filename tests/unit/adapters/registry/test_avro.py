from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_writer

from doka.adapters.registry.avro import AvroReader, avro_reader
from doka.adapters.registry.settings import Writing
from doka.domain.schemas import Unusable

PLAIN = Writing()
TAGGED = Writing(unions="tagged")
NUMBERS = Writing(decimals="number", timestamps="number")


def encoded(schema: Any, value: Any) -> bytes:
    """Write a value by fastavro, as any producer would."""
    out = BytesIO()
    schemaless_writer(out, parse_schema(schema), value)
    return out.getvalue()


def shown(schema: Any, payload: bytes, writing: Writing = PLAIN) -> str | None:
    """Give what comes of a payload."""
    found = avro_reader(json.dumps(schema), (), writing)
    assert isinstance(found, AvroReader), found
    (value,) = found([payload])
    return None if value is None else value.decode()


def record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    """Give the schema of a record."""
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": f"f{i}", "type": f} for i, f in enumerate(fields)],
    } | more


ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
        {"name": "lines", "type": {"type": "array", "items": "string"}},
        {"name": "tags", "type": {"type": "map", "values": "double"}},
        {"name": "raw", "type": "bytes"},
    ],
}
# The bytes of one such record, by the Avro specification: zigzag long 7; decimal 12.34 as 0x04D2; 2026-12-01T10:00:00.005Z in
# ms as a zigzag varint; branch 1 of the union, "hi"; symbol 1; a block of two strings; a block of one entry; two bytes.
VECTOR = bytes.fromhex("0e0404d28a84e090c668020468690204026102620002026b000000000000f83f000400ff")


def test_a_vector_of_bytes_gives_this_json() -> None:
    """Written down by hand, so that no library vouches for itself."""
    assert (
        '{"id":7,"price":"12.34","at":"2026-12-01T10:00:00.005Z","note":"hi","state":"PAID","lines":["a","b"],'
        '"tags":{"k":1.5},"raw":"AP8="}'
    ) == shown(ORDER, VECTOR)
    assert (
        '{"id":7,"price":12.34,"at":1796119200005,"note":{"string":"hi"},"state":"PAID","lines":["a","b"],'
        '"tags":{"k":1.5},"raw":"\\u0000\xff"}'
    ) == shown(ORDER, VECTOR, Writing("tagged", "latin1", "number", "number"))


@pytest.mark.parametrize(
    ("logical", "kind", "number", "iso"),
    [
        ("date", "int", 20788, '"2026-12-01"'),
        ("date", "int", -1, '"1969-12-31"'),
        ("date", "int", 2_147_483_647, "2147483647"),  # in the year 5,881,580
        ("time-millis", "int", 36_000_005, '"10:00:00.005"'),
        ("time-millis", "int", 86_400_000, "86400000"),  # no time of any day
        ("time-millis", "int", -1, "-1"),
        ("time-micros", "long", 36_000_000_005, '"10:00:00.000005"'),
        ("timestamp-millis", "long", -1, '"1969-12-31T23:59:59.999Z"'),
        ("timestamp-millis", "long", 0, '"1970-01-01T00:00:00.000Z"'),
        ("timestamp-millis", "long", -62_135_596_800_000, '"0001-01-01T00:00:00.000Z"'),
        ("timestamp-millis", "long", -62_135_596_800_001, "-62135596800001"),
        ("timestamp-millis", "long", 253_402_300_799_999, '"9999-12-31T23:59:59.999Z"'),
        ("timestamp-millis", "long", 9_223_372_036_854_775_807, "9223372036854775807"),
        ("timestamp-micros", "long", 1_796_119_200_000_005, '"2026-12-01T10:00:00.000005Z"'),
        ("timestamp-nanos", "long", 1_796_119_200_000_000_005, '"2026-12-01T10:00:00.000000005Z"'),
        ("local-timestamp-millis", "long", 1_796_119_200_005, '"2026-12-01T10:00:00.005"'),
        ("local-timestamp-micros", "long", 5, '"1970-01-01T00:00:00.000005"'),
        ("nobody-knows", "long", 5, "5"),
    ],
)
def test_dates_and_times(logical: str, kind: str, number: int, iso: str) -> None:
    """As ISO 8601 with all digits of their unit, or as the numbers that they are; what no calendar has stays a number."""
    payload = encoded(kind, number)
    schema = {"type": kind, "logicalType": logical}
    assert iso == shown(schema, payload)
    assert str(number) == shown(schema, payload, NUMBERS)


@pytest.mark.parametrize(
    ("content", "scale", "expected"),
    [
        (b"\x04\xd2", 2, "12.34"),
        (b"\xfb", 2, "-0.05"),
        (b"\x00", 0, "0"),
        (b"\x00", 3, "0.000"),
        (b"", 2, "0.00"),
        (b"\x80\x00\x00\x00\x00\x00\x00\x00\x00", 0, "-2361183241434822606848"),
        (b"\x7f" + b"\xff" * 15, 30, "170141183.460469231731687303715884105727"),
    ],
)
def test_decimals_keep_every_digit(content: bytes, scale: int, expected: str) -> None:
    """As text, or as a number of JSON, which has no bound; no float is ever in between."""
    schema = {"type": "bytes", "logicalType": "decimal", "precision": 60, "scale": scale}
    payload = encoded("bytes", content)
    assert f'"{expected}"' == shown(schema, payload)
    assert expected == shown(schema, payload, NUMBERS)
    fixed = {
        "type": "fixed",
        "name": "F",
        "size": len(content),
        "logicalType": "decimal",
        "precision": 60,
        "scale": scale,
    }
    assert f'"{expected}"' == shown(fixed, content)


def test_bytes_are_written_as_they_are_wanted() -> None:
    """Base64 by default; hexadecimal; or a character for each."""
    content = b"\x00\xffa"
    writings = [Writing(bytes="base64"), Writing(bytes="hex"), Writing(bytes="latin1")]
    assert ['"AP9h"', '"00ff61"', '"\\u0000\xffa"'] == [
        shown("bytes", encoded("bytes", content), each) for each in writings
    ]
    fixed = {"type": "fixed", "name": "F", "size": 3}
    assert '"00ff61"' == shown(fixed, content, Writing(bytes="hex"))
    uuid = {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}
    assert '"00010203-0405-0607-0809-0a0b0c0d0e0f"' == shown(uuid, bytes(range(16)))
    assert '"AAAA"' == shown({**fixed, "logicalType": "duration"}, b"\x00" * 3)


@pytest.mark.parametrize(
    ("branch", "value", "tagged", "plain"),
    [
        ("null", None, "null", "null"),
        ("string", "x", '{"string":"x"}', '"x"'),
        ("long", 5, '{"long":5}', "5"),
        ("double", 1.5, '{"double":1.5}', "1.5"),
        ("boolean", True, '{"boolean":true}', "true"),
        ("bytes", b"\x00", '{"bytes":"AA=="}', '"AA=="'),
        ({"type": "array", "items": "int"}, [1], '{"array":[1]}', "[1]"),
        ({"type": "map", "values": "int"}, {"k": 1}, '{"map":{"k":1}}', '{"k":1}'),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "A", '{"n.E":"A"}', '"A"'),
        ({"type": "fixed", "name": "F", "size": 1}, b"\x00", '{"n.F":"AA=="}', '"AA=="'),
        (record("int", name="R"), {"f0": 1}, '{"n.R":{"f0":1}}', '{"f0":1}'),
        ({"type": "int", "logicalType": "date"}, 20788, '{"int":"2026-12-01"}', '"2026-12-01"'),
    ],
)
def test_unions(branch: Any, value: Any, tagged: str, plain: str) -> None:
    """Plain, or named as Avro's own JSON encoding names them; the branch is that which was written."""
    schema = record(["string" if branch == "null" else "null", branch], name="Outer", namespace="n")
    if isinstance(branch, Mapping) and branch.get("logicalType"):
        payload = b"\x02" + encoded("int", value)
    else:
        payload = encoded(schema, {"f0": value})
    assert f'{{"f0":{plain}}}' == shown(schema, payload)
    assert f'{{"f0":{tagged}}}' == shown(schema, payload, TAGGED)


def test_two_branches_of_the_same_python_type_are_told_apart() -> None:
    """A date and a moment are both numbers; each is written as its own branch says."""
    schema = [{"type": "int", "logicalType": "date"}, {"type": "long", "logicalType": "timestamp-millis"}]
    assert ['"1970-01-02"', '"1970-01-01T00:00:00.001Z"'] == [
        shown(schema, each) for each in (b"\x00\x02", b"\x02\x02")
    ]


def test_numbers_that_are_none_have_names() -> None:
    """JSON has no form for them, and null would say that nothing was there."""
    payload = b"".join(encoded("double", float(each)) for each in ("nan", "inf", "-inf")) + encoded("float", 0.5)
    assert '{"f0":"NaN","f1":"Infinity","f2":"-Infinity","f3":0.5}' == shown(
        record("double", "double", "double", "float"), payload
    )


def test_what_does_not_fit_is_none() -> None:
    """Too short, too long, a branch that there is not, text that is no UTF-8."""
    schema = record("string", ["null", "int"])
    good = encoded(schema, {"f0": "x", "f1": None})
    assert [None] * 5 + [b'{"f0":"x","f1":null}'] == AvroReader(schema, (), PLAIN)(
        [b"", good[:-1], good + b"\x00", good[:-1] + b"\x04", b"\x02\xff\x00", good]
    )


def test_nesting_without_an_end_hurts_nobody() -> None:
    """Fastavro's C code would overrun the stack, and take the process along."""
    schema = {"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}
    reader = AvroReader(schema, (), PLAIN)
    assert [b'{"n":{"n":null}}', None, None] == reader(
        [b"\x02\x00", b"\x02" * 1_000_000 + b"\x00", b"\x02" * 400 + b"\x00"]
    )
    assert [b'{"n":{"N":{"n":null}}}'] == AvroReader(schema, (), TAGGED)([b"\x02\x00"])
    around = {"type": "record", "name": "A", "fields": [{"name": "b", "type": record(["null", "A"], name="B")}]}
    assert [None] == AvroReader(around, (), PLAIN)([b"\x02" * 1_000_000 + b"\x00"])


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("{", "it is no JSON"),
        ("7", "it is no Avro schema"),
        ('{"type":"record"}', "a type of it has no name"),
        ('{"type":"record","name":"R"}', ""),
        ('"nobody"', "it is no Avro schema that can be read: UnknownType"),
        ('{"type":"enum","name":"E"}', "it is no Avro schema that can be read: TypeError"),
        ('{"type":"array","items":"null"}', "it has an array of items that take no bytes"),
        (
            '{"type":"array","items":{"type":"fixed","name":"F","size":0}}',
            "it has an array of items that take no bytes",
        ),
        (
            '{"type":"array","items":{"type":"record","name":"R","fields":[]}}',
            "it has an array of items that take no bytes",
        ),
        ("[" * 100_000, "it is nested too deeply"),
    ],
)
def test_a_schema_by_which_nothing_can_be_read_says_why(schema: str, why: str) -> None:
    """It never raises, and says nothing of a record."""
    found = avro_reader(schema, (), PLAIN)
    if why:
        assert Unusable(why) == found
    else:
        assert [b"{}"] == found([b""])  # type: ignore[operator]  # it is a reader


def test_references_are_read_by_name() -> None:
    """Each stands behind what it refers to itself."""
    line = json.dumps(record("int", name="Line", namespace="shop"))
    lines = json.dumps(
        {
            "type": "record",
            "name": "Lines",
            "namespace": "shop",
            "fields": [{"name": "all", "type": {"type": "array", "items": "Line"}}],
        }
    )
    order = json.dumps(
        {"type": "record", "name": "Order", "namespace": "shop", "fields": [{"name": "lines", "type": "Lines"}]}
    )
    found = avro_reader(order, (line, lines), PLAIN)
    assert [b'{"lines":{"all":[{"f0":7}]}}'] == found([b"\x02\x0e\x00"])  # type: ignore[operator]
    assert Unusable("it is no Avro schema that can be read: UnknownType") == avro_reader(order, (line,), PLAIN)


def test_a_packed_payload_is_unpacked() -> None:
    """By zlib; what was not packed fits no schema."""
    reader = AvroReader("int", (), PLAIN)
    assert [b"7", None] == reader([zlib.compress(b"\x0e"), b"\x0e"], packed=True)


def test_what_fastavro_would_make_of_logical_types_is_what_is_written() -> None:
    """Two ways to the same: its own readers, and ours."""
    schema = record(
        {"type": "int", "logicalType": "date"},
        {"type": "int", "logicalType": "time-millis"},
        {"type": "long", "logicalType": "timestamp-micros"},
        {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4},
        {"type": "string", "logicalType": "uuid"},
    )
    at = datetime(2026, 12, 1, 10, 30, 15, 123_456, tzinfo=UTC)
    uuid = "89791762-2336-4186-9674-299b90a802e2"
    values = [date(2026, 12, 1), time(10, 30, 15, 123_000), at, Decimal("-1234567890123.4567"), uuid]
    payload = encoded(schema, {f"f{i}": value for i, value in enumerate(values)})
    assert [
        "2026-12-01",
        "10:30:15.123",
        "2026-12-01T10:30:15.123456Z",
        "-1234567890123.4567",
        uuid,
    ] == list(json.loads(shown(schema, payload) or "").values())
