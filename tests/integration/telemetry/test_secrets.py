"""I17: no secret, token, payload or key bytes in any output, at any level."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from io import StringIO

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from doka.adapters.talkative import PINNED
from doka.adapters.telemetry.health import Health
from doka.adapters.telemetry.http_server import HealthServer
from doka.adapters.telemetry.line_writer import LineWriter
from doka.adapters.telemetry.logs import Log
from doka.adapters.telemetry.metrics import Metrics
from doka.adapters.telemetry.telemetry import ServiceTelemetry
from doka.domain.facts import CommitFailed, LeaseRenewalFailed, RouteBlocked
from doka.domain.lease import Lease, Secrets
from tests.unit.adapters.telemetry.given import FACTS, ORDERS_3, get, hand_clock, pipe, status

ACCESS_KEY = "ASIA0SECRETACCESSKEY"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzEJr3aB+/9x" * 20
PAYLOAD = "a-payload-nobody-may-see"
KEY = "a-partition-key-nobody-may-see"
ENCODED_PAYLOAD = base64.b64encode(PAYLOAD.encode()).decode()
HIDDEN = (ACCESS_KEY, SECRET_KEY, TOKEN, TOKEN[:40], PAYLOAD, ENCODED_PAYLOAD, KEY)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Give the address of an AWS of our own."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def talk_to_aws(endpoint: str) -> None:
    """Assume a role and put a record, with the triple, the payload and the key that must stay hidden."""
    session = boto3.Session(ACCESS_KEY, SECRET_KEY, TOKEN, region_name="eu-west-1")
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    session.client("sts", endpoint_url=endpoint, config=once).assume_role(
        RoleArn="arn:aws:iam::210987654321:role/doka", RoleSessionName="doka-test"
    )
    kinesis = session.client("kinesis", endpoint_url=endpoint, config=once)
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.put_records(StreamName="none", Records=[{"Data": PAYLOAD.encode(), "PartitionKey": KEY}])


def test_botocore_at_debug_would_tell(endpoint: str) -> None:
    """The danger is real: unpinned, these libraries write the token, the payload and the key into the log."""
    heard = StringIO()
    handler = logging.StreamHandler(heard)
    libraries = [logging.getLogger(name) for name in PINNED]
    before = [library.level for library in libraries]
    for library in libraries:
        library.addHandler(handler)
        library.setLevel(logging.DEBUG)
    try:
        talk_to_aws(endpoint)
    finally:
        for library, level in zip(libraries, before, strict=True):
            library.removeHandler(handler)
            library.setLevel(level)
    assert {TOKEN, ENCODED_PAYLOAD, KEY} <= {secret for secret in HIDDEN if secret in heard.getvalue()}


@pytest.mark.parametrize("style", ["json", "console"])
def test_nothing_is_told_at_debug(endpoint: str, style: str) -> None:
    """With the level at debug and hostile words in every message, no output of the service holds any of it."""
    clock = hand_clock()
    metrics = Metrics(clock, "1.2.3", ["orders"], ["analytics"])
    words = f"signature mismatch, request was x-amz-security-token:{TOKEN} key {ACCESS_KEY} secret {SECRET_KEY}"
    lease = Lease(1, "analytics", Secrets(ACCESS_KEY, SECRET_KEY, TOKEN), 0, None)
    with pipe() as stdout:
        log = Log(clock, LineWriter(stdout.writer, metrics.line_dropped), "debug", style)
        server = HealthServer(clock, "127.0.0.1", 0)
        telemetry = ServiceTelemetry(metrics, log, Health(clock, metrics.page), server, "1.2.3")
        telemetry.open()
        try:
            talk_to_aws(endpoint)
            for fact in FACTS:
                telemetry.tell(fact)
            telemetry.tell(RouteBlocked("orders", words, words))
            telemetry.tell(LeaseRenewalFailed("analytics", SECRET_KEY, words, 1, None))
            telemetry.tell(CommitFailed(words))
            telemetry.fetched(ORDERS_3, 1, 1)
            telemetry.publish(status(clock, blocked=words, halted=words))
            logging.getLogger("doka.kinesis").error("%s of %r", words, lease)
            try:
                raise RuntimeError(words)  # noqa: TRY301 - an accident with secrets in it
            except RuntimeError:
                logging.getLogger("doka.kinesis").exception("accident")
            pages = [get(server.port, page)[1] for page in ("/metrics", "/healthz", "/readyz", "/elsewhere")]
        finally:
            assert telemetry.close(within=5)
        written = stdout.read().decode()
    assert "route orders is blocked" in written
    assert "accident" in written
    assert "doka_route_blocked" in pages[0]
    for place in (written, *pages):
        assert [] == [secret for secret in HIDDEN if secret in place]
