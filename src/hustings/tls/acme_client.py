"""Getting one certificate from an authority by ACME (RFC 8555), proved over HTTP (HTTP-01, section 8.3).

Blocking; run it in a thread. The account's key and the authority's name for it lie in one private file,
so that every renewal is the same account's.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Callable
from pathlib import Path

from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from requests.exceptions import RequestException

from hustings import __version__
from hustings.errors import HustingsError, Unavailable

TIMEOUT = 30
"""Seconds for one request to the authority."""
PATIENCE = 120.0
"""Seconds an order may take, its proof and its signing."""

type Publish = Callable[[str, str], None]
"""`publish(token, text)`: from now on /.well-known/acme-challenge/{token} answers `text`; the empty text
takes it back."""


class AcmeFailed(HustingsError):
    """The authority did not give a certificate; the text says why."""


class Acme:
    """One account at one authority. `directory`: the authority's address (RFC 8555 section 7.1.1)."""

    def __init__(self, directory: str, account: Path) -> None:
        self._directory = directory
        self._account = account

    def obtain(self, domain: str, publish: Publish) -> bytes:
        """A new key and its certificate with chain, PEM, in this order. Raises AcmeFailed or Unavailable."""
        try:
            return self._obtain(domain, publish)
        except errors.ValidationError as error:
            raise AcmeFailed(_why(error)) from error
        except messages.Error as error:
            raise AcmeFailed(
                f"The authority refuses: {str(error.detail or error.code).rstrip('.')}."
            ) from error
        except errors.TimeoutError as error:
            raise AcmeFailed(f"The authority did not finish within {PATIENCE:g} s.") from error
        except (errors.Error, JoseError, ValueError, KeyError) as error:
            raise AcmeFailed(f"The authority's answer is not understood: {error!r}.") from error
        except (RequestException, OSError) as error:
            # requests puts the whole chain of causes into its text; the first words say enough.
            reason = type(error).__name__
            raise Unavailable(f"{self._directory} cannot be reached ({reason}).") from error

    def _obtain(self, domain: str, publish: Publish) -> bytes:
        acme = self._log_in()
        key = ec.generate_private_key(ec.SECP256R1())
        order = acme.new_order(_request(key, domain))
        published: list[str] = []
        try:
            for authorization in order.authorizations:
                if authorization.body.status == messages.STATUS_VALID:
                    continue  # proved a short while ago
                challenge = _http_challenge(authorization)
                response, text = challenge.response_and_validation(acme.net.key)
                token = challenge.chall.encode("token")
                publish(token, text)
                published.append(token)
                acme.answer_challenge(challenge, response)
            # The library compares with the local clock of this process, without a zone.
            deadline = datetime.datetime.now() + datetime.timedelta(seconds=PATIENCE)  # noqa: DTZ005
            order = acme.poll_and_finalize(order, deadline)
        finally:
            for token in published:
                publish(token, "")
        chain: str = order.fullchain_pem
        return _pem(key) + chain.encode()

    def _log_in(self) -> client.ClientV2:
        key, uri = self._known()
        fresh = key is None
        if key is None:
            key = ec.generate_private_key(ec.SECP256R1())
        net = client.ClientNetwork(
            JWKEC(key=key), alg=ES256, user_agent=f"hustings/{__version__}", timeout=TIMEOUT
        )
        acme = client.ClientV2(client.ClientV2.get_directory(self._directory, net), net)
        if not fresh and uri:
            net.account = messages.RegistrationResource(uri=uri, body=messages.Registration())
            return acme
        # Agreeing is what --domain means; docs/operating.md says so (section 7.3.3).
        wanted = messages.NewRegistration.from_data(terms_of_service_agreed=True)
        try:
            uri = acme.new_account(wanted).uri
        except errors.ConflictError as error:
            uri = error.location
            net.account = messages.RegistrationResource(uri=uri, body=messages.Registration())
        self._keep(key, uri)
        return acme

    def _known(self) -> tuple[ec.EllipticCurvePrivateKey | None, str]:
        """Key and name of the account; none when there is none at this authority, or it cannot be read."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self._account.read_text())
            if kept["directory"] == self._directory:
                key = serialization.load_pem_private_key(kept["key"].encode(), None)
                if isinstance(key, ec.EllipticCurvePrivateKey):
                    return key, str(kept["uri"])
        return None, ""

    def _keep(self, key: ec.EllipticCurvePrivateKey, uri: str) -> None:
        kept = {"directory": self._directory, "uri": uri, "key": _pem(key).decode()}
        write_private(self._account, (json.dumps(kept, indent=1) + "\n").encode())


def write_private(path: Path, data: bytes) -> None:
    """All at once, safe on the disk, readable by its owner only. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def placeholder(domain: str, now: datetime.datetime) -> bytes:
    """A key and a certificate of its own for `domain`, for the doors to open with until the real one is
    there. Browsers refuse it; it is self-signed, which says that it is none."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hustings: no certificate yet")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(key) + made.public_bytes(serialization.Encoding.PEM)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _request(key: ec.EllipticCurvePrivateKey, domain: str) -> bytes:
    names = x509.SubjectAlternativeName([x509.DNSName(domain)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def _http_challenge(authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
    for each in authorization.body.challenges:
        if isinstance(each.chall, challenges.HTTP01):
            found: messages.ChallengeBody = each
            return found
    raise AcmeFailed("The authority offers no proof over HTTP (HTTP-01) for this name.")


def _why(error: errors.ValidationError) -> str:
    """What the authority saw when it looked: the most useful sentence there is."""
    for authorization in error.failed_authzrs:
        for challenge in authorization.body.challenges:
            if challenge.error is not None:
                name = authorization.body.identifier.value
                return (
                    f"The authority could not prove {name}: {challenge.error.detail or challenge.error.code}"
                )
    return "The authority could not prove the name."
