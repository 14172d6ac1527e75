from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from doka.app.conformance.bench import Bench, NotJudgedError
from doka.app.conformance.case import Outcome
from doka.app.conformance.order import in_turn, within_a_request
from tests.fake_aws import Answer, Call, FailEntries, FakeAws, Refuse, Shuffle


def changed(change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> Answer:
    """Give an answer whose results are changed."""

    def make(_call: object, body: bytes) -> bytes:
        told = json.loads(body)
        return json.dumps(told | {"Records": change(told["Records"])}).encode()

    return Answer(make)


def of_the_key(call: Call) -> bool:
    """Tell whether a put is of the key whose order is looked at."""
    return call.operation == "PutRecords" and bool(call.body["Records"][0]["PartitionKey"] == "turn-key")


def test_a_key_whose_records_wait_for_one_another_keeps_its_order(bench: Bench, fake_aws: FakeAws) -> None:
    """Also where one of them was refused on the way."""
    fake_aws.inject(FailEntries(), where=of_the_key, skip=2, times=1)
    seen = in_turn(bench)
    assert Outcome.HOLDS is seen.outcome
    told = "5 puts: 0 sequence numbers are not above the one before; 1 went again; "
    assert f"{told}read back in the order in which they were sent" == seen.answered


def test_an_inversion_is_found(bench: Bench, fake_aws: FakeAws) -> None:
    """A number that is below the one before says that the later record lies before it."""
    low = [{"SequenceNumber": "7", "ShardId": "shardId-000000000000"}]
    fake_aws.inject(changed(lambda _results: low), where=of_the_key, skip=2, times=1)
    seen = in_turn(bench)
    assert (Outcome.FAILS, True) == (seen.outcome, seen.answered.startswith("5 puts: 1 sequence numbers"))


def test_a_loss_is_found(bench: Bench) -> None:
    """What has a number and is not in the stream."""
    read = bench.landed
    bench.landed = lambda prefix: read(prefix)[1:]  # type: ignore[method-assign]  # the fake loses nothing by itself
    seen = in_turn(bench)
    assert (Outcome.FAILS, True) == (seen.outcome, seen.answered.endswith("; 1 are not in the stream"))


@pytest.mark.parametrize(
    ("shuffled", "words"), [(False, "all 40 records lie in the order"), (True, "of 40 records lie before one")]
)
def test_order_inside_a_request_is_told_and_nothing_leans_on_it(
    bench: Bench, fake_aws: FakeAws, words: str, *, shuffled: bool
) -> None:
    """AWS promises none, and doka counts on none."""
    if shuffled:
        fake_aws.inject(Shuffle(), times=None)
    seen = within_a_request(bench)
    assert (Outcome.HOLDS, True) == (seen.outcome, words in seen.answered)


def test_places_that_are_not_those_of_the_request_are_found(bench: Bench, fake_aws: FakeAws) -> None:
    """An answer whose results stand in another order than the entries would settle what did not land."""
    fake_aws.inject(changed(lambda results: results[::-1]), times=1)
    seen = within_a_request(bench)
    assert (Outcome.FAILS, "20 of 40 records do not stand where the answer says") == (seen.outcome, seen.answered)


def test_without_an_answer_nothing_is_judged(bench: Bench, fake_aws: FakeAws) -> None:
    """Somebody has to look why."""
    fake_aws.will(Refuse("AccessDeniedException", "no"))
    with pytest.raises(NotJudgedError, match=r"AccessDeniedException \(no\)"):
        within_a_request(bench)
