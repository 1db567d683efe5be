"""TLS as the doors serve it: one context, made anew when the files change, for connections from then on.

TLS 1.2 and 1.3, HTTP/1.1 only. Connections that are open keep what they began with, so a renewal is
nothing a listener notices. What does not load leaves the old certificate in place, is logged and counted,
and is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge

from hustings.clock import Clock
from hustings.errors import UsageError
from hustings.tls.files import Certificate, check_dates, read_certificate

log = structlog.get_logger()

_not_after = Gauge("hustings_tls_not_after_seconds", "End of the certificate in use, Unix time.")
_reloads = Counter("hustings_tls_reloads_total", "Certificates loaded again, or tried to be.", ["outcome"])

LOOK_EVERY = 5.0
"""Seconds between two looks at the files."""
REMIND_EVERY = 86400.0
REMIND_DAYS = 10.0
"""Once a day the log says that this few days are left."""
CIPHERS_12 = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Forward secrecy and authenticated encryption only (RFC 9325 4.2); TLS 1.3 has nothing else."""

type _Stamp = tuple[tuple[int, int, int], ...]


def make_context(cert: Path, key: Path) -> ssl.SSLContext:
    """A server's context. Raises ssl.SSLError or OSError; `read_certificate` says it better."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS_12)
    # All that is left is strong, so the client chooses: a phone without AES in hardware takes ChaCha20.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    # Each ticket costs at the handshake, and is good at this process only.
    context.num_tickets = 1
    context.load_cert_chain(cert, key, password="")
    return context


class ServerTls:
    """The certificate of one role's door. `current` is the context for the next connection.

    Raises UsageError when the files cannot be served. An expired certificate is served all the same, and
    said: a role that starts again in the night is worth more than none.
    """

    def __init__(self, cert: Path, key: Path, clock: Clock) -> None:
        self._cert = cert
        self._key = key
        self._clock = clock
        self._stamp: _Stamp = ()
        self._reminded = float("-inf")
        self._look_now = asyncio.Event()
        stamp = self._stat()
        self.certificate, self.current = self._load()
        self._stamp = stamp
        _not_after.set(self.certificate.not_after)
        self._remind()

    def _load(self) -> tuple[Certificate, ssl.SSLContext]:
        certificate = read_certificate(self._cert, self._key)
        try:
            return certificate, make_context(self._cert, self._key)
        except (ssl.SSLError, OSError) as error:
            raise UsageError(f"OpenSSL does not take the certificate {self._cert}: {error}.") from None

    def _stat(self) -> _Stamp:
        found = []
        for path in (self._cert, self._key):
            with contextlib.suppress(OSError):
                stat = path.stat()
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(found)

    def look(self) -> bool:
        """Loads the files when they have changed; whether they are now in use."""
        stamp = self._stat()
        if stamp == self._stamp:
            self._remind()
            return False
        try:
            certificate, context = self._load()
            check_dates(certificate, self._cert, self._clock.wall())
        except UsageError as error:
            # Perhaps one file is new and the other not yet: what changes next is tried again.
            self._stamp = stamp
            _reloads.labels("failed").inc()
            log.error("certificate not reloaded; the old one stays", reason=str(error))
            return False
        self._stamp = stamp
        self.certificate, self.current = certificate, context
        _not_after.set(certificate.not_after)
        _reloads.labels("loaded").inc()
        self._reminded = float("-inf")
        log.info("certificate reloaded", days_left=round(certificate.days_left(self._clock.wall())))
        return True

    def _remind(self) -> None:
        now = self._clock.monotonic()
        left = self.certificate.days_left(self._clock.wall())
        if left < REMIND_DAYS and now - self._reminded >= REMIND_EVERY:
            self._reminded = now
            log.error("certificate ends soon" if left > 0 else "certificate has ended", days_left=round(left))

    def swapping(self) -> ssl.SSLContext:
        """For servers that take one context for good: each handshake is done with the newest."""
        outer = make_context(self._cert, self._key)

        def swap(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self.current

        outer.sni_callback = swap  # called without a name, too
        return outer

    async def watch(self) -> None:
        """Looks at the files now and then, and at once on SIGHUP. For ever."""
        loop = asyncio.get_running_loop()
        # Not in the main thread (a test's): nobody to catch signals for.
        with contextlib.suppress(RuntimeError, ValueError):
            loop.add_signal_handler(signal.SIGHUP, self._look_now.set)
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_now.wait(), LOOK_EVERY)
            self._look_now.clear()
            try:
                self.look()
            except Exception:
                log.exception("looking at the certificate failed")
