"""A certificate authority for tests: certificates on disk for names, days and keys as asked."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

type Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(slots=True)
class Pair:
    """Where a certificate and its key lie."""

    cert: Path
    key: Path


def new_key(kind: str = "ec") -> Key:
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)


def key_bytes(key: Key, password: bytes = b"") -> bytes:
    way = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, way)


def named(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


class Authority:
    """Signs; `root` is the file of its own certificate."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = new_key()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hustings test authority")])
        now = datetime.datetime.now(datetime.UTC)
        usage = x509.KeyUsage(
            *(True, False, False, False, False), key_cert_sign=True, crl_sign=True, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        self._certificate = (
            self._builder(self._name, self._key.public_key(), now, now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.root = folder / "root.pem"
        self.root.write_bytes(self.pem)

    @property
    def pem(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        begin: datetime.datetime, end: datetime.datetime,
    ) -> x509.CertificateBuilder:  # fmt: skip
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin - datetime.timedelta(minutes=5))
            .not_valid_after(end)
        )

    def sign(
        self,
        public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        names: list[str],
        begin: datetime.datetime,
        end: datetime.datetime,
    ) -> bytes:
        """A leaf for `names`, PEM."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        leaf = (
            self._builder(subject, public, begin, end)
            .add_extension(x509.SubjectAlternativeName([named(each) for each in names]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return leaf.public_bytes(serialization.Encoding.PEM)

    def issue(
        self, name: str = "server", *, names: tuple[str, ...] = ("localhost", "127.0.0.1"), days: float = 20,
        age: float = 0, kind: str = "ec",
    ) -> Pair:  # fmt: skip
        """Writes NAME.pem and NAME.key: made `age` days ago, for `days` days from now."""
        key = new_key(kind)
        now = datetime.datetime.now(datetime.UTC)
        begin, end = now - datetime.timedelta(days=age), now + datetime.timedelta(days=days)
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        replace(pair.key, key_bytes(key))
        replace(pair.cert, self.sign(key.public_key(), list(names), begin, end) + self.pem)
        return pair


def replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(data)
    fresh.replace(path)
