from __future__ import annotations

from datetime import UTC, datetime

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from doka.adapters.aws.kinesis.endpoint import Endpoints
from doka.adapters.aws.kinesis.target import StreamTarget
from doka.adapters.aws.signing import SIGNATURES_KEPT_MAX, Endpoint, Signer, sign, sign_request
from doka.domain.lease import Lease, Secrets
from tests.unit.adapters.aws.kinesis.leases import ACCESS_KEY, SECRET_KEY, TOKEN, make_lease
from tests.unit.adapters.aws.kinesis.reference import ARN

HEADERS = (
    ("X-Amz-Target", "Kinesis_20131202.PutRecords"),
    ("Content-Type", "application/x-amz-json-1.1"),
    ("User-Agent", "doka"),
)


def signed_by_botocore(
    endpoint: Endpoint, body: bytes, token: str | None, at: float, patch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Give the headers that botocore's whole signer makes of the same request at the same instant."""
    patch.setattr(botocore.auth, "get_current_datetime", lambda: datetime.fromtimestamp(at, UTC))
    unsigned = {name: value for name, value in endpoint.headers if name != "Host"}
    request = AWSRequest("POST", endpoint.url, headers=unsigned, data=body)
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY, token), "kinesis", endpoint.region).add_auth(request)
    return dict(request.headers.items())


@settings(max_examples=60, deadline=None)
@given(
    body=st.binary(min_size=1, max_size=200),
    token=st.sampled_from([None, TOKEN]),
    at=st.integers(0, 4_000_000_000),
    url=st.sampled_from(
        [
            ("https://kinesis.eu-west-1.amazonaws.com/", "kinesis.eu-west-1.amazonaws.com"),
            ("http://localhost:4567/", "localhost:4567"),
            (
                "https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com/some/path",
                "vpce-1.kinesis.eu-west-1.vpce.amazonaws.com",
            ),
        ]
    ),
)
def test_the_signature_is_botocores_own_for_the_same_instant(
    body: bytes, token: str | None, at: int, url: tuple[str, str]
) -> None:
    """Any body, any time, with and without a token: every header that botocore would set, to the letter."""
    endpoint = Endpoint(url[0], (("Host", url[1]), *HEADERS), "eu-west-1", "kinesis")
    with pytest.MonkeyPatch.context() as patch:
        wanted = signed_by_botocore(endpoint, body, token, at, patch)
    assert {"Host": url[1]} | wanted == sign(endpoint, body, make_lease(token=token).secrets, at)


PLACES = [
    Endpoint(f"https://{host}/", (("Host", host), *HEADERS), region, "kinesis")
    for host, region in (("a.example", "eu-west-1"), ("b.example", "eu-west-1"), ("a.example", "eu-north-1"))
]
LEASES = [make_lease(1), make_lease(2, token="another"), make_lease(3, token=None)]


@settings(max_examples=60, deadline=None)
@given(
    requests=st.lists(
        st.tuples(
            st.sampled_from(PLACES),
            st.binary(max_size=20),
            st.sampled_from(LEASES),
            st.sampled_from([0.0, 0.4, 1.0, 9e4]),
        ),
        max_size=20,
    )
)
def test_what_is_kept_of_a_signature_is_never_taken_for_another(
    requests: list[tuple[Endpoint, bytes, Lease, float]],
) -> None:
    """Whatever was signed before: the same headers as of a signer that has kept nothing."""
    signer = Signer()
    assert [sign(place, body, lease.secrets, at) for place, body, lease, at in requests] == [
        signer.sign(*request) for request in requests
    ]


def test_what_is_kept_of_signatures_is_bounded_and_shown_to_nobody() -> None:
    """No more endpoints and roles than the bound says, and no secret in any text of it."""
    signer = Signer()
    for number in range(SIGNATURES_KEPT_MAX + 1):
        place = Endpoint(
            f"https://{number}.example/", (("Host", f"{number}.example"), *HEADERS), "eu-west-1", "kinesis"
        )
        signer.sign(place, b"{}", make_lease(), 1.7e9)
    assert "Signer(1 kept)" == repr(signer)


def test_a_request_is_signed_with_the_endpoint_that_the_rules_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    """End to end over a found endpoint the signature is still botocore's."""
    target = StreamTarget("orders", "orders", None, "eu-west-1")
    endpoint = Endpoints([target]).find(target, ARN, None)
    wanted = signed_by_botocore(endpoint, b"{}", TOKEN, 1.7e9, monkeypatch)
    assert wanted["Authorization"] == sign(endpoint, b"{}", make_lease().secrets, 1.7e9)["Authorization"]


def test_a_lease_without_a_token_sends_none() -> None:
    """A static access key has no session token, and no empty header stands for it."""
    endpoint = Endpoint("https://localhost/", (("Host", "localhost"), *HEADERS), "eu-west-1", "kinesis")
    assert "X-Amz-Security-Token" not in sign(endpoint, b"{}", make_lease(token=None).secrets, 1.7e9)


FORM = b"Action=AssumeRole&Version=2011-06-15&RoleSessionName=doka"
WALL = 1_900_000_000.75


def built() -> AWSRequest:
    """Make a request as botocore builds it."""
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    return AWSRequest("POST", "https://sts.eu-west-1.amazonaws.com/", headers, FORM)


@pytest.mark.parametrize("token", ["a-session-token+/=", None])
@pytest.mark.parametrize("before", ["unsigned", "signed"])
def test_a_built_request_is_signed_as_botocore_does_at_that_moment(
    monkeypatch: pytest.MonkeyPatch, token: str | None, before: str
) -> None:
    """With botocore's clock set to the same moment, every header is equal, whoever has signed it before."""
    ours, theirs = built(), built()
    if before == "signed":
        SigV4Auth(Credentials("AKIAOTHER", "other", "other"), "sts", "eu-west-1").add_auth(ours)
    moment = datetime.fromtimestamp(WALL, UTC).replace(tzinfo=None)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)
    SigV4Auth(Credentials("ASIAKEY", "secret", token), "sts", "eu-west-1").add_auth(theirs)
    sign_request(ours, "eu-west-1", "sts", Secrets("ASIAKEY", "secret", token), WALL)
    assert dict(theirs.headers) == dict(ours.headers)


def test_a_built_request_is_signed_without_a_look_at_the_hosts_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The date in the request is the one that was given, even where reading a clock would fail."""

    def no_clock() -> None:
        raise AssertionError("the host's clock was read")

    monkeypatch.setattr("botocore.auth.get_current_datetime", no_clock)
    signed = built()
    sign_request(signed, "eu-west-1", "sts", Secrets("ASIAKEY", "secret", None), WALL)
    assert "20300317T174640Z" == signed.headers["X-Amz-Date"]
