"""What may be told of an exception of botocore or below it: words that are known, and of all others the class alone.

An HTTP client that cannot send a header quotes it, and the header may be the session token.
So nothing is told because no secret was seen in it, only because its form is known and has no place for one.
"""

from __future__ import annotations

import re

from botocore import exceptions as of_botocore

KNOWN = frozenset({
    of_botocore.ConfigNotFound,
    of_botocore.ConfigParseError,
    of_botocore.ConnectTimeoutError,
    of_botocore.ConnectionClosedError,
    of_botocore.EndpointConnectionError,
    of_botocore.EndpointProviderError,
    of_botocore.EndpointResolutionError,
    of_botocore.InfiniteLoopConfigError,
    of_botocore.InvalidConfigError,
    of_botocore.InvalidIMDSEndpointModeError,
    of_botocore.InvalidMaxRetryAttemptsError,
    of_botocore.InvalidProxiesConfigError,
    of_botocore.InvalidRegionError,
    of_botocore.InvalidRetryModeError,
    of_botocore.InvalidSTSRegionalEndpointsConfigError,
    of_botocore.NoAuthTokenError,
    of_botocore.NoCredentialsError,
    of_botocore.NoRegionError,
    of_botocore.PartialCredentialsError,
    of_botocore.ProfileNotFound,
    of_botocore.ProxyConnectionError,  # botocore hides the password in it
    of_botocore.ReadTimeoutError,
    of_botocore.RefreshWithMFAUnsupportedError,
    of_botocore.SSLError,
    of_botocore.SSOTokenLoadError,
    of_botocore.UnauthorizedSSOTokenError,
    of_botocore.UnknownCredentialError,
    of_botocore.UnknownEndpointError,
    of_botocore.UnknownRegionError,
    of_botocore.UnknownServiceError,
})  # fmt: skip
"""Classes whose text is botocore's own sentence about names, paths, regions and hosts."""

SHAPES = tuple(
    re.compile(shape)
    for shape in (
        r"Received non 200 response [0-9]{3} from container metadata",
        r"Unable to parse JSON returned from container metadata services",
        r"Received error when attempting to retrieve container metadata",
        r"Unable to retrieve token for use in IMDSv2 call and IMDSv1 has been disabled",
        r"Unsupported host '[A-Za-z0-9.:_-]{1,255}'",
        r"Auth token value is not a legal header value",
        r"Unsupported version '[0-9]{1,9}' for credential process provider",
        r"Missing required key in response: '[A-Za-z]{1,40}'",
        r"Credential refresh failed, response did not contain: [A-Za-z_, ]{1,100}",
        r"Invalid endpoint: https?://[A-Za-z0-9.:_-]{1,255}",
    )
)
"""Parts of botocore's sentences in exceptions whose text may go on with anything, as a process's stderr."""

_CURES = {
    "Unsupported host": "AWS_CONTAINER_CREDENTIALS_FULL_URI must name a loopback address, one of AWS's own, or be https",
    "Auth token value": "write AWS_CONTAINER_AUTHORIZATION_TOKEN, or the file of that name, without a line break",
}
_OWN: dict[type[BaseException], str] = {
    of_botocore.EndpointVariantError: "AWS has no endpoint of the kind here that AWS_USE_DUALSTACK_ENDPOINT or "
    "AWS_USE_FIPS_ENDPOINT asks for, or the profile's settings of these names: leave them out",
}
"""Our own words, where botocore's name neither the cause nor the cure."""
SEARCHED_CHARACTERS_MAX = 2_000


def words_of(error: BaseException) -> str:
    """Give what may be told of an exception, on one line."""
    if type(error) in _OWN:
        return _OWN[type(error)]
    if type(error) in KNOWN:
        return " ".join(str(error).split())
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return f"{error.filename}: {error.strerror}"
    text = str(error)[:SEARCHED_CHARACTERS_MAX]
    found = next((match.group() for shape in SHAPES if (match := shape.search(text))), None)
    source = getattr(error, "kwargs", {}).get("provider") if isinstance(error, of_botocore.BotoCoreError) else None
    asked = f"credentials from {source}: " if isinstance(source, str) else ""
    if found is None:
        return f"{asked}{type(error).__name__}, whose words are kept back because they may quote what was sent"
    cure = next((f"; {cure}" for start, cure in _CURES.items() if found.startswith(start)), "")
    return f"{asked}{found}{cure}"
