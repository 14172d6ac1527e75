"""Which rules meet which request, and how often."""

from __future__ import annotations

import pytest

from tests.fake_aws.script import Call, Delay, FailEntries, Hold, Refuse, Reset, Script

PUT = Call("PutRecords", "orders", {})


def refusals(script: Script, calls: int, call: Call = PUT) -> list[bool]:
    """Say of so many calls in a row whether each is refused."""
    return [script.fate_of(call).refuse is not None for _ in range(calls)]


def test_without_a_rule_nothing_befalls_a_request() -> None:
    """An empty script is calm."""
    fate = Script(0).fate_of(PUT)
    assert (None, [], None, None) == (fate.refuse, fate.entries, fate.reset, fate.garble)


def test_a_rule_lets_some_pass_and_ends() -> None:
    """`skip` counts requests that the rule would have met, `times` those that it met."""
    script = Script(0)
    rule = script.add(Refuse("X"), skip=2, times=2)
    assert [False, False, True, True, False] == refusals(script, 5)
    assert 2 == script.fired(rule.id)


def test_a_rule_can_last_for_ever_and_be_withdrawn() -> None:
    """Without an end it meets every request until it is taken away; what it did stays counted."""
    script = Script(0)
    rule = script.add(Refuse("X"), times=None)
    assert [True] * 3 == refusals(script, 3)
    script.withdraw(rule.id)
    assert ([False], 3) == (refusals(script, 1), script.fired(rule.id))


@pytest.mark.parametrize(
    ("call", "met"),
    [
        (PUT, True),
        (Call("PutRecords", "payments", {}), False),
        (Call("AssumeRole", "", {}), False),
        (Call("PutRecord", "orders", {}), False),
    ],
)
def test_a_rule_meets_what_it_names(call: Call, met: bool) -> None:  # noqa: FBT001 - a column of the table
    """Operation and stream must both fit."""
    script = Script(0)
    script.add(Refuse("X"), on=["PutRecords", "GetRecords"], stream="orders")
    assert [met] == refusals(script, 1, call)


def test_a_star_means_every_operation() -> None:
    """A rule for all meets STS as well."""
    script = Script(0)
    script.add(Refuse("X"), on="*", times=None)
    assert [True, True] == refusals(script, 1) + refusals(script, 1, Call("AssumeRole", "", {}))


def test_a_predicate_that_says_no_uses_nothing_up() -> None:
    """A request outside `where` counts neither for `skip` nor for `times`."""
    script = Script(0)
    script.add(Refuse("X"), where=lambda call: bool(call.body))
    assert [False, True, False] == (
        refusals(script, 1) + refusals(script, 1, Call("PutRecords", "orders", {"Records": []})) + refusals(script, 1)
    )


def test_a_share_of_requests_follows_the_seed() -> None:
    """The same seed draws the same requests, and about as many as asked for."""

    def drawn(seed: int) -> list[bool]:
        script = Script(seed)
        script.add(Refuse("X"), fraction=0.25, times=None)
        return refusals(script, 1000)

    assert drawn(7) == drawn(7)
    assert 200 < sum(drawn(7)) < 300


def test_a_fate_is_gathered_from_all_rules() -> None:
    """Delays add up, entry faults queue, the first refusal wins."""
    script = Script(0)
    script.add(Delay(1), FailEntries("A"))
    script.add(Delay(2), Delay(4, at="acceptance"), FailEntries("B"), Refuse("first"), Hold("x", at="acceptance"))
    script.add(Refuse("second"), Hold("y"))
    fate = script.fate_of(PUT)
    assert (3.0, 4.0, ["A", "B"], ["x"], ["y"]) == (
        fate.delay_answer,
        fate.delay_acceptance,
        [fault.code for fault in fate.entries],
        fate.hold_acceptance,
        fate.hold_answer,
    )
    assert Refuse("first") == fate.refuse


def test_a_reset_in_the_body_is_asked_for_apart() -> None:
    """It is decided from the head, once, and is no part of the fate."""
    script = Script(0)
    script.add(Reset("during"))
    assert None is script.fate_of(PUT).reset
    assert [None, 0.5, None] == [script.torn_at(name) for name in ("DescribeStreamSummary", "PutRecords", "PutRecords")]


def test_the_next_requests_have_fates_of_their_own() -> None:
    """One each, in order; a rule meets none that has an action, and meets the others."""
    script = Script(0)
    rule = script.add(Refuse("rule"), times=None)
    script.then(Refuse("first"), None, (Delay(1), Hold()), Reset("head"))
    taken = [script.take() for _ in range(5)]
    assert [None, None, None, 0.0, None] == [script.torn_at("PutRecords", each) for each in taken]
    fates = [script.fate_of(PUT, each) for each in taken]
    assert [Refuse("first"), Refuse("rule"), None, None, Refuse("rule")] == [fate.refuse for fate in fates]
    assert (1.0, ["held"], 2) == (fates[2].delay_answer, fates[2].hold_answer, script.fired(rule.id))


def test_what_comes_next_is_withdrawn_with_all_rules() -> None:
    """Nothing of an old script falls on a later request."""
    script = Script(0)
    script.then(Refuse("first"))
    script.withdraw()
    assert () == script.take()


def test_a_rule_without_an_action_is_a_mistake() -> None:
    """Such a test would test nothing."""
    with pytest.raises(ValueError, match="without an action"):
        Script(0).add()
