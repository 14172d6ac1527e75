"""The same cases against both adapters of the port `Authority`: STS at the fake AWS, and the simulated one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from doka.domain.events import LeaseIssued, LeaseRefused
from doka.domain.lease import Lease
from doka.domain.limits import NS_PER_SECOND
from tests.contract.aws_rigs import ROLE, AwsRig, each_account, put_of
from tests.contract.test_sink import answers
from tests.fake_aws.world import SOURCE_KEYS

pytest_plugins = ["tests.fake_aws.fixtures"]


@pytest.fixture(params=["sts", "simulated"])
def rig(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AwsRig]:
    """Give each account in turn; the real adapter finds the source account's keys in the environment."""
    if request.param == "sts":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", SOURCE_KEYS.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SOURCE_KEYS.secret_key)
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    yield from each_account(request)


def issued(rig: AwsRig) -> Lease:
    """Ask for a lease that must come."""
    event = rig.authority.issue(ROLE)
    assert isinstance(event, LeaseIssued), event
    return event.lease


def test_a_lease_signs_a_put(rig: AwsRig) -> None:
    """What the authority issues is accepted by the stream."""
    rig.sink.submit(put_of(rig, 1, ("k", b"v"), lease=issued(rig)))
    answers(rig)
    assert [("k", b"v")] == rig.landed()


def test_serials_ascend(rig: AwsRig) -> None:
    """Each lease is a new one, with a higher serial and other secrets."""
    first, second = issued(rig), issued(rig)
    assert first.serial < second.serial
    assert first.secrets != second.secrets


def test_the_life_counts_from_before_the_question(rig: AwsRig) -> None:
    """A lease is never thought to live longer than the authority says, however slow the answer was."""
    asked = rig.clock.now()
    lease = issued(rig)
    assert asked <= lease.issued_at <= rig.clock.now()
    assert lease.life is not None
    assert 3_590 * NS_PER_SECOND <= lease.life <= 3_600 * NS_PER_SECOND


def test_a_shorter_life_is_taken_as_it_is(rig: AwsRig) -> None:
    """A lease that lives shorter than asked for says so."""
    rig.shorten_leases(7)
    lease = issued(rig)
    assert lease.life is not None
    assert 5 * NS_PER_SECOND <= lease.life <= 7 * NS_PER_SECOND


def test_a_denial_is_an_answer(rig: AwsRig) -> None:
    """A role that may not be assumed is refused by the service's code, without an exception."""
    rig.sts_weather("denied")
    event = rig.authority.issue(ROLE)
    assert isinstance(event, LeaseRefused)
    assert (ROLE, "AccessDenied", None) == (event.role, event.code, event.skew_seconds)


def test_silence_is_an_answer(rig: AwsRig) -> None:
    """An authority that cannot be reached is a refusal, without an exception."""
    rig.sts_weather("down")
    event = rig.authority.issue(ROLE)
    assert isinstance(event, LeaseRefused)
    assert ROLE == event.role


def test_it_goes_on_after_a_denial(rig: AwsRig) -> None:
    """Once the cause is cured the next question is answered by a lease."""
    rig.sts_weather("denied")
    assert isinstance(rig.authority.issue(ROLE), LeaseRefused)
    rig.sts_weather("good")
    assert issued(rig).role == ROLE


def test_secrets_print_as_nothing(rig: AwsRig) -> None:
    """A lease that is printed shows none of its three secrets (I17)."""
    lease = issued(rig)
    shown = repr(lease)
    secrets = (lease.secrets.access_key, lease.secrets.secret_key, lease.secrets.token or "none")
    assert [] == [secret for secret in secrets if secret in shown]
