"""What a request that libcurl gave up means: never sent, or sent with an unknown outcome; and its word, whoever gave it up.

One thing decides: whether libcurl asked for any byte of the body.
Before that, whatever failed (a name, a connection, TLS, a proxy, the time), nothing was there to be accepted.
After it, whatever failed, it may have been.
"""

from __future__ import annotations

from collections.abc import Mapping

import pycurl
from botocore import exceptions as of_botocore
from botocore.exceptions import BotoCoreError

from doka.domain.events import PutAmbiguous, PutUnsent

CURLE_WEIRD_SERVER_REPLY = 8  # these two have no name in pycurl
CURLE_PROXY = 97

REASONS = {
    pycurl.E_UNSUPPORTED_PROTOCOL: "not_http",
    pycurl.E_COULDNT_RESOLVE_PROXY: "proxy_not_resolved",
    pycurl.E_COULDNT_RESOLVE_HOST: "host_not_resolved",
    pycurl.E_COULDNT_CONNECT: "not_connected",
    pycurl.E_PARTIAL_FILE: "answer_cut",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_SSL_CONNECT_ERROR: "tls_failed",
    pycurl.E_GOT_NOTHING: "no_answer",
    pycurl.E_SEND_ERROR: "send_failed",
    pycurl.E_RECV_ERROR: "receive_failed",
    pycurl.E_PEER_FAILED_VERIFICATION: "certificate_refused",
    pycurl.E_FILESIZE_EXCEEDED: "answer_too_large",
    pycurl.E_SEND_FAIL_REWIND: "receive_failed",  # the same end, of a connection that was kept
    pycurl.E_SSL_CACERT_BADFILE: "ca_unreadable",
    CURLE_WEIRD_SERVER_REPLY: "unreadable_answer",
    CURLE_PROXY: "proxy_failed",
}
"""Few and fixed, because they become labels of metrics; any other number is `curl_<number>`."""


def name_failure(put: int, error: int, *, started: bool) -> PutUnsent | PutAmbiguous:
    """Give the event for libcurl's error number; `started`: some of the body was taken for sending."""
    reason = REASONS.get(error, f"curl_{error}")
    if started:
        return PutAmbiguous(put, reason)
    return PutUnsent(put, "connect_timeout" if error == pycurl.E_OPERATION_TIMEDOUT else reason)


_OF_BOTOCORE: Mapping[type[BotoCoreError], str] = {
    of_botocore.ConnectTimeoutError: "connect_timeout",
    of_botocore.ConnectionClosedError: "no_answer",
    of_botocore.EndpointConnectionError: "not_connected",  # a name that is not known as well: botocore does not say
    of_botocore.ProxyConnectionError: "proxy_failed",
    of_botocore.ReadTimeoutError: "timeout",
}


def name_question_failure(error: BotoCoreError) -> str:
    """Give the word by which puts call what befell a question that boto3 asked: a route is blocked with either.

    What has no such word is called by its class.
    """
    if type(error) is of_botocore.SSLError:
        return "certificate_refused" if "CERTIFICATE_VERIFY_FAILED" in str(error) else "tls_failed"
    return _OF_BOTOCORE.get(type(error), type(error).__name__)
