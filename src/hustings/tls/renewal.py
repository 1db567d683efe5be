"""When a certificate is renewed, and how often that is tried. Pure: times are Unix seconds."""

from __future__ import annotations

from hustings.tls.files import Certificate

FIRST_RETRY = 120.0
LAST_RETRY = 6 * 3600.0
"""Seconds between two tries: doubling from the first to the last. Authorities allow some five failures an
hour for a name."""
LOOK_AT_LEAST = 6 * 3600.0
"""Seconds after which the file is looked at again, whatever was thought before."""


def due_at(certificate: Certificate | None, jitter: float) -> float:
    """When to renew: a third of its time before its end, and up to a twelfth of it earlier.

    `jitter` is in 0..1 and a server's own, so that many servers do not ask in the same minute. At once
    when there is none, or only a placeholder.
    """
    if certificate is None or certificate.self_signed:
        return 0.0
    lifetime = certificate.not_after - certificate.not_before
    return certificate.not_after - lifetime / 3 - jitter * lifetime / 12


def retry_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row (1 or more)."""
    return min(FIRST_RETRY * 2.0 ** min(failures - 1, 20), LAST_RETRY)
