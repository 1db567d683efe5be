"""The certificates' role, beside a domain: proves it at port 80, gets its certificate and renews it.

Nothing waits for it: both doors open with what there is, and take the new certificate when its file
changes. That it fails is said in the log, in `hustings_certificate_failing` and by the doctor.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Callable
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge

from hustings.clock import Clock, SystemClock
from hustings.config import Settings, host_port
from hustings.errors import HustingsError, UsageError
from hustings.role import role_runtime
from hustings.tls import http_door
from hustings.tls.acme_client import Acme, write_private
from hustings.tls.files import Certificate, check_dates, read_certificate
from hustings.tls.http_door import HttpDoor
from hustings.tls.renewal import FIRST_RETRY, LOOK_AT_LEAST, due_at, retry_after

log = structlog.get_logger()

_tries = Counter("hustings_certificate_renewals_total", "Tries to get a certificate.", ["outcome"])
_failing = Gauge("hustings_certificate_failing", "1 after a try in vain, until one succeeds.")

ACCOUNT = "acme-account.json"
"""In `keys/`."""


class Keeper:
    """Keeps the certificate in `path` (key and chain in one file) fresh. `obtain` gives a new one, PEM;
    it blocks and is called in a thread."""

    def __init__(
        self, domain: str, path: Path, obtain: Callable[[], bytes], clock: Clock, jitter: float
    ) -> None:
        self._domain = domain
        self._path = path
        self._obtain = obtain
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._tried = float("-inf")
        self._try_now = asyncio.Event()

    def try_now(self) -> None:
        """Somebody has mended something: look again, and try again if a try is owed."""
        self._try_now.set()

    def wait_for(self) -> float:
        """Seconds until the next look or try; 0 when it is due."""
        if self._failures:
            return retry_after(self._failures)
        due = max(due_at(self._read(), self._jitter) - self._clock.wall(), 0.0)
        # Whatever an authority gives or a clock says: nobody is asked without pause.
        pause = self._tried + FIRST_RETRY - self._clock.monotonic()
        return min(max(due, pause), LOOK_AT_LEAST)

    def _read(self) -> Certificate | None:
        try:
            return read_certificate(self._path, self._path)
        except UsageError:
            return None

    async def step(self) -> None:
        """Tries if it is due. Never raises what an authority, a network or a disk may do."""
        if due_at(self._read(), self._jitter) > self._clock.wall():
            self._failures = 0
            _failing.set(0)
            return
        self._tried = self._clock.monotonic()
        try:
            days = self._take(await asyncio.to_thread(self._obtain))
        except (HustingsError, OSError) as error:
            self._failures += 1
            _failing.set(1)
            _tries.labels("failed").inc()
            wait = round(retry_after(self._failures))
            log.error("no new certificate", domain=self._domain, reason=str(error), again_in=wait)
        else:
            self._failures = 0
            _failing.set(0)
            _tries.labels("renewed").inc()
            log.info("new certificate", domain=self._domain, days_left=days)

    def _take(self, pem: bytes) -> int:
        """Puts it in place if it is what it should be; days it is good for. Raises UsageError or OSError."""
        fresh = self._path.with_name(self._path.name + ".got")
        write_private(fresh, pem)
        try:
            certificate = read_certificate(fresh, fresh)
            check_dates(certificate, fresh, self._clock.wall())
            if not certificate.covers(self._domain):
                raise UsageError("The authority's certificate is for another name; it is not used.")
        except UsageError:
            fresh.unlink()
            raise
        fresh.replace(self._path)
        return round(certificate.days_left(self._clock.wall()))

    async def run(self) -> None:
        """For ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._try_now.wait(), self.wait_for())
            self._try_now.clear()
            try:
                await self.step()
            except Exception:
                log.exception("keeping the certificate failed")
                self._failures += 1


async def run_certificates(settings: Settings) -> None:
    """Serves port 80 and keeps the domain's certificate until SIGTERM or SIGINT.

    Raises UsageError without a domain or when the port cannot be opened.
    """
    if not settings.domain or settings.certificate_files is None:
        raise UsageError("No domain: give --domain or set HUSTINGS_DOMAIN.")
    async with role_runtime("certificates", settings) as runtime:
        door = HttpDoor(settings.audience_url.rstrip("/") or f"https://{settings.domain}")
        host, port = host_port(settings.http_door)
        try:
            server = await asyncio.start_server(
                door.connected, None if host == "::" else host, port, limit=http_door.HEAD_CAP
            )
        except OSError as error:
            raise UsageError(
                f"The http door {settings.http_door} cannot be opened: {error.strerror}."
            ) from None
        path, _ = settings.certificate_files
        acme = Acme(settings.acme_directory, path.with_name(ACCOUNT))
        keeper = Keeper(
            *(settings.domain, path, lambda: acme.obtain(settings.domain, door.publish), SystemClock()),
            jitter=random.random(),  # noqa: S311  # when, not what
        )
        with contextlib.suppress(RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, keeper.try_now)
        keeping = asyncio.create_task(keeper.run())
        await runtime.ready(settings.http_door)
        await runtime.stopped.wait()
        keeping.cancel()
        await http_door.close(server)
