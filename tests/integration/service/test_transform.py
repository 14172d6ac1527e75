"""A route with a transform, as an operator sees it: what lands, what is told, and how a bug in it stops its route."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import yaml

from doka.app.cli.main import main
from tests.containers.feeding import committed, log_ends
from tests.failure_modes import Sees
from tests.integration.kafka.group import produce
from tests.integration.service.conftest import GROUP, PARTITIONS, STREAM, TOPIC, MakeWorld
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures"]

TOPICS = {TOPIC: PARTITIONS}
VALUES = [b"a", b"drop", b"bad", b"b", b"c"]
SECRET = "a-secret-in-the-data"
BROKEN = f"""
from doka.transform import Batch, transform

@transform
def shout(batch: Batch) -> None:
    raise LookupError("{SECRET}")
"""
SLOW = """
import time
from doka.transform import Batch, transform

@transform
def shout(batch: Batch) -> None:
    time.sleep(0.06)
"""
MENDED = """
from doka.transform import Batch, transform

@transform(headers=True)
def shout(batch: Batch) -> None:
    assert len(batch.headers) == len(batch)
    for index, value in enumerate(batch.values):
        if value == b"bad":
            raise LookupError(value)
        batch.values[index] = value.upper()
        if value == b"drop":
            batch.drop(index)
"""


def configured(tmp_path: Path, source: str | None) -> Path:
    """Give the route a transform in a file beside the settings; None: without the file."""
    file, code = tmp_path / "doka.yaml", tmp_path / "orders.py"
    given = yaml.safe_load(file.read_text())
    given["routes"][0] |= {"transform": {"file": str(code), "function": "shout"}, "on_poison": "drop"}
    file.write_text(json.dumps(given))
    if source is not None:
        code.write_text(source)
    return file


@pytest.mark.failure_mode("a transform raises for some records")
def test_what_it_makes_lands_and_all_is_committed(make_world: MakeWorld, tmp_path: Path, sees: Sees) -> None:
    """What it drops is counted; one bad record is dropped as poison, as the route asks."""
    world = make_world({})
    configured(tmp_path, MENDED)
    produce(world.cluster, TOPIC, {0: [(b"k", each) for each in VALUES]})
    ends = log_ends(world.servers, TOPICS)
    with world.doka as doka:
        eventually(lambda: ends == committed(world.servers, GROUP, TOPICS), within=40, what="all commits", every=0.1)
        poisoned = doka.metric("doka_records_poisoned_total", route=STREAM, code="TransformFailed", policy="drop")
        filtered = partial(doka.metric, "doka_records_filtered_total", route=STREAM, reason="transform")
        eventually(lambda: filtered() == 1, within=10, what="the figure, which is published about once a second")
        assert doka.metric("doka_transform_seconds_count", route=STREAM) >= 1
        sees(doka.look())
    assert 1 == poisoned
    assert [b"A", b"B", b"C"] == world.aws.payloads(STREAM)


@pytest.mark.failure_mode("a transform is slow")
def test_a_slow_one_is_told_loudly(make_world: MakeWorld, tmp_path: Path, sees: Sees) -> None:
    """All lands, and how long it takes stands in the log and among the figures."""
    world = make_world({})
    configured(tmp_path, SLOW)
    with world.doka as doka:
        doka.wait_until_ready()
        before = doka.look()
        produce(world.cluster, TOPIC, {0: [(b"k", each) for each in VALUES]})
        eventually(lambda: len(world.aws.payloads(STREAM)) == len(VALUES), within=40, what="all records", every=0.1)
        eventually(lambda: doka.lines("transform_slow"), within=10, what="the line")
        took = partial(doka.metric, "doka_transform_seconds_count", route=STREAM)
        eventually(lambda: took() >= 1, within=10, what="the figure")
        sees(before, doka.look())
        (line, *_) = doka.lines("transform_slow")
        assert line["seconds_max"] >= 0.06
    assert VALUES == world.aws.payloads(STREAM)


@pytest.mark.failure_mode("a route's transform raises whatever it is given")
def test_a_bug_in_it_stops_its_route_until_it_is_mended(
    make_world: MakeWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str], sees: Sees
) -> None:
    """Nothing is sent, dropped or committed, nothing of what it says is told; a restart with a mended file sends all of it.

    And a file that is not there ends the start.
    """
    world = make_world(
        {"kafka": {"group_protocol": "consumer"}}
    )  # the mock cluster gives a classic group nothing again
    file = configured(tmp_path, None)
    assert 2 == main(["run", "--config", str(file)])
    told = "names a file that cannot be read; check the path and its permissions"
    assert f"doka: routes[0].transform.file {told}\n" == capsys.readouterr().err
    configured(tmp_path, BROKEN)
    produce(world.cluster, TOPIC, {0: [(b"k", each) for each in VALUES]})
    with world.doka as doka:
        reasons = eventually(
            lambda: [r for r in doka.readiness()[1] if "transform" in r],
            within=40,
            what="the route to block",
            every=0.1,
        )
        assert [f"route {STREAM} is blocked: transform_failed:LookupError"] == reasons
        assert 1 == doka.metric("doka_route_blocked", route=STREAM, reason="transform_failed:LookupError")
        sees(doka.look())
        assert 0 == doka.stop()
    assert not any(committed(world.servers, GROUP, TOPICS).values())
    assert ([], False) == (world.aws.payloads(STREAM), SECRET in doka.said())
    configured(tmp_path, MENDED)
    ends = log_ends(world.servers, TOPICS)
    with world.doka as doka:
        eventually(lambda: ends == committed(world.servers, GROUP, TOPICS), within=40, what="all commits", every=0.1)
        assert 0 == doka.stop()
    assert [b"A", b"B", b"C"] == world.aws.payloads(STREAM)
