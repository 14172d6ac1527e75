from __future__ import annotations

from collections.abc import Callable, Mapping

from doka.app.check.surroundings import look_around
from doka.domain.errors import UsageError


def told(
    environ: Mapping[str, str], find_ca: Callable[[], str] = lambda: "/etc/ca.pem"
) -> list[tuple[str, str, str, str | None]]:
    """Give what is found: verdict, subject, what is told, and the cure."""
    return [(f.verdict.value, f.subject, f.told, f.cure) for f in look_around(environ, find_ca)]


def test_what_steers_requests_from_outside_is_told_without_passwords() -> None:
    """A proxy, a CA file or an endpoint of the environment is the usual reason why it works elsewhere."""
    found = told(
        {
            "HTTPS_PROXY": "http://me:hunter2@proxy.example:3128",
            "https_proxy": "me:hunter2@proxy.example:3128",
            "NO_PROXY": "169.254.169.254,.internal",
            "AWS_CA_BUNDLE": "/etc/ca.pem",
            "AWS_PROFILE": "prd",
            "AWS_SECRET_ACCESS_KEY": "hunter2",
            "AWS_ENDPOINT_URL_KINESIS": "http://localhost",
        }
    )
    assert found == [
        (
            "fine",
            "proxy",
            (
                "HTTPS_PROXY=http://***@proxy.example:3128, https_proxy=***@proxy.example:3128, "
                "NO_PROXY=169.254.169.254,.internal"
            ),
            None,
        ),
        ("fine", "authorities", "/etc/ca.pem (by AWS_CA_BUNDLE)", None),
        ("fine", "credentials", "AWS_PROFILE prd, AWS_SECRET_ACCESS_KEY set", None),
        (
            "fine",
            "endpoints",
            "kinesis by AWS_ENDPOINT_URL_KINESIS; where aws.endpoint_urls says nothing, that is taken",
            None,
        ),
    ]
    assert "hunter2" not in repr(found)


def test_missing_authorities_are_told() -> None:
    """Without them no TLS connection to AWS can be trusted."""

    def find_ca() -> str:
        raise UsageError("the CA bundle '/x.pem' is not there")

    assert ("failed", "authorities", "the CA bundle '/x.pem' is not there", "correct the variable or the profile") in (
        told({}, find_ca)
    )


def test_a_proxy_that_cannot_be_read_is_not_repeated() -> None:
    """What cannot be taken apart may hold a password anywhere."""
    assert told({"HTTPS_PROXY": "http://me:hunter2@[proxy"})[0] == (
        "fine",
        "proxy",
        "HTTPS_PROXY=an address that cannot be read",
        None,
    )


def test_variables_of_opentelemetry_that_cannot_be_obeyed_are_told() -> None:
    """The service passes over them, so somebody must say so."""
    assert (
        "warning",
        "otlp",
        "OTEL_EXPORTER_OTLP_COMPRESSION is not obeyed: it must be none or gzip",
        "correct the variable, or set it in the file",
    ) == told({"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"})[-1]
