from __future__ import annotations

import json
from pathlib import Path

import pytest

from doka.app.settings.problems import SettingsError
from doka.app.simulate.scenario import ScenarioFile, parse_scenario, read_scenario, scenario_schema, scene_of
from doka.app.simulate.scene import FAULTS, Trouble, simple_rules
from doka.domain.rules import RotationPolicy
from tests.architecture.source_tree import ROOT

MINIMAL = "title: a\nduration_hours: 1\n"


def refused(text: str, *, configured: bool = False) -> list[str]:
    """Give the lines that a scenario is refused with."""
    with pytest.raises(SettingsError) as caught:
        parse_scenario(text, "a.yaml", configured=configured)
    return str(caught.value).splitlines()


def test_a_scenario_needs_two_lines() -> None:
    """Everything else has a default: the traffic of the incident, tokens of an hour, doka's own policy."""
    scene = scene_of(parse_scenario(MINIMAL), seed=9)
    assert ("a", 3_600.0, 3_600.0, 9) == (scene.title, scene.duration_seconds, scene.token_seconds, scene.seed)
    assert simple_rules(RotationPolicy.BEFORE_EXPIRY) == scene.rules
    assert scene.must_deliver


def test_every_key_reaches_the_scene() -> None:
    """What the file says is what is run."""
    scene = scene_of(
        parse_scenario(
            "title: b\nduration_hours: 2\nstart: '2026-03-01T00:00:00'\ntoken_minutes: 15\n"
            "rotation: {policy: interval, interval_minutes: 5}\n"
            "traffic: {records_per_second: 7, partitions: 3, keys: 9, record_bytes: 50, burst_seconds: 2, by_hour: ["
            + ", ".join("1" * 24)
            + "]}\nstream: {shards: 5}\n"
            "faults: [{kind: clock_wrong, at_minutes: 1, for_minutes: 2, clock_minutes: -3, which: 4}]\n"
            "expect: {delay_minutes: 6, delivered: false}\n"
        )
    )
    traffic = scene.traffic
    assert (7.0, 3, 9, 50, 2.0) == (
        traffic.rate,
        traffic.partitions,
        traffic.keys,
        traffic.record_bytes,
        traffic.burst_seconds,
    )
    assert (1.0,) * 24 == traffic.by_hour
    assert (900.0, 5, 360.0, False) == (scene.token_seconds, scene.shards, scene.delay_seconds, scene.must_deliver)
    assert "interval 5 min" == scene.policy
    assert (Trouble("clock_wrong", 60.0, 180.0, 4, -180.0),) == scene.troubles


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("duration_hours: 1\n", "a.yaml: title is missing; write it like `title: STS is down over lunch`"),
        (MINIMAL + "durration: 1\n", "a.yaml:3: durration is unknown; "),
        (MINIMAL + "token_minutes: 5\n", "a.yaml:3: token_minutes must be from 15.0 to 720.0"),
        (MINIMAL + "start: noon\n", "a.yaml:3: start must be a time like 2026-01-09T18:00:00"),
        (MINIMAL + "start: '2026-01-09T18:00:00Z'\n", "a.yaml:3: start is a time with a zone; "),
        (MINIMAL + "traffic: {by_hour: [1]}\n", "a.yaml:3: traffic.by_hour needs 24 numbers, one for each hour"),
        (
            MINIMAL + "traffic: {records_per_second: 5000}\n",
            "a.yaml:3: traffic.records_per_second is more than the shards",
        ),
        (
            MINIMAL + "faults: [{kind: fire, at_minutes: 1}]\n",
            "a.yaml:3: faults[0].kind is no fault that can be simulated; ",
        ),
        (
            MINIMAL + "faults: [{kind: sts_down, at_minutes: 1}]\n",
            "a.yaml:3: faults[0].for_minutes is missing: say how ",
        ),
        (
            MINIMAL + "faults: [{kind: crash, at_minutes: 1, for_minutes: 2}]\n",
            "a.yaml:3: faults[0].for_minutes has no use: crash is over at once; leave it out",
        ),
        (
            MINIMAL + "faults: [{kind: sts_down, at_minutes: 100, for_minutes: 2}]\n",
            "a.yaml:3: faults[0].at_minutes lies beyond the end of the run; raise duration_hours",
        ),
        (
            MINIMAL + "faults: [{kind: clock_wrong, at_minutes: 1, for_minutes: 2}]\n",
            "a.yaml:3: faults[0].clock_minutes is missing: say how far the clock is ahead, like `clock_minutes: 20`",
        ),
        (
            MINIMAL + "faults: [{kind: sts_down, at_minutes: 1, for_minutes: 2, clock_minutes: 1}]\n",
            "a.yaml:3: faults[0].clock_minutes has no use with sts_down; leave it out",
        ),
    ],
)
def test_what_is_wrong_is_told_with_place_key_and_cure(text: str, told: str) -> None:
    """One line, which begins with the file and its line."""
    lines = refused(text)
    assert 1 == len(lines)
    assert lines[0].startswith(told)


def test_rotation_is_said_once() -> None:
    """A configuration says it already."""
    (line,) = refused(MINIMAL + "rotation: {policy: never}\n", configured=True)
    assert "rotation is said by the configuration too; leave it out, or leave --config out" in line


def test_the_schema_knows_every_key_and_fault() -> None:
    """An editor can complete all of it, and each key says what it is."""
    schema = scenario_schema()
    assert set(ScenarioFile.model_fields) == schema["properties"].keys()
    assert sorted(FAULTS) == schema["$defs"]["FaultSection"]["properties"]["kind"]["enum"]
    assert [] == [
        name
        for section in [schema, *schema["$defs"].values()]
        for name, key in section["properties"].items()
        if not key.get("description")
    ]
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("file", sorted((ROOT / "examples/scenarios").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_is_a_scenario(file: Path) -> None:
    """What is shown as an example is accepted, and says why it is worth a look."""
    assert read_scenario(file).title
    assert file.read_text(encoding="utf-8").startswith("# ")
