"""Whose certificates our commands believe: everybody's usual authorities, those that SSL_CERT_FILE or
SSL_CERT_DIR name, or exactly the certificate of the server whose data folder one may read."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

import httpx

from hustings.errors import HustingsError, Unavailable

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python has no name for."""


@functools.cache
def usual() -> ssl.SSLContext:
    """Made once: reading all certificates takes 40 ms, nine tenths of a try in vain."""
    return httpx.create_ssl_context()


def only(certificate: Path) -> ssl.SSLContext:
    """For a server on this machine: the certificate in its own file, for whatever name and time.

    Who can read the data folder knows which it is, and an operator must get in when it has expired.
    Raises HustingsError when the file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    try:
        context.load_verify_locations(certificate)
    except (ssl.SSLError, OSError) as error:
        raise HustingsError(f"Cannot use the server's certificate {certificate}: {error}.") from None
    return context


def unreachable(url: str, error: Exception, otherwise: str) -> Unavailable:
    """Why `url` cannot be asked: its certificate, if that is why, else `otherwise`."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        reason = str(error).partition("failed: ")[2].partition(" (_ssl")[0] or "unknown authority"
        return Unavailable(
            f"{url} shows a certificate that is not believed ({reason}). "
            "An authority of your own is named by SSL_CERT_FILE=root.pem."
        )
    return Unavailable(f"{url} does not answer; {otherwise}")
