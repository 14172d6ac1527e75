"""The scenario file: what a user wants simulated, checked as strictly as a configuration.

Unknown keys are errors, every message names the key and the cure, and a scenario that passes can be run.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from doka.app.settings.aws import Rotation
from doka.app.settings.fields import FROZEN, Flag, Section, Text, Whole
from doka.app.settings.problems import Problem, SettingPath, SettingsError, origin_of
from doka.app.settings.words import problems_of
from doka.app.settings.yamlfile import parse_yaml, read_yaml
from doka.app.simulate.scene import AT_ONCE, CLOCK_WRONG, FAULTS, Scene, Traffic, Trouble, simple_rules
from doka.domain.limits import ROLE_SECONDS_MAX, ROLE_SECONDS_MIN, SHARD_RECORDS_PER_SECOND
from doka.domain.rules import RotationPolicy, Rules

HOURS_MAX = 24.0 * 31
MINUTES_MAX = HOURS_MAX * 60
_HOURS_OF_A_DAY = 24


def _start(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time like 2026-01-09T18:00:00") from None
    if moment.tzinfo is not None:
        raise ValueError("is a time with a zone; the simulated world has one clock, so leave the zone out")
    return text


def _curve(shares: tuple[float, ...]) -> tuple[float, ...]:
    if shares and len(shares) != _HOURS_OF_A_DAY:
        raise ValueError("needs 24 numbers, one for each hour after midnight")
    return shares


def _fault(text: str) -> str:
    if text not in FAULTS:
        raise ValueError(f"is no fault that can be simulated; there are {', '.join(sorted(FAULTS))}")
    return text


Percent = Annotated[float, Field(strict=True, ge=0.0, le=100.0)]
Minutes = Annotated[float, Field(strict=True, ge=0.0, le=MINUTES_MAX)]
FaultKind = Annotated[str, AfterValidator(_fault), Field(json_schema_extra={"enum": sorted(FAULTS)})]


class TrafficSection(Section):
    """What is written to Kafka."""

    records_per_second: Annotated[float, Field(strict=True, gt=0.0, le=100_000.0)] = Field(
        default=100.0, description="Records a second, over all topics and partitions."
    )
    partitions: Annotated[Whole, Field(ge=1, le=1_000)] = Field(default=4, description="Partitions of each topic.")
    keys: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        default=10_000, description="How many different keys there are; few of them are hot keys."
    )
    record_bytes: Annotated[Whole, Field(ge=20, le=1_000_000)] = Field(default=100, description="Size of a value.")
    burst_seconds: Annotated[float, Field(strict=True, ge=0.01, le=3_600.0)] = Field(
        default=10.0, description="How often a producer sends what has come up; longer bursts simulate faster."
    )
    by_hour: Annotated[tuple[Percent, ...], AfterValidator(_curve)] = Field(
        default=(),
        description="The share of records_per_second in each hour after midnight, 24 numbers; empty: always all of it.",
    )


class StreamSection(Section):
    """The streams that it goes to."""

    shards: Annotated[Whole, Field(ge=1, le=1_000)] = Field(default=2, description="Open shards of each stream.")


class FaultSection(Section):
    """One thing that goes wrong."""

    kind: FaultKind = Field(description="What goes wrong.", examples=["sts_down"])
    at_minutes: Minutes = Field(description="When, after the start.", examples=[30])
    for_minutes: Minutes | None = Field(default=None, description="How long; not for what is over at once.")
    clock_minutes: float | None = Field(
        default=None,
        strict=True,
        ge=-1_440.0,
        le=1_440.0,
        description="clock_wrong: how far the host's clock is ahead; below 0, behind.",
    )
    which: Annotated[Whole, Field(ge=0, le=1_000_000)] = Field(
        default=0, description="Which shard, partition or error code it hits, counted from 0."
    )


class ExpectSection(Section):
    """What must hold, besides that nothing is lost and order is kept; what does not makes the exit code 1."""

    delay_minutes: float | None = Field(
        default=None,
        strict=True,
        gt=0.0,
        le=MINUTES_MAX,
        description="The longest that any record may take from Kafka to the stream.",
    )
    delivered: Flag = Field(default=True, description="All records are in the stream five minutes after the last one.")


class ScenarioFile(Section):
    """One simulated run."""

    model_config = FROZEN | {"title": "doka scenario"}

    title: Text = Field(description="One line above the result.", examples=["STS is down over lunch"])
    duration_hours: Annotated[float, Field(strict=True, ge=0.01, le=HOURS_MAX)] = Field(
        description="How long records are written.", examples=[3]
    )
    start: Annotated[str, AfterValidator(_start)] = Field(
        default="2026-01-09T18:00:00", description="What the wall clock shows at the start; the default is a Friday."
    )
    token_minutes: float | None = Field(
        default=None,
        strict=True,
        ge=ROLE_SECONDS_MIN / 60,
        le=ROLE_SECONDS_MAX / 60,
        description="Life of each token; while it is not set, 60, or what the roles of the configuration ask for.",
    )
    rotation: Rotation | None = Field(
        default=None, description="When tokens are renewed; not together with a configuration, which says it."
    )
    traffic: TrafficSection = Field(default=TrafficSection(), description="What is written.")
    stream: StreamSection = Field(default=StreamSection(), description="Where it goes.")
    faults: tuple[FaultSection, ...] = Field(default=(), description="What goes wrong, and when.")
    expect: ExpectSection = Field(default=ExpectSection(), description="What must hold.")


def scenario_schema() -> dict[str, Any]:
    """Give the JSON Schema of a scenario file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ScenarioFile.model_json_schema()}


def read_scenario(file: Path, *, configured: bool = False) -> ScenarioFile:
    """Read a scenario; `configured` tells that a configuration comes with it.

    Raises:
        SettingsError: with one line for each thing to mend.
    """
    return _checked(*read_yaml(file), configured=configured)


def parse_scenario(text: str, origin: str = "scenario", *, configured: bool = False) -> ScenarioFile:
    """Read a scenario from a text, as `read_scenario` does from a file.

    Raises:
        SettingsError: with one line for each thing to mend.
    """
    return _checked(*parse_yaml(text, origin), configured=configured)


def scene_of(scenario: ScenarioFile, seed: int = 1, configured: tuple[Rules, float] | None = None) -> Scene:
    """Make a scene of a scenario; `configured` is what a real configuration says: its rules, and its tokens' life (s)."""
    traffic, rotation = scenario.traffic, scenario.rotation or Rotation()
    if configured is None:
        policy = RotationPolicy(rotation.policy)
        interval, margin = rotation.interval_minutes * 60, rotation.margin_seconds
        configured = simple_rules(policy, interval_seconds=interval, margin_seconds=margin), 3_600.0
    rules, token_seconds = configured
    if scenario.token_minutes is not None:
        token_seconds = scenario.token_minutes * 60
    return Scene(
        title=scenario.title,
        duration_seconds=scenario.duration_hours * 3_600,
        token_seconds=token_seconds,
        seed=seed,
        start=scenario.start,
        traffic=Traffic(
            traffic.records_per_second,
            traffic.partitions,
            traffic.keys,
            traffic.record_bytes,
            traffic.burst_seconds,
            traffic.by_hour,
        ),
        rules=rules,
        shards=scenario.stream.shards,
        troubles=tuple(_trouble(fault) for fault in scenario.faults),
        delay_seconds=None if scenario.expect.delay_minutes is None else scenario.expect.delay_minutes * 60,
        must_deliver=scenario.expect.delivered,
    )


def _trouble(fault: FaultSection) -> Trouble:
    at = fault.at_minutes * 60
    return Trouble(fault.kind, at, at + (fault.for_minutes or 0.0) * 60, fault.which, (fault.clock_minutes or 0.0) * 60)


def _checked(data: dict[str, Any], origins: dict[SettingPath, str], *, configured: bool) -> ScenarioFile:
    try:
        scenario = ScenarioFile(**data)
    except ValidationError as error:
        raise SettingsError(problems_of(error, ScenarioFile, origins)) from None
    problems = [
        Problem(problem.told, problem.path, origin_of(problem.path, origins))
        for problem in _contradictions(scenario, configured=configured)
    ]
    if problems:
        raise SettingsError(problems)
    return scenario


def _contradictions(scenario: ScenarioFile, *, configured: bool) -> Iterator[Problem]:
    """List what does not fit together."""
    if configured and scenario.rotation is not None:
        yield Problem("is said by the configuration too; leave it out, or leave --config out", ("rotation",))
    traffic, shards = scenario.traffic, scenario.stream.shards
    peak = traffic.records_per_second * max(traffic.by_hour, default=1.0)
    if peak > shards * SHARD_RECORDS_PER_SECOND:
        told = f"is more than the shards take, {SHARD_RECORDS_PER_SECOND:,} a second each; raise stream.shards"
        yield Problem(told, ("traffic", "records_per_second"))
    for i, fault in enumerate(scenario.faults):
        path: SettingPath = ("faults", i)
        if fault.at_minutes > scenario.duration_hours * 60:
            yield Problem("lies beyond the end of the run; raise duration_hours", (*path, "at_minutes"))
        if fault.kind in AT_ONCE and fault.for_minutes is not None:
            yield Problem(f"has no use: {fault.kind} is over at once; leave it out", (*path, "for_minutes"))
        if fault.kind not in AT_ONCE and not fault.for_minutes:
            yield Problem(
                f"is missing: say how long {fault.kind} lasts, like `for_minutes: 40`", (*path, "for_minutes")
            )
        if fault.kind == CLOCK_WRONG and not fault.clock_minutes:
            told = "is missing: say how far the clock is ahead, like `clock_minutes: 20`"
            yield Problem(told, (*path, "clock_minutes"))
        if fault.kind != CLOCK_WRONG and fault.clock_minutes is not None:
            yield Problem(f"has no use with {fault.kind}; leave it out", (*path, "clock_minutes"))
