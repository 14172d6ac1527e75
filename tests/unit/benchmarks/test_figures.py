from __future__ import annotations

from benchmarks.cases import REFERENCE, Aim, Case
from benchmarks.figures import FIGURES, figures_of_doka, judged, known, medians
from tests.unit.benchmarks.given import a_round


def test_the_median_of_rounds_stands() -> None:
    """One disturbed round does not move a figure."""
    rounds = [a_round(4.0), a_round(40.0), a_round(5.0)]
    assert 5.0 == medians(rounds, "doka")["cpu_us"]
    assert {"cpu_us": 1.0} == medians(rounds, "floor")


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which the whole machine was slow has the ratios of a quick one."""
    calm, slow = a_round(4.0, floor=1.0, baseline=20.0), a_round(40.0, floor=10.0, baseline=200.0)
    figures = medians([calm, slow, slow], "doka")
    assert (4.0, 5.0) == (figures["cpu_to_floor"], figures["baseline_to_cpu"])


def test_what_was_not_measured_is_left_out() -> None:
    """Without a floor and a baseline there are no ratios, and no figure of a contender that did not run."""
    assert {"idle_cpu_percent": 0.4} == medians([{"doka": {"idle_cpu_percent": 0.4}}], "doka")
    assert {} == medians([{"doka": {"idle_cpu_percent": 0.4}}], "baseline")


def test_costs_are_compared_with_the_reference() -> None:
    """A case's cost is told as a multiple of the plain one's, where that was measured as well."""
    both = figures_of_doka({REFERENCE: [a_round(4.0)], "keys-1m": [a_round(6.0)]})
    assert 1.5 == both["keys-1m"]["cpu_to_plain"]
    assert "cpu_to_plain" not in figures_of_doka({"keys-1m": [a_round(6.0)]})["keys-1m"]


def test_what_shares_requests_is_compared_with_the_same_that_does_not() -> None:
    """Each of these cases beside the one with as many keys; alone it has no such figure."""
    rounds = {
        name: [a_round(cost)] for name, cost in (("keys-1k", 8.0), ("keys-1k-in-request", 4.0), ("keys-10k", 5.0))
    }
    found = figures_of_doka(rounds)
    assert {"keys-1k-in-request": 0.5} == {
        name: each["cpu_to_key"] for name, each in found.items() if "cpu_to_key" in each
    }
    assert "cpu_to_key" not in figures_of_doka({"keys-1k-in-request": [a_round(4.0)]})["keys-1k-in-request"]


def test_what_ran_beside_in_the_same_round_comes_before_what_ran_in_another_case() -> None:
    """A round in which the machine was slow says nothing against the case; the median of the rounds' ratios stands."""
    rounds = [a_round(cost) | {"beside": {"cpu_us": beside}} for cost, beside in ((4.4, 4.0), (8.0, 8.0), (5.2, 4.0))]
    found = figures_of_doka({REFERENCE: [a_round(2.0)], "newline-100b": rounds, "keys-1k-in-request": rounds})
    assert (1.1, 1.1) == (
        round(found["newline-100b"]["cpu_to_plain"], 9),
        round(found["keys-1k-in-request"]["cpu_to_key"], 9),
    )


def test_speed_is_compared_with_the_reference() -> None:
    """Two workers are told as a multiple of one."""
    rounds = {name: [{"doka": {"records_per_second": speed}}] for name, speed in ((REFERENCE, 100.0), ("two", 170.0))}
    assert 1.7 == figures_of_doka(rounds)["two"]["speed_to_plain"]


def test_an_aim_that_wants_more_cores_is_not_judged() -> None:
    """A machine with fewer can neither meet it nor fail it."""
    wants = Aim("cpu_us", "<=", 4.5, cores=4)
    case = Case(REFERENCE, "100 B", aims=(wants,))
    rounds = {REFERENCE: [a_round(4.0)]}
    assert [] == list(judged(rounds, [case], cores=2))
    assert [(case, wants, 4.0)] == list(judged(rounds, [case], cores=4))


def test_figures_are_shown_in_one_order_and_with_their_units() -> None:
    """Unknown names are passed over; a value carries its unit."""
    assert ["cpu_us", "p99_ms"] == known(["p99_ms", "landed", "cpu_us"])
    assert "4.50 us" == FIGURES["cpu_us"].show(4.5)
    assert "200,000" == FIGURES["records_per_second"].show(200_000.0)
