from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import boto3
import botocore.session
import pytest
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import ClientError, CredentialRetrievalError, MetadataRetrievalError

from doka.adapters.aws.clock import ServiceClock
from doka.adapters.aws.sts.ambient import AmbientCredentials
from doka.adapters.aws.sts.assume import life_ns
from doka.adapters.aws.sts.grant import RefusedError
from doka.domain.lease import Secrets
from doka.domain.limits import NS_PER_SECOND
from tests.manual_clock import ManualClock


@dataclass
class Found:
    """The end of boto3's chain: what it found."""

    credentials: Credentials | None

    def load_credentials(self) -> Credentials | None:
        """Give it."""
        return self.credentials


def session_of(credentials: Credentials | None) -> boto3.session.Session:
    """Make a real session whose chain ends with these credentials."""
    session = botocore.session.Session()
    session.register_component("credential_provider", Found(credentials))
    return boto3.session.Session(botocore_session=session)


class Chain:
    """A session factory: each walk finds the next issue, which botocore refreshes by the same counter."""

    def __init__(self, clock: ManualClock, life_seconds: float | None, *, same: bool = False) -> None:
        self.clock = clock
        self.life_seconds = life_seconds
        self.same = same
        self.walks = 0
        self.issues = 0
        self.fail: Exception | None = None

    def __call__(self) -> boto3.session.Session:
        """Walk the chain."""
        self.walks += 1
        if self.life_seconds is None:
            self.issues += not (self.same and self.issues)
            return session_of(Credentials(f"AKIA{self.issues}", f"secret {self.issues}"))
        first = self.refresh()
        credentials = RefreshableCredentials.create_from_metadata(first, self.refresh, "test")
        credentials._time_fetcher = lambda: datetime.fromtimestamp(self.clock.wall(), UTC)  # type: ignore[attr-defined]
        return session_of(credentials)

    def refresh(self) -> dict[str, str]:
        """Give the next issue as botocore's sources do."""
        if self.fail is not None:
            raise self.fail
        self.issues += not (self.same and self.issues)
        ends = datetime.fromtimestamp(self.clock.wall(), UTC) + timedelta(seconds=self.life_seconds or 0)
        number = self.issues
        return {
            "access_key": f"ASIA{number}",
            "secret_key": f"secret {number}",
            "token": f"token {number}",
            "expiry_time": ends.isoformat(),
            "account_id": "111122223333",
        }


@pytest.fixture
def clock() -> ManualClock:
    """Time, standing still."""
    return ManualClock()


Make = Callable[[Chain], AmbientCredentials]


@pytest.fixture
def ambient_of(clock: ManualClock) -> Make:
    """Make ambient credentials of a chain."""
    return lambda chain: AmbientCredentials(clock, ServiceClock(clock), chain)


def test_static_keys_do_not_end(clock: ManualClock, ambient_of: Make) -> None:
    """A pair without expiry is a grant without an end."""
    grant = ambient_of(Chain(clock, life_seconds=None)).current()
    assert (Secrets("AKIA1", "secret 1", None), None) == (grant.secrets, grant.ends_at)


def test_refreshed_credentials_end_a_minute_before_their_wall_clock_says(clock: ManualClock, ambient_of: Make) -> None:
    """An hour by the wall clock counts as 3540 s from before the question; triple and account are of one issue."""
    grant = ambient_of(Chain(clock, life_seconds=3600)).current()
    assert grant.ends_at is not None
    assert round((grant.ends_at - grant.issued_at) / NS_PER_SECOND, 3) == 3540
    assert (Secrets("ASIA1", "secret 1", "token 1"), "111122223333") == (grant.secrets, grant.account_id)


def test_the_chain_is_walked_once_and_read_anew(clock: ManualClock, ambient_of: Make) -> None:
    """What botocore refreshes by itself, fifteen minutes before the end, is seen at the next question without a new walk."""
    chain = Chain(clock, life_seconds=3600)
    ambient = ambient_of(chain)
    first = ambient.current()
    clock.pass_seconds(2800)
    second = ambient.current()
    assert (1, "token 1", "token 2") == (chain.walks, first.secrets.token, second.secrets.token)


def test_credentials_that_died_early_are_replaced(clock: ManualClock, ambient_of: Make) -> None:
    """Asked for anything but what it gave last, it walks the chain anew though botocore would keep what it has."""
    ambient = ambient_of(Chain(clock, life_seconds=3600))
    first = ambient.current()
    assert ambient.current(unless=first.secrets).secrets.token == "token 2"


def test_the_same_again_is_better_than_nothing(clock: ManualClock, ambient_of: Make) -> None:
    """A source that still gives the same credentials (an instance does) is asked anew once, and then taken."""
    chain = Chain(clock, life_seconds=3600, same=True)
    ambient = ambient_of(chain)
    first = ambient.current()
    assert (first.secrets, 2) == (ambient.current(unless=first.secrets).secrets, chain.walks)


def test_forgotten_credentials_are_looked_for_anew(clock: ManualClock, ambient_of: Make) -> None:
    """After a service has not accepted them, the next question walks the chain."""
    chain = Chain(clock, life_seconds=None)
    ambient = ambient_of(chain)
    ambient.current()
    ambient.forget()
    assert (ambient.current().secrets.access_key, chain.walks) == ("AKIA2", 2)


def test_no_credentials_is_a_refusal_that_names_the_cure(clock: ManualClock) -> None:
    """Where the chain finds nothing, the text says what to give the process."""
    ambient = AmbientCredentials(clock, ServiceClock(clock), lambda: session_of(None))
    with pytest.raises(RefusedError, match="AWS_ACCESS_KEY_ID") as refused:
        ambient.current()
    assert refused.value.code == "NoCredentials"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "Token expired"}}, "AssumeRole"),
            "ExpiredTokenException",
            "Token expired",
        ),
        (
            MetadataRetrievalError(error_msg="Received non 200 response 403 from container metadata: {canary}"),
            "MetadataRetrievalError",
            "Received non 200 response 403 from container metadata",
        ),
        (
            CredentialRetrievalError(provider="custom-process", error_msg="canary"),
            "CredentialRetrievalError",
            (
                "credentials from custom-process: CredentialRetrievalError, whose words are kept back because they may "
                "quote what was sent"
            ),
        ),
        (
            FileNotFoundError(2, "No such file or directory", "/var/run/token"),
            "FileNotFoundError",
            "/var/run/token: No such file or directory",
        ),
    ],
)
def test_what_the_source_answers_is_the_refusal(
    clock: ManualClock, ambient_of: Make, error: Exception, code: str, message: str
) -> None:
    """The code of a service, or the class of what failed, and its text; and the next question starts anew."""
    chain = Chain(clock, life_seconds=3600)
    ambient = ambient_of(chain)
    chain.fail = error
    with pytest.raises(RefusedError) as refused:
        ambient.current()
    assert (code, message) == (refused.value.code, refused.value.message)
    chain.fail = None
    assert ambient.current().secrets.token == "token 1"


@pytest.mark.parametrize(
    ("life_seconds", "code", "words"),
    [
        (
            45,
            "EndsTooSoon",
            "the credentials end in 45 s by this host's clock, which may be 60 s off, so they are not used",
        ),
        (
            -16,
            "ExpiredAtIssue",
            (
                "the credentials that were issued ended 16 s ago; compare this host's clock with the clock of what issued "
                "them"
            ),
        ),
    ],
)
def test_what_is_left_of_credentials_is_told_truly(
    clock: ManualClock, life_seconds: float, code: str, words: str
) -> None:
    """The allowance for the wall clock is no part of the figure: 45 s left are not «ended 15 s ago»."""
    ends = datetime.fromtimestamp(clock.wall(), UTC) + timedelta(seconds=life_seconds)
    with pytest.raises(RefusedError) as refused:
        life_ns(ends, None, ServiceClock(clock))
    assert (code, words) == (refused.value.code, refused.value.message)


def test_credentials_that_are_over_at_once_are_a_refusal(clock: ManualClock, ambient_of: Make) -> None:
    """Where the wall clock says that they have ended, it says so instead of giving a lease without a life."""
    with pytest.raises(RefusedError, match="compare this host's clock") as refused:
        ambient_of(Chain(clock, life_seconds=-5)).current()
    assert refused.value.code == "ExpiredAtIssue"
