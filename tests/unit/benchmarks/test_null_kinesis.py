from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator

import pytest

from benchmarks.endpoint import Endpoint, Landings
from benchmarks.feeding import STAMP_BYTES
from benchmarks.null_kinesis import ENTRIES_MAX, STREAM, NullKinesis, answer_of, head_of_data
from doka.adapters.aws.kinesis.answers import read_answer
from doka.adapters.aws.kinesis.body import BodyBuilder
from doka.domain.events import PutAnswered
from doka.domain.sending.aggregate import DIGEST_BYTES, encode
from tests.fake_aws import SOURCE_KEYS, WRITER_ROLE, sts_client

SIGNED = {"X-Amz-Target": "Kinesis_20131202.PutRecords", "Authorization": "any", "X-Amz-Security-Token": "any"}


@pytest.fixture
def null() -> Iterator[NullKinesis]:
    """One that serves until the test ends."""
    running = NullKinesis()
    thread = threading.Thread(target=running.loop.run, daemon=True)
    thread.start()
    yield running
    running.loop.stop()
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.fixture
def endpoint(null: NullKinesis) -> Endpoint:
    """The same from outside."""
    return Endpoint(null.url, None)


def body_of(values: list[bytes], stream: str = STREAM) -> bytes:
    """Give a body as doka builds it, with keys that look like what is counted."""
    return BodyBuilder().build(("StreamName", stream), ['"PartitionKey": ' for _ in values], values)


def put(null: NullKinesis, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Send one request; gives the status and the body of the answer."""
    connection = http.client.HTTPConnection(*null.loop.address, timeout=10)
    try:
        connection.request("POST", "/", body, SIGNED if headers is None else headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("entries", [1, 2, ENTRIES_MAX])
def test_every_entry_is_counted_and_answered(null: NullKinesis, endpoint: Endpoint, entries: int) -> None:
    """The count is right even where a key looks like a member's name, and doka reads the answer as a full success."""
    status, answer = put(null, body_of([b"x"] * entries))
    assert PutAnswered(7) == read_answer(7, entries, status, b"", answer)
    landed = endpoint.landings()
    assert (entries, 1, []) == (landed.records, landed.requests, landed.faults)
    assert 0 < landed.first == landed.last <= landed.at


def test_sequence_numbers_ascend() -> None:
    """Within an answer each number is above the one before, as long as a real one, and unlike any other."""
    numbers = [result["SequenceNumber"] for result in json.loads(answer_of(ENTRIES_MAX))["Records"]]
    assert sorted(set(numbers)) == numbers
    assert {56} == set(map(len, numbers))


@pytest.mark.parametrize(
    ("body", "headers", "why"),
    [
        (body_of([b"x"], stream="another"), SIGNED, "another stream"),
        (body_of([b"x"])[:-1], SIGNED, "cut"),
        (body_of([b"x"] * (ENTRIES_MAX + 1)), SIGNED, "501 entries"),
        (b'{"StreamName": "benchmark", "Records": [}]}', SIGNED, "0 entries"),
        (body_of([b"x"]), {"X-Amz-Target": SIGNED["X-Amz-Target"]}, "no signature"),
    ],
    ids=["stream", "cut", "many", "none", "unsigned"],
)
def test_a_wrong_request_is_refused_and_remembered(
    null: NullKinesis, endpoint: Endpoint, body: bytes, headers: dict[str, str], why: str
) -> None:
    """What Kinesis would not take counts for nothing, and makes the run a broken one."""
    assert 400 == put(null, body, headers)[0]
    landed = endpoint.landings()
    assert (0, 0, 1) == (landed.records, landed.requests, len(landed.faults))
    assert why in landed.faults[0]


@pytest.mark.parametrize("size", [1, 26, 100, 127, 128, 1_024, 20_000])
def test_records_are_counted_inside_aggregates(null: NullKinesis, endpoint: Endpoint, size: int) -> None:
    """Whatever the lengths and places of keys look like, each record counts once, and one beside an aggregate too."""
    keys = [f"key-{number:07d}" for number in range(300)]
    aggregate = encode(keys, [b"9" * size] * 300, "7")
    endpoint.forget(aggregates_of=size)
    put(null, body_of([aggregate, b"9" * size, aggregate]))
    landed = endpoint.landings()
    assert (601, 3, 1) == (landed.records, landed.entries, landed.requests)


def test_the_digest_of_an_aggregate_is_not_looked_into(null: NullKinesis, endpoint: Endpoint) -> None:
    """It is of random bytes, among them now and then the head of a record: two in a million records were counted so."""
    aggregate = encode(["key"], [b"9" * 100], "7")[:-DIGEST_BYTES] + head_of_data(100) * (DIGEST_BYTES // 2)
    endpoint.forget(aggregates_of=100)
    put(null, body_of([aggregate]))
    assert 1 == endpoint.landings().records


def test_it_forgets(null: NullKinesis, endpoint: Endpoint) -> None:
    """A new run begins with nothing."""
    put(null, body_of([b"x"]))
    put(null, b"{}")
    endpoint.forget()
    assert Landings(0, 0, 0, 0, 0, 0, [], [], [], 0, 0) == _without_clocks(endpoint.landings())


def test_waiting_ends_with_the_record_that_was_waited_for(null: NullKinesis, endpoint: Endpoint) -> None:
    """Who waits is answered at once when so many have landed, and gets the rest of them not a moment later."""
    answers: list[Landings] = []
    waiting = threading.Thread(target=lambda: answers.append(endpoint.wait_for(3, 30.0)), daemon=True)
    waiting.start()
    put(null, body_of([b"x"] * 2))
    put(null, body_of([b"x"] * 2))
    waiting.join(timeout=10)
    assert [4] == [each.records for each in answers]
    assert 4 == endpoint.wait_for(3, 30.0).records, "what is there already is not waited for"


def test_waiting_has_an_end(null: NullKinesis, endpoint: Endpoint) -> None:
    """When the time is over, what has landed until then is told."""
    put(null, body_of([b"x"]))
    begun = time.monotonic()
    assert 1 == endpoint.wait_for(2, 0.1).records
    assert 0.1 <= time.monotonic() - begun < 10


def test_stamped_records_tell_their_age(null: NullKinesis, endpoint: Endpoint) -> None:
    """The time from a record's stamp to its answer is kept, one for each record, in us."""
    endpoint.forget(stamped=True)
    now = time.monotonic_ns() // 1_000
    stamps = [b"%0*d" % (STAMP_BYTES, now - age) + b"the rest" for age in (5_000_000, 9_000_000)]
    put(null, body_of(stamps))
    landings = endpoint.landings()
    first, second = landings.latencies_us
    assert [now - 5_000_000, now - 9_000_000] == landings.produced_us
    assert 5_000_000 <= first < 9_000_000 <= second < 20_000_000
    assert 4_000_000 == second - first


def test_stamps_are_found_inside_aggregates(null: NullKinesis, endpoint: Endpoint) -> None:
    """Each record of an aggregate has its own, and so has one that travels as it is."""
    size = STAMP_BYTES + 2
    stamped = [b"%0*d" % (STAMP_BYTES, number) + b"ab" for number in range(1, 6)]
    endpoint.forget(stamped=True, aggregates_of=size)
    put(null, body_of([encode(["k", "l", "k", "k"], stamped[:4], "7"), stamped[4]]))
    assert [1, 2, 3, 4, 5] == endpoint.landings().produced_us


def test_an_answer_can_be_late(null: NullKinesis, endpoint: Endpoint) -> None:
    """With a delay nothing is answered, or counted, before it is over."""
    endpoint.forget(delay=0.05)
    begun = time.monotonic()
    assert 200 == put(null, body_of([b"x"]))[0]
    assert time.monotonic() - begun >= 0.05
    assert 1 == endpoint.landings().records


def test_leases_come_from_the_same_place(null: NullKinesis) -> None:
    """What is no put is answered by the tests' own stand-in."""
    issued = sts_client(null.url, SOURCE_KEYS).assume_role(RoleArn=WRITER_ROLE, RoleSessionName="benchmark")
    assert issued["Credentials"]["SessionToken"]


def _without_clocks(landings: Landings) -> Landings:
    assert landings.at > 0
    assert landings.cpu_ns > 0
    return Landings(**{name: getattr(landings, name) for name in Landings.__slots__} | {"cpu_ns": 0, "at": 0})
