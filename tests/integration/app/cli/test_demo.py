"""The demo as a user runs it: a process of its own, its exit code and what it prints."""

import os
import re

import pytest

from tests.warm import DOKA, run_warm


def _run(*options: str, progress: str = "", **environment: str) -> tuple[int, str]:
    """Give the exit code and what was printed; on stderr is nothing but lines of progress."""
    given = os.environ | environment
    done = run_warm([DOKA, "demo", *options], timeout=150, text=True, env=given)
    assert [] == [line for line in done.stderr.splitlines() if not (progress and re.fullmatch(progress, line))]
    return done.returncode, " ".join(done.stdout.split())


def test_doka_delivers_everything_once_and_in_order_while_tokens_die() -> None:
    """With tokens that die every 3 s, 10,000 records land exactly once, in order, under at least three leases."""
    code, shown = _run("--records", "12500", "--token-seconds", "3")

    assert "lost 0, duplicates 0, out of order 0" in shown
    used = re.search(r"leases used (\d+) AWS", shown)
    assert used is not None
    assert int(used[1]) >= 3
    assert "in 12,500 records acknowledged by Kafka out 12,500 records read back" in shown
    assert code == 0


def test_the_original_service_loses_what_came_after_its_token_died() -> None:
    """The service of the incident moves every offset and says how many records vanished."""
    code, shown = _run("--records", "5000", "--token-seconds", "1", "--policy", "never", "--original")

    lost = re.search(r"lost (\d+), duplicates 0", shown)
    assert lost is not None
    assert int(lost[1]) > 1_000
    assert "This is the incident" in shown
    assert f"the offsets moved over 5,000 records, {int(lost[1]):,} of them are gone" in shown
    assert code == 1


def test_doka_without_renewal_stops_loudly_and_loses_nothing() -> None:
    """Even without renewal nothing is committed past what landed: the rest waits in Kafka."""
    code, shown = _run("--records", "6000", "--token-seconds", "2", "--policy", "never")

    assert "lost 0, duplicates 0, out of order 0" in shown
    assert "The route is blocked (lease_ended), loudly, and nothing was committed past it" in shown
    assert code == 1


def test_what_the_incident_lost_is_found_and_sent_again() -> None:
    """More than 10,000 are lost, as many are replayed, then none is, and nothing is there twice; each command is shown.

    A setting of another doka in the environment is not asked.
    """
    options = ["--recover", "--records", "14000", "--token-seconds", "3"]
    code, shown = _run(*options, progress=r"[\d,]+ of [\d,]+, .* left", DOKA_KAFKA__GROUP_ID="another")

    told = re.search(r"lost ([\d,]+), replayed ([\d,]+), lost 0, sent twice 0 ", shown)
    assert told is not None, shown
    lost = told[1]
    assert lost == told[2]
    assert int(lost.replace(",", "")) > 10_000
    typed = (
        "$ doka audit --since 1h --file monday.duckdb --config doka.yaml",
        "$ doka replay --audit monday.duckdb --yes --config doka.yaml",
        "$ doka audit --since 1h --file proof.duckdb --config doka.yaml",
    )
    assert list(typed) == [line for line in typed if line in shown]
    assert f"{lost} records are lost: committed by the group, and nowhere in" in shown
    assert f"{lost} records landed. " in shown
    assert "All that was asked for" in shown
    assert "Nothing is lost: of 14,000 records" in shown
    assert code == 0


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        (["--original", "--policy", "never"], "leave out --policy and --original"),
        (["--policy", "on_demand"], "leave out --policy and --original"),
        (["--records", "10000"], "take --records 16251 or more"),
        (["--token-seconds", "60"], "take --records 85001 or more"),
    ],
)
def test_a_recovery_is_of_the_incident_and_of_much(options: list[str], cure: str) -> None:
    """What would make it another play, or one that loses too little, is an error that names the cure, in one line."""
    done = run_warm([DOKA, "demo", "--recover", *options], timeout=60, text=True)

    assert done.returncode == 2
    assert done.stdout == ""
    assert [True] == [cure in line for line in done.stderr.splitlines()]


def test_the_original_service_never_renewed() -> None:
    """Asking for the original service under another policy is an error that names the cure, in one line."""
    done = run_warm([DOKA, "demo", "--original"], timeout=60, text=True)

    assert done.returncode == 2
    assert "add --policy never" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
