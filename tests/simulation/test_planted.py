"""Bugs on purpose: a check that cannot fail proves nothing, so each of these must be found, and by the right rule."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from doka.domain.partitions.commits import Commits
from tests.simulation.planted import command, search
from tests.simulation.planted.bug import Bug, Patch, PatchError, bug, planted
from tests.simulation.planted.catalogue import BY_NAME, PLANTED
from tests.simulation.planted.search import Finding, broken_rule, digests_under, look_again_for, look_for, recorded

PLANTED_MIN = 50
CLEAN_SEEDS = 2
"""Of each plan; `make planted` runs as many without a bug as the bugs needed."""
PLANS = {planted_bug.plan.__name__: planted_bug.plan for planted_bug in PLANTED}


@pytest.mark.parametrize("this", PLANTED, ids=lambda this: this.name)
def test_a_planted_bug_is_found(this: Bug) -> None:
    """With the seed that is on record, or else within its budget, the bug breaks one of the rules that are there for it."""
    finding = look_again_for(this)
    assert finding.found, f"{finding.rule} in seed {finding.seeds - 1}: {finding.what}"


@pytest.mark.parametrize("plan", PLANS)
def test_without_a_bug_nothing_is_found(plan: str) -> None:
    """The same seeds break no rule when nothing is planted: it is the bugs that are found, not the harness."""
    with planted(None):
        assert [None] * CLEAN_SEEDS == [broken_rule(PLANS[plan](seed)) for seed in range(CLEAN_SEEDS)]


def test_without_a_bug_the_order_of_sets_decides_nothing() -> None:
    """The comparison that finds a decision by a set finds none in the true machine."""
    assert digests_under("1", "", range(4)) == digests_under("2", "", range(4))


def test_the_list_only_grows() -> None:
    """There are as many bugs as are promised, each with a name of its own, a sentence and a rule."""
    assert len(PLANTED) >= PLANTED_MIN
    assert len(PLANTED) == len(BY_NAME)
    assert [] == [this.name for this in PLANTED if not (this.wrong.endswith(".") and this.rules)]


# --- the harness itself ------------------------------------------------------------------------------------------


def patch_what_is_gone(patch: Patch) -> None:
    """Patch a function that there is not."""
    patch.replace(Commits, "no_such_function", lambda self: None)


def patch_what_takes_something_else(patch: Patch) -> None:
    """Patch a function by one that takes something else."""
    patch.replace(Commits, "hurry", lambda self, faster: None)


def fall_over(patch: Patch) -> None:
    """Call something that is not there, when it runs."""

    def planted(self: Commits, partitions: object) -> None:
        raise AttributeError

    patch.replace(Commits, "moved", planted)


def do_nothing(patch: Patch) -> None:
    """Plant nothing."""


@pytest.mark.parametrize("plant", [patch_what_is_gone, patch_what_takes_something_else, fall_over])
def test_a_bug_that_no_longer_applies_is_no_find(plant: object) -> None:
    """A patch whose place is gone, takes something else, or that breaks by itself, is an error and names the bug."""
    with pytest.raises(PatchError, match=getattr(plant, "__name__", "")):
        look_for(bug(plant, "I1", "I12"), budget=1)  # type: ignore[arg-type]  # a function of this module


def test_a_bug_is_gone_after_the_search() -> None:
    """What was patched is as it was."""
    honest = Commits._of
    look_for(BY_NAME["commit_one_too_far"], budget=1)
    assert honest is Commits._of


def test_a_bug_that_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command fails, and names the bug and the rules that should have found it."""
    monkeypatch.setitem(BY_NAME, "do_nothing", bug(do_nothing, "I1", "I4"))
    assert 1 == command.main(["do_nothing", "--workers", "1", "--budget", "2"])
    printed = capsys.readouterr().out
    assert "found 0 of 1" in printed
    assert "do_nothing was not found in 2 seeds; I1, I4 should have" in printed


def test_a_bug_that_is_found_by_another_rule_is_told() -> None:
    """A rule that is not there for the bug does not count."""
    finding = look_for(BY_NAME["commit_one_too_far"])
    assert (True, False) == (finding.found, Finding(finding.bug, "I17", "", 1, 0.0).found)


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Bugs that are named are looked for, the same seeds are run without them, and all is well."""
    assert 0 == command.main(["commit_one_too_far", "release_a_lane_too_early", "--workers", "2"])
    printed = capsys.readouterr().out
    assert "found 2 of 2" in printed
    assert "with no bug planted, 1 of the same 1 runs break no rule" in printed


def test_the_published_table_names_every_bug() -> None:
    """docs/planted.md has a line for each bug, and the figure of all of them."""
    page = command.PAGE.read_text(encoding="utf-8")
    assert [] == [b.name for b in PLANTED if f"| {b.name.replace('_', ' ')} | {b.wrong} |" not in page]
    assert f"Found: {len(PLANTED)} of {len(PLANTED)}" in page


def test_the_table_names_what_can_be_found() -> None:
    """The page names the tree of the sources, which outlives a rebase, and no commit that nobody has."""
    page = command.page_of([], 0, "0123456789ab")
    assert "\n- Code: `src` with the tree 0123456789ab; `git rev-parse HEAD:src` begins so" in page
    assert "Commit:" not in page


def test_a_tree_is_that_of_what_is_there_now(tmp_path: Path) -> None:
    """What is committed has the id that git gives it, a change has another, and the real index is left alone."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("a = 1\n", encoding="utf-8")
    git("add", "src")
    git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "first")
    assert git("rev-parse", "HEAD:src")[:12] == command.tree_of("src", tmp_path)
    (tmp_path / "src" / "a.py").write_text("a = 2\n", encoding="utf-8")
    assert git("rev-parse", "HEAD:src")[:12] != command.tree_of("src", tmp_path)
    assert "M src/a.py" == git("status", "--short")
    assert "unknown" == command.tree_of("nowhere", tmp_path / "src")


def test_every_bug_has_its_seed_on_record() -> None:
    """`make planted` writes down the seed of each bug, so that `make test` need not look for it."""
    assert BY_NAME.keys() == recorded().keys()


def test_a_seed_that_finds_a_bug_no_longer_is_no_reason_to_miss_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the machine draws otherwise, the record is out of date, and the bug is looked for from the first seed on."""
    this = BY_NAME["ignore_entry_zero"]
    first = look_for(this)
    monkeypatch.setattr(search, "recorded", lambda: {this.name: first.seeds - 2})
    assert first.seeds > 1
    again = look_again_for(this)
    assert (first.rule, first.seeds) == (again.rule, again.seeds)
