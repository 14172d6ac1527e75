"""The variables of this process that steer where requests go and whom they trust, as botocore and libcurl obey them.

They are the usual reason why it works on one host and not on another, and nobody sees them in a configuration.
A value may hold a password (a proxy's), so it is shown without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit, urlunsplit

from doka.app.check.findings import Finding, FindingVerdict
from doka.app.settings.otel_variables import otel_variables
from doka.app.settings.sdk_endpoints import sdk_endpoints
from doka.domain.errors import UsageError

# Obeyed in lower case too, except HTTP_PROXY, which libcurl reads in lower case only.
PROXIES = ("HTTPS_PROXY", "https_proxy", "http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
TRUST = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
CREDENTIALS = (
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
)
SECRET = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def look_around(environ: Mapping[str, str], find_ca: Callable[[], str]) -> Iterator[Finding]:
    """Tell the proxies, the trusted authorities and the source of ambient credentials; `find_ca` raises UsageError."""
    proxies = {name: _without_password(environ[name]) for name in PROXIES if environ.get(name)}
    told = ", ".join(f"{name}={value}" for name, value in proxies.items()) or "none set"
    yield Finding("environment", "proxy", FindingVerdict.FINE, told, facts=proxies)
    try:
        ca = find_ca()
    except UsageError as error:
        yield Finding(
            "environment", "authorities", FindingVerdict.FAILED, str(error), "correct the variable or the profile"
        )
    else:
        by = next((name for name in TRUST if environ.get(name)), None)
        told = f"{ca}{f' (by {by})' if by else ''}"
        yield Finding("environment", "authorities", FindingVerdict.FINE, told, facts={"ca": ca, "by": by})
    given = {name: environ[name] for name in CREDENTIALS if environ.get(name)}
    given |= {name: "set" for name in SECRET if environ.get(name)}
    told = (
        ", ".join(f"{name} {value}" for name, value in given.items()) or "no variable set; boto3's own search decides"
    )
    yield Finding("environment", "credentials", FindingVerdict.FINE, told, facts=given)
    named = sdk_endpoints(environ)
    if named:
        told = ", ".join(f"{service} by {origin}" for service, (origin, _url) in named.items())
        told += "; where aws.endpoint_urls says nothing, that is taken"
        facts = {service: origin for service, (origin, _url) in named.items()}
        yield Finding("environment", "endpoints", FindingVerdict.FINE, told, facts=facts)
    for doubt in otel_variables(environ).doubts:
        yield Finding(
            "environment", "otlp", FindingVerdict.WARNING, doubt, "correct the variable, or set it in the file"
        )


def _without_password(value: str) -> str:
    """Show a proxy's address without the user and password in it."""
    try:
        url = urlsplit(value if "://" in value else f"//{value}")
    except ValueError:
        return "an address that cannot be read"
    if "@" not in url.netloc:
        return value
    hidden = urlunsplit(url._replace(netloc=f"***@{url.netloc.rpartition('@')[2]}"))
    return hidden if "://" in value else hidden.removeprefix("//")
