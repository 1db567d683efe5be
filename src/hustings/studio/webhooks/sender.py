"""One attempt to deliver: signed, to the address that was checked, within ten seconds."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hustings import __version__
from hustings.studio.webhooks import targets
from hustings.studio.webhooks.targets import ForbiddenTarget, Resolve, Target, Unresolved

if TYPE_CHECKING:
    import httpx

TIMEOUT = 10.0
"""Seconds for everything: name, connection, answer."""
_MAX_RETRY_AFTER = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went. `status` 0: no answer came."""

    delivered: bool
    status: int
    note: str
    retry_after: float = 0.0
    gone: bool = False
    """The receiver wants nothing any more (410)."""
    forbidden: bool = False
    """We do not go there."""


class Sender:
    """`private`: intranets are allowed."""

    def __init__(self, private: bool, resolve: Resolve = targets.lookup) -> None:
        self._private = private
        self._resolve = resolve
        self._trusted: ssl.SSLContext | None = None

    async def send(self, url: str, secret: str, message_id: str, body: str, at: float) -> Outcome:
        """Posts `body`. Never raises for what the other side does."""
        try:
            async with asyncio.timeout(TIMEOUT):
                target = await targets.resolve(
                    targets.check(url, self._private), self._private, self._resolve
                )
                return await self._post(target, url, signed(secret, message_id, body, at), body)
        except ForbiddenTarget as error:
            return Outcome(False, 0, str(error), forbidden=True)
        except Unresolved as error:
            return Outcome(False, 0, str(error))
        except TimeoutError:
            return Outcome(False, 0, f"No answer within {TIMEOUT:.0f} seconds.")

    async def _post(self, target: Target, url: str, headers: dict[str, str], body: str) -> Outcome:
        import httpx

        transport = httpx.AsyncHTTPTransport(
            verify=self._context(), trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
        async with httpx.AsyncClient(
            transport=transport, follow_redirects=False, timeout=TIMEOUT, trust_env=False
        ) as client:
            last = "Nobody answers there."
            for address in target.addresses:
                try:
                    return await _ask(client, target, url, address, headers, body)
                except httpx.ConnectError:
                    continue  # the next address of the same name
                except (httpx.HTTPError, ssl.SSLError, ValueError) as error:
                    last = f"The connection failed: {type(error).__name__}."
                    break
        return Outcome(False, 0, last)

    def _context(self) -> ssl.SSLContext:
        if self._trusted is None:
            import certifi

            self._trusted = ssl.create_default_context()
            self._trusted.load_verify_locations(certifi.where())
        return self._trusted


async def _ask(
    client: httpx.AsyncClient, target: Target, url: str, address: str, headers: dict[str, str], body: str
) -> Outcome:
    import httpx

    asked = httpx.URL(url)
    pinned = asked.copy_with(host=address, port=target.port)
    named = {**headers, "Host": asked.netloc.decode("ascii")}
    extensions = {"sni_hostname": target.host} if target.tls else {}
    # The body of the answer is nobody's business here, and is not read.
    async with client.stream(
        "POST", pinned, content=body.encode(), headers=named, extensions=extensions
    ) as answer:
        status = answer.status_code
        delivered = 200 <= status < 300
        after = _seconds(answer.headers.get("retry-after", "")) if status in (429, 503) else 0.0
        note = "" if delivered else "It redirects; redirects are not followed." if 300 <= status < 400 else ""
        return Outcome(delivered, status, note or f"HTTP {status}", after, gone=status == 410)


def signed(secret: str, message_id: str, body: str, at: float) -> dict[str, str]:
    """The headers of Standard Webhooks 1.0."""
    from standardwebhooks import Webhook

    moment = datetime.fromtimestamp(int(at), UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": f"Hustings/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": Webhook(secret).sign(message_id, moment, body),
    }


def _seconds(header: str) -> float:
    return min(float(header), _MAX_RETRY_AFTER) if header.isdigit() and len(header) < 10 else 0.0
