"""What the supervisor has to know of TLS: is there a certificate, and which name is in links."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hustings.clock import Clock
from hustings.config import Settings
from hustings.errors import HustingsError, UsageError
from hustings.supervisor.doors import Door

if TYPE_CHECKING:
    from hustings.tls.files import Certificate

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")


def usable_certificate(settings: Settings, clock: Clock) -> Certificate | None:
    """What both doors will show; None without TLS, and then nothing more is imported.

    Beside a domain there is one in any case: if need be, one of our own until the real one comes. Raises
    UsageError in one line.
    """
    if settings.tls_key and not settings.tls_cert:
        raise UsageError("A key without a certificate: give --tls-cert FILE as well.")
    files = settings.certificate_files
    if files is None:
        return None
    from hustings.tls.files import check_dates, read_certificate

    if not settings.domain:
        certificate = read_certificate(*files)
        check_dates(certificate, files[0], clock.wall())
        return certificate
    if settings.tls_cert:
        raise UsageError("Give either --domain (certificates by themselves) or --tls-cert (your own).")
    if not _HOST.fullmatch(settings.domain) or settings.domain.replace(".", "").isdigit():
        raise UsageError(
            f"'{settings.domain}' is no host name; give one such as talk.example.org, in small letters."
        )
    try:
        return read_certificate(*files)
    except UsageError:
        _begin_with(files[0], settings.domain, clock)
        return read_certificate(*files)


def _begin_with(path: Path, domain: str, clock: Clock) -> None:
    from hustings.tls.acme_client import placeholder, write_private

    now = datetime.datetime.fromtimestamp(clock.wall(), datetime.UTC)
    try:
        write_private(path, placeholder(domain, now))
    except OSError as error:
        raise HustingsError(f"Cannot write {path}: {error.strerror}.") from error


def with_links(settings: Settings, doors: Mapping[str, Door], certificate: Certificate | None) -> Settings:
    """`settings` with the addresses for links: what they say, else the certificate's first name with the
    door's port, else how this machine reaches the door."""
    urls = {}
    for name in ("audience", "studio"):
        door = doors[name]
        named = certificate.host if certificate is not None else ""
        authority = f"[{named}]" if ":" in named else named
        own = f"https://{authority}:{door.port}".removesuffix(":443") if named else door.local_url
        urls[f"{name}_url"] = getattr(settings, f"{name}_url") or own
    return settings.model_copy(update=urls)
