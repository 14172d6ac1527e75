"""Leases at the fake, through boto3: who may assume what, how long it lives, and what a wrong signature is told."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.fake_aws import (
    DESTINATION_ACCOUNT,
    SOURCE_KEYS,
    WRITER_ROLE,
    Delay,
    FakeAws,
    Hold,
    Keys,
    Refuse,
    Reset,
    kinesis_client,
    sts_client,
)
from tests.fake_aws.world import SOURCE_ACCOUNT
from tests.waiting import eventually

pytest_plugins = ["tests.fake_aws.fixtures"]

SECOND_ROLE = f"arn:aws:iam::{DESTINATION_ACCOUNT}:role/second"


def assume(fake: FakeAws, keys: Keys = SOURCE_KEYS, role: str = WRITER_ROLE, **given: object) -> Keys:
    """Assume a role with boto3 and give the triple."""
    asked = {"RoleArn": role, "RoleSessionName": "doka-test"} | given
    answer = sts_client(fake.url, keys).assume_role(**asked)["Credentials"]  # type: ignore[arg-type]  # wrong on purpose
    return Keys(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])


def put(fake: FakeAws, keys: Keys) -> str:
    """Put one record with these keys; gives `ok` or the code of the refusal."""
    try:
        kinesis_client(fake.url, keys).put_records(
            StreamARN=f"arn:aws:kinesis:eu-west-1:{DESTINATION_ACCOUNT}:stream/orders",
            Records=[{"Data": b"x", "PartitionKey": "k"}],
        )
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "ok"


def put_by_role(fake: FakeAws, given: dict[str, Any]) -> str:
    """Put one record by way of the role; gives `ok` or the code of whichever refusal."""
    try:
        return put(fake, assume(fake, **given))
    except ClientError as error:
        return error.response["Error"]["Code"]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    """Give the service's code of an error and its HTTP status."""
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def kinds(fake: FakeAws) -> list[str]:
    """Give the kinds of all violations so far."""
    return [violation.kind for violation in fake.violations()]


@pytest.fixture
def fake(fake_aws: FakeAws) -> FakeAws:
    """Give a fake with a stream."""
    fake_aws.create_stream("orders")
    return fake_aws


def test_a_lease_of_the_role_may_put(fake: FakeAws) -> None:
    """What the role's lease signs lands, and the history names the lease."""
    assert ["ok", "ok"] == [put(fake, assume(fake)), put(fake, assume(fake))]
    assert [1, 2] == [record.serial for record in fake.landed("orders")]
    assert [] == fake.violations()


@pytest.mark.parametrize("mixed", ["access_key", "secret_key", "token"])
def test_a_mixed_triple_is_seen_exactly(fake: FakeAws, mixed: str) -> None:
    """One part of another issue is refused and kept as a violation, whichever part it is."""
    old, new = assume(fake), assume(fake)
    code = put(fake, new._replace(**{mixed: getattr(old, mixed)}))
    assert {"secret_key": "InvalidSignatureException"}.get(mixed, "UnrecognizedClientException") == code
    assert ["mixed_triple"] == kinds(fake)
    assert 0 == fake.landed_count("orders")


def test_a_users_key_with_a_leases_token_is_mixed_too(fake: FakeAws) -> None:
    """Keys that do not end must not come with a token, nor a lease's key without one."""
    lease = assume(fake)
    assert ["UnrecognizedClientException"] * 2 == [
        put(fake, SOURCE_KEYS._replace(token=lease.token)),
        put(fake, lease._replace(token=None)),
    ]
    assert ["mixed_triple", "mixed_triple"] == kinds(fake)


def test_a_wrong_secret_is_a_wrong_signature(fake: FakeAws) -> None:
    """A secret that nobody was given makes a wrong signature, not a mixed one."""
    assert "InvalidSignatureException" == put(fake, assume(fake)._replace(secret_key="invented"))
    assert ["wrong_signature"] == kinds(fake)


def test_an_invented_key_is_unknown(fake: FakeAws) -> None:
    """A key that was never issued is refused as unknown by both services."""
    assert "UnrecognizedClientException" == put(fake, Keys("AKIAINVENTED", "x"))
    with pytest.raises(ClientError) as error:
        assume(fake, Keys("AKIAINVENTED", "x"))
    assert ("InvalidClientTokenId", 403) == code_of(error)
    assert ["unknown_key", "unknown_key"] == kinds(fake)


def test_signatures_can_be_left_unverified_but_not_the_triple(fake: FakeAws) -> None:
    """With verification off a wrong secret passes, and a token of another issue does not."""
    fake.verify_signatures(wanted=False)
    old, new = assume(fake), assume(fake)
    assert ["ok", "UnrecognizedClientException"] == [
        put(fake, new._replace(secret_key="invented")),
        put(fake, new._replace(token=old.token)),
    ]


def test_a_lease_past_its_end_is_refused_and_a_violation(fake: FakeAws) -> None:
    """The real code of an expired token, as soon as the age says so, with no skew in play."""
    fake.shape_leases(told_seconds=60)
    keys = assume(fake)
    assert "ok" == put(fake, keys)
    fake.advance(61)
    fake.set_skew(-61)  # only ages moved
    assert "ExpiredTokenException" == put(fake, keys)
    assert ["stale_signature"] == kinds(fake)
    assert [("ExpiredTokenException", 400, 1)] == [(r.code, r.status, r.serial) for r in fake.refused()]


def test_a_lease_that_ends_before_its_word_is_no_violation(fake: FakeAws) -> None:
    """A token that dies earlier than its Expiration said is refused, but its user did nothing wrong."""
    fake.shape_leases(told_seconds=3600, true_seconds=0)
    assert "ExpiredTokenException" == put(fake, assume(fake))
    assert [] == fake.violations()


def test_a_lease_that_ends_on_the_way_is_no_violation(fake: FakeAws) -> None:
    """What arrived in time and was held up inside the service is refused by age, without blame."""
    fake.shape_leases(told_seconds=60)
    keys = assume(fake)
    fake.inject(Hold("network", at="acceptance"))
    answers: list[str] = []
    sender = threading.Thread(target=lambda: answers.append(put(fake, keys)))
    sender.start()
    eventually(lambda: fake.held("network") == 1)
    fake.advance(61)
    fake.release("network")
    sender.join(10)
    assert (["ExpiredTokenException"], []) == (answers, fake.violations())


def test_the_answer_says_when_a_lease_ends_by_the_services_clock(fake: FakeAws) -> None:
    """Expiration minus the answer's own Date is the life, however far the clocks are apart."""
    fake.set_skew(240)
    answer = sts_client(fake.url).assume_role(RoleArn=WRITER_ROLE, RoleSessionName="doka-test", DurationSeconds=1800)
    date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    assert 1800 == (answer["Credentials"]["Expiration"] - date).total_seconds()
    assert abs((date - datetime.now(UTC)).total_seconds() - 240) < 5


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException", "AccessDeniedException"])
def test_revoked_leases_are_refused_as_scripted(fake: FakeAws, code: str) -> None:
    """Living leases die at once with the wanted code; one issued afterwards works."""
    old = assume(fake)
    assert [1] == fake.revoke(code)
    assert [code, "ok"] == [put(fake, old), put(fake, assume(fake))]
    assert [] == fake.violations()


def test_a_revoked_lease_is_no_base_for_another(fake: FakeAws) -> None:
    """STS refuses a revoked session in its own words."""
    session = assume(fake)
    fake.revoke()
    with pytest.raises(ClientError) as error:
        assume(fake, session)
    assert ("ExpiredToken", 403) == code_of(error)


def test_one_lease_can_be_revoked_alone(fake: FakeAws) -> None:
    """Revoking by serial leaves the others alive."""
    first, second = assume(fake), assume(fake)
    assert [1] == fake.revoke(serial=1)
    assert ["ExpiredTokenException", "ok"] == [put(fake, first), put(fake, second)]
    assert ["ExpiredTokenException", None] == [issue.revoked_with for issue in fake.issues()]


@pytest.mark.parametrize(("skew", "words"), [(-301, "not yet current"), (301, "Signature expired")])
def test_a_signature_of_another_time_is_refused(fake: FakeAws, skew: int, words: str) -> None:
    """More than five minutes between the signature's date and the service's clock are refused, either way."""
    keys = assume(fake)
    fake.set_skew(skew)
    assert "InvalidSignatureException" == put(fake, keys)
    with pytest.raises(ClientError, match=words) as error:
        assume(fake)
    assert ("SignatureDoesNotMatch", 403) == code_of(error)
    assert ["skewed_signature", "skewed_signature"] == kinds(fake)


def test_four_minutes_of_skew_are_borne(fake: FakeAws) -> None:
    """Within the window a skewed signature is as good as any."""
    fake.set_skew(240)
    assert "ok" == put(fake, assume(fake))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"DurationSeconds": 899}, ("ValidationError", 400)),
        ({"DurationSeconds": 43_201}, ("ValidationError", 400)),
        ({"DurationSeconds": 3601}, ("ValidationError", 400)),
        ({"RoleSessionName": "a b"}, ("ValidationError", 400)),
        ({"RoleSessionName": "a"}, ("ValidationError", 400)),
        ({"RoleSessionName": "x" * 65}, ("ValidationError", 400)),
        ({"RoleArn": "arn:aws:iam::210987654321:user/nobody"}, ("ValidationError", 400)),
        ({"RoleArn": "arn:aws:iam::210987654321:role/nobody"}, ("AccessDenied", 403)),
        ({"ExternalId": "("}, ("ValidationError", 400)),
    ],
)
def test_what_sts_does_not_take(fake: FakeAws, given: dict[str, Any], code: tuple[str, int]) -> None:
    """Durations, names, ids and roles outside the rules get STS's own code, and no lease is issued."""
    with pytest.raises(ClientError) as error:
        assume(fake, **given)
    assert (code, []) == (code_of(error), fake.issues())


def test_short_leases_can_be_asked_for_where_a_test_allows_it(fake: FakeAws) -> None:
    """The minimum of 900 seconds can be lowered."""
    fake.shape_leases(seconds_min=1)
    assert "ok" == put(fake, assume(fake, DurationSeconds=1))


def test_a_chained_role_may_not_ask_for_more_than_an_hour(fake: FakeAws) -> None:
    """A role session may assume a role that trusts its account, for 3600 s at most, whatever the role allows."""
    fake.add_role(SECOND_ROLE, trusted_accounts=[DESTINATION_ACCOUNT], seconds_max=43_200)
    session = assume(fake)
    with pytest.raises(ClientError, match="role chaining") as error:
        assume(fake, session, SECOND_ROLE, DurationSeconds=3601)
    assert ("ValidationError", 400) == code_of(error)
    assert "ok" == put(fake, assume(fake, session, SECOND_ROLE, DurationSeconds=3600))


def test_a_role_that_does_not_trust_the_caller_is_denied(fake: FakeAws) -> None:
    """The source account cannot assume a role that trusts only the destination."""
    fake.add_role(SECOND_ROLE, trusted_accounts=[DESTINATION_ACCOUNT])
    with pytest.raises(ClientError) as error:
        assume(fake, role=SECOND_ROLE)
    assert ("AccessDenied", 403) == code_of(error)


@pytest.mark.parametrize(
    ("given", "answers"),
    [({"ExternalId": "right"}, "ok"), ({"ExternalId": "wrong"}, "AccessDenied"), ({}, "AccessDenied")],
)
def test_the_external_id_must_be_the_agreed_one(fake: FakeAws, given: dict[str, Any], answers: str) -> None:
    """A role with an external id is denied without it and with another."""
    fake.add_role(WRITER_ROLE, external_id="right")
    assert answers == put_by_role(fake, given)


def test_web_identity_needs_a_token_that_the_role_admits(fake: FakeAws) -> None:
    """AssumeRoleWithWebIdentity is unsigned: its token alone decides."""
    fake.add_role(WRITER_ROLE, web_tokens=["a.good.token"])
    client = sts_client(fake.url, Keys("", ""))
    with pytest.raises(ClientError) as error:
        client.assume_role_with_web_identity(
            RoleArn=WRITER_ROLE, RoleSessionName="doka-test", WebIdentityToken="another"
        )
    assert ("InvalidIdentityToken", 400) == code_of(error)
    answer = client.assume_role_with_web_identity(
        RoleArn=WRITER_ROLE, RoleSessionName="doka-test", WebIdentityToken="a.good.token"
    )["Credentials"]
    assert "ok" == put(fake, Keys(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"]))


def test_sts_can_be_down_slow_and_denying(fake: FakeAws) -> None:
    """Scripted faults meet STS alone, in the query protocol's own form, and pass."""
    fake.inject(Refuse("ServiceUnavailable", status=503), on="AssumeRole")
    fake.inject(Refuse("Throttling", "Rate exceeded"), on="AssumeRole", skip=1)
    fake.inject(Delay(0.05), on="AssumeRole", times=None)
    seen = []
    for _ in range(2):
        with pytest.raises(ClientError) as error:
            assume(fake)
        seen.append(code_of(error))
    assert [("ServiceUnavailable", 503), ("Throttling", 400)] == seen
    assert "ok" == put(fake, assume(fake))


def test_sts_can_break_connections(fake: FakeAws) -> None:
    """A reset before acceptance issues no lease, one after it issues one that nobody got."""
    issued = []
    for moment in ("before", "after"):
        fake.inject(Reset(moment), on="AssumeRole")
        with pytest.raises(BotoCoreError):
            assume(fake)
        issued.append(len(fake.issues()))
    assert [0, 1] == issued


def test_a_stream_policy_admits_another_account_without_a_role(fake: FakeAws) -> None:
    """Keys of another account put by ARN once the stream's policy allows their account, and not before."""
    before = put(fake, SOURCE_KEYS)
    fake.change_stream("orders", allowed_accounts=[SOURCE_ACCOUNT])
    assert ["AccessDeniedException", "ok"] == [before, put(fake, SOURCE_KEYS)]
