"""The same cases against both adapters of the port `Sink`: to the fake AWS over HTTP, and the simulated one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from doka.domain.events import Event, Landings, PutAmbiguous, PutAnswered, PutRefused, PutUnsent
from doka.domain.limits import NS_PER_MS, NS_PER_SECOND
from tests.contract.aws_rigs import SHORT_NS, AwsRig, each_account, put_of

pytest_plugins = ["tests.fake_aws.fixtures"]

THREE = (("one", b"1"), ("two", b"2"), ("three", b"3"))
THROTTLED = "ProvisionedThroughputExceededException"


@pytest.fixture(params=["kinesis", "simulated"])
def rig(request: pytest.FixtureRequest) -> Iterator[AwsRig]:
    """Give each account in turn."""
    yield from each_account(request)


def answers(rig: AwsRig, count: int = 1, within: int = 20 * NS_PER_SECOND) -> Sequence[Event]:
    """Wait for so many answers."""
    found: list[Event] = []
    deadline = rig.clock.now() + within
    while len(found) < count and rig.clock.now() < deadline:
        found += rig.sink.answers(50 * NS_PER_MS)
    return found


def test_what_landed_is_answered_and_is_in_the_stream(rig: AwsRig) -> None:
    """A good put is answered without a failed entry, and its entries are in the stream, in order."""
    rig.sink.submit(put_of(rig, 1, *THREE))
    assert [PutAnswered(1)] == answers(rig)
    assert list(THREE) == rig.landed()


def test_a_refused_entry_is_named_and_its_neighbours_landed(rig: AwsRig) -> None:
    """An entry that is refused is told by its index and code; the others land."""
    rig.refuse_key("two")
    rig.sink.submit(put_of(rig, 1, *THREE))
    assert [PutAnswered(1, {1: THROTTLED})] == answers(rig)
    assert [THREE[0], THREE[2]] == rig.landed()


def landings_of(rig: AwsRig, *entries: tuple[str, bytes]) -> Landings:
    """Put these entries, and give where they came to lie."""
    rig.sink.submit(put_of(rig, 1, *entries, wants_landings=True))
    (answer,) = answers(rig)
    assert isinstance(answer, PutAnswered)
    assert answer.landings is not None
    return answer.landings


SIX = tuple(("one", b"%d" % number) for number in range(6))


def test_where_entries_came_to_lie_is_told_when_it_is_asked_for(rig: AwsRig) -> None:
    """Each entry that landed has its shard and its sequence number, which ascends within a shard; a refused one has none."""
    rig.refuse_key("two")
    shards, numbers = landings_of(rig, *SIX, THREE[1], SIX[0])
    assert ("", "") == (shards[6], numbers[6])
    assert 1 == len({*shards[:6], shards[7]})
    read = [int(number) for number in (*numbers[:6], numbers[7])]
    assert sorted(set(read)) == read


def test_numbers_tell_in_which_order_entries_landed(rig: AwsRig) -> None:
    """Where the service lands the entries of a request in another order, their sequence numbers show it."""
    rig.turn_entries_over()
    _, numbers = landings_of(rig, *SIX)
    in_order = sorted(SIX, key=lambda entry: int(numbers[SIX.index(entry)]))
    assert list(SIX) != in_order
    assert in_order == rig.landed()


def test_nobody_who_did_not_ask_is_told_where_entries_lie(rig: AwsRig) -> None:
    """It costs something for each entry."""
    rig.sink.submit(put_of(rig, 1, *THREE))
    assert [None] == [event.landings for event in answers(rig) if isinstance(event, PutAnswered)]


@pytest.mark.parametrize(
    "code",
    ["ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException", "AccessDeniedException"],
)
def test_a_revoked_lease_is_refused_by_its_code(rig: AwsRig, code: str) -> None:
    """A put under a lease that was revoked is refused as a whole, with the service's code, and nothing lands."""
    lease = rig.lease()
    rig.revoke(code)
    rig.sink.submit(put_of(rig, 1, *THREE, lease=lease))
    assert [(1, code)] == [(e.put, e.code) for e in answers(rig) if isinstance(e, PutRefused)]
    assert [] == rig.landed()


def test_a_request_in_flight_keeps_its_lease(rig: AwsRig) -> None:
    """Two puts under two leases are each judged by their own."""
    old = rig.lease()
    rig.revoke("ExpiredTokenException")
    rig.sink.submit(put_of(rig, 1, THREE[0], lease=old))
    rig.sink.submit(put_of(rig, 2, THREE[1]))
    found = {event.put: type(event) for event in answers(rig, 2) if isinstance(event, PutAnswered | PutRefused)}
    assert {1: PutRefused, 2: PutAnswered} == found
    assert [THREE[1]] == rig.landed()


def test_a_throttled_request_landed_nothing(rig: AwsRig) -> None:
    """A request that is throttled as a whole is refused, not ambiguous."""
    rig.next_put("throttled")
    rig.sink.submit(put_of(rig, 1, *THREE))
    assert [(1, THROTTLED)] == [(e.put, e.code) for e in answers(rig) if isinstance(e, PutRefused)]
    assert [] == rig.landed()


def test_a_missing_stream_is_refused_by_name(rig: AwsRig) -> None:
    """A put to a stream that is not there is refused with ResourceNotFoundException."""
    lease = rig.lease()
    rig.delete_stream()
    rig.sink.submit(put_of(rig, 1, *THREE, lease=lease))
    assert ["ResourceNotFoundException"] == [e.code for e in answers(rig) if isinstance(e, PutRefused)]


@pytest.mark.parametrize(("weather", "lands"), [("failed", False), ("reset before", False), ("reset after", True)])
def test_what_nobody_knows_is_ambiguous(rig: AwsRig, weather: str, *, lands: bool) -> None:
    """A server error and a connection that broke tell nothing, whether the records landed or not."""
    rig.next_put(weather)
    rig.sink.submit(put_of(rig, 1, *THREE))
    assert [(1, PutAmbiguous)] == [(e.put, type(e)) for e in answers(rig) if isinstance(e, PutAmbiguous | PutRefused)]
    assert (list(THREE) if lands else []) == rig.landed()


def test_an_answer_with_too_few_results_is_not_trusted(rig: AwsRig) -> None:
    """A wrong number of results makes the whole put ambiguous (I16)."""
    rig.next_put("garbled")
    rig.sink.submit(put_of(rig, 1, *THREE))
    assert [PutAmbiguous(1, "wrong_result_count")] == answers(rig)


def test_an_answer_that_was_given_before_is_not_trusted(rig: AwsRig) -> None:
    """What was said to another put says nothing of this one."""
    lease = rig.lease()
    rig.sink.submit(put_of(rig, 1, *THREE, lease=lease))
    assert [PutAnswered(1)] == answers(rig)
    rig.next_put("repeated")
    rig.sink.submit(put_of(rig, 2, *THREE, lease=lease))
    assert [PutAmbiguous(2, "repeated_answer")] == answers(rig)


def test_a_put_that_is_not_answered_is_given_up_at_its_timeout(rig: AwsRig) -> None:
    """Silence becomes an ambiguous answer at the command's timeout, not much before, and before an answer comes."""
    rig.next_put("no answer")
    began = rig.clock.now()
    rig.sink.submit(put_of(rig, 1, *THREE, timeout=SHORT_NS))
    assert [PutAmbiguous(1, "timeout")] == answers(rig)
    took = rig.clock.now() - began
    assert SHORT_NS * 0.9 <= took <= SHORT_NS * 3


def test_a_put_that_never_left_is_told_as_unsent(rig: AwsRig) -> None:
    """Where no connection can be had, nothing was sent, and the answer says so."""
    lease = rig.lease()
    rig.next_put("unreachable")
    rig.sink.submit(put_of(rig, 1, *THREE, lease=lease))
    assert [PutUnsent(1, "not_connected")] == answers(rig)
    assert [] == rig.landed()


def test_many_in_flight_have_one_answer_each(rig: AwsRig) -> None:
    """Every submit has exactly one answer, in whatever order they come."""
    lease = rig.lease()
    for number in range(1, 9):
        rig.sink.submit(put_of(rig, number, (f"k{number}", b"v"), lease=lease))
    found = answers(rig, 8)
    assert {PutAnswered(number).put for number in range(1, 9)} == {e.put for e in found if isinstance(e, PutAnswered)}
    assert (8, ()) == (len(found), tuple(rig.sink.answers(0)))


def test_it_waits_no_longer_than_it_is_told(rig: AwsRig) -> None:
    """With nothing in flight, or nothing answered, it comes back after the time that it was given."""
    began = rig.clock.now()
    assert [] == list(rig.sink.answers(20 * NS_PER_MS))
    assert 15 * NS_PER_MS <= rig.clock.now() - began <= 500 * NS_PER_MS
    assert [] == list(rig.sink.answers(0))


def test_a_lease_that_is_past_signs_nothing(rig: AwsRig) -> None:
    """What was to be signed by a lease that has ended meanwhile never lands (G4)."""
    lease = rig.lease()
    past = type(lease)(lease.serial, lease.role, lease.secrets, lease.issued_at, rig.clock.now() - 1)
    rig.sink.submit(put_of(rig, 1, *THREE, lease=past))
    assert [PutUnsent(1, "lease_ended")] == answers(rig)
    assert [] == rig.landed()
