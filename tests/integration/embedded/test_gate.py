from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import defaultdict
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Any

import pytest
from botocore.exceptions import ClientError

from doka.adapters.embedded.gate import GateCounts
from doka.adapters.embedded.http_front import BODY_BYTES_MAX
from doka.adapters.embedded.moto_server import EmbeddedMoto
from doka.adapters.embedded.streams import create_stream, read_stream
from tests.integration.embedded.clients import WRITER, assume, kinesis_client, put, sts_client
from tests.integration.embedded.conftest import MakeGate
from tests.manual_clock import ManualClock
from tests.timing import seconds_of
from tests.waiting import eventually


def test_a_token_works_until_it_expires_and_the_next_one_works_again(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """Puts pass for five seconds, are refused afterwards, pass again under a new lease; nothing refused is stored."""
    clock = ManualClock()
    gate = gate_of(token_seconds=5, clock=clock)
    arn = create_stream(moto.url, WRITER, "expires", 2)
    first = kinesis_client(gate.url, assume(gate.url)["Credentials"])
    codes = [put(first, arn, "a")]
    clock.pass_seconds(5)
    codes.append(put(first, arn, "b"))
    codes.append(put(kinesis_client(gate.url, assume(gate.url)["Credentials"]), arn, "c", "d"))
    assert [None, "ExpiredTokenException", None] == codes
    assert sorted(record.data for record in read_stream(moto.url, WRITER, "expires")) == [b"a", b"c", b"d"]
    assert GateCounts(2, 2, 2, 3, {"ExpiredTokenException": 1}) == gate.counts()


def test_the_answer_of_sts_tells_the_life_that_is_enforced(gate_of: MakeGate) -> None:
    """Expiration minus the answer's own Date is the life of the token, in every answer."""
    clock = ManualClock()
    gate = gate_of(token_seconds=5, clock=clock)
    lives = []
    for _ in range(3):
        clock.pass_seconds(0.4)
        answer = assume(gate.url)
        date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        lives.append((answer["Credentials"]["Expiration"] - date).total_seconds())
    assert lives == [5.0, 5.0, 5.0]


def test_a_token_really_dies_by_the_real_clock(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """With half a second of life, puts pass at once and are refused at most a little later."""
    gate = gate_of(token_seconds=0.5)
    arn = create_stream(moto.url, WRITER, "really", 1)
    started = time.monotonic()
    client = kinesis_client(gate.url, assume(gate.url)["Credentials"])
    code = eventually(lambda: put(client, arn, "a"), within=5, what="a refusal")
    assert (code, True) == ("ExpiredTokenException", time.monotonic() - started >= 0.5)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"token": "another"}, "UnrecognizedClientException"),
        ({"access_key": "ASIAUNKNOWN"}, "UnrecognizedClientException"),
        ({"secret_key": "another"}, "InvalidSignatureException"),
    ],
)
def test_a_request_that_mixes_issues_is_refused(
    moto: EmbeddedMoto, gate_of: MakeGate, changed: dict[str, str], code: str
) -> None:
    """Whichever part of the triple is of another issue, nothing is stored."""
    gate = gate_of()
    name = f"mixes-{next(iter(changed)).replace('_', '-')}"
    arn = create_stream(moto.url, WRITER, name, 1)
    assert code == put(kinesis_client(gate.url, assume(gate.url)["Credentials"], **changed), arn, "a")
    assert [] == read_stream(moto.url, WRITER, name)
    assert {code: 1} == gate.counts().puts_refused


def test_the_next_hop_is_refused_when_the_hop_before_it_is_over(gate_of: MakeGate) -> None:
    """An expired role session may not assume another role, in STS's own words."""
    clock = ManualClock()
    gate = gate_of(token_seconds=5, clock=clock)
    issued = assume(gate.url)["Credentials"]
    clock.pass_seconds(5)
    client = sts_client(gate.url)
    client._request_signer._credentials.access_key = issued["AccessKeyId"]  # type: ignore[attr-defined]
    client._request_signer._credentials.secret_key = issued["SecretAccessKey"]  # type: ignore[attr-defined]
    client._request_signer._credentials.token = issued["SessionToken"]  # type: ignore[attr-defined]
    with pytest.raises(ClientError, match="security token included in the request is expired") as refused:
        client.assume_role(RoleArn=WRITER, RoleSessionName="doka")
    assert refused.value.response["Error"]["Code"] == "ExpiredToken"


def test_web_identity_needs_no_signature_and_gets_a_token_that_expires(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """Its answer is rewritten like any other, and its keys are known."""
    clock = ManualClock()
    gate = gate_of(token_seconds=5, clock=clock)
    answer = sts_client(gate.url).assume_role_with_web_identity(
        RoleArn=WRITER, RoleSessionName="doka", WebIdentityToken="a.b.c"
    )
    arn = create_stream(moto.url, WRITER, "web-identity", 1)
    client = kinesis_client(gate.url, answer["Credentials"])
    codes = [put(client, arn, "a")]
    clock.pass_seconds(5)
    codes.append(put(client, arn, "b"))
    assert [None, "ExpiredTokenException"] == codes
    assert gate.counts().leases_issued == 1


def test_revoked_tokens_die_before_their_end(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """After an early death puts are refused, and pass under the next lease."""
    gate = gate_of()
    arn = create_stream(moto.url, WRITER, "revoked", 1)
    client = kinesis_client(gate.url, assume(gate.url)["Credentials"])
    gate.revoke_all()
    codes = [put(client, arn, "a"), put(kinesis_client(gate.url, assume(gate.url)["Credentials"]), arn, "b")]
    assert codes == ["ExpiredTokenException", None]


def test_sts_can_be_denied_for_a_while(gate_of: MakeGate) -> None:
    """Refused as told until the time has passed, or until it is ended."""
    clock = ManualClock()
    gate = gate_of(clock=clock)
    gate.deny_sts(10)
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(gate.url)
    clock.pass_seconds(10)
    assume(gate.url)
    gate.deny_sts(10, code="ServiceUnavailable", status=503)
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        assume(gate.url)
    gate.deny_sts(0)
    assume(gate.url)
    assert gate.counts().leases_issued == 2


def test_kinesis_can_be_denied_for_a_while(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """Puts are refused as told and counted, and pass when the time is over."""
    clock = ManualClock()
    gate = gate_of(clock=clock)
    arn = create_stream(moto.url, WRITER, "denied", 1)
    client = kinesis_client(gate.url, assume(gate.url)["Credentials"])
    gate.deny_kinesis(3)
    codes = [put(client, arn, "a")]
    clock.pass_seconds(3)
    codes.append(put(client, arn, "a"))
    assert codes == ["AccessDeniedException", None]
    assert {"AccessDeniedException": 1} == gate.counts().puts_refused


def test_what_moto_refuses_is_passed_on_and_counted(gate_of: MakeGate) -> None:
    """A stream that does not exist is moto's own answer."""
    gate = gate_of()
    client = kinesis_client(gate.url, assume(gate.url)["Credentials"])
    arn = "arn:aws:kinesis:eu-west-1:210987654321:stream/nowhere"
    assert put(client, arn, "a") == "ResourceNotFoundException"
    assert {"ResourceNotFoundException": 1} == gate.counts().puts_refused


def test_no_acknowledged_record_is_lost_under_many_writers(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """Eight writers at once: everything that was acknowledged is in the stream, once, in each writer's order."""
    gate = gate_of()
    arn = create_stream(moto.url, WRITER, "many", 1)
    issued = assume(gate.url)["Credentials"]
    codes: list[str | None] = []

    def write(writer: int) -> None:
        client = kinesis_client(gate.url, issued)
        codes.extend(put(client, arn, *(f"{writer}/{batch * 50 + i}" for i in range(50))) for batch in range(10))

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    landed: dict[str, list[int]] = defaultdict(list)
    for record in read_stream(moto.url, WRITER, "many"):
        writer, _, number = record.data.decode().partition("/")
        landed[writer].append(int(number))
    assert {None} == set(codes)
    assert {str(writer): list(range(500)) for writer in range(8)} == landed
    assert gate.counts().records_passed == 4000


def test_connections_are_kept_alive(gate_of: MakeGate) -> None:
    """Many requests on one connection are each answered at once, errors included, each with a Date."""
    gate = gate_of()
    connection = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=10)
    connection.connect()
    local = connection.sock.getsockname()

    def ask() -> None:
        connection.request("POST", "/", b"{}", {"X-Amz-Target": "Kinesis_20131202.ListStreams"})
        answer = connection.getresponse()
        body = json.loads(answer.read())
        assert (400, "MissingAuthenticationTokenException") == (answer.status, body["__type"])
        assert parsedate_to_datetime(answer.headers["Date"]).tzinfo is not None

    took = median(seconds_of(ask) for _ in range(50))
    assert local == connection.sock.getsockname()
    assert took < 0.03, "an answer that waits for an acknowledgement takes 40 ms"
    connection.close()


def test_a_client_that_asks_before_a_large_body_is_told_to_go_on(gate_of: MakeGate) -> None:
    """`Expect: 100-continue` is answered at once: libcurl waits for it with bodies above 1 MiB."""
    gate = gate_of()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gate.port), timeout=5) as client:
        client.sendall(head)
        first = client.recv(100)
        client.sendall(b"{}")
        second = client.recv(100)
    assert (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 403 ") == (first, second[:13])


def test_a_body_without_a_length_is_refused(gate_of: MakeGate) -> None:
    """A chunked request is answered with 411 at its head, before any of its body, and the connection ends."""
    gate = gate_of()
    with socket.create_connection(("127.0.0.1", gate.port), timeout=5) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with client.makefile("rb") as answers:
            answer = answers.read()
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert b"\r\nConnection: close\r\n" in answer


def test_a_body_beyond_every_limit_is_refused(gate_of: MakeGate) -> None:
    """Nobody can make the gate hold more than the largest put."""
    gate = gate_of()
    with socket.create_connection(("127.0.0.1", gate.port), timeout=5) as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {BODY_BYTES_MAX + 1}\r\n\r\n".encode())
        assert client.recv(13) == b"HTTP/1.1 411 "


def test_the_largest_put_of_moto_passes(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """Five MiB in one request, which libraries send after asking first, arrive whole."""
    gate = gate_of()
    arn = create_stream(moto.url, WRITER, "large", 1)
    records = [b"%d" % number * 100_000 for number in range(1, 10)] * 5
    client = kinesis_client(gate.url, assume(gate.url)["Credentials"])
    client.put_records(StreamARN=arn, Records=[{"Data": data, "PartitionKey": "k"} for data in records])
    assert records == [record.data for record in read_stream(moto.url, WRITER, "large")]


def test_a_request_cut_short_reaches_nobody(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """A client that goes away in the middle of its body leaves nothing behind, and the gate goes on."""
    gate = gate_of()
    with socket.create_connection(("127.0.0.1", gate.port), timeout=5) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assume(gate.url)
    assert gate.counts() == GateCounts(1, 0, 0, 0, {})


def test_nothing_behind_the_gate_is_an_answer(gate_of: MakeGate) -> None:
    """Where nobody listens, nothing was sent, and 503 says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gate = gate_of(upstream=f"http://127.0.0.1:{port}")
    with pytest.raises(ClientError) as refused:
        assume(gate.url)
    assert status_and_code(refused.value) == (503, "ServiceUnavailable")


def test_a_connection_that_breaks_behind_the_gate_promises_nothing(gate_of: MakeGate) -> None:
    """Where the request may have been done, the answer is 500, and it was asked once."""
    with socket.create_server(("127.0.0.1", 0)) as breaking:
        asked: list[bytes] = []

        def break_off() -> None:
            for _ in range(1):
                connection, _ = breaking.accept()
                with connection:
                    asked.append(connection.recv(65536))

        thread = threading.Thread(target=break_off)
        thread.start()
        gate = gate_of(upstream=f"http://127.0.0.1:{breaking.getsockname()[1]}")
        with pytest.raises(ClientError) as refused:
            assume(gate.url)
        thread.join()
    assert (500, "InternalFailure", 1) == (*status_and_code(refused.value), len(asked))


def status_and_code(error: ClientError) -> tuple[int, str]:
    """Give HTTP status and code of an error."""
    response: Any = error.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_close_breaks_connections_and_leaves_no_thread(gate_of: MakeGate) -> None:
    """With an idle keep-alive connection open, close returns, the client sees the end, and no thread is left."""
    before = set(threading.enumerate())
    gate = gate_of()
    with socket.create_connection(("127.0.0.1", gate.port), timeout=5) as client:
        eventually(lambda: len(set(threading.enumerate()) - before) == 2, what="the connection's thread")
        gate.close()
        assert b"" == client.recv(1)
    assert set() == set(threading.enumerate()) - before
    gate.close()
