from __future__ import annotations

import pycurl
import pytest

from doka.adapters.aws.kinesis.failures import name_failure
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
        (pycurl.E_SEND_FAIL_REWIND, True, "connection_died"),
        (99, True, "curl_99"),
    ],
)
def test_reasons_are_few_fixed_words(error: int, *, started: bool, reason: str) -> None:
    """A reason becomes a label of a metric, so it is a word of ours and never libcurl's sentence."""
    assert reason == name_failure(7, error, started=started).reason
