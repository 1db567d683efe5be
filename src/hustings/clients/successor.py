"""A session for a seat whose session has fallen silent, opened beside it: the old one speaks on meanwhile.

A network that comes back within some 20 s brings the old session back with it; one that has given us
another address does not, and a seat must not wait for a connection to time out (up to 30 s, RFC 7675 5.1).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from hustings.clients.backoff import LONGEST_NO_PATH, Backoff
from hustings.clients.rtc import RtcSession
from hustings.errors import HustingsError, Refused


class Successor:
    """Tries to open a session, in a thread of its own, for as long as `look` is told that there is need."""

    def __init__(self, open_session: Callable[[], RtcSession]) -> None:
        self._open_session = open_session
        self._backoff = Backoff()
        self._thread: threading.Thread | None = None
        self._found: RtcSession | None = None
        self._error: HustingsError | None = None
        self._next = 0.0
        self._over = False
        self._lock = threading.Lock()
        self.refused = False
        """The server answered, and said no: it is there, and what was is over."""

    def look(self, needed: bool, now: float) -> RtcSession | None:
        """The new session, once it stands: from then on the old one is dead. `now`: monotonic."""
        if self._thread is not None:
            if self._thread.is_alive():
                return None
            self._thread = None
            if self._found is not None:
                return self._found
            self.refused = isinstance(self._error, Refused)
            self._next = now + self._backoff.wait(LONGEST_NO_PATH)
        if needed and now >= self._next and not self.refused:
            self._thread = threading.Thread(target=self._try, name="successor", daemon=True)
            self._thread.start()
        return None

    @property
    def trying(self) -> bool:
        """An offer may be on its way: if it arrives, the old session is over."""
        return self._thread is not None

    def wait(self, stop: threading.Event, *, patient: bool = True) -> RtcSession | None:
        """The old session is over: the new one, if it is being opened and comes about. Not `patient`: if it
        is there; one that comes later is closed."""
        thread = self._thread
        while patient and thread is not None and thread.is_alive() and not stop.is_set():
            thread.join(0.05)
        with self._lock:
            self._over = True
            return self._found

    def _try(self) -> None:
        try:
            session = self._open_session()
        except HustingsError as error:
            self._error = error
            return
        with self._lock:
            if not self._over:
                self._found = session
                return
        session.close()


def local_address(url: str) -> str:
    """The address that packets to `url` leave from now; "" when there is no way, or the name is unknown.

    Nothing is sent: connecting a UDP socket only asks for the route. Host names that are none but a name
    are not looked up: that may wait for a network that is gone.
    """
    host = urlsplit(url).hostname or ""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        address = socket.inet_ntop(family, socket.inet_pton(family, host))
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
