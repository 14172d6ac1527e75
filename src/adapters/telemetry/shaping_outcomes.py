"""How it is told what becomes of records before they are mapped: what a transform makes of them, and which schemas are known.

Rows of the table of `outcomes.py`, for the same rules.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from doka.adapters.telemetry.sentences import MESSAGE_CHARACTERS_MAX, figures, many, seconds, span
from doka.adapters.telemetry.telling import Line, Telling
from doka.domain.facts import IntakeClosed, IntakeOpened, RecordsTransformed, SchemaLearned, TransformRaised
from doka.domain.limits import NS_PER_SECOND

TRANSFORM_SECONDS_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
TRANSFORM_SLOW_NS = NS_PER_SECOND // 20
"""From here on the loop stands still for a time that others notice: a put's answer comes in less."""

SHAPING: Final = Telling()
_told = SHAPING.enter

TRANSFORM_SECONDS = SHAPING.instrument(
    "doka_transform_seconds",
    "Time that a route's transform took for the records that it was given together; for so long nothing else is done.",
    "route",
    buckets=TRANSFORM_SECONDS_BUCKETS,
)
SCHEMAS = SHAPING.instrument(
    "doka_schemas_fetched",
    "Schemas that a registry was asked for, by outcome: usable; unusable: nothing can read by it; unknown: there is none.",
    "route",
    "outcome",
)
INTAKE_CLOSED = SHAPING.instrument(
    "doka_intake_closed",
    "How often a route took in nothing more since its schema registry gave no schemas, by reason.",
    "route",
    "reason",
)


@_told(
    RecordsTransformed,
    alike=lambda fact: (fact.route, fact.took >= TRANSFORM_SLOW_NS),
    counts=lambda fact, _: [(TRANSFORM_SECONDS, fact.took / NS_PER_SECOND, (fact.route,))],
    merged=lambda earlier, later: replace(
        later, records=earlier.records + later.records, took=max(earlier.took, later.took)
    ),
)
def _records_transformed(fact: RecordsTransformed) -> Line:
    slow = fact.took >= TRANSFORM_SLOW_NS
    what = "for which nothing else is done: make it quicker, or give it less to do" if slow else "at most"
    return Line(
        logging.WARNING if slow else logging.DEBUG,
        "transform_slow" if slow else "records_transformed",
        f"route {fact.route}: its transform was given {many(fact.records, 'record')} and took {span(fact.took)}, {what}",
        figures(fact, "route", "records", seconds_max=seconds(fact.took)),
    )


@_told(TransformRaised, alike=lambda fact: (fact.route, fact.kind), counts=lambda *_: ())
def _transform_raised(fact: TransformRaised) -> Line:
    return Line(
        logging.ERROR,
        "transform_raised",
        f"route {fact.route}: its transform raised {fact.kind} for {fact.partition} offset {fact.offset}, which can never land so",
        figures(fact, "route", "partition", "offset", "kind"),
    )


@_told(
    SchemaLearned,
    alike=lambda fact: (fact.route, fact.outcome),
    counts=lambda fact, _: [(SCHEMAS, 1, (fact.route, fact.outcome))],
)
def _schema_learned(fact: SchemaLearned) -> Line:
    usable = fact.outcome == "usable"
    what = "is known" if usable else f"cannot be used: {fact.why}; records that name it can never land so"
    return Line(
        logging.INFO if usable else logging.ERROR,
        "schema_known" if usable else f"schema_{fact.outcome}",
        f"route {fact.route}: schema {fact.schema} {what}",
        figures(fact, "route", "schema", "outcome", *(() if usable else ("why",))),
    )


@_told(
    IntakeClosed,
    alike=lambda fact: (fact.route, fact.reason),
    counts=lambda fact, label: [(INTAKE_CLOSED, 1, (fact.route, label(fact.reason)))],
)
def _intake_closed(fact: IntakeClosed) -> Line:
    return Line(
        logging.ERROR,
        "intake_closed",
        f"route {fact.route} takes in nothing more ({fact.reason}): {fact.message}; nothing is lost, what was taken in is sent, "
        "and the schema registry is asked until it answers",
        figures(fact, "route", "reason", said=fact.message[:MESSAGE_CHARACTERS_MAX]),
    )


@_told(IntakeOpened, alike=lambda fact: (fact.route,), ends=lambda fact: [(IntakeClosed, fact.route)])
def _intake_opened(fact: IntakeOpened) -> Line:
    return Line(
        logging.INFO,
        "intake_opened",
        f"route {fact.route} takes records in again, after {span(fact.after)}",
        figures(fact, "route", closed_seconds=seconds(fact.after)),
    )
