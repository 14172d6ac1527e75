from __future__ import annotations

import pycurl
import pytest
from botocore import exceptions as of_botocore
from botocore.exceptions import BotoCoreError

from doka.adapters.aws.kinesis.failures import REASONS, name_failure, name_question_failure
from doka.domain.events import PutAmbiguous, PutUnsent


@pytest.mark.parametrize("error", range(1, 102))
def test_only_a_body_that_was_never_touched_counts_as_unsent(error: int) -> None:
    """Whatever libcurl's number: once some of the body was taken the outcome is unknown, before that it is not."""
    assert isinstance(name_failure(7, error, started=True), PutAmbiguous)
    assert isinstance(name_failure(7, error, started=False), PutUnsent)


@pytest.mark.parametrize(
    ("error", "started", "reason"),
    [
        (pycurl.E_COULDNT_RESOLVE_HOST, False, "host_not_resolved"),
        (pycurl.E_COULDNT_CONNECT, False, "not_connected"),
        (pycurl.E_OPERATION_TIMEDOUT, False, "connect_timeout"),
        (pycurl.E_OPERATION_TIMEDOUT, True, "timeout"),
        (pycurl.E_PEER_FAILED_VERIFICATION, False, "certificate_refused"),
        (pycurl.E_SEND_FAIL_REWIND, True, "receive_failed"),
        (99, True, "curl_99"),
    ],
)
def test_reasons_are_few_fixed_words(error: int, *, started: bool, reason: str) -> None:
    """A reason becomes a label of a metric, so it is a word of ours and never libcurl's sentence."""
    assert reason == name_failure(7, error, started=started).reason


URL = "https://kinesis.eu-west-1.amazonaws.com/"
OF_PUTS = {*REASONS.values(), "connect_timeout"}


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (of_botocore.ConnectTimeoutError(endpoint_url=URL), "connect_timeout"),
        (of_botocore.ReadTimeoutError(endpoint_url=URL), "timeout"),
        (of_botocore.EndpointConnectionError(endpoint_url=URL), "not_connected"),
        (of_botocore.ConnectionClosedError(endpoint_url=URL), "no_answer"),
        (of_botocore.ProxyConnectionError(proxy_url="http://proxy:3128"), "proxy_failed"),
        (
            of_botocore.SSLError(endpoint_url=URL, error=OSError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")),
            "certificate_refused",
        ),
        (
            of_botocore.SSLError(endpoint_url=URL, error=OSError("[SSL: WRONG_VERSION_NUMBER] wrong version")),
            "tls_failed",
        ),
    ],
)
def test_a_question_that_failed_is_called_as_a_put_is(error: BotoCoreError, word: str) -> None:
    """The same trouble has one word, whether it meets the description of a stream or a put."""
    assert word == name_question_failure(error)
    assert word in OF_PUTS


def test_what_has_no_word_is_called_by_its_class() -> None:
    """Such as a region without the service."""
    error = of_botocore.EndpointResolutionError(msg="no such region")
    assert "EndpointResolutionError" == name_question_failure(error)
