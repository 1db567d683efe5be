"""One WebRTC session with the studio's WHIP or WHEP endpoint (RFC 9725), for clients in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
import time
from typing import Literal
from urllib.parse import urljoin

import httpx

from hustings.clients import trust
from hustings.clients.api import refused
from hustings.errors import HustingsError, Refused, Unavailable
from hustings.stage.webrtc.peer import OffererPeer
from hustings.turn import HOLDS, IceServer, read_links

type Direction = Literal["sendonly", "sendrecv", "recvonly"]

TIMEOUT = 6.0
"""Seconds for the answer, and again for the connection."""
CONNECT_TIMEOUT = 1.5
"""Seconds for the TCP connection: one that a black-out swallowed is begun again soon after it."""
TRANSIENT = (408, 409, 425, 429, 500, 502, 503, 504)
"""Answers that another try may change: the doors are not open yet, or a role is starting again."""
FRAGMENT = "application/trickle-ice-sdpfrag"
NOTHING_NEW = "a=end-of-candidates\r\n"


class NoPath(Unavailable):
    """Nothing came back at all: it is the network that is gone, not the server."""


class Relays:
    """What a client knows of the server's relays (RFC 9725 section 4.6), from one session to the next."""

    def __init__(self, *, only: bool = False) -> None:
        self.only = only
        """Nothing else is used: to try relays out."""
        self.servers: list[IceServer] = []
        self._until = 0.0

    def ask(self, url: str, ticket: str, verify: ssl.SSLContext) -> None:
        """Asks who lets nobody without a ticket know, unless it is known. Says nothing when nobody answers:
        the offer will."""
        if time.monotonic() < self._until:
            return
        with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL):
            response = httpx.options(
                url.partition("?")[0],
                headers=_bearer(ticket),
                timeout=CONNECT_TIMEOUT,
                trust_env=False,
                verify=verify,
            )
            if response.is_success:
                self.named(response.headers.get_list("Link"))

    def named(self, links: list[str]) -> None:
        """What an answer said."""
        self.servers = read_links(links)
        self._until = time.monotonic() + HOLDS / 2


class RtcSession:
    """A connected session. Blocking; use it from one thread."""

    def __init__(
        self, peer: OffererPeer, resource: str, ticket: str, verify: ssl.SSLContext, etag: str = ""
    ) -> None:
        self.peer = peer
        self._etag = etag
        self._verify = verify
        self._resource = resource
        self._ticket = ticket

    @classmethod
    def open(
        cls,
        url: str,
        direction: Direction,
        *,
        ticket: str = "",
        verify: ssl.SSLContext | None = None,
        relays: Relays | None = None,
    ) -> RtcSession:
        """Offers at `url` and waits until media can flow. `relays`: what is known of them from earlier
        sessions, kept up by this one. Raises Refused or Unavailable."""
        return asyncio.run(cls._open(url, direction, ticket, verify or trust.usual(), relays or Relays()))

    @classmethod
    async def _open(
        cls, url: str, direction: Direction, ticket: str, verify: ssl.SSLContext, relays: Relays
    ) -> RtcSession:
        if ticket:
            await asyncio.to_thread(relays.ask, url, ticket, verify)
        peer = await OffererPeer.create(direction, relays=relays.servers, relay_only=relays.only)
        session: RtcSession | None = None
        try:
            answer, resource, etag, named = await asyncio.to_thread(
                _post_offer, url, peer.offer, ticket, verify
            )
            relays.named(named)
            session = cls(peer, resource, ticket, verify, etag)
            peer.apply(answer)
            try:
                await peer.connected(TIMEOUT)
            except Unavailable as error:
                raise NoPath(str(error)) from error
        except BaseException:
            if session is not None:
                await asyncio.to_thread(session.close)
            peer.close()
            raise
        return session

    def is_gone(self) -> bool:
        """Whether the stage says that it knows nothing of this session (404: it was restarted), or that
        another has the seat (410). An empty trickle fragment is the question (RFC 9725 4.3.1). False when
        nobody answers."""
        if not self._resource:
            return False
        headers = {"Content-Type": FRAGMENT, "If-Match": self._etag, **_bearer(self._ticket)}
        with contextlib.suppress(httpx.HTTPError):
            response = httpx.patch(
                self._resource,
                content=NOTHING_NEW,
                headers=headers,
                timeout=2.0,
                trust_env=False,
                verify=self._verify,
            )
            return response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE)
        return False

    def close(self) -> None:
        """DELETE, then the connection. Never raises: the other side may be gone."""
        if self._resource:
            with contextlib.suppress(httpx.HTTPError):
                httpx.delete(
                    self._resource,
                    headers=_bearer(self._ticket),
                    timeout=2.0,
                    trust_env=False,
                    verify=self._verify,
                )
            self._resource = ""
        self.abandon()

    def abandon(self) -> None:
        """Closes the connection without a word to the server: a new session replaces this one."""
        self.peer.close()


def _bearer(ticket: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ticket}"} if ticket else {}


def _post_offer(url: str, offer: str, ticket: str, verify: ssl.SSLContext) -> tuple[str, str, str, list[str]]:
    """The answer's SDP, the session's resource and its ETag, and the Link headers."""
    headers = {"Content-Type": "application/sdp", "Accept": "application/sdp", **_bearer(ticket)}
    try:
        response = httpx.post(
            url,
            content=offer,
            headers=headers,
            timeout=httpx.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT),
            trust_env=False,
            verify=verify,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        unreachable = trust.unreachable(url, error, "is the studio running?")
        if isinstance(error, httpx.TimeoutException) or _no_route(error):
            raise NoPath(str(unreachable)) from error
        raise unreachable from error
    if response.is_error:
        refusal = refused(response)
        if _has_ended(response):
            # 410: unlike doors that are still closed, this will not change by waiting.
            raise Refused(410, "The broadcast has ended", refusal.detail)
        raise refusal
    location = response.headers.get("Location", "")
    if response.status_code != httpx.codes.CREATED or not location:
        raise HustingsError(f"{url} did not create a session; is it a WHIP or WHEP endpoint?")
    named = response.headers
    resource = urljoin(str(response.url), location)
    return response.text, resource, named.get("ETag", ""), named.get_list("Link")


def _no_route(error: BaseException | None) -> bool:
    """Whether the machine itself knows no way there."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (
            errno.ENETUNREACH,
            errno.EHOSTUNREACH,
            errno.ENETDOWN,
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def _has_ended(response: httpx.Response) -> bool:
    """Whether a problem document's `state` says that the room is over."""
    try:
        problem = response.json()
    except ValueError:
        return False
    return response.status_code == 409 and isinstance(problem, dict) and problem.get("state") == "ended"
