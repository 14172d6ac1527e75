"""A route that decodes, as an operator sees it: what lands, what is told, and how it stands without its registry."""

from __future__ import annotations

import json
import socket
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
import yaml
from fastavro import parse_schema, schemaless_writer

from doka.app.cli.main import main
from tests.containers.feeding import committed, log_ends
from tests.integration.kafka.group import produce
from tests.integration.service.conftest import GROUP, PARTITIONS, STREAM, TOPIC, MakeWorld
from tests.schema_registry import framed, schema_registry
from tests.waiting import eventually

TOPICS = {TOPIC: PARTITIONS}
SCHEMA = {
    "type": "record",
    "name": "Order",
    "fields": [{"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"]}],
}
PASSWORD = "a-secret-of-the-registry"


def avro(number: int, note: str | None) -> bytes:
    """Write an order by its schema."""
    out = BytesIO()
    schemaless_writer(out, parse_schema(SCHEMA), {"id": number, "note": note})
    return out.getvalue()


def configured(tmp_path: Path, url: str, **more: object) -> Path:
    """Let the route decode by this registry."""
    file = tmp_path / "doka.yaml"
    given = yaml.safe_load(file.read_text())
    decode = {"registry": url, "username": "ada", "password": PASSWORD, "timeout_seconds": 1.0}
    given["routes"][0] |= {"decode": decode, "on_poison": "drop", **more}
    given["aws"]["allow_insecure_endpoints"] = True
    file.write_text(json.dumps(given))
    return file


def test_what_is_decoded_lands_and_all_is_committed(
    make_world: MakeWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Avro by id and by GUID, and JSON; what does not fit, names no schema or one that there is not, is dropped, each by its code."""
    world = make_world({})
    with schema_registry() as registry:
        registry.login = ("ada", PASSWORD)
        order = registry.register("orders-value", SCHEMA)
        of_json = registry.register("other-value", {"type": "object"}, "JSON")
        file = configured(tmp_path, registry.url, partition_key="field:/id")
        values = [
            framed(order, avro(1, "one")),
            framed(registry.guid(order), avro(2, None)),
            framed(of_json, b'{"id": 3}'),
            framed(order, avro(4, "four")[:-1]),
            b'{"id": 5}',
            framed(77, b""),
            None,
        ]
        produce(world.cluster, TOPIC, {0: [(b"k", each) for each in values]})
        ends = log_ends(world.servers, TOPICS)
        with world.doka as doka:
            eventually(
                lambda: ends == committed(world.servers, GROUP, TOPICS), within=60, what="all commits", every=0.1
            )
            poisoned = partial(doka.metric, "doka_records_poisoned_total", route=STREAM, policy="drop")
            codes = ("DecodeFailed", "ValueNotFramed", "SchemaUnknown")
            assert [1, 1, 1] == [poisoned(code=code) for code in codes]
            fetched = partial(doka.metric, "doka_schemas_fetched_total", route=STREAM)
            assert (3, 1) == (fetched(outcome="usable"), fetched(outcome="unknown"))
            eventually(lambda: doka.metric("doka_schemas_known", route=STREAM) == 3, within=10, what="the figure")
            capsys.readouterr()
            main(["tail", "--config", str(file), "--payload", "--json"])
            told = json.loads(capsys.readouterr().out)["records"]
        assert PASSWORD not in doka.said()
        assert 0 == main(["config", "show", "--config", str(file)])
        assert PASSWORD not in capsys.readouterr().out
    landed = [b'{"id":1,"note":"one"}', b'{"id":2,"note":null}', b'{"id": 3}', b""]
    assert landed == world.aws.payloads(STREAM)
    assert [*codes[:2], codes[2], "lands"] == [each["verdict"] for each in told][3:]
    assert [each.decode() for each in landed[:3]] == [each["data"] for each in told[:3]]
    assert ["1", "2", "3"] == [each["partition_key"] for each in told[:3]]


def test_a_registry_that_is_down(make_world: MakeWorld, tmp_path: Path) -> None:
    """Nothing is taken in and nothing lost; the route says why, and goes on by itself when the registry is there."""
    world = make_world({})
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
    file = configured(tmp_path, f"http://127.0.0.1:{port}")
    assert 1 == main(["check", "--config", str(file)])
    produce(world.cluster, TOPIC, {0: [(b"k", framed(1, avro(1, "one")))]})
    with world.doka as doka:
        reason = "schema_registry:not_connected"
        told = f"route {STREAM} is blocked: {reason}"
        eventually(lambda: told in doka.readiness()[1], within=40, what="the route to say why", every=0.1)
        assert 1 == doka.metric("doka_route_blocked", route=STREAM, reason=reason)
        assert [] == world.aws.payloads(STREAM)
        with schema_registry(port=port) as registry:
            registry.login = ("ada", PASSWORD)
            registry.register("orders-value", SCHEMA)
            eventually(
                lambda: world.aws.payloads(STREAM) == [b'{"id":1,"note":"one"}'],
                within=90,
                what="the record to land",
                every=0.1,
            )
            eventually(lambda: doka.readiness()[0], within=10, what="readiness", every=0.1)
        assert 0 == doka.stop()
    assert PASSWORD not in doka.said()
