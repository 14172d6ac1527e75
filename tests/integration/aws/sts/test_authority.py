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
from tests.fake_aws import SOURCE_ACCOUNT, Answer, Call, Close, FakeAws, Keys, Refuse
from tests.integration.aws.sts.conftest import BASE, MIDDLE, UNDATED, WRITER, base_session, chain_to, dated, spoilt
from tests.manual_clock import ManualClock


def authority_of(chain: RoleChain, clock: ManualClock | SystemClock | None = None) -> StsAuthority:
    """An authority for one role, from static base credentials."""
    return StsAuthority({chain.name: chain}, clock or ManualClock(), base_session)


def lease_of(authority: Authority, role: str = "analytics") -> Lease:
    """Issue a lease that must be there."""
    event = authority.issue(role)
    assert isinstance(event, LeaseIssued), event
    return event.lease


def signers(sts: FakeAws) -> list[int]:
    """Give the serial of the issue that signed each question, 0 for the base."""
    serials = {issue.access_key: issue.serial for issue in sts.issues()} | {BASE.access_key: 0}
    return [serials[call.access_key] for call in sts.calls]


def refusal_of(authority: Authority, role: str = "analytics") -> LeaseRefused:
    """Ask for a lease that must be refused."""
    event = authority.issue(role)
    assert isinstance(event, LeaseRefused), event
    return event


def test_a_lease_lives_from_before_the_question_for_expiration_minus_date(sts: FakeAws) -> None:
    """An hour issued is an hour held, of the account of the role, whatever the host's wall clock says."""
    clock = ManualClock(ahead_seconds=-7200)
    lease = lease_of(authority_of(chain_to(sts.url, WRITER), clock))
    now = clock.now()
    [issue] = sts.issues()
    secrets = Secrets(*issue.keys)
    assert Lease(1, "analytics", secrets, now, now + 3600 * NS_PER_SECOND, "210987654321") == lease


def test_serials_ascend_over_all_roles(sts: FakeAws) -> None:
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


def test_hops_are_assumed_one_after_another(sts: FakeAws) -> None:
    """The first question is signed by the base, the second by what the first brought; the lease is the last one's."""
    lease = lease_of(authority_of(chain_to(sts.url, MIDDLE, WRITER)))
    assert ([0, 1], [MIDDLE, WRITER]) == (signers(sts), [call.body["RoleArn"] for call in sts.calls])
    first, last = sts.issues()
    assert (last.token, "210987654321") == (lease.secrets.token, lease.account_id)
    assert [None, first.token] == [call.headers.get("x-amz-security-token") for call in sts.calls]


def test_everything_a_chain_says_is_asked_at_its_hop(sts: FakeAws) -> None:
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
    assert [call.body for call in sts.calls] == [
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


def test_a_session_on_the_way_is_kept_while_it_lives(sts: FakeAws) -> None:
    """It signs again until it has a minute left; then the way is walked from the base."""
    clock = ManualClock()
    authority = authority_of(chain_to(sts.url, MIDDLE, WRITER), clock)
    for passed in (0, 3539, 1):
        clock.pass_seconds(passed)
        sts.advance(passed)
        lease_of(authority)
    assert [0, 1, 1, 0, 4] == signers(sts)


@pytest.mark.parametrize(
    ("refuse", "expected"),
    [
        (Refuse("ExpiredToken", status=403), [0, 1, 1, 0, 3]),
        (Refuse("AccessDenied", status=403), [0, 1, 1, 0, 3]),
        (Refuse("ServiceUnavailable", status=503), [0, 1, 1, 1]),
        (Refuse("Throttling", status=400), [0, 1, 1, 1]),
    ],
)
def test_a_session_on_the_way_is_dropped_when_it_was_refused(sts: FakeAws, refuse: Refuse, expected: list[int]) -> None:
    """After a refusal of who asks, the way is walked anew; after one of the service's own trouble it is not."""
    authority = authority_of(chain_to(sts.url, MIDDLE, WRITER))
    lease_of(authority)
    sts.will(refuse)
    refusal_of(authority)
    lease_of(authority)
    assert expected == signers(sts)


def test_a_refused_base_is_looked_for_anew(sts: FakeAws) -> None:
    """When STS does not accept the ambient credentials, the next question comes from a new walk of their chain."""
    walks: list[int] = []

    def walk() -> boto3.session.Session:
        walks.append(1)
        return boto3.session.Session(f"AKIA{len(walks)}", "secret")

    sts.admit(Keys("AKIA2", "secret"), SOURCE_ACCOUNT)
    authority = StsAuthority({"analytics": chain_to(sts.url, WRITER)}, ManualClock(), walk)
    assert refusal_of(authority).code == "InvalidClientTokenId"
    lease_of(authority)
    assert ["AKIA1", "AKIA2"] == [asked.access_key for asked in sts.calls]  # of which the first is unknown there


def test_one_attempt_is_one_question(sts: FakeAws) -> None:
    """Neither trouble of the service nor a broken connection is asked again behind the domain's back."""
    authority = authority_of(chain_to(sts.url, WRITER))
    sts.will(Refuse("ServiceUnavailable", status=503), Close())
    codes = [refusal_of(authority).code for _ in range(2)]
    assert (["ServiceUnavailable", "ConnectionClosedError"], 2) == (codes, len(sts.calls))


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
    ("odd", "code"),
    [
        (spoilt("Expiration", ""), "UnreadableAnswer"),
        (Answer("<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>"), "UnreadableAnswer"),
        (Answer("<html>proxy"), "UnreadableAnswer"),
        (spoilt("Expiration", "soon"), "UnreadableAnswer"),
        (spoilt("Expiration", "2020-01-01T00:00:00Z"), "ExpiredAtIssue"),
        (spoilt("SessionToken", "to&#10;ken"), "UnusableCredentials"),
        (spoilt("AccessKeyId", "ASIA&#13;1"), "UnusableCredentials"),
        (spoilt("SessionToken", "to&#233;ken"), "UnusableCredentials"),
        (Refuse("X" * 30_000, "no"), "http_400"),
        (Refuse("two words", "no"), "http_400"),
        (Answer("", 403), "UnreadableAnswer"),
        (Answer("<html>bad gateway", 502), "http_502"),
    ],
)
def test_an_odd_answer_is_a_refusal(sts: FakeAws, odd: Answer | Refuse, code: str) -> None:
    """Missing, garbled and past credentials never become a lease, and never an exception."""
    sts.will(odd)
    assert code == refusal_of(authority_of(chain_to(sts.url, WRITER))).code


def test_an_expiration_in_another_zone_is_the_same_moment(sts: FakeAws) -> None:
    """Ten o'clock at +02:00 is eight o'clock by the Date."""
    sts.will((spoilt("Expiration", "2030-03-17T19:51:40+02:00"), dated(1_900_000_000)))
    assert lease_of(authority_of(chain_to(sts.url, WRITER))).life == 300 * NS_PER_SECOND


def test_without_a_date_the_wall_clock_has_to_do_less_a_minute(sts: FakeAws) -> None:
    """An answer with no Date gives Expiration minus the wall clock minus 60 s."""
    clock = ManualClock()
    sts.set_skew(1_900_000_000.0 - clock.seconds)
    clock.seconds = 1_900_000_000.0
    sts.will((spoilt("Expiration", "2030-03-17T18:46:40Z"), UNDATED))
    assert lease_of(authority_of(chain_to(sts.url, WRITER), clock)).life == 3540 * NS_PER_SECOND


def test_no_refusal_lets_a_secret_out(sts: FakeAws, caplog: pytest.LogCaptureFixture) -> None:
    """STS repeats the whole request, its token included, in one of its texts: none of it is in event or log."""
    authority = authority_of(chain_to(sts.url, MIDDLE, WRITER))

    def quote(call: Call, _: bytes) -> str:
        token, secret = call.headers["x-amz-security-token"], sts.issues()[0].secret_key
        words = f"does not match. {token} {secret} The Canonical String for this request should have been {token}"
        return f"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>{words}</Message></Error></ErrorResponse>"

    sts.will(None, Answer(quote, 403))
    with caplog.at_level("INFO"):
        refusal = refusal_of(authority)
    assert refusal.message == "does not match. *** ***"
    secrets = (sts.issues()[0].token or "", sts.issues()[0].secret_key, BASE.secret_key)
    assert [] == [word for word in secrets if word in f"{refusal!r} {caplog.text}"]


def test_no_lease_prints_a_secret(sts: FakeAws) -> None:
    """The event of a lease can be logged as it is."""
    event = authority_of(chain_to(sts.url, WRITER)).issue("analytics")
    assert [] == [word for word in sts.issues()[0].keys if str(word) in repr(event)]


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


def test_a_role_without_hops_is_the_ambient_credentials(sts: FakeAws) -> None:
    """They are given as they are, under the name of the role, without a question to STS."""
    authority = authority_of(chain_to(sts.url))
    lease = lease_of(authority)
    assert (Secrets("AKIABASE", "base secret", None), None, "analytics") == (lease.secrets, lease.ends_at, lease.role)
    assert [] == sts.calls


def test_a_role_that_is_not_configured_is_a_refusal() -> None:
    """An unknown name is answered, not raised."""
    assert refusal_of(StsAuthority({}, ManualClock(), base_session), "nobody").code == "UnknownRole"


def test_a_slow_role_delays_no_other(sts: FakeAws) -> None:
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
