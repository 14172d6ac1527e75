from __future__ import annotations

import pytest
from botocore import exceptions as of_botocore

from doka.adapters.aws.words import KNOWN, words_of

CANARY = "Qx7canary\nVz"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            of_botocore.EndpointConnectionError(endpoint_url="https://sts.eu-west-1.amazonaws.com/"),
            'Could not connect to the endpoint URL: "https://sts.eu-west-1.amazonaws.com/"',
        ),
        (of_botocore.ProfileNotFound(profile="work"), "The config profile (work) could not be found"),
        (
            of_botocore.CredentialRetrievalError(
                provider="container-role",
                error_msg=f"Error retrieving metadata: Received non 200 response 403 from container metadata: {CANARY}",
            ),
            "credentials from container-role: Received non 200 response 403 from container metadata",
        ),
        (
            ValueError("Unsupported host 'example.com'.  Can only retrieve metadata from a loopback address"),
            (
                "Unsupported host 'example.com'; AWS_CONTAINER_CREDENTIALS_FULL_URI must name a loopback address, "
                "one of AWS's own, or be https"
            ),
        ),
        (
            ValueError("Auth token value is not a legal header value"),
            (
                "Auth token value is not a legal header value; "
                "write AWS_CONTAINER_AUTHORIZATION_TOKEN, or the file of that name, without a line break"
            ),
        ),
        (FileNotFoundError(2, "No such file or directory", "/run/token"), "/run/token: No such file or directory"),
    ],
)
def test_known_words_are_told(error: Exception, told: str) -> None:
    """A person needs botocore's reason, the path and the host; its form is known, so nothing else can be in it."""
    assert told == words_of(error)


@pytest.mark.parametrize(
    "error",
    [
        of_botocore.HTTPClientError(error=ValueError(f"Invalid header value b'{CANARY}'")),
        of_botocore.ConnectionError(error=ValueError(CANARY)),
        of_botocore.CredentialRetrievalError(provider="custom-process", error_msg=CANARY),
        of_botocore.MetadataRetrievalError(error_msg=CANARY),
        of_botocore.ParamValidationError(report=CANARY),
        ValueError(CANARY),
        UnicodeEncodeError("latin-1", CANARY, 0, 1, CANARY),
        KeyError(CANARY),
        OSError(CANARY),
    ],
)
def test_unknown_words_are_kept_back(error: Exception) -> None:
    """The class is told, and nothing of what the error quotes."""
    told = words_of(error)
    assert "canary" not in told
    assert type(error).__name__ in told


def test_a_class_below_a_known_one_is_not_known() -> None:
    """It may say anything."""

    class Newer(of_botocore.NoRegionError):
        fmt = CANARY

    assert "canary" not in words_of(Newer())


def test_no_known_class_takes_any_exceptions_words_but_of_tls() -> None:
    """Of the sentences that are told whole, only that about a certificate holds another error's: OpenSSL's."""
    assert [of_botocore.SSLError] == [kind for kind in KNOWN if "{error}" in vars(kind)["fmt"]]
