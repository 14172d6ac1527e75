from __future__ import annotations

import json
from dataclasses import replace

import pytest

from doka.app.simulate.history import (
    CLEAN,
    LOST,
    WAITS,
    Fault,
    History,
    LeaseWindow,
    Moment,
    Series,
    Side,
    Totals,
    uneven,
)

TOTALS = Totals(
    produced=20,
    delivered=20,
    committed=20,
    lost=0,
    waiting=0,
    settled_otherwise=0,
    duplicates=0,
    duplicates_explained=0,
    out_of_order=0,
    puts=2,
    puts_refused=0,
    entries_refused=0,
    first_lost_at=None,
    longest_delay=0.5,
    longest_stall=0.5,
    most_lag=10,
    leases=1,
    leases_refused=0,
    sts_calls=1,
    sts_calls_per_hour=1.0,
    lives=1,
)
SERIES = Series((0, 10, 20), (0, 10, 20), (0, 0, 20), (0, 10, 0), (0, 100, 0))
SIDE = Side(
    "doka",
    "before_expiry",
    SERIES,
    (LeaseWindow("r", "issued", 0.0, 3600.0),),
    (),
    TOTALS,
    CLEAN,
    (),
    (Moment(0, "a"),),
)
HISTORY = History("a run", 7, "2026-01-09T18:00:00", 1500.0, 600.0, 3600.0, (Fault("sts_down", 1, 2, "b"),), (SIDE,))


def test_a_moment_is_written_as_on_a_wall_clock() -> None:
    """Seconds after the start become a day of the week and a time."""
    assert ["Fri 18:00", "Fri 19:00", "Mon 09:00"] == [HISTORY.wall(at) for at in (0, 3600, 63 * 3600)]


def test_the_last_entry_of_a_series_is_the_end_of_the_run() -> None:
    """Each entry has its moment; the last may come sooner than a whole step."""
    assert (0.0, 600.0, 1200.0) == HISTORY.times()
    assert (0.0, 600.0, 700.0) == replace(HISTORY, duration_seconds=700.0).times()


def test_json_holds_all_of_it_and_repeats_to_the_byte() -> None:
    """The JSON of equal histories is equal, and holds every level."""
    data = json.loads(HISTORY.to_json())
    assert HISTORY.to_json() == replace(HISTORY, title="a run").to_json()
    assert 1 == data["version"]
    assert [0, 10, 20] == data["sides"][0]["series"]["produced"]
    assert {"kind": "sts_down", "from_seconds": 1, "until_seconds": 2, "told": "b"} == data["faults"][0]


@pytest.mark.parametrize(("verdict", "failed"), [(CLEAN, False), (WAITS, False), (LOST, True)])
def test_a_gate_closes_on_loss_and_not_on_waiting(verdict: str, *, failed: bool) -> None:
    """Waiting loudly with nothing lost is what doka promises; losing is not."""
    assert failed == replace(SIDE, verdict=verdict).failed


def test_a_side_is_found_by_its_name() -> None:
    """A name that is not there is a KeyError."""
    assert SIDE == HISTORY.side("doka")
    with pytest.raises(KeyError):
        HISTORY.side("original")


def test_columns_of_unequal_length_are_named() -> None:
    """A column that is too short shows."""
    assert [] == uneven(SERIES)
    assert ["lag"] == uneven(replace(SERIES, lag=(0,)))
