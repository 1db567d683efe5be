"""One WebRTC session with the studio's WHIP or WHEP endpoint (RFC 9725), for clients in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Literal
from urllib.parse import urljoin

import httpx

from hustings.clients import trust
from hustings.clients.api import refused
from hustings.errors import HustingsError, Refused
from hustings.stage.webrtc.peer import OffererPeer

type Direction = Literal["sendonly", "sendrecv", "recvonly"]

TIMEOUT = 6.0
"""Seconds for the answer, and again for the connection."""
TRANSIENT = (408, 409, 425, 429, 500, 502, 503, 504)
"""Answers that another try may change: the doors are not open yet, or a role is starting again."""
FRAGMENT = "application/trickle-ice-sdpfrag"
NOTHING_NEW = "a=end-of-candidates\r\n"


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
        cls, url: str, direction: Direction, *, ticket: str = "", verify: ssl.SSLContext | None = None
    ) -> RtcSession:
        """Offers at `url` and waits until media can flow. Raises Refused or Unavailable."""
        return asyncio.run(cls._open(url, direction, ticket, verify or trust.usual()))

    @classmethod
    async def _open(cls, url: str, direction: Direction, ticket: str, verify: ssl.SSLContext) -> RtcSession:
        peer = await OffererPeer.create(direction)
        session: RtcSession | None = None
        try:
            answer, resource, etag = await asyncio.to_thread(_post_offer, url, peer.offer, ticket, verify)
            session = cls(peer, resource, ticket, verify, etag)
            peer.apply(answer)
            await peer.connected(TIMEOUT)
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


def _post_offer(url: str, offer: str, ticket: str, verify: ssl.SSLContext) -> tuple[str, str, str]:
    """The answer's SDP, the session's resource and its ETag."""
    headers = {"Content-Type": "application/sdp", "Accept": "application/sdp", **_bearer(ticket)}
    try:
        response = httpx.post(
            url, content=offer, headers=headers, timeout=TIMEOUT, trust_env=False, verify=verify
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise trust.unreachable(url, error, "is the studio running?") from error
    if response.is_error:
        refusal = refused(response)
        if _has_ended(response):
            # 410: unlike doors that are still closed, this will not change by waiting.
            raise Refused(410, "The broadcast has ended", refusal.detail)
        raise refusal
    location = response.headers.get("Location", "")
    if response.status_code != httpx.codes.CREATED or not location:
        raise HustingsError(f"{url} did not create a session; is it a WHIP or WHEP endpoint?")
    return response.text, urljoin(str(response.url), location), response.headers.get("ETag", "")


def _has_ended(response: httpx.Response) -> bool:
    """Whether a problem document's `state` says that the room is over."""
    try:
        problem = response.json()
    except ValueError:
        return False
    return response.status_code == 409 and isinstance(problem, dict) and problem.get("state") == "ended"
