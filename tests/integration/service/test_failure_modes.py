"""Rows of docs/failure-modes.md that AWS causes: one service with a route for each, every route with its own trouble.

So they are played at the price of one start, all at the same time, and a trouble that shows at another route than its
own fails the test of that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from doka.adapters.embedded.kafka_cluster import KafkaCluster
from tests.certificates import make_authority
from tests.containers.feeding import Feeder
from tests.containers.service import DokaProcess, settings
from tests.failure_modes import Seen, Sees
from tests.fake_aws import WRITER_ROLE, Action, FailEntries, FakeAws, Headers, Hold, Refuse, Repeat, Reset
from tests.integration.service.tls_front import TlsFront
from tests.waiting import eventually

pytest_plugins = ["tests.failure_modes.fixtures"]

pytestmark = pytest.mark.xdist_group("failure modes of AWS")

KEYS = 10
RECORDS = 20
POISON_MAX = 5
TOO_LONG_A_KEY = b"k" * 257
ROLES = ("trusted", "denied", "revoked", "dying")


@dataclass(frozen=True)
class Trouble:
    """What befalls the puts of a route, or its stream, from the start."""

    befalls: Action | None = None
    times: int | None = None
    skip: int = 0
    status: str | None = "ACTIVE"
    poison: int = 0
    """How many records can never land, before the good ones."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the route."""


def refused(code: str, status: int = 400) -> Trouble:
    """Let every put be refused with a code."""
    return Trouble(Refuse(code, "as the test wants it", status))


ROUTES: Mapping[str, Trouble] = {
    "denied": Trouble(),
    "revoked": Trouble(),
    "dying": refused("ExpiredTokenException"),
    "throttled": Trouble(FailEntries(indexes=[0, 1]), times=2),
    "refused": Trouble(FailEntries("InternalFailure", indexes=[0]), times=1),
    "shared": Trouble(FailEntries(indexes=[0]), times=2, given={"ordering": "key_in_request"}),
    "unanswered": Trouble(Hold("unanswered"), times=1),
    "reset": Trouble(Reset("after"), times=1),
    "failed": Trouble(Refuse("InternalFailure", status=500), times=1),
    "repeated": Trouble(Repeat("before"), times=1, skip=1),
    "nameless": Trouble(Headers({"x-amzn-RequestId": ""}), times=1, skip=1),
    "swallowed": Trouble(Hold("swallowed")),
    "forbidden": refused("AccessDeniedException"),
    "nowhere": Trouble(status=None),
    "creating": Trouble(status="CREATING"),
    "deleting": Trouble(status="DELETING"),
    "key_denied": refused("KMSAccessDeniedException"),
    "key_disabled": refused("KMSDisabledException"),
    "key_pending": refused("KMSInvalidStateException"),
    "key_gone": refused("KMSNotFoundException"),
    "automatic": Trouble(),
    "undescribed": Trouble(),
    "poisoned": Trouble(poison=1),
    "spoilt": Trouble(poison=POISON_MAX + 1, given={"on_poison": "drop"}),
    "proxy_page": refused("", 403),
    "proxy_refusal": refused("", 413),
    "strange_entry": Trouble(FailEntries("NewError", keys=["k0"])),
    "strange_request": refused("BrandNewException"),
}


class Night:
    """Everything that goes wrong with AWS, at once; a topic, a stream and a route have one name."""

    def __init__(self, cluster: KafkaCluster, aws: FakeAws, doka: DokaProcess) -> None:
        self.servers, self.aws, self.doka = cluster.bootstrap_servers, aws, doka

    def feed(self, route: str) -> None:
        """Write some more records for a route."""
        Feeder(self.servers, route, 1).feed(RECORDS)

    def feed_and_wait(self, route: str) -> None:
        """Write some, and wait until they have landed."""
        wanted = self.aws.landed_count(route) + RECORDS
        self.feed(route)
        eventually(lambda: wanted <= self.aws.landed_count(route), what=f"the records of {route}")

    def look(self, route: str) -> Seen:
        """See what is told of a route, or of its role."""
        return self.doka.look().about(route=route, topic=route, role=_role(route))


def _role(route: str) -> str:
    return route if route in ROLES else "trusted"


def _arn(role: str) -> str:
    return WRITER_ROLE.replace("doka-writer", role)


def _prepare(cluster: KafkaCluster, aws: FakeAws) -> None:
    """Make topics, streams and roles, and let befall them what shall."""
    for role in set(ROLES) - {"denied"}:
        aws.add_role(_arn(role))
    denied = Refuse("AccessDeniedException", "not authorized to perform: kinesis:DescribeStreamSummary")
    aws.inject(denied, on="DescribeStreamSummary", stream="undescribed", times=None)
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "log_level": 0})
    for route, trouble in ROUTES.items():
        cluster.create_topic(route, 1)
        if trouble.status is not None:
            aws.create_stream(route, strategy="AUTO" if route == "automatic" else "USER_PARTITION_KEY")
            aws.change_stream(route, status=trouble.status)
        if trouble.befalls is not None:
            aws.inject(trouble.befalls, times=trouble.times, skip=trouble.skip, stream=route)
        for number in range(trouble.poison):
            producer.produce(route, b"", b"%b%d" % (TOO_LONG_A_KEY, number), 0)
        for number in range(RECORDS):
            producer.produce(route, b"good", b"k%d" % (number % KEYS), 0)
    assert 0 == producer.flush(30)


def _settings(cluster: KafkaCluster, url: str) -> dict[str, Any]:
    given = settings(
        cluster.bootstrap_servers,
        url,
        {route: route for route in ROUTES},
        group_id="doka-night",
        limits={
            "request_timeout_seconds": 1,
            "requests_in_flight": 2 * len(ROUTES),
            "max_poison_per_minute": POISON_MAX,
        },
    )
    given["roles"] = {role: {"hops": [{"role_arn": _arn(role)}]} for role in ROLES}
    for route in given["routes"]:
        name = route["stream"]["name"]
        route["stream"]["role"] = _role(name)
        route.update(ROUTES[name].given)
    return given


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Give the one service; records wait for all routes when it starts."""
    with KafkaCluster() as cluster, FakeAws() as aws:
        _prepare(cluster, aws)
        with DokaProcess(_settings(cluster, aws.url), tmp_path_factory.mktemp("night")) as doka:
            yield Night(cluster, aws, doka)
            assert doka.runs


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param(["denied"], marks=pytest.mark.failure_mode("the role may not be assumed")),
        pytest.param(["dying"], marks=pytest.mark.failure_mode("leases die one after another before anything lands")),
        pytest.param(["throttled"], marks=pytest.mark.failure_mode("a shard is throttled")),
        pytest.param(["refused"], marks=pytest.mark.failure_mode("some entries of a request are refused")),
        pytest.param(["shared"], marks=pytest.mark.failure_mode("the same under `ordering: key_in_request`")),
        pytest.param(
            ["unanswered", "reset", "failed"],
            marks=pytest.mark.failure_mode("no answer in time, a reset connection, a 5xx"),
        ),
        pytest.param(["forbidden"], marks=pytest.mark.failure_mode("permission to put is missing")),
        pytest.param(["nowhere"], marks=pytest.mark.failure_mode("the stream is not there")),
        pytest.param(
            ["creating", "deleting"], marks=pytest.mark.failure_mode("the stream is being created or deleted")
        ),
        pytest.param(
            ["key_denied", "key_disabled", "key_pending", "key_gone"],
            marks=pytest.mark.failure_mode("the key of the stream's encryption is denied, disabled or gone"),
        ),
        pytest.param(["automatic"], marks=pytest.mark.failure_mode("the stream is in AUTO distribution")),
        pytest.param(["undescribed"], marks=pytest.mark.failure_mode("the stream cannot be described, and puts work")),
        pytest.param(["poisoned"], marks=pytest.mark.failure_mode("a record can never land")),
        pytest.param(
            ["spoilt"], marks=pytest.mark.failure_mode("too much poison in a minute, where `on_poison` is not `block`")
        ),
        pytest.param(
            ["proxy_page", "proxy_refusal"], marks=pytest.mark.failure_mode("a proxy answers instead of the service")
        ),
    ],
    ids=lambda routes: routes[0],
)
def test_a_trouble_of_aws_is_told_as_its_row_says(night: Night, sees: Sees, routes: Sequence[str]) -> None:
    """What is told of each of these routes is what stands on the page."""
    for route in routes:
        sees.until(lambda route=route: night.look(route))  # type: ignore[misc]


@pytest.mark.failure_mode("a token is refused before its end (`ExpiredTokenException`, revoked sessions)")
def test_a_session_that_is_revoked_is_told(night: Night, sees: Sees) -> None:
    """Its lease is rejected, and with the next one all lands."""
    eventually(lambda: RECORDS <= night.aws.landed_count("revoked"), what="the first records")
    assert 1 == len(night.aws.revoke(role_arn=_arn("revoked")))
    night.feed_and_wait("revoked")
    sees.until(lambda: night.look("revoked"))


@pytest.mark.failure_mode("a box on the way says an answer twice")
def test_answers_that_are_not_believed_are_told(night: Night, sees: Sees) -> None:
    """One that came before, and one that does not say what it answers: on connections that had an answer already."""
    for route in ("repeated", "nameless"):
        eventually(lambda route=route: night.aws.landed_count(route), what="a first answer")  # type: ignore[misc]
        night.feed(route)
        sees.until(lambda route=route: night.look(route))  # type: ignore[misc]


@pytest.mark.failure_mode("an error code that nobody knows, of one entry")
def test_an_entry_that_is_refused_for_nobody_knows_what_is_told(night: Night, sees: Sees) -> None:
    """Its lane waits, and the code is there to be looked up."""
    sees.until(lambda: night.look("strange_entry"), CODE="NewError")


@pytest.mark.failure_mode("an error code that nobody knows, of a request")
def test_a_request_that_is_refused_for_nobody_knows_what_is_told(night: Night, sees: Sees) -> None:
    """Its route waits, and the code is there to be looked up."""
    sees.until(lambda: night.look("strange_request"), CODE="BrandNewException")


@pytest.mark.failure_mode("five requests in a row without a known outcome, or that never left")
@pytest.mark.failure_mode("the certificate is not trusted")
@pytest.mark.failure_mode("a broker restarts")
def test_a_way_that_is_closed_is_told(night: Night, sees: Sees, tmp_path: Path) -> None:
    """Puts without an answer; then another service whose TLS end changes: untrusted, none, and nobody listens at all."""
    silent = "five requests in a row without a known outcome, or that never left"
    untrusted = "the certificate is not trusted"
    trusted, other = (make_authority(_made(tmp_path / name)) for name in ("trusted", "other"))
    with KafkaCluster() as cluster, FakeAws() as aws, TlsFront(aws.url, trusted.server) as front:
        cluster.create_topic("orders", 1)
        aws.create_stream("orders")
        endpoints = {"endpoint_urls": {"kinesis": front.url, "sts": aws.url}}
        given = settings(cluster.bootstrap_servers, aws.url, {"orders": "orders"}, group_id="tls", aws=endpoints)
        feeder = Feeder(cluster.bootstrap_servers, "orders", 1)
        with DokaProcess(given, tmp_path, environment={"AWS_CA_BUNDLE": str(trusted.ca_file)}) as doka:
            feeder.feed(RECORDS)
            eventually(lambda: RECORDS <= aws.landed_count("orders"), what="the first records")
            cluster.set_down()
            sees.until(doka.look, row="a broker restarts")
            cluster.set_up()
            front.change(other.server)
            feeder.feed(RECORDS)
            sees.until(doka.look, row=untrusted, chosen="certificate_refused")
            front.change(None)
            sees.until(doka.look, row=untrusted, chosen="tls_failed")
            front.close()
            sees.until(doka.look, row=silent, chosen="not_connected")
    sees.until(lambda: night.look("swallowed"), row=silent, chosen="timeout")
    night.aws.release()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
