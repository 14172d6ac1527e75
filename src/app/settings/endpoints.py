"""Which addresses doka may send signed requests to: a wrong one leaks data, a metadata address leaks credentials.

Pure: no name is resolved here.
The list of what is always refused stands even where insecure endpoints are permitted.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

AWS_DOMAINS = (
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
)
"""Where AWS serves its APIs, of each partition the usual one and the dual-stack one; VPC endpoints are among them."""
METADATA_NAMES = frozenset({"instance-data", "instance-data.ec2.internal", "metadata.google.internal", "metadata"})
# The instance metadata service, IPv6; the IPv4 ones (IMDS, ECS, EKS Pod Identity) are all link-local.
METADATA_NETWORKS = (ipaddress.ip_network("fd00:ec2::/32"),)

PERMISSION = "aws.allow_insecure_endpoints: true (or --allow-insecure-endpoints)"


def parse_endpoint(text: str) -> SplitResult:
    """Take an endpoint URL apart.

    Raises:
        ValueError: it is not `scheme://host[:port]`, or it leads to a metadata address.
    """
    shape = "must be a URL like https://kinesis.eu-west-1.amazonaws.com"
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        raise ValueError(shape) from None
    if url.scheme not in {"http", "https"} or not host or any(character.isspace() for character in text):
        raise ValueError(shape)
    if url.username is not None or url.password is not None:
        raise ValueError("must not hold a user name or password; doka signs its requests")
    if url.path not in {"", "/"} or url.query or url.fragment:
        raise ValueError("must end after the host and port; the service takes no path")
    if _is_metadata(host):
        raise ValueError("leads to a link-local or metadata address, which is always refused; name a real endpoint")
    return url


def objection(text: str) -> str | None:
    """Say why an endpoint needs the explicit permission; None when it is AWS over TLS."""
    url = urlsplit(text)
    if url.scheme != "https":
        return f"http sends data unencrypted; use https, or permit it with {PERMISSION}"
    host = (url.hostname or "").rstrip(".")
    if not any(host.endswith(f".{domain}") for domain in AWS_DOMAINS):
        return f"the host is not one of AWS (*.amazonaws.com); correct it, or permit it with {PERMISSION}"
    return None


def _is_metadata(host: str) -> bool:
    """Tell whether a host is link-local or serves instance metadata, in any of the spellings that a libc reads."""
    host = host.rstrip(".").lower()
    if host in METADATA_NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        try:  # 2852039166, 0xa9fea9fe and 0251.0376.0251.0376 are all 169.254.169.254
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_link_local or any(address in network for network in METADATA_NETWORKS)
