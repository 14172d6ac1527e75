"""What every request by libcurl keeps, be it to Kinesis, a registry or a collector: HTTP/1.1, TLS 1.2 and later, verified."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import orjson
import pycurl


def hold_to_rules(curl: pycurl.Curl) -> None:
    """Let it verify whoever answers, and follow no redirect: that could lead a password or a record elsewhere."""
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.SSL_VERIFYPEER, 1)
    curl.setopt(pycurl.SSL_VERIFYHOST, 2)
    curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
    curl.setopt(pycurl.NOSIGNAL, 1)


def trust_only(curl: pycurl.Curl, ca: str) -> None:
    """Verify servers and proxies by the authorities in this file or directory, and by none that libcurl was built with."""
    for file_option, directory_option in ((pycurl.CAINFO, pycurl.CAPATH), (pycurl.PROXY_CAINFO, pycurl.PROXY_CAPATH)):
        wanted, unwanted = (directory_option, file_option) if Path(ca).is_dir() else (file_option, directory_option)
        curl.setopt(wanted, ca)
        curl.unsetopt(unwanted)


def trust(curl: pycurl.Curl, ca_file: str | None) -> None:
    """Verify servers and proxies by this file, or as the system's own OpenSSL would, or by what libcurl was built with."""
    found = ssl.get_default_verify_paths()
    ca = ca_file or found.cafile or found.capath
    if ca is not None:
        trust_only(curl, ca)


def object_in(body: bytes) -> dict[str, Any]:
    """Give the JSON object that an answer holds; an empty one where it holds none."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
