"""Functions of a user's in the simulated world: what they do to records, what befalls them, and that nothing is lost of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from doka.app.simulate.engine import run_side
from doka.app.simulate.history import BROKEN, CLEAN, LATE, LOST, Side
from doka.app.simulate.own_settings import configured_rules, own_functions
from doka.app.simulate.scenario import parse_scenario, scene_of
from doka.app.simulate.scene import DOKA
from doka.domain.forwarder import Forwarder
from doka.domain.records import Chunk
from doka.domain.routes import shaping
from doka.domain.routes.shaping import Shaped
from tests.integration.app.simulate.forwarders import LosesOne

FUNCTIONS = """
import json
from doka.transform import Batch, transform

calls = [0]

@transform(headers=True, timestamps=True)
def clean(batch: Batch) -> None:
    assert len(batch.headers) == len(batch.timestamps_ms) == len(batch)
    for index, value in enumerate(batch.values):
        order = json.loads(value)
        if order.get("test"):
            batch.drop(index)
        elif "id" not in order:
            batch.refuse(index)
        else:
            batch.partition_keys[index] = str(order["id"])

@transform
def counts(batch: Batch) -> None:
    for index in range(len(batch)):
        calls[0] += 1
        batch.values[index] = b"%d" % calls[0]

@transform
def broken(batch: Batch) -> None:
    raise KeyError("secret")
"""
GOOD = ['{"json": {"id": 1}, "headers": {"type": "order"}}', '{"json": {"id": 2}}', '{"json": {"test": true}}']
CONFIG = """
kafka: {{bootstrap_servers: ["b:9098"], group_id: doka}}
aws: {{region: eu-west-1}}
roles: {{writer: {{hops: [{{role_arn: "arn:aws:iam::210987654321:role/writer"}}]}}}}
routes:
  - {{topics: [orders], stream: {{name: orders, role: writer}}, {more}}}
  - {{topics: [plain], stream: {{name: plain, role: writer}}}}
dead_letters: {{topic: dead}}
"""
BAD_HOUR = """\
title: a
duration_hours: 0.3
traffic: {records_per_second: 2, partitions: 2, keys: 40}
faults:
  - {kind: crash, at_minutes: 4}
  - {kind: shard_hot, at_minutes: 7, for_minutes: 1}
  - {kind: tokens_revoked, at_minutes: 9}
  - {kind: rebalance, at_minutes: 11, for_minutes: 1}
"""


def ran(
    folder: Path,
    more: str,
    records: Sequence[str] = GOOD,
    *,
    scenario: str = BAD_HOUR,
    forwarder: type[Forwarder] = Forwarder,
) -> Side:
    """Run a scenario with a route that makes something of these records, beside one that does not."""
    for name, text in {
        "orders.py": FUNCTIONS,
        "orders.jsonl": "\n".join(records),
        "doka.yaml": CONFIG.format(more=more),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    config, file = folder / "doka.yaml", folder / "orders.jsonl"
    configured, notes = configured_rules(config, file)
    assert notes == ("route orders: only and transform are run over the records of orders.jsonl, again and again",)
    scene = scene_of(parse_scenario(scenario, configured=True), configured=configured)
    return run_side(replace(scene, functions=own_functions(config, file)), DOKA, forwarder=forwarder)


def function(folder: Path, name: str) -> str:
    """Give the setting of a transform."""
    return f'transform: {{file: "{folder}/orders.py", function: {name}}}'


def test_nothing_is_lost_or_disordered_and_what_it_drops_is_not_sent(tmp_path: Path) -> None:
    """Through crashes, a hot shard, revoked tokens and a rebalance; under the keys that it chooses."""
    side = ran(tmp_path, function(tmp_path, "clean"))
    totals = side.totals
    assert (CLEAN, ()) == (side.verdict, side.reasons)
    assert (0, 0, 0) == (totals.lost, totals.waiting, totals.out_of_order)
    assert 2_160 == totals.produced == totals.delivered + totals.settled_otherwise
    assert 1_080 // 3 == totals.settled_otherwise


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    """Byte for byte."""
    assert ran(tmp_path, function(tmp_path, "clean")) == ran(tmp_path, function(tmp_path, "clean"))


def test_a_filter_alone_is_run_too(tmp_path: Path) -> None:
    """What it cannot judge is poison, and dropped as its route asks."""
    side = ran(
        tmp_path,
        "only: {pointer: /id, in: ['1']}, on_poison: drop",
        [*GOOD, '{"value": "no JSON"}', '{"json": {"id": 1}}', '{"json": {"id": 1}}', '{"json": {"id": 1}}'],
    )
    assert (CLEAN, 0) == (side.verdict, side.totals.lost)
    assert 1_080 * 3 // 7 <= side.totals.settled_otherwise <= 1_080 * 3 // 7 + 2


def test_what_it_refuses_or_raises_for_is_dropped_as_the_route_asks(tmp_path: Path) -> None:
    """And nothing else."""
    records = ['{"json": {"id": 1}}'] * 8 + ['{"json": {"price": 1}}', '{"value": "no JSON"}']
    side = ran(tmp_path, f"{function(tmp_path, 'clean')}, on_poison: drop", records)
    assert (CLEAN, 0, 0) == (side.verdict, side.totals.lost, side.totals.waiting)
    assert 1_080 * 2 // 10 == side.totals.settled_otherwise


def test_letters_are_written_of_what_it_refuses(tmp_path: Path) -> None:
    """Then such a record is not missing either; the other member of the group does the same."""
    records = ['{"json": {"id": 1}}'] * 9 + ['{"json": {"price": 1}}']
    side = ran(tmp_path, f"{function(tmp_path, 'clean')}, on_poison: dead_letter", records)
    assert (CLEAN, 1_080 // 10) == (side.verdict, side.totals.settled_otherwise)


def test_one_that_always_raises_blocks_its_route_and_loses_nothing(tmp_path: Path) -> None:
    """All of it waits in Kafka, and the other route goes on."""
    side = ran(tmp_path, f"{function(tmp_path, 'broken')}, on_poison: drop", scenario=BAD_HOUR.partition("faults")[0])
    assert (LATE, 0) == (side.verdict, side.totals.lost)
    assert 1_080 == side.totals.delivered


def test_one_that_makes_something_else_the_second_time_is_told(tmp_path: Path) -> None:
    """A crash gives it records again: who de-duplicates by what a record holds would not know them."""
    side = ran(tmp_path, function(tmp_path, "counts"))
    assert BROKEN == side.verdict
    assert any("the route's function made something else of" in reason for reason in side.reasons)


def test_a_record_that_is_lost_is_seen(tmp_path: Path) -> None:
    """What the function drops hides no loss: one in each life of the process."""
    side = ran(tmp_path, function(tmp_path, "clean"), forwarder=LosesOne)
    assert (LOST, side.totals.lives) == (side.verdict, side.totals.lost)


def test_a_record_that_is_sent_though_it_was_dropped_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whoever looks at the puts."""

    def planted(chunk: Chunk, _: Mapping[int, str], poison: dict[int, str], keys: Sequence[str | None] = ()) -> Shaped:
        return Shaped(chunk, poison, {}, keys)

    monkeypatch.setattr(shaping, "_cut", planted)
    side = ran(tmp_path, function(tmp_path, "clean"))
    assert BROKEN == side.verdict
    assert any("sent that the route's function leaves out" in reason for reason in side.reasons)


def test_aggregates_are_taken_apart(tmp_path: Path) -> None:
    """Each record inside is judged under its own key."""
    side = ran(tmp_path, f"{function(tmp_path, 'clean')}, aggregation: {{enabled: true}}")
    assert (CLEAN, 1_080 // 3) == (side.verdict, side.totals.settled_otherwise)
