from __future__ import annotations

import pytest
from botocore.loaders import create_loader

from doka.app.settings.endpoints import AWS_DOMAINS, objection, parse_endpoint


@pytest.mark.parametrize(
    "url",
    [
        "https://kinesis.eu-west-1.amazonaws.com",
        "https://kinesis.eu-west-1.amazonaws.com/",
        "https://kinesis.cn-north-1.amazonaws.com.cn:443",
        "https://vpce-0a1b-2c3d.kinesis.eu-west-1.vpce.amazonaws.com",
        "https://kinesis.eu-west-1.api.aws",
        "https://KINESIS.eu-west-1.AMAZONAWS.com.",
    ],
)
def test_aws_over_tls_needs_no_permission(url: str) -> None:
    """The services' own hosts, dual-stack and VPC endpoints are taken as they are."""
    parse_endpoint(url)
    assert objection(url) is None


def test_each_partition_that_botocore_knows_is_aws() -> None:
    """Its hosts, of both kinds, need no permission: a new partition shows here."""
    loader = create_loader()
    suffixes = {
        partition["outputs"][kind]
        for partition in loader.load_data("partitions")["partitions"]
        for kind in ("dnsSuffix", "dualStackDnsSuffix")
    }
    assert suffixes == set(AWS_DOMAINS)


@pytest.mark.parametrize(
    "url",
    [
        "https://amazonaws.com",
        "https://evilamazonaws.com",
        "https://kinesis.amazonaws.com.example",
        "https://localhost",
        "https://10.0.0.1",
    ],
)
def test_other_hosts_need_permission(url: str) -> None:
    """A host that only looks like AWS is a foreign one."""
    parse_endpoint(url)
    why = objection(url)
    assert why is not None
    assert why.startswith("the host is not one of AWS (*.amazonaws.com)")


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.254.169.254.",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fd00:ec2::254]",
        "[fd00:ec2::23]",
        "[::ffff:169.254.169.254]",
        "metadata.google.internal",
        "instance-data.ec2.internal",
        "INSTANCE-DATA",
    ],
)
def test_metadata_addresses_are_always_refused(host: str) -> None:
    """A request signed there would hand credentials to whoever asks next; no spelling of the address passes."""
    with pytest.raises(ValueError, match="link-local or metadata address, which is always refused"):
        parse_endpoint(f"http://{host}:80/")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("kinesis.eu-west-1.amazonaws.com", "must be a URL like https://kinesis.eu-west-1.amazonaws.com"),
        ("ftp://kinesis.eu-west-1.amazonaws.com", "must be a URL like https://kinesis.eu-west-1.amazonaws.com"),
        ("https://", "must be a URL like https://kinesis.eu-west-1.amazonaws.com"),
        ("https://a b", "must be a URL like https://kinesis.eu-west-1.amazonaws.com"),
        ("https://host:port", "must be a URL like https://kinesis.eu-west-1.amazonaws.com"),
        ("https://[::1", "must be a URL like https://kinesis.eu-west-1.amazonaws.com"),
        ("https://me:secret@host", "must not hold a user name or password; doka signs its requests"),
        ("https://host/path", "must end after the host and port; the service takes no path"),
        ("https://host?x=1", "must end after the host and port; the service takes no path"),
    ],
)
def test_what_is_no_endpoint_is_refused(url: str, expected: str) -> None:
    """The message says what is wrong and never repeats the URL."""
    with pytest.raises(ValueError, match=r"must") as refused:
        parse_endpoint(url)
    assert str(refused.value) == expected
