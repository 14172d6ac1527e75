"""One question to a registry at a time, by libcurl, as puts go: the same proxies, TLS 1.2 and later, always verified.

It waits, so it belongs onto a thread of its own. No redirect is followed: it could lead a password elsewhere.
What it says of a failure holds nothing that was sent.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, NamedTuple

import pycurl

from doka.adapters.https import hold_to_rules, object_in, trust
from doka.adapters.registry.registries import NoAnswerError
from doka.adapters.registry.settings import RegistrySettings
from doka.domain.limits import NS_PER_MS

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
_ACCEPT: Final = "Accept: application/vnd.schemaregistry.v1+json, application/json"
_REASONS: Final[dict[int | str, tuple[str, str]]] = {
    pycurl.E_COULDNT_RESOLVE_HOST: ("not_found", "its name is not known"),
    pycurl.E_COULDNT_CONNECT: ("not_connected", "it takes no connection"),
    pycurl.E_OPERATION_TIMEDOUT: ("timed_out", "it does not answer in time"),
    pycurl.E_PEER_FAILED_VERIFICATION: ("not_trusted", "its certificate is not trusted; name its authority in ca_file"),
    pycurl.E_WRITE_ERROR: ("unreadable", "its answer is larger than any schema"),
}


class Answered(NamedTuple):
    """What a registry says: the status, and the object in its body, empty where there is none."""

    status: int
    body: dict[str, Any]


def ask(settings: RegistrySettings, path: str, within: int) -> Answered:
    """Ask for what stands at a path, and wait for it, at most `within` ns.

    Raises:
        NoAnswerError: there was no answer.
    """
    received = bytearray()

    def read(part: bytes) -> int | None:
        received.extend(part)
        return None if len(received) <= ANSWER_BYTES_MAX else 0

    curl = pycurl.Curl()
    try:
        _prepare(curl, settings, path, within)
        curl.setopt(pycurl.WRITEFUNCTION, read)
        curl.perform()
        status = curl.getinfo(pycurl.RESPONSE_CODE)
    except pycurl.error as error:
        code, told = _REASONS.get(error.args[0], ("not_connected", f"libcurl gives error {error.args[0]}"))
        raise NoAnswerError(code, told) from None
    finally:
        curl.close()
    return Answered(status, object_in(bytes(received)))


def _prepare(curl: pycurl.Curl, settings: RegistrySettings, path: str, within: int) -> None:
    curl.setopt(pycurl.URL, settings.url.rstrip("/") + path)
    curl.setopt(pycurl.HTTPHEADER, [_ACCEPT, "User-Agent: doka"])
    curl.setopt(pycurl.TIMEOUT_MS, max(1, within // NS_PER_MS))
    if settings.username is not None:
        curl.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_BASIC)
        curl.setopt(pycurl.USERNAME, settings.username)
        curl.setopt(pycurl.PASSWORD, settings.password() or "")
    if settings.certificate_file is not None and settings.key_file is not None:
        curl.setopt(pycurl.SSLCERT, settings.certificate_file)
        curl.setopt(pycurl.SSLKEY, settings.key_file)
    hold_to_rules(curl)
    trust(curl, settings.ca_file)


def refusal_of(status: int) -> NoAnswerError:
    """Give what is to be told of an answer that is none to the question."""
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            told = f"it answers HTTP {status}; see username and password_file, and what they may read"
        case HTTPStatus.NOT_FOUND:
            told = "it answers HTTP 404 as no registry does; see the path of its URL"
        case HTTPStatus.OK:
            return NoAnswerError("unreadable", "its answer holds no schema; see its URL")
        case _:
            told = f"it answers HTTP {status}"
    return NoAnswerError(f"http_{status}", told)
