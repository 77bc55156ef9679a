"""Keys and self-signed certificates for tests, RSA unless told."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


class Signer(NamedTuple):
    """A key and its certificate, as PEM files."""

    key: Path
    certificate: Path


def make_signer(folder: Path, name: str, *, days: int = 1, curve: bool = False) -> Signer:
    """For the host 127.0.0.1; with fewer than 0 `days` it has expired."""
    folder.mkdir(parents=True, exist_ok=True)
    key = (
        ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, 2048)
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=100))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(host, critical=False)
        .sign(key, hashes.SHA256())
    )
    signer = Signer(folder / f"{name}.key", folder / f"{name}.crt")
    signer.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    signer.key.chmod(0o600)
    signer.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return signer
