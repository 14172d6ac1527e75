"""The endpoints that AWS's own variables and profile name, as every SDK of AWS obeys them.

They fill what `aws.endpoint_urls` leaves out, and are judged like it: http and foreign hosts need the same permission.
Who sets AWS_ENDPOINT_URL for a stand-in must not find that doka has gone to the real service without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

SERVICES = ("kinesis", "sts")
EVERY = "AWS_ENDPOINT_URL"
SWITCHED_OFF = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"


def variables() -> tuple[str, ...]:
    """Name the variables that are read here."""
    return (EVERY, *(f"{EVERY}_{service.upper()}" for service in SERVICES), SWITCHED_OFF)


def sdk_endpoints(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Give for each service where an endpoint is named, and the endpoint, in the order of AWS's SDKs."""
    if environ.get(SWITCHED_OFF, "").lower() == "true":
        return {}
    found: dict[str, tuple[str, str]] = {}
    for service in SERVICES:
        for name in (f"{EVERY}_{service.upper()}", EVERY):
            if environ.get(name):
                found.setdefault(service, (name, environ[name]))
    if len(found) < len(SERVICES):
        for service, named in _of_profile(environ).items():
            found.setdefault(service, named)
    return found


def _of_profile(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Give the endpoints of the profile in use; nothing where its file is missing, is none, or names no endpoint."""
    file = FilePath(environ.get("AWS_CONFIG_FILE") or "~/.aws/config")
    try:
        if b"endpoint_url" not in file.expanduser().read_bytes():
            return {}
    except (OSError, RuntimeError):
        return {}
    from botocore.configloader import load_config
    from botocore.exceptions import BotoCoreError

    try:
        whole = load_config(str(file.expanduser()))
    except BotoCoreError:  # who asks for credentials by it will say what is wrong with it
        return {}
    name = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    profile: Mapping[str, Any] = whole["profiles"].get(name, {})
    if str(profile.get("ignore_configured_endpoint_urls", "")).lower() == "true":
        return {}
    group = whole.get("services", {}).get(profile.get("services"), {})
    found = {}
    for service in SERVICES:
        own = group.get(service)
        url = (own.get("endpoint_url") if isinstance(own, dict) else None) or profile.get("endpoint_url")
        if url:
            found[service] = f"profile {name}", str(url)
    return found
