"""A certificate authority of our own and a server's certificate that it signed, made anew for each test run."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Certificates:
    """PEM texts: the authority's certificate, and the server's key with its certificate."""

    authority: bytes
    server: bytes


@dataclass(frozen=True)
class Authority:
    """A CA: its certificate as a file, and a server's TLS context with a certificate that it signed."""

    ca_file: Path
    server: ssl.SSLContext


def certificates_for(host: str) -> Certificates:
    """Make a CA and a certificate that is good for this name or IP address only, for a day."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "doka test authority")])
    now = datetime.now(UTC)

    def begin(name: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )

    ca = (
        begin(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    certificate = (
        begin(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), key.public_key())
        .add_extension(x509.SubjectAlternativeName([_named(host)]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    key_text = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Certificates(ca.public_bytes(_PEM), key_text + certificate.public_bytes(_PEM))


def make_authority(folder: Path, host: str = "localhost") -> Authority:
    """Make a CA and a server's context with a certificate for `host`; its files are in this folder."""
    made = certificates_for(host)
    ca_file, chain = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(made.authority)
    chain.write_bytes(made.server)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return Authority(ca_file, server)


def _named(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
