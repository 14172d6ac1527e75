from __future__ import annotations

import socket
import threading
import time
from collections import defaultdict
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from doka.adapters.embedded.gate import GateCounts
from doka.adapters.embedded.moto_server import EmbeddedMoto
from doka.adapters.embedded.streams import create_stream, read_stream
from tests.fake_aws import kinesis_client, sts_client
from tests.integration.embedded.clients import WRITER, assume, keys_of, put
from tests.integration.embedded.conftest import MakeGate
from tests.manual_clock import ManualClock
from tests.waiting import eventually


def test_a_token_works_until_it_expires_and_the_next_one_works_again(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """Puts pass for five seconds, are refused afterwards, pass again under a new lease; nothing refused is stored."""
    clock = ManualClock()
    gate = gate_of(token_seconds=5, clock=clock)
    arn = create_stream(moto.url, WRITER, "expires", 2)
    first = kinesis_client(gate.url, keys_of(assume(gate.url)))
    codes = [put(first, arn, "a")]
    clock.pass_seconds(5)
    codes.append(put(first, arn, "b"))
    codes.append(put(kinesis_client(gate.url, keys_of(assume(gate.url))), arn, "c", "d"))
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
    client = kinesis_client(gate.url, keys_of(assume(gate.url)))
    code = eventually(lambda: put(client, arn, "a"), within=5, what="a refusal")
    assert (code, True) == ("ExpiredTokenException", time.monotonic() - started >= 0.5)


def test_the_next_hop_is_refused_when_the_hop_before_it_is_over(gate_of: MakeGate) -> None:
    """An expired role session may not assume another role, in STS's own words."""
    clock = ManualClock()
    gate = gate_of(token_seconds=5, clock=clock)
    issued = keys_of(assume(gate.url))
    clock.pass_seconds(5)
    with pytest.raises(ClientError, match="security token included in the request is expired") as refused:
        sts_client(gate.url, issued).assume_role(RoleArn=WRITER, RoleSessionName="doka")
    assert refused.value.response["Error"]["Code"] == "ExpiredToken"


def test_web_identity_needs_no_signature_and_gets_a_token_that_expires(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """Its answer is rewritten like any other, and its keys are known."""
    clock = ManualClock()
    gate = gate_of(token_seconds=5, clock=clock)
    answer = sts_client(gate.url).assume_role_with_web_identity(
        RoleArn=WRITER, RoleSessionName="doka", WebIdentityToken="a.b.c"
    )
    arn = create_stream(moto.url, WRITER, "web-identity", 1)
    client = kinesis_client(gate.url, keys_of(answer))
    codes = [put(client, arn, "a")]
    clock.pass_seconds(5)
    codes.append(put(client, arn, "b"))
    assert [None, "ExpiredTokenException"] == codes
    assert gate.counts().leases_issued == 1


def test_what_moto_refuses_is_passed_on_and_counted(gate_of: MakeGate) -> None:
    """A stream that does not exist is moto's own answer."""
    gate = gate_of()
    client = kinesis_client(gate.url, keys_of(assume(gate.url)))
    arn = "arn:aws:kinesis:eu-west-1:210987654321:stream/nowhere"
    assert put(client, arn, "a") == "ResourceNotFoundException"
    assert {"ResourceNotFoundException": 1} == gate.counts().puts_refused


def test_no_acknowledged_record_is_lost_under_many_writers(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """Eight writers at once: everything that was acknowledged is in the stream, once, in each writer's order."""
    gate = gate_of()
    arn = create_stream(moto.url, WRITER, "many", 1)
    issued = keys_of(assume(gate.url))
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


def test_the_largest_put_of_moto_passes(moto: EmbeddedMoto, gate_of: MakeGate) -> None:
    """Five MiB in one request, which libraries send after asking first, arrive whole."""
    gate = gate_of()
    arn = create_stream(moto.url, WRITER, "large", 1)
    records = [b"%d" % number * 100_000 for number in range(1, 10)] * 5
    client = kinesis_client(gate.url, keys_of(assume(gate.url)))
    client.put_records(StreamARN=arn, Records=[{"Data": data, "PartitionKey": "k"} for data in records])
    assert records == [record.data for record in read_stream(moto.url, WRITER, "large")]


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
