"""Scripted faults at the fake, as boto3 and bare sockets meet them."""

from __future__ import annotations

import http.client
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.fake_aws import (
    Answer,
    Close,
    Delay,
    FailEntries,
    FakeAws,
    Garble,
    Headers,
    Hold,
    Refuse,
    Repeat,
    Reset,
    Say,
    Shuffle,
    Step,
    kinesis_client,
)
from tests.unit.fake_aws.raw import connected, head_of, put_raw, signed_headers
from tests.waiting import eventually

if TYPE_CHECKING:
    from types_boto3_kinesis import KinesisClient

pytest_plugins = ["tests.fake_aws.fixtures"]


@pytest.fixture
def arn(fake_aws: FakeAws) -> str:
    """Give the ARN of a stream."""
    return fake_aws.create_stream("orders")


@pytest.fixture
def client(fake_aws: FakeAws) -> KinesisClient:
    """Give a client with a lease of the writer role."""
    return kinesis_client(fake_aws.url, fake_aws.issue().keys)


def records(count: int) -> Any:
    """Give so many entries, each with a key and data of its own."""
    return [{"Data": f"data-{i}".encode(), "PartitionKey": f"key-{i}"} for i in range(count)]


def errors_of(answer: Any) -> list[str | None]:
    """Give each entry's error code, None where it landed."""
    return [entry.get("ErrorCode") for entry in answer["Records"]]


def test_an_exact_subset_of_entries_fails(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """The named entries are refused once, the others land, and the answer keeps their places."""
    rule = fake_aws.inject(FailEntries("InternalFailure", indexes=[0, 2]))
    answer = client.put_records(StreamARN=arn, Records=records(4))
    assert ["InternalFailure", None, "InternalFailure", None] == errors_of(answer)
    assert 2 == answer["FailedRecordCount"]
    assert [b"data-1", b"data-3"] == fake_aws.payloads("orders")
    assert [record.sequence_number for record in fake_aws.landed("orders")] == [
        entry["SequenceNumber"] for entry in answer["Records"] if "SequenceNumber" in entry
    ]
    assert 1 == fake_aws.fired(rule)
    assert 0 == client.put_records(StreamARN=arn, Records=records(4))["FailedRecordCount"]


def test_entries_fail_by_key_and_by_predicate(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """A sick key, or any property of a record, decides."""
    fake_aws.inject(FailEntries(keys=["key-1"]), times=None)
    fake_aws.inject(FailEntries("InternalFailure", where=lambda key, data: data.endswith(b"3")), times=None)
    answer = client.put_records(StreamARN=arn, Records=records(4))
    assert [None, "ProvisionedThroughputExceededException", None, "InternalFailure"] == errors_of(answer)


def test_a_share_of_entries_fails_the_same_way_for_the_same_seed(fake_aws: FakeAws, arn: str) -> None:
    """Chance comes from the seed alone, and the share is about what was asked for."""

    def run(seed: int) -> list[str | None]:
        with FakeAws(seed=seed) as fake:
            stream = fake.create_stream("orders")
            fake.inject(FailEntries(fraction=0.5), times=None)
            return errors_of(
                kinesis_client(fake.url, fake.issue().keys).put_records(StreamARN=stream, Records=records(400))
            )

    first = run(1)
    assert first == run(1)
    assert first != run(2)
    assert 140 < first.count(None) < 260


def test_a_failed_entry_may_have_landed(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """An InternalFailure can be a lie."""
    fake_aws.inject(FailEntries("InternalFailure", indexes=[1], landed=True))
    assert [None, "InternalFailure", None] == errors_of(client.put_records(StreamARN=arn, Records=records(3)))
    assert 3 == fake_aws.landed_count("orders")


def test_a_whole_request_is_refused_as_often_as_told(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """`skip` lets some pass, `times` ends it, the refusals are kept as scripted, and nothing of them lands."""
    fake_aws.inject(Refuse("ProvisionedThroughputExceededException", "slow down"), times=2, skip=1)
    seen: list[str] = []
    for _ in range(4):
        try:
            client.put_records(StreamARN=arn, Records=records(1))
            seen.append("ok")
        except ClientError as error:
            seen.append(error.response["Error"]["Code"])
    throttled = "ProvisionedThroughputExceededException"
    assert ["ok", throttled, throttled, "ok"] == seen
    assert [(throttled, 1, True)] * 2 == [(r.code, r.serial, r.scripted) for r in fake_aws.refused()]
    assert 2 == fake_aws.landed_count("orders")


@pytest.mark.parametrize("status", [500, 503])
def test_the_service_may_be_broken(fake_aws: FakeAws, client: KinesisClient, arn: str, status: int) -> None:
    """500 and 503 carry their status."""
    fake_aws.inject(Refuse("InternalFailure", status=status))
    with pytest.raises(ClientError) as error:
        client.put_records(StreamARN=arn, Records=records(1))
    assert status == error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_rule_meets_its_stream_only(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """A sick stream does not touch its neighbour."""
    healthy = fake_aws.create_stream("payments")
    fake_aws.inject(Refuse("AccessDeniedException"), stream="orders", times=None)
    assert 0 == client.put_records(StreamARN=healthy, Records=records(1))["FailedRecordCount"]
    with pytest.raises(ClientError):
        client.put_records(StreamARN=arn, Records=records(1))
    fake_aws.withdraw()
    assert 0 == client.put_records(StreamARN=arn, Records=records(1))["FailedRecordCount"]


@pytest.mark.parametrize(("moment", "landed"), [("before", 0), ("during", 0), ("after", 1)])
def test_a_reset_lands_or_not_by_its_moment(
    fake_aws: FakeAws, client: KinesisClient, arn: str, moment: Any, landed: int
) -> None:
    """The client sees a broken connection either way; only the fake knows what was accepted."""
    rule = fake_aws.inject(Reset(moment))
    with pytest.raises(BotoCoreError):
        client.put_records(StreamARN=arn, Records=records(1))
    assert (landed, 1) == (fake_aws.landed_count("orders"), fake_aws.fired(rule))
    assert 0 == client.put_records(StreamARN=arn, Records=records(1))["FailedRecordCount"]
    assert landed + 1 == fake_aws.landed_count("orders")


def test_a_reset_in_the_body_leaves_the_rest_unread(fake_aws: FakeAws, arn: str) -> None:
    """A large body is torn down while it is being sent: the fake read about half of it."""
    fake_aws.inject(Reset("during"))
    body = orjson.dumps({"StreamARN": arn, "Padding": "x" * 8_000_000})
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        put_raw(fake_aws.url, fake_aws.issue().keys, body)
    assert 1 == fake_aws.counts()["PutRecords:reset"]


@pytest.mark.parametrize(
    ("how", "wrong"),
    [
        ("cut", lambda body: body is None),
        ("not_json", lambda body: body.startswith(b"<html>")),
        ("empty", lambda body: body == b""),
        ("flipped", lambda body: body.startswith(b"}")),
        ("one_entry_less", lambda body: len(orjson.loads(body)["Records"]) == 2),
        ("one_entry_more", lambda body: len(orjson.loads(body)["Records"]) == 4),
        ("no_sequence_number", lambda body: "SequenceNumber" not in orjson.loads(body)["Records"][2]),
        ("no_records", lambda body: "Records" not in orjson.loads(body)),
    ],
)
def test_a_garbled_answer_follows_an_accepted_request(fake_aws: FakeAws, arn: str, how: Any, wrong: Any) -> None:
    """Every way of garbling spoils the answer with status 200, and all records have landed."""
    fake_aws.inject(Garble(how))
    keys = fake_aws.issue().keys
    body = orjson.dumps(
        {"StreamARN": arn, "Records": [{"Data": "eA==", "PartitionKey": each["PartitionKey"]} for each in records(3)]}
    )
    connection = http.client.HTTPConnection(urlsplit(fake_aws.url).netloc, timeout=10)
    connection.request("POST", "/", body, signed_headers(fake_aws.url, keys, body))
    answer = connection.getresponse()
    try:
        read = answer.read()
    except http.client.IncompleteRead:
        read = None
    connection.close()
    assert (200, 3) == (answer.status, fake_aws.landed_count("orders"))
    assert wrong(read)


def test_an_answer_waits_until_it_is_released(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """Held before its answer a request has landed; the client hears of it only on release."""
    fake_aws.inject(Hold("gate"))
    answers: list[Any] = []
    sender = threading.Thread(target=lambda: answers.append(client.put_records(StreamARN=arn, Records=records(1))))
    sender.start()
    eventually(lambda: fake_aws.held("gate") == 1)
    assert (1, []) == (fake_aws.landed_count("orders"), answers)
    fake_aws.release("gate")
    sender.join(10)
    assert ([0], 0) == ([answer["FailedRecordCount"] for answer in answers], fake_aws.held())


def test_a_request_lands_after_its_sender_has_gone(fake_aws: FakeAws, arn: str) -> None:
    """Held before acceptance, a put whose client died lands all the same, later."""
    fake_aws.inject(Hold("network", at="acceptance"))
    body = orjson.dumps({"StreamARN": arn, "Records": [{"Data": "eA==", "PartitionKey": "k"}]})
    headers = signed_headers(fake_aws.url, fake_aws.issue().keys, body)
    connection = http.client.HTTPConnection(urlsplit(fake_aws.url).netloc, timeout=10)
    connection.request("POST", "/", body, headers)
    eventually(lambda: fake_aws.held("network") == 1)
    connection.close()
    assert 0 == fake_aws.landed_count("orders")
    fake_aws.release()
    eventually(lambda: fake_aws.landed_count("orders") == 1)


def test_latency_delays_answers_and_requests_overlap(fake_aws: FakeAws, arn: str) -> None:
    """Delayed requests are open together, so waiting is not serial; the most at once is counted."""
    fake_aws.inject(Delay(0.2, jitter=0.05), times=None)
    keys = fake_aws.issue().keys
    body = orjson.dumps({"StreamARN": arn, "Records": [{"Data": "eA==", "PartitionKey": "k"}]})
    threads = [threading.Thread(target=put_raw, args=(fake_aws.url, keys, body)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (8, 8) == (fake_aws.landed_count("orders"), fake_aws.most_in_flight("PutRecords"))


def test_entries_may_land_in_another_order(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """A shuffled request lands whole, and its sequence numbers tell in which order."""
    fake_aws.inject(Shuffle())
    answer = client.put_records(StreamARN=arn, Records=records(50))
    landed = fake_aws.payloads("orders")
    assert sorted(each["Data"] for each in records(50)) == sorted(landed)
    assert landed != [each["Data"] for each in records(50)]
    by_number = sorted(range(50), key=lambda i: int(answer["Records"][i]["SequenceNumber"]))
    assert landed == [f"data-{i}".encode() for i in by_number]


def put_of_one(fake_aws: FakeAws, arn: str) -> tuple[bytes, bytes]:
    """Give head and body of a put as they cross the wire."""
    body = orjson.dumps({"StreamARN": arn, "Records": [{"Data": "eA==", "PartitionKey": "k"}]})
    return head_of(signed_headers(fake_aws.url, fake_aws.issue().keys, body), len(body)), body


def answer_ids(fake_aws: FakeAws, arn: str, puts: int, read: int) -> list[int]:
    """Put so many times over one bare connection, and give which request each of the answers on it names."""
    with connected(fake_aws.url) as connection:
        connection.sendall(puts * b"".join(put_of_one(fake_aws, arn)))
        said = b""
        while said.count(b"FailedRecordCount") < read or not said.endswith(b"}"):
            said += connection.recv(65536)
    return [int(part.split(b"\r\n", 1)[0][-12:], 16) for part in said.split(b"x-amzn-RequestId: ")[1:]]


@pytest.mark.parametrize(
    ("moment", "expected"), [("after", [1, 1, 2, 3]), ("before", [1, 2, 3])], ids=["after", "before"]
)
def test_an_answer_can_be_said_twice(fake_aws: FakeAws, arn: str, moment: Any, expected: list[int]) -> None:
    """After itself, or before the next one of its connection, of which the first has none before it."""
    rule = fake_aws.inject(Repeat(moment))
    assert expected == answer_ids(fake_aws, arn, 3, len(expected))
    assert 1 == fake_aws.fired(rule)


def test_the_answer_before_comes_again_ahead_of_the_next(fake_aws: FakeAws, arn: str) -> None:
    """Then every answer of the connection is one late."""
    fake_aws.inject(Repeat("before"), skip=1)
    assert [1, 1, 2, 3] == answer_ids(fake_aws, arn, 3, 4)
    assert 3 == fake_aws.landed_count("orders")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (Close(), lambda said: said == b""),
        (Close("behind"), lambda said: said.startswith(b"HTTP/1.1 200") and said.endswith(b"}")),
        ((Say(b"\x00 no HTTP"), Close()), lambda said: said == b"\x00 no HTTP"),
        ((Say(b"early", at="head"), Close("behind")), lambda said: said.startswith(b"earlyHTTP/1.1 200")),
        (
            (Answer({"odd": 1}, 503), Headers({"Date": "", "x-amzn-RequestId": "mine"}), Close("behind")),
            lambda said: (
                said.startswith(b"HTTP/1.1 503 ")
                and said.endswith(b'{"odd":1}')
                and b"Date" not in said
                and said.count(b"x-amzn-RequestId: mine\r\n") == said.count(b"x-amzn-RequestId") == 1
            ),
        ),
        (
            (
                Answer(lambda call, said: f"{len(said) > 50} {call.operation} {call.start} {call.stream}"),
                Close("behind"),
            ),
            lambda said: said.endswith(b"True PutRecords POST / orders"),
        ),
    ],
)
def test_anything_can_be_said_to_an_accepted_request(fake_aws: FakeAws, arn: str, step: Step, said: Any) -> None:
    """Nothing, the answer and then the end, bytes, an answer or headers of the test's own; the record has landed."""
    fake_aws.will(step)
    with connected(fake_aws.url) as connection:
        connection.sendall(b"".join(put_of_one(fake_aws, arn)))
        seen = b"".join(iter(lambda: connection.recv(65536), b""))
    assert said(seen)
    assert 1 == fake_aws.landed_count("orders")


@pytest.mark.parametrize("early", [Say(b"early", at="head"), Reset("head")])
def test_a_head_alone_can_be_answered(fake_aws: FakeAws, arn: str, early: Say | Reset) -> None:
    """Bytes or a reset come before one of the body was sent; a rule resets there like a step."""
    if isinstance(early, Reset):
        fake_aws.inject(early)
    else:
        fake_aws.will(early)
    with connected(fake_aws.url) as connection:
        connection.sendall(put_of_one(fake_aws, arn)[0])
        if isinstance(early, Say):
            assert early.data == connection.recv(65536)
        else:
            with pytest.raises(ConnectionResetError):
                connection.recv(1)


def test_an_idle_connection_hears_its_last_answer_again(fake_aws: FakeAws, arn: str) -> None:
    """To the byte, on each that has had one; and the connections are counted."""
    with connected(fake_aws.url) as connection, connected(fake_aws.url) as unused:
        connection.sendall(b"".join(put_of_one(fake_aws, arn)))
        first = connection.recv(65536)
        fake_aws.say_again()
        assert (first, first) == (connection.recv(65536), fake_aws.answered)
        unused.settimeout(0)
        with pytest.raises(BlockingIOError):
            unused.recv(1)
        assert (2, 0) == (fake_aws.connections, fake_aws.closed_connections)
    eventually(lambda: fake_aws.closed_connections == 2, what="both are seen to be closed")


def test_calls_are_kept_where_that_is_wanted() -> None:
    """In order, the refused ones too, with who signed them; without the wish none takes up memory."""
    for wanted in (True, False):
        with FakeAws(keeps_calls=wanted) as fake:
            arn, keys = fake.create_stream("orders"), fake.issue().keys
            fake.will(Refuse("AccessDeniedException"))
            for operation in ("DescribeStreamSummary", "ListShards"):
                put_raw(fake.url, keys, orjson.dumps({"StreamARN": arn}), operation)
            expected = [("DescribeStreamSummary", "orders"), ("ListShards", "orders")] if wanted else []
            assert expected == [(call.operation, call.stream) for call in fake.calls]
            assert {keys.access_key} >= {call.access_key for call in fake.calls}


def test_rules_add_up(fake_aws: FakeAws, client: KinesisClient, arn: str) -> None:
    """Several rules meet one request, each with its part."""
    fake_aws.inject(FailEntries("InternalFailure", indexes=[0]), times=None)
    fake_aws.inject(FailEntries(indexes=[0, 1]), times=None)
    answer = client.put_records(StreamARN=arn, Records=records(3))
    assert ["InternalFailure", "ProvisionedThroughputExceededException", None] == errors_of(answer)


def test_connections_can_be_refused_and_come_back(fake_aws: FakeAws, arn: str) -> None:
    """A closed port refuses by the kernel; opened again it is the same port."""
    address = (urlsplit(fake_aws.url).hostname, urlsplit(fake_aws.url).port)

    def connects() -> bool:
        try:
            socket.create_connection(address, timeout=5).close()
        except ConnectionError:  # refused, or reset where it met the very moment of closing
            return False
        return True

    assert connects()
    fake_aws.refuse_connections(wanted=True)
    eventually(lambda: not connects())
    fake_aws.refuse_connections(wanted=False)
    eventually(connects)


def test_idle_connections_can_be_dropped(fake_aws: FakeAws, arn: str) -> None:
    """A kept connection dies between two requests, as behind a load balancer."""
    body = orjson.dumps({"StreamARN": arn, "Records": [{"Data": "eA==", "PartitionKey": "k"}]})
    headers = signed_headers(fake_aws.url, fake_aws.issue().keys, body)
    connection = http.client.HTTPConnection(urlsplit(fake_aws.url).netloc, timeout=10)
    connection.request("POST", "/", body, headers)
    connection.getresponse().read()
    kept = connection.sock
    assert kept is not None
    fake_aws.drop_connections()
    assert b"" == kept.recv(1)
    connection.close()


def test_violations_do_not_hide_behind_faults(fake_aws: FakeAws, arn: str) -> None:
    """A mixed triple is kept even when the script refuses the request for another reason."""
    old, new = fake_aws.issue().keys, fake_aws.issue().keys
    fake_aws.inject(Refuse("InternalFailure", status=500))
    with pytest.raises(ClientError, match="InternalFailure"):
        kinesis_client(fake_aws.url, new._replace(token=old.token)).put_records(StreamARN=arn, Records=records(1))
    assert ["mixed_triple"] == [violation.kind for violation in fake_aws.violations()]
