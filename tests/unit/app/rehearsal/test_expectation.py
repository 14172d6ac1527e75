"""Whether a record becomes what a test says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doka.app.rehearsal.expectation import Expectation, state_of
from doka.domain.records import TopicPartition
from doka.domain.routes.preview import Preview

SENT = Preview(TopicPartition("orders", 0), 7, None, "k", b'{"id": 1}', 9, None, None, value=b'{"id": 1}')
FILTERED = replace(SENT, key=None, data=b"", value=None, filtered="transform")
POISON = replace(SENT, code="TransformFailed", raised="KeyError")
DRAWN = replace(SENT, key=None)


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (Expectation(), SENT),
        (Expectation(value=b'{"id": 1}', partition_key="k"), SENT),
        (Expectation(json={"id": 1}), SENT),
        (Expectation(value=None, json=None), replace(SENT, value=None)),
        (Expectation(filtered=True), FILTERED),
        (Expectation(filtered="transform"), FILTERED),
        (Expectation(poison=True), POISON),
        (Expectation(poison="TransformFailed"), POISON),
    ],
)
def test_what_is_as_expected(expected: Expectation, found: Preview) -> None:
    """Nothing is said of it."""
    assert [] == list(expected.missed(found, payload=True))


@pytest.mark.parametrize(
    ("expected", "found", "told"),
    [
        (Expectation(), FILTERED, ["is filtered (transform), not sent"]),
        (Expectation(value=b"a"), POISON, ["is poison (TransformFailed: KeyError), not sent"]),
        (Expectation(filtered=True), SENT, ["is kept, not filtered"]),
        (Expectation(filtered="other"), FILTERED, ["is filtered (transform), not filtered (other)"]),
        (Expectation(poison="NoValue"), POISON, ["is poison (TransformFailed: KeyError), not poison (NoValue)"]),
        (Expectation(poison=True), FILTERED, ["is filtered (transform), not poison"]),
        (Expectation(poison=True), replace(SENT, changed=True), ["is changed, not poison"]),
        (Expectation(json={"id": True}), SENT, ["has another value"]),
        (Expectation(json={"id": 1}), replace(SENT, value=b"no JSON"), ["has another value"]),
        (
            Expectation(value=b"a", partition_key="l"),
            SENT,
            ["has another value", "has the partition key 'k', not 'l'"],
        ),
        (Expectation(partition_key="l"), DRAWN, ["has the partition key drawn at random, not 'l'"]),
    ],
)
def test_what_is_not_is_said_without_what_the_record_holds(
    expected: Expectation, found: Preview, told: list[str]
) -> None:
    """A clause for each."""
    assert told == list(expected.missed(found, payload=False))


def test_with_payload_both_values_are_told() -> None:
    """For whoever mends the function."""
    assert [
        """has another value: b'{"id": 1}', not b'a'""",
    ] == list(Expectation(value=b"a").missed(SENT, payload=True))
    assert ["""has another value: b'{"id": 1}', not {"id": 2}"""] == list(
        Expectation(json={"id": 2}).missed(SENT, payload=True)
    )


def test_each_state_in_short() -> None:
    """As the table shows it."""
    assert ["kept", "changed", "filtered (transform)", "poison (TransformFailed: KeyError)", "poison (NoValue)"] == [
        state_of(each) for each in (SENT, replace(SENT, changed=True), FILTERED, POISON, replace(SENT, code="NoValue"))
    ]
