"""Each sentence of /readyz leads to a heading that is there."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import pytest

from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.page.runbook import _PLACES, ELSEWHERE, place_of
from doka.app.workers.health import WorkerReport, WorkersHealth
from doka.domain.status import GroupStatus
from tests.architecture.source_tree import ROOT
from tests.unit.adapters.telemetry.given import hand_clock, partition_status, status


@cache
def headings(file: str) -> frozenset[str]:
    """Give the anchors of a document, as they are made of its headings."""
    found = re.findall(r"^#+ (.*)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in found)


def sentences_of_the_page() -> list[str]:
    """Give what /readyz says by the tables of docs/operating.md."""
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| `/readyz` says | `reason` | what to do |\n")
    rows = table[: table.index("\n\n")].splitlines()[1:]
    return [re.split(r" \| ", row)[0].strip("| `") for row in rows]


@pytest.mark.parametrize("place", sorted({f"docs/{place}" for _, place in _PLACES} | {ELSEWHERE}))
def test_each_place_is_there(place: str) -> None:
    """A heading that is renamed takes the ways to it along."""
    file, _, anchor = place.partition("#")
    assert not anchor or anchor in headings(file)


def test_each_sentence_of_the_documents_leads_to_what_explains_it() -> None:
    """None ends at the table of all that can go wrong."""
    found = sentences_of_the_page()
    assert len(found) >= 15
    assert [] == [each for each in found if place_of(each) == ELSEWHERE]


def test_each_sentence_of_the_code_does_so_too() -> None:
    """What a process says of itself, and what a supervisor says of its workers; only a halt leads to the table."""
    clock = hand_clock()
    told = replace(
        status(clock, blocked="clock_skew", partition=partition_status(stuck="offset 3 should be read next")),
        group=GroupStatus(joined=False, lost_since=0, why="refused"),
        missing_topics=frozenset({"orders"}),
        refused_topics=frozenset({"orders"}),
    )
    health, workers = Health(clock, lambda: (b"", "")), WorkersHealth(3, clock.now())
    sentences = [*health.reasons(), *told.reasons(), *replace(told, draining=True).reasons()]
    workers.reported(0, WorkerReport(None, told.reasons()), clock.now())
    workers.went_down(1, "died by signal 9", clock.now())
    sentences += workers.reasons(clock.now())
    clock.pass_seconds(90)
    workers.stopping("SIGTERM")
    sentences += [*health.reasons(), *workers.reasons(clock.now())]
    assert len(set(sentences)) >= 15
    assert [] == [each for each in sentences if place_of(each) == ELSEWHERE]
    assert ELSEWHERE == place_of("halted: a rule that protects the data is broken")
