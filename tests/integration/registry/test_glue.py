"""AWS Glue's registry, as moto plays it over a real connection."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.session import Session

from doka.adapters.embedded.moto_server import EmbeddedMoto
from doka.adapters.registry.glue import NO_VERSION, GlueRegistry
from doka.adapters.registry.registries import NoAnswerError
from doka.adapters.registry.settings import Writing
from doka.adapters.system.clock import SystemClock
from doka.domain.limits import NS_PER_SECOND

REGION = "eu-west-1"
POINT = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": "int"}]}


def session(key: str | None = "key") -> Session:
    """Give a session with credentials, or without any."""
    made = Session()
    if key is not None:
        made.set_credentials(key, "secret", "token")
    else:
        vars(made.get_component("credential_provider"))["providers"] = []
    return made


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Give where moto is."""
    moto = EmbeddedMoto()
    moto.start()
    yield moto.url
    moto.close()


@pytest.fixture(scope="module")
def aws(url: str) -> Any:
    """Give a client with which schemas are registered."""
    client: Any = session().create_client("glue", region_name=REGION, endpoint_url=url)
    client.create_registry(RegistryName="shop")
    return client


def registered(aws: Any, name: str, kind: str, definition: str) -> str:
    """Register a schema; give the id of its version, as values name it."""
    made = aws.create_schema(
        RegistryId={"RegistryName": "shop"},
        SchemaName=name,
        DataFormat=kind,
        Compatibility="NONE",
        SchemaDefinition=definition,
    )
    return str(made["SchemaVersionId"])


def registry(url: str, key: str | None = "key", seconds: float = 5) -> GlueRegistry:
    """Give what asks."""
    timeout = round(seconds * NS_PER_SECOND)
    return GlueRegistry(REGION, lambda: session(key), Writing(), SystemClock(), timeout=timeout, endpoint_url=url)


def test_schemas_are_had_by_the_id_of_their_version(url: str, aws: Any) -> None:
    """Avro and JSON, packed or not; and what there is not."""
    avro = registered(aws, "point", "AVRO", json.dumps(POINT))
    of_json = registered(aws, "document", "JSON", '{"$schema": "http://json-schema.org/draft-07/schema#"}')
    found = registry(url).fetch((avro, of_json, NO_VERSION))
    assert [avro, of_json, NO_VERSION] == list(found)
    reads_avro, reads_json, absent = found.values()
    assert callable(reads_avro)
    assert callable(reads_json)
    assert absent is None
    assert [b'{"x":7}'] == reads_avro([b"\x0e"], packed=False)
    assert [b'{"x":7}'] == reads_avro([zlib.compress(b"\x0e")], packed=True)
    assert [b"{}"] == reads_json([b"{}"], packed=False)
    registry(url).reach()


def test_what_is_no_answer_is_told_by_a_code(url: str) -> None:
    """Nobody there, no credentials; a registry that comes back is asked by the same."""
    with pytest.raises(NoAnswerError) as away:
        registry("http://127.0.0.1:1").reach()
    assert ("not_connected", "AWS Glue is not reached: EndpointConnectionError") == (away.value.code, str(away.value))
    with pytest.raises(NoAnswerError) as nobody:
        registry(url, None).fetch((NO_VERSION,))
    assert "no_credentials" == nobody.value.code


def test_a_denial_is_no_answer(url: str) -> None:
    """Only that there is no such version says that there is none."""
    denied = registry(url)
    denied.reach()
    client = vars(denied)["_client"]
    client.meta.events.register(
        "before-parse.glue.GetSchemaVersion",
        lambda response_dict, **_: response_dict.update(
            status_code=400, body=b'{"__type":"AccessDeniedException","message":"not authorized"}'
        ),
    )
    with pytest.raises(NoAnswerError) as caught:
        denied.fetch((NO_VERSION,))
    told = "AWS Glue answers AccessDeniedException; doka policy --for glue prints what is needed"
    assert ("AccessDeniedException", told) == (caught.value.code, str(caught.value))
