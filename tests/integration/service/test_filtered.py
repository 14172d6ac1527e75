"""A route with a filter, as an operator sees it: what lands, what is committed, what is counted, what `doka tail` foretells."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import yaml

from doka.app.cli.main import main
from tests.containers.feeding import committed, log_ends
from tests.fake_aws import SOURCE_KEYS
from tests.integration.kafka.group import produce
from tests.integration.service.conftest import GROUP, PARTITIONS, STREAM, TOPIC, MakeWorld
from tests.waiting import eventually

WANTED, OTHER, TORN = b'{"type":"created","n":%d}', b'{"type":"deleted","n":%d}', b'{"type":"crea'


def test_only_what_is_wanted_lands_and_all_is_committed(
    make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A partition of which nothing is wanted is committed too; a torn value is dropped as poison, by the route's policy."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    world = make_world({})
    file = tmp_path / "doka.yaml"
    given = yaml.safe_load(file.read_text())
    given["routes"][0] |= {"only": {"pointer": "/type", "in": ["created"]}, "on_poison": "drop"}
    file.write_text(json.dumps(given))
    wanted = [WANTED % number for number in range(20)]
    mixed = [value for one in zip(wanted, (OTHER % n for n in range(20)), strict=True) for value in one]
    produce(
        world.cluster, TOPIC, {0: [(b"k", each) for each in mixed], 1: [(b"l", OTHER % 0), (b"l", None), (b"l", TORN)]}
    )
    topics = {TOPIC: PARTITIONS}
    ends = log_ends(world.servers, topics)
    with world.doka:
        eventually(lambda: ends == committed(world.servers, GROUP, topics), within=30, what="all commits", every=0.1)
        for reason, records in (("other", 21), ("absent", 1)):
            count = partial(world.doka.metric, "doka_records_filtered_total", route=STREAM, reason=reason)
            eventually(lambda count=count, records=records: count() == records, within=10, what=f"{records} filtered")  # type: ignore[misc]  # bound at once
        settled = world.doka.metric("doka_records_settled_total", route=STREAM)
    assert wanted == world.aws.payloads(STREAM)
    assert 20 == settled
    capsys.readouterr()

    assert 0 == main(["tail", "--config", str(file), "--limit", "100", "--json"])

    verdicts = [record["verdict"] for record in json.loads(capsys.readouterr().out)["records"]]
    assert (20, 22, 1) == tuple(map(verdicts.count, ("lands", "filtered", "ValueNotJson")))
