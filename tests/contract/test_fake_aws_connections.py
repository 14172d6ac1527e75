"""The fake's HTTP as clients lean on it: kept connections, early heads, large answers, speed."""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

import orjson
import pytest

from tests.fake_aws import FakeAws, FakeAwsProcess, kinesis_client
from tests.unit.fake_aws.raw import connected, head_of, put_raw, signed_headers

pytest_plugins = ["tests.fake_aws.fixtures"]


@pytest.fixture
def body(fake_aws: FakeAws) -> bytes:
    """Give the body of a good PutRecords with one record."""
    return orjson.dumps(
        {"StreamARN": fake_aws.create_stream("orders"), "Records": [{"Data": "eA==", "PartitionKey": "k"}]}
    )


def test_a_connection_serves_many_requests(fake_aws: FakeAws, body: bytes) -> None:
    """Keep-alive is the rule, and each answer has an id of its own and a date."""
    connection = http.client.HTTPConnection(urlsplit(fake_aws.url).netloc, timeout=10)
    headers = signed_headers(fake_aws.url, fake_aws.issue().keys, body)
    ids, sockets = set(), set()
    for _ in range(20):
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        answer.read()
        ids.add(answer.headers["x-amzn-RequestId"])
        sockets.add(connection.sock)
        assert answer.headers["Date"].endswith("GMT")
    connection.close()
    assert (20, 1, 20) == (len(ids), len(sockets), fake_aws.landed_count("orders"))


def test_a_request_may_arrive_byte_by_byte(fake_aws: FakeAws, body: bytes) -> None:
    """However the bytes are cut, one request is one request, and two in a row are two."""
    headers = signed_headers(fake_aws.url, fake_aws.issue().keys, body)
    whole = head_of(headers, len(body)) + body
    with connected(fake_aws.url) as sock:
        for at in range(len(whole)):
            sock.send(whole[at : at + 1])
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        sock.sendall(whole + whole)
        seen = b""
        while seen.count(b"SequenceNumber") < 2:
            seen += sock.recv(65536)
    assert 3 == fake_aws.landed_count("orders")


def test_a_client_that_asks_first_is_told_to_go_on(fake_aws: FakeAws, body: bytes) -> None:
    """`Expect: 100-continue`, which libcurl sends before large bodies, is answered at once."""
    headers = signed_headers(fake_aws.url, fake_aws.issue().keys, body) | {"Expect": "100-continue"}
    with connected(fake_aws.url) as sock:
        sock.sendall(head_of(headers, len(body)))
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == sock.recv(65536)
        sock.sendall(body)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_client_that_wants_to_close_is_closed(fake_aws: FakeAws, body: bytes) -> None:
    """`Connection: close` gets its whole answer and then the end."""
    headers = signed_headers(fake_aws.url, fake_aws.issue().keys, body) | {"Connection": "close"}
    with connected(fake_aws.url) as sock:
        sock.sendall(head_of(headers, len(body)) + body)
        seen = b""
        while read := sock.recv(65536):
            seen += read
    assert seen.endswith(b"}]}")


def test_what_is_no_http_ends_the_connection(fake_aws: FakeAws) -> None:
    """Nonsense gets no answer."""
    with connected(fake_aws.url) as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_an_unsigned_request_is_refused_and_kept(fake_aws: FakeAws, body: bytes) -> None:
    """Without a signature, with a broken one, or with a header left unsigned, nothing passes."""
    signed = signed_headers(fake_aws.url, fake_aws.issue().keys, body)
    without = {name: value for name, value in signed.items() if name != "Authorization"}
    broken = signed | {"Authorization": "AWS4-HMAC-SHA256 nonsense"}
    unsigned_part = signed | {"X-Amz-Extra": "1"}
    changed = signed | {"X-Amz-Target": "Kinesis_20131202.PutRecord"}
    codes = []
    for headers in (without, broken, unsigned_part, changed):
        connection = http.client.HTTPConnection(urlsplit(fake_aws.url).netloc, timeout=10)
        connection.request("POST", "/", body, headers)
        codes.append(orjson.loads(connection.getresponse().read())["__type"])
        connection.close()
    assert [
        "MissingAuthenticationTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "InvalidSignatureException",
    ] == codes
    assert ["unsigned", "unsigned", "wrong_signature", "wrong_signature"] == [v.kind for v in fake_aws.violations()]


def test_an_operation_that_nobody_knows_is_refused(fake_aws: FakeAws, body: bytes) -> None:
    """A misspelt target is told."""
    assert (400, "UnknownOperationException") == put_raw(fake_aws.url, fake_aws.issue().keys, body, "PutRecodrs")


def test_a_large_answer_arrives_whole(fake_aws: FakeAws) -> None:
    """Megabytes of records come back through a socket that takes them in parts."""
    arn = fake_aws.create_stream("orders")
    client = kinesis_client(fake_aws.url, fake_aws.issue().keys)
    sent = [bytes([i]) * 900_000 for i in range(8)]
    client.put_records(StreamARN=arn, Records=[{"Data": data, "PartitionKey": "k"} for data in sent])
    iterator = client.get_shard_iterator(
        StreamARN=arn, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    assert sent == [record["Data"] for record in client.get_records(ShardIterator=iterator)["Records"]]


def test_it_is_quick_enough_for_large_tests(fake_aws_process: FakeAwsProcess) -> None:
    """100,000 records of 100 bytes, every signature verified, in far less time than a test may take."""
    arn = fake_aws_process.create_stream("orders", shards=8)
    entries = [{"Data": "eHh4" * 33, "PartitionKey": f"key-{i}"} for i in range(500)]
    body = orjson.dumps({"StreamARN": arn, "Records": entries})
    headers = signed_headers(fake_aws_process.url, fake_aws_process.issue().keys, body)
    connection = http.client.HTTPConnection(urlsplit(fake_aws_process.url).netloc, timeout=10)
    began = time.monotonic()
    for _ in range(200):
        connection.request("POST", "/", body, headers)
        connection.getresponse().read()
    took = time.monotonic() - began
    connection.close()
    assert (100_000, []) == (fake_aws_process.landed_count("orders"), fake_aws_process.violations())
    assert took < 10  # 0.4 s on two idle cores: the margin is for a busy machine, the bound for a quadratic mistake
