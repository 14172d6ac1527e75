"""What libcurl keeps to, seen by a server over a real connection: whom it trusts, and where it goes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pycurl
import pytest

from doka.adapters.https import hold_to_rules, object_in, trust, trust_only
from tests.certificates import Authority, make_authority
from tests.schema_registry import schema_registry


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Make one of whom the system knows nothing."""
    return make_authority(tmp_path)


def asked(curl: pycurl.Curl, url: str) -> tuple[int, bytes]:
    """Ask for a URL, and give status and body."""
    received = BytesIO()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.PROXY, "")
    curl.setopt(pycurl.TIMEOUT, 10)
    curl.setopt(pycurl.WRITEFUNCTION, received.write)
    curl.perform()
    return curl.getinfo(pycurl.RESPONSE_CODE), received.getvalue()


def refused(curl: pycurl.Curl, url: str) -> int:
    """Give libcurl's number for why there is no answer."""
    with pytest.raises(pycurl.error) as caught:
        asked(curl, url)
    return int(caught.value.args[0])


def test_only_those_who_are_named_are_trusted(authority: Authority) -> None:
    """The same handle may be told otherwise; authorities that are not there are no reason to trust anyone."""
    with schema_registry(authority.server) as there:
        curl = pycurl.Curl()
        hold_to_rules(curl)
        trust(curl, None)
        assert pycurl.E_PEER_FAILED_VERIFICATION == refused(curl, there.url)
        trust(curl, str(authority.ca_file))
        assert [] == there.asked
        asked(curl, there.url)
        assert 1 == len(there.asked)
        trust_only(curl, str(authority.ca_file.parent / "nobody"))
        curl.setopt(pycurl.FRESH_CONNECT, 1)
        assert pycurl.E_SSL_CACERT_BADFILE == refused(curl, there.url)
        curl.close()


def test_a_redirect_is_not_followed(authority: Authority) -> None:
    """It is an answer like any other; a file is no place to go to."""
    with schema_registry() as there:
        there.status = 302
        curl = pycurl.Curl()
        hold_to_rules(curl)
        assert 302 == asked(curl, there.url)[0]
        assert 1 == len(there.asked)
        assert pycurl.E_UNSUPPORTED_PROTOCOL == refused(curl, authority.ca_file.as_uri())
        curl.close()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"null", b'{"cut":', b"\xff"])
def test_what_is_no_object_is_an_empty_one(body: bytes) -> None:
    """Whoever reads an answer asks for its members, and misses them all."""
    assert {} == object_in(body)
    assert {"id": 1} == object_in(b' {"id":1} ')
