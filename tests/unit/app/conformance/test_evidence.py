from __future__ import annotations

from dataclasses import replace

from doka.app.conformance.case import Case, Leaning, Outcome, Seen
from doka.app.conformance.evidence import Evidence, counted, data_of, page_of, remove_command, without_accounts
from doka.app.conformance.trial import Result

CASE = Case(
    "in_turn",
    "one behind the other",
    (Leaning("G3", "later is behind."),),
    lambda _bench: Seen(Outcome.HOLDS, "", ""),
)
ARN = "arn:aws:kinesis:eu-west-1:210987654321:stream/x"
HELD = Result(CASE, Seen(Outcome.HOLDS, f"taken by {ARN}", "order is kept"))
EVIDENCE = Evidence((HELD,), version="0.2.0", route="orders", region="eu-west-1", answers="AWS", began=1_764_000_000.0)


def test_the_page_says_what_was_asked_answered_and_leans_on_it() -> None:
    """Whole, and without the number of an account."""
    assert page_of(EVIDENCE) == (
        "# Conformance of Kinesis and STS with what doka leans on\n\n"
        "Asked by doka 0.2.0 of AWS in eu-west-1, for route orders, on 2025-11-24T16:00:00Z.\n"
        "Of 1 cases 1 hold.\n\n"
        "## in_turn: holds\n\n"
        "- Asked: one behind the other.\n"
        "- Answered: taken by arn:aws:kinesis:eu-west-1:ACCOUNT:stream/x.\n"
        "- Design: order is kept.\n"
        "- Leans on it: G3 in docs/guarantees.md, «later is behind».\n"
    )


def test_data_has_the_same() -> None:
    """By name; with account numbers where they are wanted."""
    data = data_of(replace(EVIDENCE, with_account=True))
    assert (1, True, False, []) == (data["version"], data["holds"], data["stopped"], data["left"])
    assert data["cases"] == [
        {
            "name": "in_turn",
            "asked": "one behind the other",
            "outcome": "holds",
            "answered": f"taken by {ARN}",
            "design": "order is kept",
            "leans": [{"promise": "G3", "sentence": "later is behind."}],
        }
    ]


def test_what_is_left_behind_is_named_with_what_removes_it() -> None:
    """And the design does not hold in all then: somebody has to act."""
    left = replace(EVIDENCE, left=("doka-conformance-1",), stopped=True)
    command = "aws kinesis delete-stream --stream-name doka-conformance-1 --region eu-west-1"
    assert command == remove_command("doka-conformance-1", "eu-west-1")
    assert f"The stream doka-conformance-1 could not be removed: `{command}`.\n" in page_of(left)
    assert "It was stopped before its end.\n" in page_of(left)
    assert [{"stream": "doka-conformance-1", "remove": command}] == data_of(left)["left"]
    assert (True, False) == (EVIDENCE.holds, left.holds)


def test_it_holds_where_nothing_fails_and_nothing_is_open() -> None:
    """What differs, and what was left out, is no failure."""
    of = {outcome: replace(EVIDENCE, results=(Result(CASE, Seen(outcome, "-", "-")),)).holds for outcome in Outcome}
    assert {Outcome.FAILS, Outcome.OPEN} == {outcome for outcome, holds in of.items() if not holds}
    mixed = replace(EVIDENCE, results=(HELD, HELD, Result(CASE, Seen(Outcome.OPEN, "-", "-"))))
    assert "2 hold; 1 could not be judged" == counted(mixed)


def test_only_numbers_of_accounts_are_taken_out() -> None:
    """Not longer ones, and none where they are wanted."""
    assert "x ACCOUNT 1234567890123" == without_accounts("x 210987654321 1234567890123")
    assert "210987654321" == without_accounts("210987654321", wanted=True)
