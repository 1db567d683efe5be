"""A certificate and its key as files: read, checked, and what is wrong with them in one line.

No network. Times are Unix seconds; who asks passes the present one.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from hustings.errors import UsageError

MAX_FILE = 256 * 1024
"""Bytes of a certificate's or key's file; a chain has some 8 kB."""
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says. `names`: host names and addresses, wildcards as they are; times in Unix
    seconds; `self_signed`: issued by nobody but itself."""

    names: tuple[str, ...]
    not_before: float
    not_after: float
    self_signed: bool

    def days_left(self, now: float) -> float:
        """Until the last day; negative after it."""
        return (self.not_after - now) / DAY

    def covers(self, host: str) -> bool:
        """Whether a browser that asked for `host` accepts it (RFC 6125 6.4; a wildcard is one label)."""
        host = host.strip("[]").lower().rstrip(".")
        return any(_matches(name.lower(), host) for name in self.names)

    @property
    def host(self) -> str:
        """The first name that is one host's; "" when there are wildcards only."""
        return next((name for name in self.names if not name.startswith("*")), "")


def _matches(name: str, host: str) -> bool:
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    if ":" in name and ":" in host:
        return ipaddress.ip_address(name) == ipaddress.ip_address(host)
    return name == host


def read_certificate(cert: Path, key: Path) -> Certificate:
    """The first certificate of `cert`, with `key` its private key; both PEM, perhaps one file.

    Raises UsageError, one line each: missing, unreadable, no PEM, a key with a password, a key that does
    not fit. Whether it is in date is for `check_dates`.
    """
    leaf = _leaf(cert)
    public = _public_of(key)
    own = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public != own:
        raise UsageError(
            f"The key {key} does not fit the certificate {cert}. Give the two that were made together."
        )
    return Certificate(
        _names(leaf),
        leaf.not_valid_before_utc.timestamp(),
        leaf.not_valid_after_utc.timestamp(),
        leaf.issuer == leaf.subject,
    )


def check_dates(certificate: Certificate, cert: Path, now: float) -> None:
    """Raises UsageError when it has expired or is not valid yet."""
    if now >= certificate.not_after:
        days = -certificate.days_left(now)
        raise UsageError(f"The certificate {cert} expired {days:.0f} days ago. Renew it, then start again.")
    if now < certificate.not_before:
        raise UsageError(
            f"The certificate {cert} is not valid yet. Look at this machine's clock, or wait until it is."
        )


def _read(path: Path, what: str, option: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"Cannot read the {what} {path}: {error.strerror}. See {option}.") from None
    if len(data) > MAX_FILE:
        raise UsageError(f"The {what} {path} has more than {MAX_FILE} bytes: is it the right file?")
    return data


def _leaf(cert: Path) -> x509.Certificate:
    data = _read(cert, "certificate", "--tls-cert")
    try:
        return x509.load_pem_x509_certificates(data)[0]
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(
            f"{cert} holds no certificate in PEM (-----BEGIN CERTIFICATE-----). See --tls-cert."
        ) from None


def _public_of(key: Path) -> bytes:
    data = _read(key, "key", "--tls-key")
    try:
        private = load_pem_private_key(data, None)
    except TypeError:
        raise UsageError(
            f"The key {key} has a password, which nobody types when a server starts. Give one without."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{key} holds no private key in PEM. See --tls-key.") from None
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    """Of the subjectAltName alone: browsers look at nothing else (RFC 9525)."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return (
        *names.get_values_for_type(x509.DNSName),
        *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
    )
