from __future__ import annotations

import socket
import threading
from dataclasses import replace
from itertools import pairwise

import boto3
import pytest

from doka.adapters.aws.clock import ServiceClock
from doka.adapters.aws.sts import assume
from doka.adapters.aws.sts.assume import RoleAssumer
from doka.adapters.aws.sts.authority import StsAuthority
from doka.adapters.aws.sts.settings import Hop, RoleChain
from doka.adapters.embedded.gate import ExpiringGate
from doka.adapters.embedded.moto_server import EmbeddedMoto
from doka.adapters.system.clock import SystemClock
from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.lease import Lease, Secrets
from doka.domain.limits import NS_PER_SECOND
from doka.domain.ports import Authority
from tests.integration.aws.sts.conftest import MIDDLE, WRITER, base_session, chain_to
from tests.integration.aws.sts.scripted_sts import Asked, Reply, ScriptedSts, issued, refused
from tests.manual_clock import ManualClock

SOON = "<Expiration>2099-01-01T00:00:00Z</Expiration>"


def authority_of(chain: RoleChain, clock: ManualClock | SystemClock | None = None) -> StsAuthority:
    """An authority for one role, from static base credentials."""
    return StsAuthority({chain.name: chain}, clock or ManualClock(), base_session)


def lease_of(authority: Authority, role: str = "analytics") -> Lease:
    """Issue a lease that must be there."""
    event = authority.issue(role)
    assert isinstance(event, LeaseIssued), event
    return event.lease


def refusal_of(authority: Authority, role: str = "analytics") -> LeaseRefused:
    """Ask for a lease that must be refused."""
    event = authority.issue(role)
    assert isinstance(event, LeaseRefused), event
    return event


def test_a_lease_lives_from_before_the_question_for_expiration_minus_date(sts: ScriptedSts) -> None:
    """An hour issued is an hour held, of the account of the role, whatever the host's wall clock says."""
    clock = ManualClock(ahead_seconds=-7200)
    lease = lease_of(authority_of(chain_to(sts.url, WRITER), clock))
    now = clock.now()
    secrets = Secrets("ASIA1", "secret 1", "token 1")
    assert Lease(1, "analytics", secrets, now, now + 3600 * NS_PER_SECOND, "210987654321") == lease


def test_serials_ascend_over_all_roles(sts: ScriptedSts) -> None:
    """Eight threads that ask for three roles get as many different serials, ascending for each thread."""
    chains = {name: replace(chain_to(sts.url, WRITER), name=name) for name in ("a", "b")}
    authority = StsAuthority(chains, ManualClock(), base_session)
    seen: list[list[int]] = []

    def ask(role: str) -> None:
        seen.append([lease_of(authority, role).serial for _ in range(5)])

    threads = [threading.Thread(target=ask, args=(role,)) for role in ("a", "b", "ambient", "a", "b", "ambient")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(range(1, 31)) == sorted(serial for serials in seen for serial in serials)
    assert all(earlier < later for serials in seen for earlier, later in pairwise(serials))


def test_hops_are_assumed_one_after_another(sts: ScriptedSts) -> None:
    """The first question is signed by the base, the second by what the first brought; the lease is the last one's."""
    lease = lease_of(authority_of(chain_to(sts.url, MIDDLE, WRITER)))
    assert [("AKIABASE", MIDDLE), ("ASIA1", WRITER)] == [(a.access_key, a.parameters["RoleArn"]) for a in sts.asked]
    assert ("token 2", "210987654321") == (lease.secrets.token, lease.account_id)
    assert [None, "token 1"] == [asked.headers.get("x-amz-security-token") for asked in sts.asked]


def test_everything_a_chain_says_is_asked_at_its_hop(sts: ScriptedSts) -> None:
    """Source identity goes with the first hop, tags and policy with the last, the rest with each."""
    chain = RoleChain(
        "analytics",
        "eu-west-1",
        (Hop(MIDDLE, external_id="one", duration_seconds=900), Hop(WRITER)),
        session_name="doka-pod-0",
        source_identity="orders",
        tags=(("team", "data"),),
        session_policy='{"Version":"2012-10-17"}',
        sts_endpoint_url=sts.url,
    )
    lease_of(authority_of(chain))
    common = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleSessionName": "doka-pod-0"}
    assert [asked.parameters for asked in sts.asked] == [
        common | {"RoleArn": MIDDLE, "ExternalId": "one", "DurationSeconds": "900", "SourceIdentity": "orders"},
        common
        | {
            "RoleArn": WRITER,
            "DurationSeconds": "3600",
            "Tags.member.1.Key": "team",
            "Tags.member.1.Value": "data",
            "Policy": '{"Version":"2012-10-17"}',
        },
    ]


def test_a_session_on_the_way_is_kept_while_it_lives(sts: ScriptedSts) -> None:
    """It signs again until it has a minute left; then the way is walked from the base."""
    clock = ManualClock()
    authority = authority_of(chain_to(sts.url, MIDDLE, WRITER), clock)
    for passed in (0, 3539, 1):
        clock.pass_seconds(passed)
        lease_of(authority)
    assert ["AKIABASE", "ASIA1", "ASIA1", "AKIABASE", "ASIA4"] == [asked.access_key for asked in sts.asked]


@pytest.mark.parametrize(
    ("reply", "signers"),
    [
        (Reply(403, refused("ExpiredToken")), ["AKIABASE", "ASIA1", "ASIA1", "AKIABASE", "ASIA4"]),
        (Reply(403, refused("AccessDenied")), ["AKIABASE", "ASIA1", "ASIA1", "AKIABASE", "ASIA4"]),
        (Reply(503, refused("ServiceUnavailable")), ["AKIABASE", "ASIA1", "ASIA1", "ASIA1"]),
        (Reply(400, refused("Throttling")), ["AKIABASE", "ASIA1", "ASIA1", "ASIA1"]),
    ],
)
def test_a_session_on_the_way_is_dropped_when_it_was_refused(
    sts: ScriptedSts, reply: Reply, signers: list[str]
) -> None:
    """After a refusal of who asks, the way is walked anew; after one of the service's own trouble it is not."""
    authority = authority_of(chain_to(sts.url, MIDDLE, WRITER))
    lease_of(authority)
    sts.script = [reply]
    refusal_of(authority)
    lease_of(authority)
    assert signers == [asked.access_key for asked in sts.asked]


def test_a_refused_base_is_looked_for_anew(sts: ScriptedSts) -> None:
    """When STS does not accept the ambient credentials, the next question comes from a new walk of their chain."""
    walks: list[int] = []

    def walk() -> boto3.session.Session:
        walks.append(1)
        return boto3.session.Session(f"AKIA{len(walks)}", "secret")

    authority = StsAuthority({"analytics": chain_to(sts.url, WRITER)}, ManualClock(), walk)
    sts.script = [Reply(403, refused("InvalidClientTokenId"))]
    assert refusal_of(authority).code == "InvalidClientTokenId"
    lease_of(authority)
    assert ["AKIA1", "AKIA2"] == [asked.access_key for asked in sts.asked]


def test_one_attempt_is_one_question(sts: ScriptedSts) -> None:
    """Neither trouble of the service nor a broken connection is asked again behind the domain's back."""
    authority = authority_of(chain_to(sts.url, WRITER))
    sts.script = [Reply(503, refused("ServiceUnavailable")), Reply(0, "", close=True)]
    codes = [refusal_of(authority).code for _ in range(2)]
    assert (["ServiceUnavailable", "ConnectionClosedError"], 2) == (codes, len(sts.asked))


def test_nobody_listening_is_a_refusal() -> None:
    """A port on which nobody listens gives a code and a sentence, without an exception."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    refusal = refusal_of(authority_of(chain_to(f"http://127.0.0.1:{port}", WRITER)))
    assert ("EndpointConnectionError", True) == (refusal.code, f"127.0.0.1:{port}" in refusal.message)


def test_an_sts_that_never_answers_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question is given up after its read time-out."""
    monkeypatch.setattr(assume, "_CONFIG", assume._CONFIG.merge(type(assume._CONFIG)(read_timeout=0.2)))
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        refusal = refusal_of(authority_of(chain_to(f"http://127.0.0.1:{deaf.getsockname()[1]}", WRITER)))
    assert refusal.code == "ReadTimeoutError"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(200, issued("")), "UnreadableAnswer"),
        (Reply(200, "<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>"), "UnreadableAnswer"),
        (Reply(200, "<html>proxy"), "UnreadableAnswer"),
        (Reply(200, issued("<Expiration>soon</Expiration>")), "UnreadableAnswer"),
        (Reply(200, issued("<Expiration>2020-01-01T00:00:00Z</Expiration>"), date=1_900_000_000), "ExpiredAtIssue"),
        (Reply(200, issued(SOON).replace("token 1", "to&#10;ken")), "UnusableCredentials"),
        (Reply(200, issued(SOON).replace("ASIA1", "ASIA&#13;1")), "UnusableCredentials"),
        (Reply(200, issued(SOON).replace("token 1", "to&#233;ken")), "UnusableCredentials"),
        (Reply(400, refused("X" * 30_000)), "http_400"),
        (Reply(400, refused("two words")), "http_400"),
        (Reply(403, ""), "UnreadableAnswer"),
        (Reply(502, "<html>bad gateway"), "http_502"),
    ],
)
def test_an_odd_answer_is_a_refusal(sts: ScriptedSts, reply: Reply, code: str) -> None:
    """Missing, garbled and past credentials never become a lease, and never an exception."""
    sts.script = [reply]
    assert code == refusal_of(authority_of(chain_to(sts.url, WRITER))).code


def test_an_expiration_in_another_zone_is_the_same_moment(sts: ScriptedSts) -> None:
    """Ten o'clock at +02:00 is eight o'clock by the Date."""
    sts.script = [Reply(200, issued("<Expiration>2030-03-17T19:51:40+02:00</Expiration>"), date=1_900_000_000)]
    assert lease_of(authority_of(chain_to(sts.url, WRITER))).life == 300 * NS_PER_SECOND


def test_without_a_date_the_wall_clock_has_to_do_less_a_minute(sts: ScriptedSts) -> None:
    """An answer with no Date gives Expiration minus the wall clock minus 60 s."""
    clock = ManualClock()
    clock.seconds = 1_900_000_000.0
    sts.script = [Reply(200, issued("<Expiration>2030-03-17T18:46:40Z</Expiration>"))]
    assert lease_of(authority_of(chain_to(sts.url, WRITER), clock)).life == 3540 * NS_PER_SECOND


def test_no_refusal_lets_a_secret_out(sts: ScriptedSts, caplog: pytest.LogCaptureFixture) -> None:
    """STS repeats the whole request, its token included, in one of its texts: none of it is in event or log."""
    authority = authority_of(chain_to(sts.url, MIDDLE, WRITER))
    words = "does not match. token 1 secret 1 The Canonical String for this request should have been token 1"
    sts.script = [sts.issue(_asked_for(MIDDLE)), Reply(403, refused("SignatureDoesNotMatch", words))]
    sts.script[0].body = sts.script[0].body.replace("ASIA0", "ASIA1").replace(" 0<", " 1<")
    with caplog.at_level("INFO"):
        refusal = refusal_of(authority)
    assert refusal.message == "does not match. *** ***"
    assert [] == [word for word in ("token 1", "secret 1", "base secret") if word in f"{refusal!r} {caplog.text}"]


def _asked_for(arn: str) -> Asked:
    return Asked({"RoleArn": arn}, {})


def test_no_lease_prints_a_secret(sts: ScriptedSts) -> None:
    """The event of a lease can be logged as it is."""
    event = authority_of(chain_to(sts.url, WRITER)).issue("analytics")
    assert [] == [word for word in ("ASIA1", "secret 1", "token 1") if word in repr(event)]


ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"AWS_STS_REGIONAL_ENDPOINTS": "legacy"},
    {"AWS_ENDPOINT_URL_STS": "http://169.254.169.254"},
    {"AWS_ENDPOINT_URL": "http://169.254.169.254"},
]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_environment_cannot_send_the_question_elsewhere(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """Without an endpoint of ours it is the STS of the region, also where the environment names another."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    clock = ManualClock()
    client = RoleAssumer(clock, ServiceClock(clock))._client(RoleChain("analytics", "eu-west-1"))
    assert client.meta.endpoint_url == "https://sts.eu-west-1.amazonaws.com"
    client.close()


def test_a_role_without_hops_is_the_ambient_credentials(sts: ScriptedSts) -> None:
    """They are given as they are, under the name of the role, without a question to STS."""
    authority = authority_of(chain_to(sts.url))
    lease = lease_of(authority)
    assert (Secrets("AKIABASE", "base secret", None), None, "analytics") == (lease.secrets, lease.ends_at, lease.role)
    assert [] == sts.asked


def test_a_role_that_is_not_configured_is_a_refusal() -> None:
    """An unknown name is answered, not raised."""
    assert refusal_of(StsAuthority({}, ManualClock(), base_session), "nobody").code == "UnknownRole"


def test_a_slow_role_delays_no_other(sts: ScriptedSts) -> None:
    """While one role's STS has the question and does not answer, another role gets its lease."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        slow = replace(chain_to(f"http://127.0.0.1:{deaf.getsockname()[1]}", WRITER), name="slow")
        quick = replace(chain_to(sts.url, WRITER), name="quick")
        authority = StsAuthority({"slow": slow, "quick": quick}, ManualClock(), base_session)
        waiting = threading.Thread(target=authority.issue, args=("slow",))
        waiting.start()
        held, _ = deaf.accept()
        with held:
            lease_of(authority, "quick")
            assert waiting.is_alive()
    waiting.join()


def test_a_chain_through_moto_and_the_gate(moto: EmbeddedMoto) -> None:
    """Through real STS answers: the life that the gate enforces, the writer's account, and a signature that it accepts."""
    with ExpiringGate(moto.url, SystemClock(), token_seconds=5) as gate:
        lease = lease_of(authority_of(chain_to(gate.url, MIDDLE, WRITER), SystemClock()))
        assert (5 * NS_PER_SECOND, "210987654321") == (lease.life, lease.account_id)
        assert gate.counts().leases_issued == 2
