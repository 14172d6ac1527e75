"""A registry that speaks Confluent's API, over a real connection: what it has, has not, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_writer
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from doka.adapters.registry.confluent import ConfluentRegistry
from doka.adapters.registry.protobuf import Descriptors
from doka.adapters.registry.registries import NoAnswerError
from doka.adapters.registry.settings import RegistrySettings, Writing
from doka.adapters.system.clock import SystemClock
from doka.domain.schemas import Unusable
from tests.schema_registry import SchemaRegistry, schema_registry

POINT = {"type": "record", "name": "Point", "namespace": "geo", "fields": [{"name": "x", "type": "int"}]}
LINE = {
    "type": "record",
    "name": "Line",
    "namespace": "geo",
    "fields": [{"name": "ends", "type": {"type": "array", "items": "geo.Point"}}],
}


@pytest.fixture
def there() -> Iterator[SchemaRegistry]:
    """Give a registry that runs."""
    with schema_registry() as running:
        yield running


def client(url: str, **settings: Any) -> ConfluentRegistry:
    """Give what asks it."""
    return ConfluentRegistry(RegistrySettings(url, **settings), Writing(), SystemClock())


def code_of(call: Callable[[], object]) -> tuple[str, str]:
    """Give what is told of a call that has no answer."""
    with pytest.raises(NoAnswerError) as caught:
        call()
    return caught.value.code, str(caught.value)


def test_schemas_are_had_by_id_and_by_guid(there: SchemaRegistry) -> None:
    """Avro, which has no type in the answer, JSON, what nobody reads, and what there is not."""
    point = there.register("point", POINT)
    of_json = there.register("json", {"type": "object"}, "JSON")
    other = there.register("other", 'syntax = "proto3";', "XML")
    guid = str(there.guid(point))
    found = client(there.url + "/").fetch((str(point), guid, str(of_json), str(other), "77"))
    read = {schema: what([b"\x0e"], packed=False) for schema, what in found.items() if callable(what)}
    assert {str(point): [b'{"x":7}'], guid: [b'{"x":7}'], str(of_json): [None]} == read
    assert [Unusable("it is of type XML, which is not read"), None] == [found[str(other)], found["77"]]
    assert [
        "/schemas/ids/1",
        f"/schemas/guids/{guid}",
        "/schemas/ids/2",
        "/schemas/ids/3",
        "/schemas/ids/77",
    ] == there.asked


def test_protobuf_is_read_by_descriptors_that_are_given(there: SchemaRegistry) -> None:
    """The registry's text says which file of them; without any it says what is missing."""
    number = str(there.register("order", 'syntax = "proto3"; message Order { int64 id = 1; }', "PROTOBUF"))
    field = FieldDescriptorProto(name="id", number=1, type=FieldDescriptorProto.TYPE_INT64, label=1)
    file = FileDescriptorProto(
        name="order.proto", syntax="proto3", message_type=[DescriptorProto(name="Order", field=[field])]
    )
    descriptors = Descriptors(FileDescriptorSet(file=[file]).SerializeToString())
    settings = RegistrySettings(there.url)
    found = ConfluentRegistry(settings, Writing(), SystemClock(), descriptors).fetch((number,))[number]
    assert callable(found)
    assert [b'{"id":"7"}'] == found([b"\x00\x08\x07"], packed=False)
    told = "it is Protobuf: name a file of descriptors in decode.descriptor_file"
    assert {number: Unusable(told)} == client(there.url).fetch((number,))


def test_references_are_fetched_in_their_order(there: SchemaRegistry) -> None:
    """Through several hands, each once; one that is not there makes the schema unusable, and names it."""
    there.register("geo point", POINT)
    of_point = {"name": "geo.Point", "subject": "geo point", "version": 1}
    there.register("line", LINE, references=[of_point])
    area = {
        "type": "record",
        "name": "Area",
        "fields": [{"name": "line", "type": "geo.Line"}, {"name": "at", "type": "geo.Point"}],
    }
    refers = [{"name": "geo.Line", "subject": "line", "version": 1}, of_point]
    whole = there.register("area", area, references=refers)
    broken = there.register("area", area, references=[{**of_point, "version": 9}])
    found = client(there.url).fetch((str(whole), str(broken)))
    out = BytesIO()
    known: dict[str, Any] = {}
    parse_schema(POINT, known)
    parse_schema(LINE, known)
    schemaless_writer(out, parse_schema(area, known), {"line": {"ends": [{"x": 1}]}, "at": {"x": 2}})
    reader = found[str(whole)]
    assert callable(reader)
    assert [b'{"line":{"ends":[{"x":1}]},"at":{"x":2}}'] == reader([out.getvalue()], packed=False)
    assert Unusable("it refers to geo point version 9, which the registry does not have") == found[str(broken)]
    assert 1 == there.asked.count("/subjects/geo%20point/versions/1?deleted=true")


def test_what_was_answered_before_it_failed_is_kept(there: SchemaRegistry) -> None:
    """Else one schema that cannot be had would keep all others away."""
    there.register("point", POINT)
    asks = client(there.url)
    answer = there.answer

    def failing(path: str, authorization: str | None) -> tuple[int, bytes]:
        return answer(path, authorization) if path.endswith("/1") else (503, b"")

    there.answer = failing  # type: ignore[method-assign]
    assert ["1"] == list(asks.fetch(("1", "2")))
    assert "http_503" == code_of(lambda: asks.fetch(("2", "1")))[0]
