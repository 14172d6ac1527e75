from __future__ import annotations

import re

import pytest

from doka.app.conformance import case
from doka.app.conformance.case import Leaning, Need
from tests.architecture.source_tree import ROOT

LEANINGS = [each for each in vars(case).values() if isinstance(each, Leaning)]


@pytest.mark.parametrize("leaning", LEANINGS, ids=lambda each: each.sentence[:40])
def test_what_leans_on_a_case_is_a_sentence_of_the_guarantees(leaning: Leaning) -> None:
    """Word for word, and under the promise that is named."""
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    of_promise = re.search(rf"^## {leaning.promise}:.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert of_promise is not None
    assert leaning.sentence in of_promise[0]


def test_what_is_needed_is_said_as_what_to_add() -> None:
    """An option, or what to do by hand."""
    assert ["--wait-for-expiry", "--on-demand"] == [
        found[0] for need in Need if (found := re.search(r"--[a-z-]+$", need.value))
    ]
