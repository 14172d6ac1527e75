"""For the test suites of those who run doka: a batch for their own transform, and whole scenarios in one line.

    from doka.testing import batch

    def test_tests_are_left_out() -> None:
        orders = batch(values=[b'{"id": 1}', b'{"test": true}'])
        clean(orders)
        assert orders.becomes == ["changed", "filtered"]

Nothing else imports this module: pytest is the suite's, not doka's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

import pytest

from doka.app.simulate.engine import run_side
from doka.app.simulate.history import Side
from doka.app.simulate.own_settings import configured_rules, own_functions
from doka.app.simulate.scenario import read_scenario, scene_of
from doka.app.simulate.scene import DOKA
from doka.domain.batch import Batch
from doka.domain.forwarder import Forwarder

Becomes = Literal["kept", "changed", "filtered", "poison"]
"""What becomes of a record, as `doka test` says it."""


class GivenBatch(Batch):
    """A batch of a test: what a transform is given, and then a look at what it made of that."""

    __slots__ = ("_given",)

    def __init__(
        self,
        topic: str,
        partition: int,
        offsets: Sequence[int],
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        *,
        headers: Sequence[Sequence[tuple[str, bytes | None]]] | None = None,
        timestamps_ms: Sequence[int | None] | None = None,
    ) -> None:
        """Take the columns, as `Batch` does."""
        super().__init__(topic, partition, offsets, keys, values, headers=headers, timestamps_ms=timestamps_ms)
        self._given = tuple(values)

    @property
    def becomes(self) -> list[Becomes]:
        """What becomes of each record: kept as it was, changed (its value or its key), filtered (dropped), poison (refused).

        Raises BatchError where the function left no batch behind; so do all other looks.
        """
        self.check()
        changed, keys = self.changed, self.partition_keys
        return [
            "poison"
            if place in self.refused
            else "filtered"
            if place in self.dropped
            else "changed"
            if place in changed or keys[place] is not None
            else "kept"
            for place in range(len(self))
        ]

    @property
    def changed(self) -> dict[int, bytes | None]:
        """The values that are others than were given, by their places, of records that are sent."""
        self.check()
        gone = self.dropped | self.refused
        return {
            place: value
            for place, (given, value) in enumerate(zip(self._given, self.values, strict=True))
            if value != given and place not in gone
        }

    @property
    def sent(self) -> list[tuple[str | None, bytes | None]]:
        """The partition key that was chosen (None: the route's rule decides) and the value of each record that is sent."""
        self.check()
        gone = self.dropped | self.refused
        columns = zip(self.partition_keys, self.values, strict=True)
        return [each for place, each in enumerate(columns) if place not in gone]


def batch(
    *,
    values: Sequence[bytes | None],
    keys: Sequence[bytes | None] | None = None,
    headers: Sequence[Sequence[tuple[str, bytes | None]]] | None = None,
    timestamps_ms: Sequence[int | None] | None = None,
    topic: str = "topic",
    partition: int = 0,
    offsets: Sequence[int] | None = None,
) -> GivenBatch:
    """Give a batch as a transform gets it.

    Args:
        values: What stands in Kafka; None is a tombstone.
        keys: Kafka's keys; all null, if not given.
        headers: Of each record, as under `@transform(headers=True)`; a function that reads them without gets NotReadError.
        timestamps_ms: The same under `@transform(timestamps=True)`; ms since the epoch, None where there is none.
        topic: The topic's name.
        partition: The partition's number.
        offsets: Where the records stand, ascending; from 0 on, if not given.

    Raises:
        ValueError: the columns are not equally long.
    """
    count = len(values)
    for name, column in (("keys", keys), ("headers", headers), ("timestamps_ms", timestamps_ms), ("offsets", offsets)):
        if column is not None and len(column) != count:
            raise ValueError(f"{name} has {len(column)} entries for {count} values")
    return GivenBatch(
        topic,
        partition,
        range(count) if offsets is None else offsets,
        [None] * count if keys is None else keys,
        values,
        headers=headers,
        timestamps_ms=timestamps_ms,
    )


class Simulate(Protocol):
    """What the fixture `simulate` gives."""

    def __call__(
        self,
        scenario: str | Path,
        *,
        config: str | Path | None = None,
        records: str | Path | None = None,
        seed: int = 1,
    ) -> Side:
        """Run a scenario, as `simulated`."""
        ...


def simulated(
    scenario: str | Path,
    *,
    config: str | Path | None = None,
    records: str | Path | None = None,
    seed: int = 1,
    forwarder: type[Forwarder] = Forwarder,
) -> Side:
    """Run a scenario file, by the rules of a configuration if one is named, and give what doka's side came to.

    With `records`, a file as `doka test` reads it, the filters and transforms of the configuration are run over these.

    Raises:
        AssertionError: something was lost, out of order, doubled without a reason, or not within the stated bound.
        SettingsError: the scenario or the configuration is not one.
        UsageError: the file of records is none.
    """
    wanted = read_scenario(Path(scenario), configured=config is not None)
    scene = scene_of(wanted, seed)
    if config is not None:
        file = None if records is None else Path(records)
        scene = scene_of(wanted, seed, configured_rules(Path(config), file)[0])
        if file is not None:
            scene = replace(scene, functions=own_functions(Path(config), file))
    side = run_side(scene, DOKA, forwarder=forwarder)
    if side.failed:
        raise AssertionError(f"{scenario}, seed {seed}: {side.verdict}: {'; '.join(side.reasons)}")
    return side


@pytest.fixture
def simulate() -> Simulate:
    """Give `simulated`: `simulate("sts-outage.yaml", config="doka.yaml")`."""
    return simulated
