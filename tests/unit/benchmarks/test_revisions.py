from __future__ import annotations

import pytest

from benchmarks.figures import FIGURES, against_before
from benchmarks.revisions import UnknownRevisionError, in_turn, resolved
from benchmarks.tables import table_in_turn
from tests.unit.benchmarks.given import a_report

ROUNDS = [
    {"doka": {"cpu_us": now}, "before": {"cpu_us": before}, "floor": {}, "baseline": {}}
    for before, now in ((2.0, 1.0), (4.0, 3.0), (10.0, 11.0))
]


def test_both_are_the_code_that_git_has_and_are_gone_afterwards() -> None:
    """Each in a folder of its own, with what is imported: the code, and the link by which it is called doka."""
    with in_turn("HEAD~0") as pair:
        folders = [pair.now.folder, pair.before.folder]
        assert resolved("HEAD") == pair.now.commit == pair.before.commit
        assert folders[0] != folders[1]
        for folder in folders:
            assert (folder / "doka" / "domain" / "forwarder.py").is_file()
    assert [] == [folder for folder in folders if folder.exists()]


@pytest.mark.parametrize("name", ["no-such-revision", "--all", "HEAD:README.md"])
def test_what_git_does_not_know_as_a_commit_is_told(name: str) -> None:
    """Also what is a word for git, and what is there but is no commit."""
    with pytest.raises(UnknownRevisionError, match="is neither a file nor a commit that git knows here"):
        resolved(name)


def test_ratios_are_taken_within_rounds() -> None:
    """The median of the ratios, not the ratio of medians: what else the machine did falls out."""
    assert [("cpu_us", 4.0, 3.0, [0.5, 0.75, 1.1])] == list(against_before(ROUNDS))
    table = table_in_turn(a_report({"plain-100b": ROUNDS}), "v1")
    cells = [next(iter(column.cells)) for column in table.columns]
    assert ["plain-100b", FIGURES["cpu_us"].label, "4.00 us", "3.00 us", "0.75", "0.50 to 1.10"] == list(
        map(str, cells)
    )


def test_a_run_of_one_revision_has_nothing_to_show() -> None:
    """No row."""
    assert [] == list(against_before([{"doka": {"cpu_us": 1.0}}]))
