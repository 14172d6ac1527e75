"""The comparison of what was seen with docs/failure-modes.md: it finds what is there, and it can fail."""

from __future__ import annotations

import pytest

from tests.failure_modes import Row, Sample, Seen, Sees, rows

CALM = Seen(
    Sample.of_page(
        "# HELP doka_lag_records the lag\n"
        'doka_lag_records{topic="t",partition="0"} 3.0\n'
        'doka_failed_total{code="AccessDenied",route="r"} 2.0\n'
        'doka_failed_total{code="Odd",route="s"} 0.0\n'
    ),
    reasons=(),
    log=[{"event": "started", "level": "info", "message": "doka has started"}],
    after=0,
)
LATER = Seen(
    Sample.of_page('doka_lag_records{topic="t",partition="0"} 5.0\ndoka_left_seconds 1.5\n'),
    reasons=["route r is blocked: lease_refused:AccessDenied", "topic orders-1 does not exist"],
    ill=["the loop has not turned for 61 s (limit 60 s)"],
    log=[
        *CALM.log,
        {
            "event": "lease_failed",
            "level": "warning",
            "message": 'no "new" lease',
            "cure": "call",
            "said": "",
            "role": "w",
        },
        {"event": "log", "level": "warning", "message": "puts of route r fail (timeout)"},
    ],
    after=60,
)
ENDED = Seen(log=LATER.log, exit_code=1)


def _missing(entry: str, *looks: Seen, chosen: str = "", **words: str) -> list[str]:
    clauses = Row("title", "does", entry, "cure", "room").clauses(**words)
    return [missing for clause in clauses for missing in clause.missing(looks, chosen)]


@pytest.mark.parametrize(
    ("entry", "looks"),
    [
        ("nothing", [CALM]),
        ("`doka_lag_records`", [CALM]),
        ('`doka_failed_total{code="CODE"}`', [CALM]),
        ("`doka_lag_records` grows", [CALM, LATER]),
        ("`doka_lag_records` falls", [LATER, CALM]),
        ("no `doka_failed_total`", [CALM, LATER]),
        ("`lease_refused:CODE` in `/readyz`", [LATER]),
        ('"topic NAME does not exist" in `/readyz`; "has not turned" in `/healthz`', [LATER]),
        ("`lease_failed` with `cure` in the log", [LATER]),
        ("the reason, `timeout`, in the log", [LATER]),
        ("`reset` or `timeout` in the log", [LATER]),
        ("exit code 1; `lease_failed` in the log", [LATER, ENDED]),
        ("after 60 s `doka_left_seconds`", [CALM, LATER]),
        ("after 1 min `lease_refused:AccessDenied` in `/readyz`", [CALM, LATER]),
    ],
)
def test_what_is_there_is_found(entry: str, looks: list[Seen]) -> None:
    """Each form of a clause, shown by looks that have it."""
    assert [] == _missing(entry, *looks)


@pytest.mark.parametrize(
    ("entry", "looks"),
    [
        ("nothing", [CALM, LATER]),
        ("nothing", [ENDED]),
        ("nothing", [Seen()]),
        ("`doka_left_seconds`", [CALM]),
        ('`doka_failed_total{code="Odd"}`', [CALM]),
        ('`doka_failed_total{code="Denied"}`', [CALM]),
        ('`doka_lag_records{code="CODE"}`', [CALM]),
        ("`doka_lag_records` grows", [LATER]),
        ("`doka_lag_records` grows", [LATER, CALM]),
        ("`doka_lag_records` falls", [CALM, LATER]),
        ("no `doka_lag_records`", [CALM, LATER]),
        ("no `doka_lag_records`", [ENDED]),
        ("`lease_refused` in `/healthz`", [LATER]),
        ("`lease` in `/readyz`", [LATER]),
        ("`lease_failed` with `said` in the log", [LATER]),
        ("`started` with `cure` in the log", [LATER]),
        ("`reset` or `refused` in the log", [LATER]),
        ("exit code 0", [ENDED]),
        ("exit code 1", [LATER]),
        ("after 30 s `doka_left_seconds`", [CALM, LATER]),
        ("after 90 s `doka_left_seconds`", [CALM, LATER]),
        ("after 60 s `doka_left_seconds`", [LATER]),
        ("after 60 s `doka_lag_records`", [CALM, LATER]),
    ],
)
def test_what_is_not_there_is_missed(entry: str, looks: list[Seen]) -> None:
    """Each form of a clause, against looks that do not have it, or not at that time."""
    assert 1 == len(_missing(entry, *looks))


def test_capitals_stand_for_a_word_that_a_test_may_name() -> None:
    """Any word will do where none is given, and no other one where it is."""
    entry = "`lease_refused:CODE` in `/readyz`"
    assert [] == _missing(entry, LATER, CODE="AccessDenied")
    assert ["not seen: lease_refused:Throttling in `/readyz`"] == _missing(entry, LATER, CODE="Throttling")


def test_a_chosen_alternative_is_the_one_that_is_looked_for() -> None:
    """Another one that is there as well does not do."""
    assert ["not seen: reset"] == _missing("`reset` or `timeout` in the log", LATER, chosen="reset")


@pytest.mark.parametrize(
    "entry",
    ["", "a log line", "lag for a while", "`timeout`", "the reason in the log", "`a` in the log or in `/readyz`"],
)
def test_an_entry_that_cannot_be_looked_for_is_refused(entry: str) -> None:
    """Prose alone, a word without its place, and a place without its word."""
    with pytest.raises(ValueError, match=r"it does not say|nothing that could be"):
        Row("title", "does", entry, "cure", "room").clauses()


def test_a_look_is_cut_to_what_is_told_of_one_thing() -> None:
    """Series, reasons and lines of others, or of nobody, are left out."""
    of_r = CALM.about(route="r"), LATER.about(route="r", topic="none")
    assert [["doka_failed_total"], []] == [[sample.name for sample in look.samples] for look in of_r]
    assert ["route r is blocked: lease_refused:AccessDenied"] == of_r[1].reasons
    assert ["log"] == [line["event"] for line in of_r[1].log]
    assert ["lease_failed"] == [line["event"] for line in LATER.about(role="w").log]


def test_rows_are_read_with_the_part_of_the_table_that_they_are_in() -> None:
    """The head, the line below it and the names of the parts are no rows."""
    page = "# Title\n\n| a | b | c | d |\n|---|---|---|---|\n| **Kafka** | | | |\n| one | two | three `x` | four |\n"
    assert [Row("one", "two", "three `x`", "four", "Kafka")] == rows(page)
    with pytest.raises(ValueError, match="a row of 3 columns: one"):
        rows(page.replace(" | four", ""))


def test_a_test_that_never_looked_is_found() -> None:
    """What a mark promises must have been compared, with all of its alternatives."""
    title = "the stream is being created or deleted"
    sees = Sees([title])
    with pytest.raises(AssertionError, match="never looked at"):
        sees.close()
    sees(Seen(reasons=["route r is blocked: stream_creating"]))
    with pytest.raises(AssertionError, match=r"never seen: .*stream_deleting in"):
        sees.close()
    sees(Seen(reasons=["route r is blocked: stream_deleting"]))
    sees.close()
    with pytest.raises(AssertionError, match="has no such row"):
        Sees(["nobody wrote this"])
