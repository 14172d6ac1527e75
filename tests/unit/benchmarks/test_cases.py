from __future__ import annotations

import pytest

from benchmarks.cases import CASES, REFERENCE, Aim, chosen, compared_with
from benchmarks.feeding import STAMP_BYTES, Load
from benchmarks.figures import FIGURES


def test_names_are_unique_and_the_reference_is_among_them() -> None:
    """A case is asked for by its name, and others are compared with the reference."""
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)
    assert REFERENCE in names
    assert REFERENCE in [case.name for case in chosen(None, quick=True)]


def test_an_aim_is_of_a_figure_that_is_shown() -> None:
    """No aim can stay without a verdict because its figure has another name."""
    assert [] == [aim for case in CASES for aim in case.aims if aim.figure not in FIGURES]


@pytest.mark.parametrize(
    ("relation", "value", "met"),
    [("<=", 4.0, True), ("<=", 4.1, False), (">=", 4.0, True), (">=", 3.9, False)],
)
def test_an_aim_holds_at_its_bound(relation: str, value: float, met: bool) -> None:  # noqa: FBT001 - a table of cases
    """The bound itself is met; what is beyond it is not."""
    aim = Aim("cpu_us", "<=" if relation == "<=" else ">=", 4.0)
    assert met == aim.met(value)


def test_one_case_all_or_the_short_round() -> None:
    """A name gives that case, whatever round it belongs to; without one the round decides."""
    assert ["keys-1m"] == [case.name for case in chosen("keys-1m", quick=True)]
    assert ["plain-100b", "keys-1m"] == [case.name for case in chosen("keys-1m,plain-100b", quick=False)]
    assert list(CASES) == list(chosen(None, quick=False))
    assert 0 < len(chosen(None, quick=True)) < len(CASES)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """Whoever misspells a case reads what there is."""
    with pytest.raises(ValueError, match=f"no case 'plain'; there are {REFERENCE}, "):
        chosen("plain", quick=False)


def test_what_runs_beside_a_case_works_at_the_same_records() -> None:
    """Else the ratio of a round would be that of two loads; a misspelt name would leave it out in silence."""
    pairs = [(case, compared_with(case)) for case in CASES if case.beside]
    assert pairs
    for case, other in pairs:
        assert other is not None, case.name
        assert (case.load, case.partitions, case.delay, "") == (other.load, other.partitions, other.delay, other.beside)
    assert compared_with(chosen(REFERENCE, quick=False)[0]) is None


def test_a_record_has_room_for_its_stamp() -> None:
    """Records that could not say when they were produced are refused."""
    assert all(case.load.size >= STAMP_BYTES for case in CASES)
    with pytest.raises(ValueError, match="room for its stamp"):
        Load(STAMP_BYTES - 1, 10)
