"""What `log.level: debug` gives somebody who hunts a fault, at the edges of the service and never for each record."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.containers.feeding import Keys
from tests.integration.service.conftest import PARTITIONS, MakeWorld

RECORDS = 2_000
SHAPES = {
    "doka.settings": [r"settings: \{.*\}"],
    "doka.sts": [
        r"STS: a session in account [0-9]{12} that lives [0-9]+ s, asked for within [0-9]+ ms, request id \S+",
        r"lease 1 of role writer: arn:aws:iam::[0-9]{12}:role/\S+",
    ],
    "doka.kafka": [
        rf"assigned: orders\[0\] from 0, .*orders\[{PARTITIONS - 1}\] from 0",
        r"commit [0-9]+ sent: orders\[.*",
        r"commit [0-9]+ stored",
        rf"given back: orders\[0\], .*orders\[{PARTITIONS - 1}\]",
    ],
    "doka.kinesis": [
        r"put [0-9]+ of route orders: [0-9]+ records in [0-9]+ bytes by lease 1, [0-9.]+ ms, HTTP 200, request id \S+",
    ],
}


def ran(make_world: MakeWorld, level: str) -> list[dict[str, Any]]:
    """Give the lines of the libraries' log of a run that forwards all and stops."""
    world = make_world({"log": {"level": level}})
    with world.doka as doka:
        world.feeder.feed(RECORDS, Keys(100, "k"))
        world.wait_for_all()
        assert 0 == doka.stop()
        return [line for line in doka.lines("log") if line["logger"] in SHAPES]


def test_debug_tells_each_step_and_not_each_record(make_world: MakeWorld) -> None:
    """Assignment, commits, puts, leases and settings are there, each in its form; the lines are far fewer than records."""
    lines = ran(make_world, "debug")
    missing = [
        (logger, shape)
        for logger, shapes in SHAPES.items()
        for shape in shapes
        if not any(line["logger"] == logger and re.fullmatch(shape, line["message"]) for line in lines)
    ]
    assert [] == missing
    assert len(lines) < RECORDS / 2
    (settings,) = (line["message"] for line in lines if line["logger"] == "doka.settings")
    assert "orders" == json.loads(settings.removeprefix("settings: "))["routes"][0]["name"]


@pytest.mark.parametrize("level", ["info"])
def test_info_tells_none_of_it(make_world: MakeWorld, level: str) -> None:
    """Who does not hunt is not bothered."""
    assert [] == ran(make_world, level)
