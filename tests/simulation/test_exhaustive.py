"""Everything that can happen in a very small world: four records, two partitions, three keys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.choices import Choices
from tests.simulation import __main__ as command
from tests.simulation.exhaustive import (
    KEYS,
    PARTITIONS,
    RECORDS,
    REQUEST_SIZES,
    WAYS,
    Depth,
    explore,
    layouts,
    outcomes,
)
from tests.simulation.planted.bug import planted
from tests.simulation.planted.catalogue import BY_NAME

QUICK = Depth(lengths=2, refusals=1, fates=1)
ONE_KEY = ((0, 0), (0, 0), (0, 0), (0, 0))
MIXED = ((0, 0), (0, 1), (0, 0), (1, 1))
WIDE = ((0, 0), (1, 1), (1, 2), (1, 2))


@pytest.mark.parametrize("request_records", REQUEST_SIZES)
@pytest.mark.parametrize("layout", [ONE_KEY, MIXED, WIDE])
def test_nothing_that_can_happen_breaks_a_rule(layout: tuple[tuple[int, int], ...], request_records: int) -> None:
    """Whoever is refused, whatever comes first, every rule holds; and the tree of choices has an end."""
    explored = explore(layout, request_records, QUICK)
    assert explored.failure is None, explored.failure
    assert explored.runs >= 27
    assert explored.traces > explored.runs // 3


@pytest.mark.parametrize("layout", [ONE_KEY, MIXED, WIDE])
@pytest.mark.parametrize("way", [way for way in WAYS if way != "key"])
def test_nothing_that_can_happen_breaks_a_rule_where_records_travel_together(
    layout: tuple[tuple[int, int], ...], way: str
) -> None:
    """Several of a key in a request, or in an aggregate: whoever is refused of the first two, every rule holds."""
    explored = explore(layout, 2, replace(QUICK, refusals=2), way)
    assert explored.failure is None, explored.failure
    assert explored.runs >= 27


def test_every_layout_is_there_once() -> None:
    """Of 1,296 ways to place four records, those are left that differ by more than by names."""
    found = layouts()
    assert 112 == len(found) == len(set(found))
    assert {RECORDS} == {len(layout) for layout in found}
    assert {(tp, key) for tp in range(PARTITIONS) for key in range(KEYS)} == {
        place for layout in found for place in layout
    }


def test_the_world_holds_what_was_laid_out() -> None:
    """The records lie in the partitions that the layout names, with its keys, and all of them land."""
    outcome = next(outcomes(MIXED, 4, QUICK, Choices()))
    keys = [log.keys for log in outcome.world.logs.values()]
    assert [[b"k0", b"k1", b"k0"], [b"k1"]] == keys
    assert 4 == len({landed.value for stream in outcome.world.streams.values() for landed in stream.landed})


def test_answers_come_in_every_order() -> None:
    """Of two requests on their way at once, each is the first to land in some run."""
    firsts = {outcome.world.streams["s0"].landed[0].key for outcome in outcomes(WIDE, 1, Depth(2, 0, 0), Choices())}
    assert {"k0", "k1"} <= firsts


def test_every_subset_of_entries_is_refused() -> None:
    """Of a request of three records every subset is refused in some run, which leaves seven ways to land first."""
    wide = ((0, 0), (0, 1), (0, 2), (1, 0))
    first_landed = set()
    for outcome in outcomes(wide, 4, Depth(0, 1, 0), Choices()):
        landed = outcome.world.streams["s0"].landed
        first_landed.add(frozenset(record.value for record in landed if record.at == landed[0].at))
    assert len(first_landed) >= 7


@pytest.mark.parametrize(
    ("name", "request_records"),
    [
        ("ignore_entry_zero", 4),
        ("swap_the_results", 4),
        ("resend_the_whole_batch", 4),
        ("release_a_lane_too_early", 1),
        ("free_the_lane_of_a_refused_record", 4),
        ("take_unknown_for_landed", 2),
        ("let_the_client_repeat", 2),
        ("take_200_as_success", 4),
    ],
)
def test_a_planted_bug_is_found(name: str, request_records: int) -> None:
    """What is wrong with answers, order or commits shows in one of the few runs of a small world."""
    with planted(BY_NAME[name]):
        failures = [explore(layout, request_records, QUICK).failure for layout in (ONE_KEY, MIXED, WIDE)]
    assert [] != [failure for failure in failures if failure is not None]


def test_the_command_counts_its_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """It says how many runs there were, and that these are all."""
    shallow = ["--lengths", "1", "--refusals", "1", "--fates", "0", "--layouts", "3"]
    assert 0 == command.main(["exhaustive", *shallow])
    printed = capsys.readouterr().out
    assert "3 layouts, requests of (1, 2, 4) records: " in printed
    assert "no rule is broken" in printed
