from __future__ import annotations

import logging

from doka.adapters.telemetry.outcomes import OUTCOMES
from doka.adapters.telemetry.shaping_outcomes import INTAKE_CLOSED, SCHEMAS, SHAPING
from doka.domain.facts import IntakeClosed, IntakeOpened, SchemaLearned
from doka.domain.limits import NS_PER_SECOND


def test_the_rows_are_in_the_table_of_all_outcomes() -> None:
    """With their instruments, each once."""
    assert SHAPING.kinds < OUTCOMES.kinds
    assert all(OUTCOMES.instruments.count(each) == 1 for each in SHAPING.instruments)


def test_a_schema_is_told_and_counted_by_its_outcome() -> None:
    """One by which nothing reads is an error, with its reason."""
    known, unknown = SchemaLearned("orders", "7", "usable"), SchemaLearned("orders", "8", "unknown", "there is none")
    line = OUTCOMES.line(known)
    assert (logging.INFO, "schema_known", "route orders: schema 7 is known") == (line.level, line.event, line.message)
    line = OUTCOMES.line(unknown)
    told = "route orders: schema 8 cannot be used: there is none; records that name it can never land so"
    assert (logging.ERROR, "schema_unknown", told) == (line.level, line.event, line.message)
    assert [(SCHEMAS, 1, ("orders", "unknown"))] == list(OUTCOMES.moves(unknown, str))


def test_a_closed_intake_is_told_and_its_end_too() -> None:
    """With what was said of the registry."""
    closed = IntakeClosed("orders", "schema_registry:http_500", "it answers HTTP 500")
    line = OUTCOMES.line(closed)
    told = (
        "route orders takes in nothing more (schema_registry:http_500): it answers HTTP 500; nothing is lost, what was taken in "
        "is sent, and the schema registry is asked until it answers"
    )
    assert (logging.ERROR, "intake_closed", told) == (line.level, line.event, line.message)
    assert [(INTAKE_CLOSED, 1, ("orders", "schema_registry:http_500"))] == list(OUTCOMES.moves(closed, str))
    opened = OUTCOMES.line(IntakeOpened("orders", 90 * NS_PER_SECOND))
    assert ("intake_opened", "route orders takes records in again, after 90 s") == (opened.event, opened.message)
