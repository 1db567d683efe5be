"""Certificates of both doors: read and checked, served and reloaded, fetched and renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hustings.clock import Clock
    from hustings.config import Settings
    from hustings.tls.server import ServerTls

HSTS = "max-age=31536000"
"""Strict-Transport-Security (RFC 6797) beside a domain: a year, this host only."""


def server_tls(settings: Settings, clock: Clock) -> ServerTls | None:
    """What the settings say; None without TLS, and then nothing is imported. Raises UsageError."""
    files = settings.certificate_files
    if files is None:
        return None
    from hustings.tls.server import ServerTls

    return ServerTls(*files, clock)
