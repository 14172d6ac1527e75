"""What `doka tail` says of records, beside what the running service made of the same ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from doka.app.cli.main import main
from tests.containers.feeding import committed, log_ends
from tests.fake_aws import SOURCE_KEYS
from tests.fake_aws.aggregates import unfold
from tests.fake_aws.history import Landed
from tests.integration.service.conftest import GROUP, PARTITIONS, STREAM, TOPIC, MakeWorld
from tests.waiting import eventually

RECORDS = 200


def shard_of_each(landed: list[Landed], read: Callable[[bytes], bytes]) -> dict[tuple[str, str], str]:
    """Give the shard of each record by its partition key and data, out of its aggregate."""
    found: dict[tuple[str, str], str] = {}
    for record in landed:
        inner = unfold(record.data)
        if inner is None:
            found[record.partition_key or "", read(record.data).decode()] = record.shard
        else:
            found |= {(each.partition_key, read(each.data).decode()): record.shard for each in inner}
    return found


@pytest.mark.parametrize(
    "route",
    [
        {},
        {"aggregation": {"enabled": True, "lanes": 4}},
        {"aggregation": {"enabled": True, "lanes": 4}, "append": "newline"},
        {"compress": "gzip"},
    ],
    ids=["plain", "aggregated", "lines in aggregates", "compressed"],
)
def test_it_foretells_what_the_service_does(
    make_world: MakeWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    route: Mapping[str, Any],
) -> None:
    """The partition key, the data and the shard of every record are those that landed."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
    world = make_world({})
    file = tmp_path / "doka.yaml"
    given = yaml.safe_load(file.read_text())
    given["routes"][0] |= route
    file.write_text(json.dumps(given))
    world.aws.split_shard(STREAM, "shardId-000000000000")
    world.feeder.feed(RECORDS)
    with world.doka:
        topics = {TOPIC: PARTITIONS}
        ends = log_ends(world.servers, topics)
        eventually(lambda: ends == committed(world.servers, GROUP, topics), within=30, what="all commits", every=0.1)
    capsys.readouterr()

    assert 0 == main(["tail", "--config", str(file), "--limit", "1000", "--payload", "--json"])

    told = json.loads(capsys.readouterr().out)["records"]
    foretold = {(record["partition_key"], record["data"]): record["shard"] for record in told}
    assert RECORDS == len(foretold)
    compressed = route.get("compress") == "gzip"
    assert shard_of_each(world.aws.landed(STREAM), gzip.decompress if compressed else bytes) == foretold
    assert (route.get("append") == "newline") == all(data.endswith("\n") for _, data in foretold)
