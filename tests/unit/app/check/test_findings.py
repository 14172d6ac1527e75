from __future__ import annotations

import json

import pytest

from doka.app.check.findings import Finding, FindingVerdict, all_fine


@pytest.mark.parametrize(
    ("verdict", "fine"),
    [
        (FindingVerdict.FINE, True),
        (FindingVerdict.WARNING, True),
        (FindingVerdict.FAILED, False),
        (FindingVerdict.SKIPPED, False),
    ],
)
def test_only_failures_and_what_could_not_be_seen_count(verdict: FindingVerdict, fine: bool) -> None:  # noqa: FBT001 - a parameter of the table
    """A warning lets a deployment go on; what nobody looked at does not."""
    good = Finding("kafka", "b-1:9098", FindingVerdict.FINE, "answers")
    assert all_fine([good, Finding("topic", "orders", verdict, "told")]) is fine


def test_a_finding_is_plain_data_for_a_machine() -> None:
    """Every part of it, under a fixed name."""
    finding = Finding("topic", "orders", FindingVerdict.FAILED, "does not exist", "create it", {"code": "x"})
    assert json.loads(json.dumps(finding.as_data())) == {
        "step": "topic",
        "subject": "orders",
        "verdict": "failed",
        "told": "does not exist",
        "cure": "create it",
        "facts": {"code": "x"},
    }
