from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from doka.adapters.aws.clock import ServiceClock
from doka.adapters.aws.sts.assume import WALL_CLOCK_ALLOWANCE_SECONDS, RoleAssumer, life_ns
from doka.adapters.aws.sts.grant import RefusedError
from doka.adapters.aws.sts.settings import Hop, RoleChain
from doka.domain.lease import Secrets
from doka.domain.limits import NS_PER_SECOND
from tests.fake_aws import SOURCE_ACCOUNT, Answer, Close, FakeAws, Keys, Refuse
from tests.integration.aws.sts.conftest import MIDDLE, WRITER, chain_to, dated, spoilt
from tests.manual_clock import ManualClock

SECRETS = Secrets("ASIABASE", "base secret", "base token")
ISSUED_AT = datetime(2030, 3, 17, 17, 46, 40, tzinfo=UTC)
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture
def sts(sts: FakeAws) -> FakeAws:
    """An STS that knows what signs here."""
    sts.admit(Keys(SECRETS.access_key, SECRETS.secret_key, SECRETS.token), SOURCE_ACCOUNT)
    return sts


def assumer(clock: ManualClock | None = None) -> RoleAssumer:
    """Give what asks, with a service time that has learned nothing yet."""
    clock = clock or ManualClock()
    return RoleAssumer(clock, ServiceClock(clock))


def refusal(sts: FakeAws, clock: ManualClock | None = None) -> RefusedError:
    """Ask for a role, and give the refusal."""
    with pytest.raises(RefusedError) as caught:
        assumer(clock).assume(chain_to(sts.url, WRITER), 0, SECRETS)
    return caught.value


def test_a_grant_is_what_sts_issued(sts: FakeAws) -> None:
    """Its three secrets, the account of the role, and an hour from before the question."""
    clock = ManualClock()
    grant = assumer(clock).assume(chain_to(sts.url, WRITER), 0, SECRETS)

    [issue] = sts.issues()
    assert (Secrets(*issue.keys), "210987654321") == (grant.secrets, grant.account_id)
    assert (clock.now(), clock.now() + 3600 * NS_PER_SECOND) == (grant.issued_at, grant.ends_at)


def test_the_question_is_signed_by_the_hop_before(sts: FakeAws) -> None:
    """The key and the token that were handed over sign it, in the region of the chain, for STS."""
    assumer().assume(chain_to(sts.url, MIDDLE, WRITER), 1, SECRETS)
    headers = sts.calls[0].headers

    assert ("ASIABASE", "base token") == (sts.calls[0].access_key, headers["x-amz-security-token"])
    assert "/eu-west-1/sts/aws4_request" in headers["authorization"]


def test_each_hop_says_only_what_is_its_own(sts: FakeAws) -> None:
    """The source identity is set by the first hop; tags and policy, which would keep it from going on, by the last."""
    chain = RoleChain(
        "writer",
        "eu-west-1",
        (Hop(MIDDLE, external_id="outside"), Hop(WRITER, duration_seconds=900)),
        session_name="doka-host",
        source_identity="doka-source",
        tags=(("team", "orders"),),
        session_policy=POLICY,
        sts_endpoint_url=sts.url,
    )
    for index in range(2):
        assumer().assume(chain, index, SECRETS)
    first, second = ({k: v for k, v in call.body.items() if k != "Version"} for call in sts.calls)

    common = {"Action": "AssumeRole", "RoleSessionName": "doka-host"}
    assert first == {
        **common,
        "RoleArn": MIDDLE,
        "DurationSeconds": "3600",
        "ExternalId": "outside",
        "SourceIdentity": "doka-source",
    }
    assert second == {
        **common,
        "RoleArn": WRITER,
        "DurationSeconds": "900",
        "Policy": POLICY,
        "Tags.member.1.Key": "team",
        "Tags.member.1.Value": "orders",
    }


@pytest.mark.parametrize(
    ("status", "code", "identity"),
    [
        (403, "AccessDenied", True),
        (400, "Throttling", False),
        (400, "ThrottlingException", False),
        (503, "Busy", False),
    ],
)
def test_a_refusal_says_whether_it_was_about_who_asked(
    sts: FakeAws,
    status: int,
    code: str,
    identity: bool,  # noqa: FBT001 - a column
) -> None:
    """Throttling and trouble of the service say nothing against the credentials; and each is asked once only."""
    sts.will(Refuse(code, status=status))
    found = refusal(sts)

    assert (code, identity, None, 1) == (found.code, found.identity_refused, found.skew_seconds, len(sts.calls))


def test_a_refusal_does_not_repeat_the_secrets_that_asked(sts: FakeAws) -> None:
    """STS quotes what it was sent; what is shown has stars instead."""
    sts.will(Refuse("InvalidClientTokenId", "the token base token of base secret", 403))

    assert "the token *** of ***" == refusal(sts).message


@pytest.mark.parametrize(
    "answer", [Answer("<html>proxy</html>"), Answer(""), Answer("<unfinished"), spoilt("Expiration", "")]
)
def test_an_answer_without_credentials_is_a_refusal(sts: FakeAws, answer: Answer) -> None:
    """Whatever stands in front of STS and answers 200 is not believed, and its text is not repeated."""
    sts.will(answer)
    found = refusal(sts)

    assert "UnreadableAnswer" == found.code
    assert "proxy" not in str(found)


def test_a_connection_that_breaks_is_a_refusal_and_no_second_question(sts: FakeAws) -> None:
    """Retrying is the domain's; the next question on the same object goes through."""
    sts.will(Close())
    asking = assumer()
    with pytest.raises(RefusedError) as caught:
        asking.assume(chain_to(sts.url, WRITER), 0, SECRETS)

    assert ("ConnectionClosedError", 1) == (caught.value.code, len(sts.calls))
    assert sts.issues()[0].access_key != asking.assume(chain_to(sts.url, WRITER), 0, SECRETS).secrets.access_key


@pytest.mark.parametrize(("moved", "questions"), [(29.0, 1), (-29.0, 1), (60.0, 2), (-60.0, 2)])
def test_only_a_date_that_moved_is_worth_asking_again(sts: FakeAws, moved: float, questions: int) -> None:
    """A refusal by date that teaches less than 30 s would be repeated, so it is not asked for."""
    clock = ManualClock()
    sts.will((Refuse("RequestExpired", status=403), dated(clock.seconds + moved)))
    if questions == 1:
        refusal(sts, clock)
    else:
        assumer(clock).assume(chain_to(sts.url, WRITER), 0, SECRETS)

    assert questions == len(sts.calls)


def test_a_life_is_what_the_service_says_between_its_own_two_times() -> None:
    """Expiration minus Date, parts of a second cut off, whatever this host takes the time to be."""
    wrong = ServiceClock(ManualClock(ahead_seconds=1200))
    expiration = ISSUED_AT + timedelta(seconds=900, microseconds=999_999)

    assert 900 * NS_PER_SECOND == life_ns(expiration, ISSUED_AT, wrong)


def test_without_a_date_a_life_is_a_minute_shorter() -> None:
    """The wall clock judges, less its allowance."""
    clock = ManualClock()
    expiration = datetime.fromtimestamp(clock.seconds + 900, UTC)
    seconds = life_ns(expiration, None, ServiceClock(clock)) / NS_PER_SECOND

    assert 900 - WALL_CLOCK_ALLOWANCE_SECONDS == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize("seconds", [0, -1])
def test_credentials_that_are_over_are_refused(seconds: int) -> None:
    """A lease that ends as it begins would be asked for again and again; the text names the clocks."""
    with pytest.raises(RefusedError, match="compare this host's clock"):
        life_ns(ISSUED_AT + timedelta(seconds=seconds), ISSUED_AT, ServiceClock(ManualClock()))
